import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from index.assembly import Progress
from index.embedding import BUNDLED, Embedder, load_embedder
from server.app import create_app
from server.chat import Chat
from server.cli import main
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
