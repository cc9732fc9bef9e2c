"""The texts of one published index: documents and passages in a read-only SQLite file, sentence vectors beside it.

A passage's ordinal is its position in the index; its sentences' vectors are consecutive rows of one array. Both are
read when they are asked for.
"""

import json
import sqlite3
import threading
import weakref
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from index.documents import Block, BlockKind, Document, Passage, Sentence
from index.vector_file import VectorFile

FILE = "corpus.sqlite"
SENTENCE_VECTORS = "sentence_vectors.npy"
SENTENCE_OFFSETS = "sentence_offsets.npy"

# Passages that stay in memory once they were read. Most questions lead to a few of them, and to parse one takes as long
# as to rank it.
_KEPT = 1_000

_SCHEMA = """
CREATE TABLE document (ordinal INTEGER PRIMARY KEY, doc_id TEXT UNIQUE NOT NULL, title TEXT NOT NULL,
                       digest TEXT NOT NULL, text TEXT NOT NULL, blocks TEXT NOT NULL, date TEXT NOT NULL,
                       department TEXT NOT NULL, contact TEXT NOT NULL);
CREATE TABLE passage (ordinal INTEGER PRIMARY KEY, passage_id TEXT UNIQUE NOT NULL, doc_id TEXT NOT NULL,
                      start INTEGER NOT NULL, end INTEGER NOT NULL, text TEXT NOT NULL, context TEXT NOT NULL,
                      sentences TEXT NOT NULL, context_terms TEXT NOT NULL, sentence_terms TEXT NOT NULL);
CREATE INDEX passage_of_document ON passage (doc_id);
"""


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage as the index holds it, with the search terms of its context and of each of its sentences."""

    ordinal: int
    passage: Passage
    context_terms: frozenset[str]
    sentence_terms: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """What a list of documents shows of one."""

    doc_id: str
    title: str
    digest: str
    characters: int
    date: str
    department: str
    contact: str


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A stretch of a document's text, and what a citation tells of the document."""

    title: str
    date: str
    department: str
    text: str


@dataclass(frozen=True, slots=True)
class AnalysedPassage:
    """A passage on its way into the index, with its search terms in order and with repetitions."""

    passage: Passage
    context_terms: list[str]
    sentence_terms: list[list[str]]


def write_corpus(
    folder: Path, documents: Iterable[Document], passages: Sequence[AnalysedPassage], sentence_vectors: np.ndarray
) -> None:
    """Write everything to `folder`. `sentence_vectors` is float (sentences, d), in the order of the passages."""
    connection = sqlite3.connect(folder / FILE)
    with connection:
        connection.executescript(_SCHEMA)
        connection.executemany(
            "INSERT INTO document (doc_id, title, digest, text, blocks, date, department, contact)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (_document_row(document) for document in documents),
        )
        connection.executemany(
            "INSERT INTO passage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (_passage_row(ordinal, analysed) for ordinal, analysed in enumerate(passages)),
        )
    connection.close()
    # Half precision costs 1e-4 of a cosine and halves what is read from disk.
    np.save(folder / SENTENCE_VECTORS, sentence_vectors.astype(np.float16, copy=False))
    counts = [len(analysed.passage.sentences) for analysed in passages]
    np.save(folder / SENTENCE_OFFSETS, np.cumsum([0, *counts], dtype=np.int64))


def _document_row(document: Document) -> tuple[str, ...]:
    blocks = _dump([astuple(block) for block in document.blocks])
    return (
        document.doc_id, document.title, document.digest, document.text, blocks, document.date, document.department,
        document.contact,
    )  # fmt: skip


def _passage_row(ordinal: int, analysed: AnalysedPassage) -> tuple[str | int, ...]:
    passage = analysed.passage
    return (
        ordinal, passage.passage_id, passage.doc_id, passage.start, passage.end, passage.text, _dump(passage.context),
        _dump([[s.start, s.end, s.kind, s.about] for s in passage.sentences]), " ".join(analysed.context_terms),
        "\n".join(" ".join(terms) for terms in analysed.sentence_terms),
    )  # fmt: skip


class Corpus:
    """Reads what `write_corpus` wrote. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        # Opened at once and kept: a version may be removed while a server still answers from it.
        uri = f"{(folder / FILE).resolve().as_uri()}?mode=ro&immutable=1"
        self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        # Else the connection would stay open until the next collection of garbage, since it refers to itself.
        weakref.finalize(self, self._connection.close)
        self._lock = threading.Lock()
        self._passage = lru_cache(_KEPT)(partial(_read_passage, self._connection, self._lock))
        self._sentence_vectors = VectorFile(folder / SENTENCE_VECTORS)
        self._sentence_offsets: np.ndarray = np.load(folder / SENTENCE_OFFSETS, allow_pickle=False)

    def documents(self) -> list[DocumentSummary]:
        """Return a summary of every document, by `doc_id`."""
        rows = self._query(
            "SELECT doc_id, title, digest, length(text), date, department, contact FROM document ORDER BY doc_id"
        )
        return [DocumentSummary(*row) for row in rows]

    def document(self, doc_id: str) -> Document | None:
        """Return one document with its text, or None when there is none of that id."""
        rows = self._query(
            "SELECT doc_id, title, text, blocks, date, department, contact FROM document WHERE doc_id = ?", doc_id
        )
        if not rows:
            return None
        doc_id, title, text, blocks, *imprint = rows[0]
        found = tuple(Block(BlockKind(kind), *where) for kind, *where in json.loads(blocks))
        return Document(doc_id, title, text, found, *imprint)

    def excerpt(self, doc_id: str, start: int, end: int) -> Excerpt | None:
        """Return `[start, end)` of one document, or None when there is none of that id."""
        # To read all of it and its blocks would take longer than anything else about a citation.
        sql = "SELECT title, date, department, substr(text, ?, ?) FROM document WHERE doc_id = ?"
        rows = self._query(sql, start + 1, end - start, doc_id)
        return Excerpt(*rows[0]) if rows else None

    def passages(self, ordinals: Sequence[int]) -> list[StoredPassage]:
        """Return the passages of the given ordinals, in that order."""
        return [self._passage(ordinal) for ordinal in ordinals]

    def citable_spans(self, doc_id: str) -> set[tuple[int, int]]:
        """Return all `[start, end)` of a document that a citation can point to: its sentences and passages."""
        spans = set()
        for start, end, sentences in self._query("SELECT start, end, sentences FROM passage WHERE doc_id = ?", doc_id):
            spans |= {(start, end), *((s, e) for s, e, _, _ in json.loads(sentences))}
        return spans

    def ordinals_of(self, doc_ids: Collection[str]) -> list[int]:
        """Return the ordinals of all passages of the given documents."""
        sql = "SELECT ordinal FROM passage WHERE doc_id = ?"
        return [row[0] for doc_id in doc_ids for row in self._query(sql, doc_id)]

    def sentence_scores(self, vector: np.ndarray, ordinals: Sequence[int]) -> dict[int, np.ndarray]:
        """Return ordinal → cosine of each sentence of the given passages with `vector`, (d,): float32 (sentences,)."""
        if not ordinals:
            return {}
        starts = self._sentence_offsets[np.asarray(ordinals, dtype=np.int64)]
        counts = self._sentence_offsets[np.asarray(ordinals, dtype=np.int64) + 1] - starts
        scores = self._sentence_vectors.read(starts, counts) @ vector
        ends = np.cumsum(counts).tolist()
        return {at: scores[start:end] for at, start, end in zip(ordinals, [0, *ends[:-1]], ends, strict=True)}

    def _query(self, sql: str, *values: str | int) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()


def _read_passage(connection: sqlite3.Connection, lock: threading.Lock, ordinal: int) -> StoredPassage:
    sql = (
        "SELECT passage_id, doc_id, start, end, text, context, sentences, context_terms, sentence_terms FROM passage"
        " WHERE ordinal = ?"
    )
    with lock:
        [row] = connection.execute(sql, (ordinal,))
    passage_id, doc_id, start, end, text, context, sentences, context_terms, sentence_terms = row
    spans = tuple(Sentence(s, e, BlockKind(kind), about) for s, e, kind, about in json.loads(sentences))
    passage = Passage(passage_id, doc_id, start, end, text, tuple(json.loads(context)), spans)
    terms = tuple(frozenset(one.split()) for one in sentence_terms.split("\n"))
    return StoredPassage(ordinal, passage, frozenset(context_terms.split()), terms)


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
