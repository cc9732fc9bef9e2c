"""The dense index: one vector a passage, searched by inner product in FAISS.

Up to `FLAT_UP_TO` passages every vector is compared. Beyond, every one is compared in two bits a dimension (RaBitQ: Gao
and Long, SIGMOD 2024; with several bits: Gao et al., SIGMOD 2025), and the best of them by their whole vectors.
"""

import os
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np

from index.vector_file import VectorFile

FILE = "dense.faiss"
# The whole vectors, where the index holds them in two bits a dimension.
VECTORS = "dense_vectors.npy"
# Up to here the whole vectors take less than a millisecond, and what is compared by them is exact.
FLAT_UP_TO = 20_000
_COMPRESSED = "RaBitQfs2"
# What is compressed at once, to bound the memory that it takes.
_BATCH = 100_000
# How many are ranked by their whole vectors: half as many again as are asked for, and at least so many.
_RANKED_AGAIN = 1.5
_RANKED_AT_LEAST = 150


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
        is_flat = len(vectors) <= FLAT_UP_TO
        kind = "Flat" if is_flat else _COMPRESSED
        index: Any = faiss.index_factory(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
        for start in range(0, len(vectors), _BATCH):
            index.add(vectors[start : start + _BATCH])
        if not is_flat:
            np.save(folder / VECTORS, vectors)
        faiss.write_index(index, str(folder / FILE))

    @classmethod
    def open(cls, folder: Path) -> "FaissStore":
        """Open the index in `folder`, memory-mapped. Its digest must have been checked before."""
        index = faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP_IFC)
        return cls(index, VectorFile(folder / VECTORS) if (folder / VECTORS).exists() else None)

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
        count = min(max(round(_RANKED_AGAIN * top_k), _RANKED_AT_LEAST), len(self))
        [ordinals] = self._index.search(vector[None, :], count)[1]
        scores_of = self.scores(vector, ordinals.tolist())
        return dict(sorted(scores_of.items(), key=lambda item: -item[1])[:top_k])

    def scores(self, vector: np.ndarray, ordinals: list[int]) -> dict[int, float]:
        """Return ordinal → cosine for the given passages."""
        if not ordinals:
            return {}
        rows = np.asarray(ordinals, dtype=np.int64)
        whole = self._vectors.read(rows, np.ones_like(rows)) if self._vectors else self._index.reconstruct_batch(rows)
        return dict(zip(ordinals, (whole @ vector).tolist(), strict=True))
