"""The dense index: one vector a passage, searched by inner product in FAISS.

Up to `FLAT_UP_TO` passages every vector is compared. Beyond, a graph leads to the nearest (HNSW: Malkov and Yashunin,
IEEE TPAMI 2020), in one byte a dimension, and the best of what it finds are ranked by the whole vectors. How widely it
is searched is measured when the index is written, against comparing every vector.
"""

import os
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np

from index.vector_file import VectorFile

FILE = "dense.faiss"
# The whole vectors, where the index holds them in one byte a dimension.
VECTORS = "dense_vectors.npy"
# Comparing more takes longer than following a graph does, and what is compared is exact.
FLAT_UP_TO = 20_000
# The share of the nearest ten that the graph leads to at least; 0.99 is wanted of questions.
RECALL = 0.998
_TRIALS = 500
_NEAREST = 10
# Neighbours of a vector in the graph, and how widely those are looked for.
_NEIGHBOURS = 32
_BUILT_WITH = 100
_SEARCHED_WITH = 256
# How many times as many as are asked for are ranked by the whole vectors.
_RANKED_AGAIN = 1.5
# Who asks for more gets them by comparing every vector.
_MOST_BY_GRAPH = 1_000


class DenseStore(Protocol):
    """Searches the vectors of one version, each known by its passage's ordinal. Safe to use from several threads.

    What is kept in a server raises `EngineUnavailable` where it can't be reached, or takes too long.
    """

    def __len__(self) -> int:
        """Return how many vectors there are."""
        ...

    def search(self, vector: np.ndarray, top_k: int) -> dict[int, float]:
        """Return ordinal → cosine of the `top_k` passages nearest to `vector`, shape (d,), nearest first."""
        ...

    def scores(self, vector: np.ndarray, ordinals: list[int]) -> dict[int, float]:
        """Return ordinal → cosine for the given passages."""
        ...


class FaissStore:
    """A FAISS index; a vector's position is its passage's ordinal."""

    def __init__(self, index: Any, vectors: VectorFile | None = None) -> None:
        self._index = index
        self._vectors = vectors

    @staticmethod
    def write(vectors: np.ndarray, folder: Path) -> None:
        """Write `vectors`, float32 (n, d) of unit norm, to `folder`."""
        faiss.omp_set_num_threads(os.cpu_count() or 1)
        if len(vectors) > FLAT_UP_TO:
            index = _graph(vectors)
            np.save(folder / VECTORS, vectors)
        else:
            index = faiss.IndexFlatIP(vectors.shape[1])
            index.add(vectors)
        faiss.write_index(index, str(folder / FILE))

    @classmethod
    def open(cls, folder: Path) -> "FaissStore":
        """Open the index in `folder`, memory-mapped. Its digest must have been checked before."""
        index = faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP_IFC)
        return cls(index, VectorFile(folder / VECTORS) if isinstance(index, faiss.IndexHNSW) else None)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, vector: np.ndarray, top_k: int) -> dict[int, float]:
        """Return ordinal → cosine of the `top_k` passages nearest to `vector`, shape (d,), nearest first."""
        top_k = min(top_k, len(self))
        # Several threads of one search wait for one another, on a busy machine a hundred times as long as one takes.
        faiss.omp_set_num_threads(1)
        if self._vectors is None:
            scores, ordinals = self._index.search(vector[None, :], top_k)
            return dict(zip(ordinals[0].tolist(), scores[0].tolist(), strict=True))
        count = min(round(_RANKED_AGAIN * top_k), len(self))
        if count <= _MOST_BY_GRAPH:
            widely = max(self._index.hnsw.efSearch, count)
            parameters = faiss.SearchParametersHNSW(efSearch=widely)  # type: ignore[attr-defined]
            [ordinals] = self._index.search(vector[None, :], count, params=parameters)[1]
        else:
            [ordinals] = self._index.storage.search(vector[None, :], count)[1]
        # Where the graph leads to fewer, FAISS fills up with -1.
        scores_of = self.scores(vector, ordinals[ordinals >= 0].tolist())
        return dict(sorted(scores_of.items(), key=lambda item: -item[1])[:top_k])

    def scores(self, vector: np.ndarray, ordinals: list[int]) -> dict[int, float]:
        """Return ordinal → cosine for the given passages."""
        if not ordinals:
            return {}
        rows = np.asarray(ordinals, dtype=np.int64)
        whole = self._vectors.read(rows, np.ones_like(rows)) if self._vectors else self._index.reconstruct_batch(rows)
        return dict(zip(ordinals, (whole @ vector).tolist(), strict=True))


def _graph(vectors: np.ndarray) -> Any:
    """Return a graph of `vectors` that is searched as widely as it takes to find enough of the nearest."""
    index: Any = faiss.index_factory(vectors.shape[1], f"HNSW{_NEIGHBOURS},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _BUILT_WITH
    index.train(vectors)
    index.add(vectors)
    asked = _trials(vectors)
    nearest = faiss.knn(asked, vectors, _NEAREST, metric=faiss.METRIC_INNER_PRODUCT)[1]
    index.hnsw.efSearch = _SEARCHED_WITH
    while index.hnsw.efSearch < len(vectors):
        if recall(index.search(asked, round(_RANKED_AGAIN * _NEAREST))[1], nearest) >= RECALL:
            break
        index.hnsw.efSearch *= 2
    return index


def _trials(vectors: np.ndarray) -> np.ndarray:
    """Return vectors as far from their nearest as questions are: some, moved by the way from another to a third."""
    one, other, third = np.random.default_rng(0).integers(len(vectors), size=(3, _TRIALS))
    moved = vectors[one] + vectors[other] - vectors[third]
    unit: np.ndarray = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit


def recall(found: np.ndarray, nearest: np.ndarray) -> float:
    """Return which share of `nearest`, ordinals (questions, k), is in the same row of `found`, (questions, any)."""
    rows = zip(found.tolist(), nearest.tolist(), strict=True)
    return sum(len(set(one) & set(other)) for one, other in rows) / nearest.size
