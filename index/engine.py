"""Where the vectors and terms of versions are kept and searched: in their folders, or in servers that many share."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from index.dense import DenseStore, FaissStore
from index.errors import UsageError
from index.lexical import Bm25Store, LexicalStore

EMBEDDED = "faiss"
_FORMS = '"faiss", postgresql://user:password@host/database or milvus:http://user:password@host:19530'


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the vectors and terms of a version are. Those of its own folder have neither name nor digest.

    `name` is that of a schema or a collection, of which each of `shards` databases has a part; `digest` is that of
    everything that was written there.
    """

    engine: str = EMBEDDED
    name: str = ""
    shards: int = 1
    digest: str = ""


class Engine(Protocol):
    """Keeps vectors and terms by version. What is in a server raises `EngineUnavailable` where it can't be used."""

    kind: str

    def write(self, name: str, folder: Path, vectors: np.ndarray, terms_by_passage: Sequence[list[str]]) -> Stored:
        """Keep a version: `vectors`, float32 (n, d) of unit norm, and the terms of each passage, by ordinal.

        `folder` is the version's own, and holds whatever of it is no server's. Until this returns, whatever has been
        written under `name` is none that could be opened.
        """
        ...

    def check(self, stored: Stored, passages: int) -> None:
        """Go on where what was written is there, of that digest and number of passages.

        Raises:
            IndexDamaged: it is missing, or other than it was.
        """
        ...

    def open(self, stored: Stored, folder: Path) -> tuple[DenseStore, LexicalStore]:
        """Return what searches a version that was checked, whose files are in `folder`."""
        ...

    def point_to(self, stored: Stored) -> None:
        """Let whatever others find the published version by lead to this one."""
        ...

    def keep_only(self, prefix: str, names: Collection[str]) -> None:
        """Drop all whose name begins with `prefix` but the given ones."""
        ...


class EmbeddedEngine:
    """Files in the version's folder: FAISS and tantivy, in this process."""

    kind = EMBEDDED

    def write(self, name: str, folder: Path, vectors: np.ndarray, terms_by_passage: Sequence[list[str]]) -> Stored:  # noqa: ARG002 - its folder is its name
        """Write both to `folder`."""
        Bm25Store.write(list(terms_by_passage), folder)
        FaissStore.write(vectors, folder)
        return Stored()

    def check(self, stored: Stored, passages: int) -> None:
        """Go on: the digests of its files are checked with those of the other files."""

    def open(self, stored: Stored, folder: Path) -> tuple[DenseStore, LexicalStore]:  # noqa: ARG002 - it is in its folder
        """Open both, memory-mapped."""
        return FaissStore.open(folder), Bm25Store.open(folder)

    def point_to(self, stored: Stored) -> None:
        """Do nothing: the folder is found by the pointer alone."""

    def keep_only(self, prefix: str, names: Collection[str]) -> None:
        """Do nothing: what is in a folder goes with it."""


def open_engine(setting: str) -> Engine:
    """Return the engine of a `MUNDAP_VECTOR_STORE`; nothing is connected to yet.

    Raises:
        UsageError: there is none of that form, or its package is not installed. The message holds no password.
    """
    try:
        if setting == EMBEDDED:
            return EmbeddedEngine()
        if setting.startswith(("postgresql://", "postgres://")):
            from index.postgres import PostgresEngine

            return PostgresEngine(setting.split())
        if setting.startswith(("milvus:http://", "milvus:https://")):
            from index.milvus import MilvusEngine

            return MilvusEngine(setting.removeprefix("milvus:"))
    except ModuleNotFoundError as error:
        extra = "milvus" if setting.startswith("milvus") else "postgres"
        raise UsageError(f"it needs a package; run: pip install -c requirements.lock -e '.[{extra}]'") from error
    raise UsageError(f"it must be {_FORMS}")


def written_digest(vectors: np.ndarray, terms_by_passage: Sequence[list[str]]) -> str:
    """Return the hexadecimal SHA-256 of what is written of a version."""
    digest = hashlib.sha256(np.ascontiguousarray(vectors).data)
    for terms in terms_by_passage:
        digest.update(" ".join(terms).encode() + b"\n")
    return digest.hexdigest()
