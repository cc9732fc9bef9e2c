"""Vectors on disk, of which those that are asked for are read.

They are not memory-mapped: whatever is touched of a mapped file, and what lies around it, counts as this process's
memory until another needs it, and of millions of vectors that is gigabytes.
"""

import os
import weakref
from pathlib import Path

import numpy as np

from index.errors import IndexDamaged


class VectorFile:
    """The rows of a two-dimensional array in NumPy's format. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        header = np.load(path, mmap_mode="r", allow_pickle=False)
        self._dtype, self._dimension, self._first = header.dtype, header.shape[1], header.offset
        # Opened at once and kept: a version may be removed while a server still answers from it.
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return `counts` rows from each of `starts` on, int64 (n,) both: float32 (sum of counts, d).

        Raises:
            IndexDamaged: the file has become shorter since it was opened.
        """
        vectors = np.empty((int(counts.sum()), self._dimension), dtype=self._dtype)
        if not vectors.size:
            return vectors.astype(np.float32)
        room = memoryview(vectors.view(np.uint8).reshape(-1).data)
        row_bytes = self._dimension * self._dtype.itemsize
        at = 0
        for start, size in zip((starts * row_bytes).tolist(), (counts * row_bytes).tolist(), strict=True):
            if os.preadv(self._descriptor, [room[at : at + size]], self._first + start) != size:
                raise IndexDamaged("The vectors of the index were cut off; run: mundap index build")
            at += size
        return vectors.astype(np.float32, copy=False)
