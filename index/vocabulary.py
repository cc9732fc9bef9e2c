"""The terms of one version with their statistics, in a read-only SQLite file, for engines that know no words.

A server is asked for numbers: of each passage it holds term id → BM25 weight, worked out when the version is built
from the statistics of all passages, whichever part of them it holds. Looking a term up takes no round trip.
"""

import sqlite3
import threading
import weakref
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from index.errors import IndexDamaged
from index.lexical import idf_of

FILE = "vocabulary.sqlite"
_K1 = 1.2
_B = 0.75

_SCHEMA = """
CREATE TABLE term (term TEXT PRIMARY KEY, id INTEGER NOT NULL, passages INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE about (passages INTEGER NOT NULL);
"""


class TermWeights:
    """The BM25 weights of a version that is being built, by the statistics of all its passages."""

    def __init__(self, terms_by_passage: Sequence[list[str]]) -> None:
        self._terms = terms_by_passage
        self._passages: Counter[str] = Counter()
        for terms in terms_by_passage:
            self._passages.update(set(terms))
        # From 1, so that 0 is left for what is no term.
        self._ids = {term: number for number, term in enumerate(self._passages, 1)}
        self._idf = {term: idf_of(len(terms_by_passage), count) for term, count in self._passages.items()}
        self._mean_length = sum(map(len, terms_by_passage)) / max(1, len(terms_by_passage))

    def __len__(self) -> int:
        return len(self._terms)

    def of(self, ordinal: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of the terms of a passage, int32 (t,), ascending, and their weights, float32 (t,), positive.

        The weight of a term that occurs f times among the l of a passage is idf · f (k1 + 1) / (f + k1 (1 - b + b l /
        mean length)), so that the sum over a question's terms is the passage's BM25 score (Robertson and Zaragoza,
        2009).
        """
        terms = self._terms[ordinal]
        norm = _K1 * (1 - _B + _B * len(terms) / (self._mean_length or 1))
        counts = Counter(terms)
        ids = np.fromiter((self._ids[term] for term in counts), np.int32, len(counts))
        weights = np.fromiter(
            (self._idf[term] * count * (_K1 + 1) / (count + norm) for term, count in counts.items()),
            np.float32,
            len(counts),
        )
        order = np.argsort(ids)
        return ids[order], weights[order]

    def write(self, folder: Path) -> None:
        """Write the vocabulary to `folder`."""
        connection = sqlite3.connect(folder / FILE)
        with connection:
            connection.executescript(_SCHEMA)
            rows = ((term, self._ids[term], self._passages[term]) for term in sorted(self._ids))
            connection.executemany("INSERT INTO term VALUES (?, ?, ?)", rows)
            connection.execute("INSERT INTO about VALUES (?)", (len(self),))
        connection.close()


class Vocabulary:
    """Reads what `TermWeights.write` wrote. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        # Opened at once and kept: a version may be removed while a server still answers from it.
        uri = f"{(folder / FILE).resolve().as_uri()}?mode=ro&immutable=1"
        try:
            self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            weakref.finalize(self, self._connection.close)
            [(self._passages,)] = self._connection.execute("SELECT passages FROM about")
        except (sqlite3.Error, ValueError) as error:
            raise IndexDamaged(
                f"The vocabulary of the index {folder.name} can't be read; run: mundap index build"
            ) from error
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self._passages)

    def idf(self, term: str) -> float:
        """Return BM25's weight of `term`; see `idf_of`."""
        return idf_of(len(self), self.passages_with(term))

    def passages_with(self, term: str) -> int:
        """Return how many passages hold `term`."""
        return self._look_up(term)[1]

    def id_of(self, term: str) -> int:
        """Return the id of `term`, 0 where no passage holds it."""
        return self._look_up(term)[0]

    def _look_up(self, term: str) -> tuple[int, int]:
        with self._lock:
            row = self._connection.execute("SELECT id, passages FROM term WHERE term = ?", (term,)).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)
