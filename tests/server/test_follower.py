import logging
import os
import re
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from index.build import build_index
from index.errors import IndexDamaged
from index.publication import Publication, Suggestion
from index.retriever import Retriever
from server import follower
from server.app import create_app
from server.chat import Chat
from server.follower import Follower
from server.settings import Settings
from tests.conftest import FakeEmbedder

PATIENCE_SECONDS = 15


@pytest.fixture
def publication(tmp_path):
    return Publication(tmp_path / "data", versions_kept=2)


@pytest.fixture
def publish(source, publication, fake_embedder):
    def publish(text, embedder=fake_embedder):
        def suggest(index, progress):
            return [Suggestion(f"{text}?", "en", "a.txt", 0, 1)]

        return build_index(source({"a.txt": text}), publication, embedder, suggest=suggest).version

    return publish


@pytest.fixture
def open_chat(publication, fake_embedder):
    return lambda: Chat(Retriever(publication.open(fake_embedder), fake_embedder))


@pytest.fixture
def following(publication, publish, open_chat):
    """A follower that is told when to look, and what it handed over."""
    publish("One.")
    taken = [open_chat()]
    return Follower(publication, taken[0], taken.append), taken


@pytest.fixture
def client(tmp_path, publish, open_chat):
    publish("One.")
    with TestClient(create_app(Settings(_env_file=None, data_dir=tmp_path / "data"), open_chat())) as client:
        yield client


def folder_of(publication, version):
    return publication.folder / "versions" / version


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def kind_of(file):
    """The name of a file of a version without what tantivy makes up anew each time."""
    return re.sub("[0-9a-f]{32}", "SEGMENT", file)


def cut(path):
    os.truncate(path, path.stat().st_size - 1)


def wait_for(client, version):
    give_up = time.monotonic() + PATIENCE_SECONDS
    while (ready := client.get("/readyz").json())["index_version"] != version:
        assert ready["status"] == "ok"
        assert time.monotonic() < give_up, "the version was not taken"
        time.sleep(0.05)


def text_in(client):
    return client.get("/api/documents/a.txt").json()["text"]


def test_a_running_app_takes_what_is_published_and_what_is_rolled_back(client, publish, publication):
    first = publication.current_version()
    assert text_in(client) == "One."
    started = time.monotonic()
    wait_for(client, publish("Two."))
    # Twice what it takes on an idle machine.
    assert time.monotonic() - started < 3
    assert text_in(client) == "Two."
    publication.roll_back()
    wait_for(client, first)
    assert text_in(client) == "One."


def test_an_app_looks_no_more_once_it_has_ended(tmp_path, publish, open_chat):
    publish("One.")
    with TestClient(create_app(Settings(_env_file=None, data_dir=tmp_path / "data"), open_chat())):
        assert "follower" in [thread.name for thread in threading.enumerate()]
    assert "follower" not in [thread.name for thread in threading.enumerate()]


def test_a_chat_from_another_folder_is_served_as_it_is(tmp_path, publish, open_chat, source, fake_embedder):
    publish("One.")
    elsewhere = Publication(tmp_path / "elsewhere")
    build_index(source({"a.txt": "Elsewhere."}), elsewhere, fake_embedder)
    with TestClient(create_app(Settings(_env_file=None, data_dir=tmp_path / "elsewhere"), open_chat())) as client:
        time.sleep(3 * follower.LOOK_EVERY_SECONDS)
        assert text_in(client) == "One."


def test_a_request_keeps_its_version_to_the_end(client, publish, open_chat, publication, monkeypatch):
    old, answer = publication.current_version(), Chat.answer_question

    def publish_meanwhile(chat, *asked):
        publish("Two.")
        client.app.state.chat = open_chat()
        return answer(chat, *asked)

    monkeypatch.setattr(Chat, "answer_question", publish_meanwhile)
    page = client.post("/?lang=en", data={"question": "hello"}).text
    monkeypatch.undo()
    assert "One.?" in page
    assert "Two.?" not in page
    assert "Two.?" in client.get("/?lang=en").text
    assert client.get("/readyz").json()["index_version"] != old


DAMAGES = {"flipped": flip, "cut": cut, "emptied": lambda path: os.truncate(path, 0), "deleted": os.unlink}


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_file_of_a_new_version_is_damaged_the_old_one_is_served_until_a_whole_one_is_there(
    damage, following, publish, publication, fake_embedder, caplog
):
    following, taken = following
    kinds = [kind_of(file) for file in publication.manifest(taken[0].version).files]
    assert len(kinds) == len(set(kinds)) > 8
    for kind in kinds:
        serving = taken[-1].version
        damaged = publish(f"{damage} {kind}.")
        [file] = [file for file in publication.manifest(damaged).files if kind_of(file) == kind]
        DAMAGES[damage](folder_of(publication, damaged) / file)
        with pytest.raises(IndexDamaged, match="run: mundap index build"):
            publication.open(fake_embedder)
        caplog.clear()
        following.look()
        following.look()
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert f"still answering from {serving}: The index {damaged} is damaged: {file} " in caplog.text
        assert taken[-1].version == serving
        assert taken[-1].retriever.search("one", 1).hits[0].passage.text == taken[-1].document("a.txt").text
        assert publication.roll_back(serving).version == serving
        assert publication.open(fake_embedder).manifest.version == serving
    whole = publish("Repaired.")
    following.look()
    assert [chat.version for chat in taken[1:]] == [whole] == [publication.current_version()]
    assert {path.name for path in (publication.folder / "versions").iterdir()} == {whole, serving}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_version_is_built_anew_from_the_same_sources(damage, following, publish, publication):
    following, taken = following
    damaged = publish("Two.")
    DAMAGES[damage](folder_of(publication, damaged) / "corpus.sqlite")
    following.look()
    repaired = publish("Two.")
    following.look()
    assert taken[-1].version == repaired != damaged
    assert taken[-1].document("a.txt").text == "Two."


def test_a_version_of_another_model_is_not_taken(following, publish, caplog):
    following, taken = following
    publish("Two.", FakeEmbedder(seed="other weights"))
    following.look()
    following.look()
    assert len(taken) == 1
    assert caplog.text.count("other weights of fake") == 1
    publish("Three.")
    following.look()
    assert taken[-1].document("a.txt").text == "Three."


@pytest.mark.parametrize("pointer", [None, b"", b"gone\n", b"\xff\xfe", b"../..\n"])
def test_without_a_pointer_to_a_version_the_old_one_is_served(pointer, following, publish, publication, caplog):
    following, taken = following
    path = publication.folder / "current"
    path.unlink() if pointer is None else path.write_bytes(pointer)
    following.look()
    following.look()
    assert (len(taken), len(caplog.records)) == (1, 1)
    publish("Two.")
    following.look()
    assert taken[-1].document("a.txt").text == "Two."


def test_a_version_that_could_not_be_opened_is_tried_again_later(following, publish, publication, monkeypatch, caplog):
    following, taken = following
    path = folder_of(publication, publish("Two.")) / "corpus.sqlite"
    whole = path.read_bytes()
    cut(path)
    following.look()
    path.write_bytes(whole)
    following.look()
    assert len(taken) == 1
    monkeypatch.setattr(follower.time, "monotonic", lambda: 1e9)
    following.look()
    assert [chat.document("a.txt").text for chat in taken] == ["One.", "Two."]
    assert len(caplog.records) == 1


def test_the_models_are_handed_on_and_not_loaded_again(following, publish):
    following, taken = following
    publish("Two.")
    following.look()
    assert taken[1].retriever.embedder is taken[0].retriever.embedder
    assert taken[1].reader is taken[0].reader


def open_files():
    """The paths of all files that this process has open or in its memory."""
    paths = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            paths.append(str(link.readlink()))
    return paths + [line.split(maxsplit=5)[-1] for line in Path("/proc/self/maps").read_text().splitlines()]


def test_a_version_that_was_removed_serves_those_who_have_it_and_then_gives_everything_back(
    following, publish, publication
):
    following, taken = following
    slow = taken[0]
    for text in ("Two.", "Three.", "Four."):
        publish(text)
        following.look()
    assert not folder_of(publication, slow.version).exists()
    assert slow.document("a.txt").text == "One."
    assert slow.retriever.search("one", 1).hits[0].passage.text == "One."
    assert slow.answer_question("Which one?").index_version == slow.version
    del taken[:-1]
    name = slow.version
    assert [path for path in open_files() if name in path]
    del slow
    assert not [path for path in open_files() if name in path]
