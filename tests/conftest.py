import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from index.build import build_index
from index.embedding import BUNDLED, SentenceTransformerEmbedder, load_embedder
from index.publication import Publication
from index.reader import Reader, load_reader

REPO = Path(__file__).resolve().parents[1]

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")


class FakeEmbedder:
    """The interface of `SentenceTransformerEmbedder`; a text's vector depends on the text alone."""

    def __init__(self, name: str = "fake", dimension: int = 32, seed: str = "") -> None:
        self.name = name
        self.dimension = dimension
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
def embedder() -> SentenceTransformerEmbedder:
    return load_embedder(BUNDLED, REPO / "var" / "models")


@pytest.fixture(scope="session")
def reader() -> Reader | None:
    return load_reader("", REPO / "var" / "models")


@pytest.fixture(scope="session")
def fake_embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture(scope="session")
def seed_index(embedder: SentenceTransformerEmbedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
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
