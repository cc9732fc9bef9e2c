"""What earlier builds worked out, by the digest of all that it depends on: documents, passages with terms, vectors.

It is a cache and no more. A damaged file is thrown away and made anew, on a full disk nothing is kept, and `notes` says
so. What comes out is what went in: each entry carries a checksum. What none of the last `BUILDS_KEPT` builds used goes.
"""

import hashlib
import json
import sqlite3
import time
import zlib
from collections.abc import Iterable
from dataclasses import asdict, astuple
from pathlib import Path
from types import TracebackType

import numpy as np

from index.chunking import Chunking
from index.corpus import AnalysedPassage
from index.documents import Block, BlockKind, Document, Passage, Sentence
from index.inputs import code_digest

FILE = "cache.sqlite"
BUILDS_KEPT = 5
# In seconds. What a build that is killed worked out since it last wrote is lost.
_WRITTEN_EVERY = 1.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (key BLOB PRIMARY KEY, content BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS use (key BLOB PRIMARY KEY, build INTEGER NOT NULL) WITHOUT ROWID;
"""
# The last one is what SQLite says of a file that is its own and has other tables than ours.
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


class BuildCache:
    """The cache in the file `path`, for one build. To be used in a `with` statement.

    `notes` are sentences about what was wrong with it.
    """

    def __init__(self, path: Path) -> None:
        self.notes: list[str] = []
        self._path = path
        self._used: set[bytes] = set()
        self._written = time.monotonic()
        self._connection: sqlite3.Connection | None = None
        self._can_write = True
        self._open()

    def __enter__(self) -> "BuildCache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()
        self._close()

    def document(self, doc_id: str, digest: str) -> Document | None:
        """Return the document that was loaded from the file `doc_id` when its bytes had the SHA-256 `digest`."""
        content = self._get(_document_key(doc_id, digest))
        if content is None:
            return None
        title, text, blocks, *imprint = json.loads(content)
        found = tuple(Block(BlockKind(kind), *where) for kind, *where in blocks)
        return Document(doc_id, title, text, found, *imprint)

    def keep_document(self, digest: str, document: Document) -> None:
        """Keep what was loaded from a file whose bytes have the SHA-256 `digest`."""
        self._put(_document_key(document.doc_id, digest), _document_content(document))
        self._write_now_and_then()

    def passages(self, document: Document, chunking: Chunking) -> list[AnalysedPassage] | None:
        """Return the passages of a document of the same content, whatever it was called then, with their terms."""
        content = self._get(_passages_key(document, chunking))
        return None if content is None else [_passage(document, *values) for values in json.loads(content)]

    def keep_passages(self, document: Document, chunking: Chunking, passages: list[AnalysedPassage]) -> None:
        """Keep all passages of a document."""
        values = [
            [one.passage.start, one.passage.end, one.passage.context,
             [[s.start, s.end, s.kind, s.about] for s in one.passage.sentences], one.context_terms, one.sentence_terms]
            for one in passages
        ]  # fmt: skip
        self._put(_passages_key(document, chunking), json.dumps(values).encode())
        self._write_now_and_then()

    def vector(self, model: str, text: str, dimension: int) -> np.ndarray | None:
        """Return what the model of the identity `model` made of `text`: float32 (dimension,) of unit norm."""
        content = self._get(_vector_key(model, text)) if model else None
        if content is None or len(content) != 4 * dimension:
            return None
        vector = np.frombuffer(content, "<f4")
        # A vector that isn't finite has no norm either.
        return vector if abs(float(np.linalg.norm(vector)) - 1) < 1e-3 else None

    def keep_vectors(self, model: str, texts: Iterable[str], vectors: np.ndarray) -> None:
        """Keep what the model of the identity `model` made of `texts`, and write it to the disk at once."""
        if model:
            for text, vector in zip(texts, vectors, strict=True):
                self._put(_vector_key(model, text), vector.astype("<f4").tobytes())
            self._write()

    def thin(self) -> None:
        """Delete what neither this build, which is about to be done, nor one of those before it used."""
        if not self._connection or not self._can_write:
            return
        try:
            build = self._connection.execute("PRAGMA user_version").fetchone()[0] + 1
            self._connection.executemany(
                "INSERT OR REPLACE INTO use VALUES (?, ?)", ((key, build) for key in self._used)
            )
            self._connection.execute("DELETE FROM use WHERE build <= ?", (build - BUILDS_KEPT,))
            self._connection.execute("DELETE FROM entry WHERE key NOT IN (SELECT key FROM use)")
            self._connection.execute(f"PRAGMA user_version = {build}")
        except sqlite3.Error as error:
            self._failed(error)
        self._write()

    def _get(self, key: bytes) -> bytes | None:
        if not self._connection:
            return None
        try:
            row = self._connection.execute("SELECT content, checksum FROM entry WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            self._failed(error)
            return None
        if row is None:
            return None
        content, checksum = row
        if not isinstance(content, bytes) or checksum != zlib.crc32(key + content):
            self._make_anew()
            return None
        self._used.add(key)
        return content

    def _put(self, key: bytes, content: bytes) -> None:
        self._used.add(key)
        if not self._connection or not self._can_write:
            return
        try:
            row = (key, content, zlib.crc32(key + content))
            self._connection.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", row)
        except sqlite3.Error as error:
            self._failed(error)

    def _write_now_and_then(self) -> None:
        if time.monotonic() - self._written > _WRITTEN_EVERY:
            self._write()

    def _write(self) -> None:
        try:
            if self._connection:
                self._connection.commit()
        except sqlite3.Error as error:
            self._failed(error)
        self._written = time.monotonic()

    def _open(self) -> None:
        try:
            self._connection = sqlite3.connect(self._path)
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self._failed(error)

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def _failed(self, error: sqlite3.Error) -> None:
        """Make the file anew when it is damaged; else go on without writing, and read what can be read."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _DAMAGE:
            self._make_anew()
        elif self._can_write:
            self._can_write = False
            self.notes.append(f"The cache {self._path.name} can't be written ({error}): the build goes on without it")
            if self._connection:
                self._connection.rollback()

    def _make_anew(self) -> None:
        self._close()
        note = f"The cache {self._path.name} was damaged: it was thrown away and is made anew"
        if note in self.notes:
            return  # twice in one build: whatever damages it is still at it
        self.notes.append(note)
        try:
            for path in (self._path, self._path.with_name(f"{self._path.name}-journal")):
                path.unlink(missing_ok=True)
        except OSError:
            return
        self._open()


def _document_key(doc_id: str, digest: str) -> bytes:
    return _key("document", code_digest(), doc_id, digest)


def _passages_key(document: Document, chunking: Chunking) -> bytes:
    content = hashlib.sha256(_document_content(document)).hexdigest()
    return _key("passages", code_digest(), content, json.dumps(asdict(chunking)))


def _vector_key(model: str, text: str) -> bytes:
    return _key("vector", model, text)


def _key(*parts: str) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def _document_content(document: Document) -> bytes:
    blocks = [astuple(block) for block in document.blocks]
    imprint = document.date, document.department, document.contact
    return json.dumps([document.title, document.text, blocks, *imprint]).encode()


def _passage(
    document: Document,
    start: int,
    end: int,
    context: list[str],
    sentences: list[tuple[int, int, str, str]],
    context_terms: list[str],
    sentence_terms: list[list[str]],
) -> AnalysedPassage:
    spans = tuple(Sentence(s, e, BlockKind(kind), about) for s, e, kind, about in sentences)
    passage_id = f"{document.doc_id}#{start}"
    text = document.text[start:end]
    passage = Passage(passage_id, document.doc_id, start, end, text, tuple(context), spans)
    return AnalysedPassage(passage, context_terms, sentence_terms)
