import errno
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import pytest

from index import build
from index.build import build_index
from index.digests import file_digest
from index.errors import IndexDamaged, IndexMismatch, IndexMissing, InputError
from index.publication import FORMAT, VERSIONS_KEPT, Publication
from tests.conftest import FakeEmbedder


@pytest.fixture
def publication(tmp_path):
    return Publication(tmp_path / "data")


@pytest.fixture
def publish(source, publication, fake_embedder):
    return lambda text: build_index(source({"a.txt": text}), publication, fake_embedder).version


def folder_of(publication, version):
    return publication.folder / "versions" / version


def names(publication):
    return [manifest.version for manifest in publication.versions()]


def test_nothing_published_is_said_with_what_to_do(publication, fake_embedder):
    with pytest.raises(IndexMissing, match="run: mundap index build"):
        publication.open(fake_embedder)
    with pytest.raises(IndexMissing):
        publication.roll_back()
    assert publication.versions() == []


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (flip, "was changed"),
        (lambda path: os.truncate(path, path.stat().st_size - 1), "was changed"),
        (lambda path: os.truncate(path, 0), "was changed"),
        (Path.unlink, "is missing"),
    ],
)
def test_damage_to_any_file_is_found(damage, problem, publish, publication, fake_embedder):
    folder = folder_of(publication, publish("Apples are red."))
    files = publication.manifest(folder.name).files
    assert len(files) > 8
    for name in files:
        whole = (folder / name).read_bytes()
        damage(folder / name)
        with pytest.raises(IndexDamaged, match=rf"{name} {problem}; run: mundap index build"):
            publication.open(fake_embedder)
        (folder / name).write_bytes(whole)
    assert publication.open(fake_embedder).manifest.version == folder.name


def test_a_file_too_many_is_found(publish, publication, fake_embedder):
    (folder_of(publication, publish("Apples are red.")) / "lexical" / "extra.idx").write_text("x")
    with pytest.raises(IndexDamaged, match=r"lexical/extra.idx does not belong there; run: mundap index build"):
        publication.open(fake_embedder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b'{"format": %d}' % FORMAT, b"\xff\xfe", None])
def test_a_damaged_manifest_is_found_and_replaced_by_the_next_build(content, publish, publication, fake_embedder):
    manifest = folder_of(publication, publish("Apples are red.")) / "manifest.json"
    manifest.unlink() if content is None else manifest.write_bytes(content)
    with pytest.raises(IndexDamaged, match="run: mundap index build"):
        publication.open(fake_embedder)
    publish("Apples are red.")
    assert publication.open(fake_embedder)


def test_a_change_of_any_byte_of_the_manifest_is_found(publish, publication):
    version = publish("Apples are red.")
    path = folder_of(publication, version) / "manifest.json"
    whole = path.read_bytes()
    manifest = publication.manifest(version)
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            # A change of white space changes nothing.
            assert publication.manifest(version) == manifest
        except (IndexDamaged, IndexMismatch):
            continue
    path.write_bytes(whole)
    assert publication.manifest(version) == manifest


@pytest.mark.parametrize("content", [b"", b"gone\n", b"\0", b"\xff\xfe", b"../..\n"])
def test_a_damaged_pointer_is_found_and_replaced_by_the_next_build(content, publish, publication, fake_embedder):
    publish("Apples are red.")
    (publication.folder / "current").write_bytes(content)
    with pytest.raises(IndexDamaged, match="run: mundap index build"):
        publication.open(fake_embedder)
    publish("Apples are red.")
    assert publication.open(fake_embedder)


def test_a_version_of_another_format_is_a_mismatch(publish, publication, fake_embedder):
    path = folder_of(publication, publish("Apples are red.")) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(IndexMismatch, match=r"has format 99.*run: mundap index build"):
        publication.open(fake_embedder)
    publish("Apples are red.")
    assert publication.open(fake_embedder)


@pytest.mark.parametrize(
    ("embedder", "message"),
    [
        (FakeEmbedder(name="other"), r"built with fake \(32 dimensions\), not with other \(32\)"),
        (FakeEmbedder(dimension=16), r"built with fake \(32 dimensions\), not with fake \(16\)"),
        (FakeEmbedder(seed="other"), "other weights of fake"),
    ],
)
def test_a_version_of_another_model_is_a_mismatch(embedder, message, publish, publication):
    publish("Apples are red.")
    with pytest.raises(IndexMismatch, match=message + ".*run: mundap index build"):
        publication.open(embedder)


def test_rolling_back_publishes_the_version_before_step_by_step(publish, publication, fake_embedder):
    first, second, third = publish("One."), publish("Two."), publish("Three.")
    assert names(publication) == [third, second, first]
    assert publication.roll_back().version == second
    assert publication.open(fake_embedder).corpus.document("a.txt").text == "Two."
    assert publication.roll_back().version == first
    with pytest.raises(InputError, match="no earlier version to go back to"):
        publication.roll_back()
    assert publication.current_version() == first


def test_a_named_version_is_published_again(publish, publication):
    first, _, third = publish("One."), publish("Two."), publish("Three.")
    assert publication.roll_back(first).version == first == publication.current_version()
    assert publication.roll_back(third).version == third == publication.current_version()


@pytest.mark.parametrize("version", ["gone", "", "..", "../../data"])
def test_rolling_back_to_a_version_that_is_none_changes_nothing(version, publish, publication):
    current = publish("One.")
    with pytest.raises(InputError, match="There is no version"):
        publication.roll_back(version)
    assert publication.current_version() == current


def test_rolling_back_to_a_damaged_version_changes_nothing(publish, publication):
    first, second = publish("One."), publish("Two.")
    flip(folder_of(publication, first) / "corpus.sqlite")
    with pytest.raises(IndexDamaged):
        publication.roll_back()
    assert publication.current_version() == second


def test_the_build_after_a_rollback_publishes_what_the_source_folder_holds_now(publish, publication):
    publish("One.")
    publish("Two.")
    publication.roll_back()
    assert publish("Two.") == publication.current_version() == names(publication)[0]
    assert len(names(publication)) == 3


def test_old_versions_are_thinned_out(publish, publication):
    made = [publish(f"Number {n}.") for n in range(VERSIONS_KEPT + 3)]
    assert names(publication) == made[: -VERSIONS_KEPT - 1 : -1]
    assert {path.name for path in (publication.folder / "versions").iterdir()} == set(names(publication))


def test_thinning_spares_the_published_version_after_a_rollback_to_the_oldest(publish, publication, fake_embedder):
    made = [publish(f"Number {n}.") for n in range(VERSIONS_KEPT)]
    publication.roll_back(made[0])
    with pytest.raises(InputError):
        publish("\0")
    assert publication.open(fake_embedder).manifest.version == made[0]
    new = publish("New.")
    assert publication.open(fake_embedder).manifest.version == new
    assert names(publication) == [new, *made[:1:-1], made[0]]
    assert publication.roll_back(made[0]).version == made[0]


def test_thinning_spares_the_published_version_when_the_clock_was_set_back(
    publish, publication, fake_embedder, monkeypatch
):
    made = [publish(f"Number {n}.") for n in range(VERSIONS_KEPT)]

    monkeypatch.setattr(build, "datetime", Mock(now=lambda _: datetime(2001, 1, 1, tzinfo=UTC)))
    version = publish("From the past.")
    assert publication.open(fake_embedder).manifest.version == version
    assert names(publication) == [*made[:0:-1], version]


def test_an_open_version_serves_on_after_its_files_were_removed(publish, publication, fake_embedder):
    publish("Apples are red.")
    index = publication.open(fake_embedder)
    shutil.rmtree(publication.folder)
    with ThreadPoolExecutor(1) as other_thread:
        assert other_thread.submit(index.corpus.document, "a.txt").result().text == "Apples are red."
    assert list(index.lexical.search(["appl"], 1)) == [0]
    assert list(index.dense.search(fake_embedder.embed_questions(["x"])[0], 1)) == [0]


def test_a_data_folder_that_cannot_be_written_is_an_input_error(source, publication, fake_embedder, monkeypatch):
    folder = source({"a.txt": "Apples are red."})
    monkeypatch.setattr(Path, "mkdir", Mock(side_effect=OSError(errno.EROFS, os.strerror(errno.EROFS))))
    with pytest.raises(InputError, match=r"data can't be written \(Read-only file system\); check MUNDAP_DATA_DIR"):
        build_index(folder, publication, fake_embedder)


def test_a_file_in_place_of_the_data_folder_is_an_input_error(publish, tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(InputError, match="check MUNDAP_DATA_DIR"):
        publish("Apples are red.")


def hold(source, publication, fake_embedder, text):
    return build_index(source({"a.txt": text}), publication, fake_embedder, hold=True)


def test_a_version_that_is_held_waits_and_can_be_published(publish, publication, source, fake_embedder):
    first = publish("Apples are red.")
    report = hold(source, publication, fake_embedder, "Apples are green.")
    assert (report.published, report.held, report.changed) == (False, True, ["a.txt"])
    assert publication.current_version() == first
    assert publication.held() == {report.version}
    assert publication.open(fake_embedder).manifest.version == first
    assert publication.publish_kept(report.version).version == report.version
    assert publication.current_version() == report.version
    assert publication.held() == set()
    assert publication.roll_back().version == first


def test_what_was_held_is_not_built_and_published_at_the_next_start(publish, publication, source, fake_embedder):
    first = publish("Apples are red.")
    held = hold(source, publication, fake_embedder, "Apples are green.")
    folder = source({})
    build.build_if_stale(folder, publication, fake_embedder)
    assert publication.current_version() == first
    assert names(publication) == [held.version, first]


def test_going_back_never_goes_to_what_was_only_held(publish, publication, source, fake_embedder):
    first = publish("Apples are red.")
    hold(source, publication, fake_embedder, "Apples are blue.")
    publish("Apples are green.")
    assert publication.roll_back().version == first


def test_held_versions_are_thinned_out_like_the_others_but_never_the_published_one(
    publish, publication, source, fake_embedder
):
    first = publish("Apples are red.")
    held = [hold(source, publication, fake_embedder, f"Apples have {n} seeds.").version for n in range(VERSIONS_KEPT)]
    assert names(publication) == [*sorted(held[1:], reverse=True), first]
    assert publication.held() == set(held[1:])
    assert publication.current_version() == first


def test_the_first_version_can_be_held_too(publication, source, fake_embedder):
    report = hold(source, publication, fake_embedder, "Apples are red.")
    with pytest.raises(IndexMissing):
        publication.current_version()
    publication.publish_kept(report.version)
    assert publication.open(fake_embedder).manifest.version == report.version


def test_files_that_were_verified_are_read_again_only_when_they_were_touched(
    publish, publication, fake_embedder, monkeypatch
):
    monkeypatch.setattr("index.digests.SETTLED_SECONDS", 0.0)
    read = []
    monkeypatch.setattr("index.digests.file_digest", lambda path: read.append(path) or file_digest(path))
    folder = folder_of(publication, publish("Apples are red."))
    time.sleep(0.03)
    publication.open(fake_embedder)
    assert {path.relative_to(folder).as_posix() for path in read} == publication.manifest(folder.name).files.keys()
    read.clear()
    publication.open(fake_embedder)
    assert read == []
    time.sleep(0.03)
    flip(folder / "corpus.sqlite")
    with pytest.raises(IndexDamaged, match=r"corpus.sqlite was changed"):
        publication.open(fake_embedder)
    assert read == [folder / "corpus.sqlite"]


def test_a_check_on_demand_reads_every_file(publish, publication, fake_embedder, monkeypatch):
    monkeypatch.setattr("index.digests.SETTLED_SECONDS", 0.0)
    version = publish("Apples are red.")
    time.sleep(0.03)
    publication.open(fake_embedder)
    read = []
    monkeypatch.setattr("index.publication.file_digest", lambda path: read.append(path) or file_digest(path))
    publication.verify(version)
    assert len(read) == len(publication.manifest(version).files)
