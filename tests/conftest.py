import hashlib
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from index.build import build_index
from index.embedding import BUNDLED, Embedder, load_embedder
from index.publication import Publication
from index.reader import Reader, load_reader
from server.answerers.evidence import Evidence, weigh_evidence
from server.chat import Chat, Models, create_chat
from server.settings import Settings
from server.suggestion_maker import suggest_questions

REPO = Path(__file__).resolve().parents[1]

hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("thorough", deadline=None, derandomize=True, database=None, max_examples=4_000)
hypothesis.settings.load_profile("repeatable")


class FakeEmbedder:
    """The interface of `Embedder`; a text's vector depends on the text alone."""

    def __init__(self, name: str = "fake", dimension: int = 32, seed: str = "") -> None:
        self.name = name
        self.dimension = dimension
        self.identity = f"{name} {dimension} {seed}"
        self._seed = seed

    def embed_questions(self, texts: list[str]) -> np.ndarray:
        return self._vectors(texts)

    def embed_passages(self, texts: list[str], batch_size: int = 16) -> np.ndarray:
        return self._vectors(texts)

    def _vectors(self, texts: list[str]) -> np.ndarray:
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            digest = hashlib.sha256((self._seed + text).encode()).digest()
            vectors[row] = np.random.default_rng(list(digest)).standard_normal(self.dimension)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    return load_embedder(BUNDLED, REPO / "var" / "models")


@pytest.fixture(scope="session")
def reader() -> Reader | None:
    return load_reader("", REPO / "var" / "models")


@pytest.fixture(scope="session")
def fake_embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture(scope="session")
def seed_index(embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("seed")
    build_index(REPO / "source_docs", Publication(data_dir), embedder)
    return data_dir


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Path]:
    """Write the given name → text or bytes to the source folder, which it returns."""

    def write(files: dict[str, str | bytes]) -> Path:
        folder = tmp_path / "source"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return write


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MUNDAP_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def settings(embedder: Embedder, reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Those of a data directory of its own, as an installation has it: the index and the assembled model."""
    data_dir = tmp_path_factory.mktemp("data")
    suggest = partial(suggest_questions, Models(embedder, reader))
    build_index(REPO / "source_docs", Publication(data_dir), embedder, suggest=suggest)
    (data_dir / "models").symlink_to(REPO / "var" / "models")
    return Settings(_env_file=None, data_dir=data_dir, source_dir=REPO / "source_docs")


@pytest.fixture(scope="session")
def chat(settings: Settings, embedder: Embedder, reader: Reader) -> Chat:
    return create_chat(settings, Models(embedder, reader))


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
    without_database = shutil.ignore_patterns("mundap.sqlite*")
    return shutil.copytree(settings.data_dir, tmp_path / "data", symlinks=True, ignore=without_database)


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
