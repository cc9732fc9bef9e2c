import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from index.assembly import Progress
from index.embedding import BUNDLED, SentenceTransformerEmbedder, load_embedder
from index.reader import Reader
from server.answerers.evidence import Evidence, weigh_evidence
from server.app import create_app
from server.chat import Chat, Models, create_chat
from server.cli import main
from server.settings import Settings

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MUNDAP_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def settings(seed_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Those of a data directory of its own, as an installation has it: the index and the assembled model."""
    data_dir = tmp_path_factory.mktemp("data")
    shutil.copytree(seed_index / "index", data_dir / "index")
    (data_dir / "models").symlink_to(REPO / "var" / "models")
    return Settings(_env_file=None, data_dir=data_dir, source_dir=REPO / "source_docs")


@pytest.fixture(scope="session")
def chat(settings: Settings, embedder: SentenceTransformerEmbedder, reader: Reader) -> Chat:
    return create_chat(settings, Models(embedder, reader))


@pytest.fixture
def client(settings: Settings, chat: Chat) -> Iterator[TestClient]:
    with TestClient(create_app(settings, chat), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def answer_anything() -> Callable[[pytest.MonkeyPatch], None]:
    """Whatever is thought of the documents, let an answer be made of them."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        def weigh(*given: Any) -> Evidence:
            return replace(weigh_evidence(*given), answered_from=0.0)

        monkeypatch.setattr("server.answerers.extractive.weigh_evidence", weigh)

    return patch


@pytest.fixture(scope="session")
def doc_id(chat: Chat) -> str:
    [summary] = chat.index.corpus.documents()
    return summary.doc_id


@pytest.fixture
def data_dir(settings: Settings, tmp_path: Path) -> Path:
    """A copy of the data directory, to be spoilt."""
    return shutil.copytree(settings.data_dir, tmp_path / "data", symlinks=True)


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def mundap(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    data_dir: Path,
    embedder: SentenceTransformerEmbedder,
) -> Run:
    """Run the command in this process, with the bundled model that is loaded already."""

    def load(model: str, cache: Path, progress: Progress) -> SentenceTransformerEmbedder:
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
