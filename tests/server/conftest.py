import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from index.assembly import Progress
from index.embedding import BUNDLED, Embedder, load_embedder
from server.app import create_app
from server.chat import Chat
from server.cli import main
from server.listening import server_options
from server.settings import Settings
from tests.conftest import REPO


@pytest.fixture
def client(settings: Settings, chat: Chat) -> Iterator[TestClient]:
    with TestClient(create_app(settings, chat), raise_server_exceptions=False) as client:
        yield client


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def mundap(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    data_dir: Path,
    embedder: Embedder,
) -> Run:
    """Run the command in this process, with the bundled model that is loaded already."""

    def load(model: str, cache: Path, progress: Progress) -> Embedder:
        return embedder if model == BUNDLED else load_embedder(model, cache, progress)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUNDAP_DATA_DIR", str(data_dir))
    monkeypatch.setenv("MUNDAP_SOURCE_DIR", str(REPO / "source_docs"))
    monkeypatch.setattr("server.chat.load_embedder", load)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        monkeypatch.setattr(sys, "argv", ["mundap", *arguments])
        code: object = 0
        on_terminate = signal.getsignal(signal.SIGTERM)
        try:
            main()
        except SystemExit as end:
            code = end.code
        finally:
            signal.signal(signal.SIGTERM, on_terminate)
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(["mundap", *arguments], int(str(code or 0)), out, err)

    return run


@contextmanager
def listening(app: FastAPI, settings: Settings) -> Iterator[tuple[uvicorn.Server, str]]:
    """Serve `app` from a thread of this process, by the options that the command has; yield server and address."""
    # Whoever runs this process says how it logs.
    options = server_options(settings) | {"log_config": None}
    server = uvicorn.Server(uvicorn.Config(app, port=0, **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield server, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.01)
