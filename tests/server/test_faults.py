"""What may happen to a server in service: nothing is lost, nothing but an intended 503 is told, nobody has to help."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import httpx
import hypothesis
import pytest

from index.publication import Publication
from server.app import create_app
from server.storage import Storage
from tests.hostile_requests import send_malformed
from tests.server.conftest import listening, wait_for
from tests.server.test_desk import values
from tests.server.test_serve import PATIENCE_SECONDS, serving

QUESTION = {"question": "APEC은 언제 창설되었나요?"}


def ask(client):
    # On a connection of its own, since one connection stays with its worker.
    return client.post("/api/chat", json=QUESTION, headers={"Connection": "close"})


def workers_of(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    commands = {int(child): Path(f"/proc/{child}/cmdline") for child in children}
    return {child for child, path in commands.items() if path.exists() and b"spawn_main" in path.read_bytes()}


def test_a_worker_that_is_killed_is_replaced_while_the_other_answers(data_dir, settings, free_port):
    with serving(free_port, data_dir, settings, "--workers", "2") as (server, client):
        wait_for(lambda: values(client)["mundap_workers",] == 2, PATIENCE_SECONDS)
        before = workers_of(server.pid)
        assert len(before) == 2
        # Their parent answers nothing, so it holds no model.
        status = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
        assert int(status.split("RssAnon:")[1].split()[0]) < 300_000
        replies = [ask(client) for _ in range(5)]
        time.sleep(1.5)  # the log of questions is written every half second
        os.kill(next(iter(before)), signal.SIGKILL)
        failed = 0
        give_up = time.monotonic() + PATIENCE_SECONDS
        while len(workers_of(server.pid) - before) < 1 or values(client)["mundap_workers",] < 2:
            assert time.monotonic() < give_up, "no worker took its place"
            try:
                replies.append(ask(client))
            except httpx.TransportError:
                # Of the connections that the dead one had accepted or was about to.
                failed += 1
            time.sleep(0.05)
        assert failed <= 2
        replies += [ask(client) for _ in range(5)]
        assert {reply.status_code for reply in replies} == {200}
        answered = ("mode", "extractive"), ("status", "answered"), ("way", "api")
        counted = values(client)["mundap_answers_total", ("lang", "ko"), *answered]
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE_SECONDS) == 0
    assert counted == len(replies)
    storage = Storage(f"sqlite:///{data_dir / 'mundap.sqlite'}")
    kept = {question.answer_id for question, _ in storage.each_question()}
    storage.close()
    assert kept == {reply.json()["id"] for reply in replies}


def test_a_pointer_that_is_damaged_is_told_and_answers_go_on_until_it_is_whole_again(data_dir, settings, chat):
    own = settings.model_copy(update={"data_dir": data_dir})
    pointer = Publication(data_dir).folder / "current"
    whole = pointer.read_bytes()
    with listening(create_app(own, chat), own) as (_, address), httpx.Client(base_url=address) as client:
        for content in (None, b"", b"\x00\xff" * 50, b"20990101T000000Z-none", b"../.."):
            pointer.unlink()
            if content is not None:
                pointer.write_bytes(content)
            wait_for(lambda: client.get("/readyz").json()["problems"] == ["published_index"])
            assert ask(client).json()["status"] == "answered"
            wait_for(lambda: values(client)["mundap_index_behind",] == 1)
            pointer.write_bytes(whole)
            wait_for(lambda: client.get("/readyz").json()["status"] == "ok")
            wait_for(lambda: values(client)["mundap_index_behind",] == 0)


def test_a_worker_is_replaced_while_the_pointer_is_damaged(data_dir, settings, free_port):
    pointer = Publication(data_dir).folder / "current"
    with serving(free_port, data_dir, settings, "--workers", "2") as (server, client):
        wait_for(lambda: values(client)["mundap_workers",] == 2, PATIENCE_SECONDS)
        whole = pointer.read_bytes()
        pointer.write_bytes(b"\x00\xff" * 50)
        before = workers_of(server.pid)
        for worker in before:
            os.kill(worker, signal.SIGKILL)

        def are_replaced():
            with suppress(httpx.TransportError):
                return not before & workers_of(server.pid) and values(client)["mundap_workers",] == 2
            return False

        wait_for(are_replaced, PATIENCE_SECONDS)
        assert [ask(client).json()["status"] for _ in range(4)] == ["answered"] * 4
        assert client.get("/readyz").json()["problems"] == ["published_index"]
        pointer.write_bytes(whole)
        wait_for(lambda: client.get("/readyz").json()["status"] == "ok")


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("only who may mount can make a disk to be filled")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("room", [0, 8_192])
def test_a_disk_that_is_full_stops_no_answer_and_costs_no_question(settings, chat, small_disk, room):
    storage = Storage(f"sqlite:///{small_disk / 'mundap.sqlite'}")
    storage.keep_audit("build", "", "done")
    app = create_app(settings, chat)
    with listening(app, settings) as (_, address), httpx.Client(base_url=address) as client:
        app.state.question_log._storage = app.state.storage = storage
        filler = small_disk / "filler"
        # Room for a little is room for nothing.
        filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - room))
        replies = [ask(client) for _ in range(20)]
        assert {reply.status_code for reply in replies} == {200}
        wait_for(lambda: client.get("/readyz").json()["problems"] == ["storage"])
        told = client.post("/api/feedback", json={"answer_id": "e" * 32, "helpful": True})
        assert (told.status_code, told.json()["code"]) == (503, "storage_unavailable")
        filler.unlink()
        wait_for(lambda: client.get("/readyz").json()["status"] == "ok", 20)
        assert client.post("/api/feedback", json={"answer_id": "e" * 32, "helpful": True}).status_code == 204
        kept = {question.answer_id for question, _ in storage.each_question()}
    assert kept == {reply.json()["id"] for reply in replies}


def test_connections_that_are_opened_and_left_keep_nobody_out(settings, chat):
    with listening(create_app(settings, chat), settings) as (_, address), httpx.Client(base_url=address) as client:
        host, port = address.removeprefix("http://").split(":")
        left = []
        for number in range(200):
            sock = socket.create_connection((host, int(port)))
            # Some send nothing, some a part of a request, and some go away without a word.
            sock.sendall((b"", b"POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Le", b"\x16\x03\x01")[number % 3])
            if number % 4 == 3:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                sock.close()
            else:
                left.append(sock)
        assert [ask(client).status_code for _ in range(3)] == [200] * 3
        for sock in left:
            sock.close()


def test_malformed_requests_break_nothing(settings, chat):
    with listening(create_app(settings, chat), settings) as (_, address):
        statuses = send_malformed(address, min(10_000, 15 * hypothesis.settings().max_examples))
        assert {status for status in statuses if status >= 500} <= {503}
        assert httpx.post(f"{address}/api/chat", json=QUESTION).json()["status"] == "answered"
