"""The dense index: one vector a passage, searched by inner product in FAISS."""

from pathlib import Path

import faiss
import numpy as np

FILE = "dense.faiss"


class FaissStore:
    """A flat FAISS index; a vector's position is its passage's ordinal."""

    def __init__(self, index: faiss.Index) -> None:
        self._index = index

    @staticmethod
    def write(vectors: np.ndarray, folder: Path) -> None:
        """Write `vectors`, float32 (n, d) of unit norm, to `folder`."""
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        faiss.write_index(index, str(folder / FILE))

    @classmethod
    def open(cls, folder: Path) -> "FaissStore":
        """Open the index in `folder`, memory-mapped. Its digest must have been checked before."""
        return cls(faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP_IFC))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, vector: np.ndarray, top_k: int) -> dict[int, float]:
        """Return ordinal → cosine of the `top_k` passages nearest to `vector`, shape (d,), nearest first."""
        scores, ordinals = self._index.search(vector[None, :], min(top_k, len(self)))
        return dict(zip(ordinals[0].tolist(), scores[0].tolist(), strict=True))

    def scores(self, vector: np.ndarray, ordinals: list[int]) -> dict[int, float]:
        """Return ordinal → cosine for the given passages."""
        if not ordinals:
            return {}
        vectors = self._index.reconstruct_batch(np.asarray(ordinals, dtype=np.int64))
        return dict(zip(ordinals, (vectors @ vector).tolist(), strict=True))
