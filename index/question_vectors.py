"""The vectors of questions, of which the latest are remembered."""

import hashlib
import threading
from collections import OrderedDict

import numpy as np

from index.embedding import Embedder

REMEMBERED = 10_000


class QuestionVectors:
    """What `embedder` makes of questions; the vectors of the last `REMEMBERED` are kept. Safe for several threads."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._remembered: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def vector(self, question: str) -> np.ndarray:
        """Return the float32 vector of unit norm, (d,), of a question; how its words are spaced makes no difference."""
        question = " ".join(question.split())
        # Of what was asked no more than this is kept.
        key = hashlib.blake2b(question.encode(), digest_size=16).digest()
        with self._lock:
            if key in self._remembered:
                self._remembered.move_to_end(key)
                return self._remembered[key]
        vector: np.ndarray = self._embedder.embed_questions([question])[0]
        vector.setflags(write=False)
        with self._lock:
            self._remembered[key] = vector
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return vector
