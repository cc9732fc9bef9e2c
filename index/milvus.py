"""Milvus: one collection a version, with a dense and a sparse vector of each passage.

`embedding` is searched by a graph (HNSW), `weights`, term id → BM25 weight, by an inverted index, both by inner
product. An alias, the part of a collection's name that all versions of one data folder share, leads to the published
one; questions go to the collection by its own name, so that one under way keeps its version. No call is used that
Milvus Lite, which the tests run on, doesn't have too; it keeps no descriptions, so the digest of what was written is
part of the primary key's name.
"""

import logging
import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import grpc
import numpy as np
from pymilvus import DataType, MilvusClient, MilvusException
from pymilvus.client.types import Status

from index.engine import Stored, written_digest
from index.errors import EngineUnavailable, IndexDamaged, UsageError
from index.lexical import rarest_terms
from index.vocabulary import TermWeights, Vocabulary

_GRAPH = {"M": 16, "efConstruction": 128}
_CANDIDATES = 200
_MOST_HITS = 16_384
_ROWS_AT_ONCE = 2_000
_SECONDS_TO_ANSWER = 5
_SECONDS_TO_WRITE = 60
_SECONDS_TO_INDEX = 24 * 3_600
# Of a passage without terms: Milvus keeps no empty vector. No term has this id.
_NO_TERMS = {0: 1.0}

# It logs, with a trace, what it also raises.
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)


class MilvusEngine:
    """Keeps versions in the Milvus at `url`, http(s)://user:password@host:port/database, of which the host is enough.

    Raises:
        UsageError: `url` can't be read as an address.
    """

    kind = "milvus"

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            self._uri = f"{parts.scheme}://{parts.hostname}:{parts.port or 19530}"
        except ValueError as error:
            raise UsageError("it holds an address that can't be read") from error
        if not parts.hostname:
            raise UsageError("it names no host")
        self._token = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}" if parts.username else ""
        self._database = parts.path.strip("/")
        self._connecting = threading.Lock()
        self._client: Any = None

    def write(self, name: str, folder: Path, vectors: np.ndarray, terms_by_passage: Sequence[list[str]]) -> Stored:
        """Make the collection `name`; one that is not whole is dropped by the next build."""
        weights = TermWeights(terms_by_passage)
        weights.write(folder)
        digest = written_digest(vectors, terms_by_passage)
        key = _key(digest)
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(key, DataType.INT64, is_primary=True)
        schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=vectors.shape[1])
        schema.add_field("weights", DataType.SPARSE_FLOAT_VECTOR)
        indexes = MilvusClient.prepare_index_params()
        indexes.add_index("embedding", index_type="HNSW", metric_type="IP", params=_GRAPH)
        indexes.add_index("weights", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
        with self.client() as client:
            client.create_collection(name, schema=schema, timeout=_SECONDS_TO_WRITE)
            for start in range(0, len(weights), _ROWS_AT_ONCE):
                rows = [
                    {key: ordinal, "embedding": vectors[ordinal], "weights": _sparse(*weights.of(ordinal))}
                    for ordinal in range(start, min(start + _ROWS_AT_ONCE, len(weights)))
                ]
                client.insert(name, rows, timeout=_SECONDS_TO_WRITE)
            client.flush(name, timeout=_SECONDS_TO_INDEX)
            client.create_index(name, indexes, timeout=_SECONDS_TO_INDEX)
            client.load_collection(name, timeout=_SECONDS_TO_INDEX)
        return Stored(self.kind, name, 1, digest)

    def check(self, stored: Stored, passages: int) -> None:
        """Compare digest and number of rows.

        Raises:
            IndexDamaged, EngineUnavailable: see there.
        """
        with self.client() as client:
            if not client.has_collection(stored.name, timeout=_SECONDS_TO_ANSWER):
                raise IndexDamaged(f"The collection {stored.name} is not in Milvus; run: mundap index build")
            # After Milvus was started anew it may have to be brought into memory.
            client.load_collection(stored.name, timeout=_SECONDS_TO_INDEX)
            fields = client.describe_collection(stored.name, timeout=_SECONDS_TO_ANSWER)["fields"]
            [counted] = client.query(
                stored.name, output_fields=["count(*)"], consistency_level="Strong", timeout=_SECONDS_TO_WRITE
            )
        if _key(stored.digest) not in {field["name"] for field in fields} or counted["count(*)"] != passages:
            raise IndexDamaged(
                f"The collection {stored.name} in Milvus is not as it was written; run: mundap index build"
            )

    def open(self, stored: Stored, folder: Path) -> tuple["MilvusDense", "MilvusLexical"]:
        """Return what asks Milvus, with the vocabulary in `folder`."""
        vocabulary = Vocabulary(folder)
        return MilvusDense(self, stored, len(vocabulary)), MilvusLexical(self, stored, vocabulary)

    def point_to(self, stored: Stored) -> None:
        """Let the alias lead to this version."""
        alias = "_".join(stored.name.split("_")[:2])
        with self.client() as client:
            try:
                client.alter_alias(stored.name, alias, timeout=_SECONDS_TO_ANSWER)
            except MilvusException:
                # There is none yet; or Milvus is away, and this fails as well.
                client.create_alias(stored.name, alias, timeout=_SECONDS_TO_ANSWER)

    def keep_only(self, prefix: str, names: Collection[str]) -> None:
        """Drop all collections whose name begins with `prefix` but the given ones."""
        with self.client() as client:
            for name in client.list_collections(timeout=_SECONDS_TO_ANSWER):
                if name.startswith(prefix) and name not in names:
                    # Milvus drops none that an alias leads to.
                    for alias in client.list_aliases(name, timeout=_SECONDS_TO_ANSWER)["aliases"]:
                        client.drop_alias(alias, timeout=_SECONDS_TO_ANSWER)
                    client.drop_collection(name, timeout=_SECONDS_TO_WRITE)

    def search(self, stored: Stored, field: str, vector: Any, top_k: int, params: dict[str, int]) -> dict[int, float]:
        """Return ordinal → inner product of the `top_k` best of a version for one vector, best first."""
        key = _key(stored.digest)
        [hits] = self.ask(
            stored,
            lambda client: client.search(
                stored.name, [vector], anns_field=field, limit=min(top_k, _MOST_HITS), output_fields=[key],
                search_params={"metric_type": "IP", "params": params}, consistency_level="Eventually",
                timeout=_SECONDS_TO_ANSWER,
            ),
        )  # fmt: skip
        return {int(hit[key]): float(hit["distance"]) for hit in hits}

    def ask(self, stored: Stored, call: Callable[[Any], Any]) -> Any:
        """Return what `call` returns for the connection; a Milvus that was started anew brings the version back first.

        Raises:
            EngineUnavailable: Milvus can't be used.
        """
        with self.client() as client:
            try:
                return call(client)
            except MilvusException as error:
                if _is_lost(error):
                    raise
                client.load_collection(stored.name, timeout=_SECONDS_TO_ANSWER)
                return call(client)

    @contextmanager
    def client(self) -> Iterator[Any]:
        """Yield the connection, which is made when it is first needed and made anew by itself.

        Raises:
            EngineUnavailable: Milvus can't be used.
        """
        client = None
        try:
            with self._connecting:
                if self._client is None:
                    self._client = MilvusClient(
                        self._uri, token=self._token, db_name=self._database, timeout=_SECONDS_TO_ANSWER, dedicated=True
                    )
                    weakref.finalize(self, self._client.close)
                client = self._client
            yield client
        except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError) as error:
            if client and _is_lost(error):
                # Its own attempts to come back are further apart the longer the server is away.
                with self._connecting:
                    if self._client is client:
                        self._client = None
                client.close()
            said = getattr(error, "message", "") or getattr(error, "details", str)() or type(error).__name__
            reason = " ".join(str(said).split())[:200]
            raise EngineUnavailable(
                f"Milvus can't be used ({reason}); check that it runs, and MUNDAP_VECTOR_STORE"
            ) from error


def _is_lost(error: Exception) -> bool:
    """Whether the connection is to blame, and not what was asked."""
    code = getattr(error, "code", None)
    return not isinstance(error, MilvusException) or code == Status.CONNECT_FAILED or not isinstance(code, int)


class MilvusDense:
    """The vectors of one version."""

    def __init__(self, engine: MilvusEngine, stored: Stored, passages: int) -> None:
        self._engine = engine
        self._stored = stored
        self._passages = passages

    def __len__(self) -> int:
        return self._passages

    def search(self, vector: np.ndarray, top_k: int) -> dict[int, float]:
        """Return ordinal → cosine of the `top_k` passages nearest to `vector`, shape (d,), nearest first."""
        params = {"ef": max(_CANDIDATES, top_k)}
        return self._engine.search(self._stored, "embedding", vector.astype(np.float32), top_k, params)

    def scores(self, vector: np.ndarray, ordinals: list[int]) -> dict[int, float]:
        """Return ordinal → cosine for the given passages, whose vectors are fetched."""
        if not ordinals:
            return {}
        key = _key(self._stored.digest)
        rows = self._engine.ask(
            self._stored,
            lambda client: client.get(
                self._stored.name, ordinals, output_fields=[key, "embedding"], consistency_level="Eventually",
                timeout=_SECONDS_TO_ANSWER,
            ),
        )  # fmt: skip
        found = {int(row[key]): float(np.asarray(row["embedding"], dtype=np.float32) @ vector) for row in rows}
        return {ordinal: found[ordinal] for ordinal in ordinals}


class MilvusLexical:
    """The terms of one version."""

    def __init__(self, engine: MilvusEngine, stored: Stored, vocabulary: Vocabulary) -> None:
        self._engine = engine
        self._stored = stored
        self._vocabulary = vocabulary
        self.idf = vocabulary.idf
        self.passages_with = vocabulary.passages_with

    def __len__(self) -> int:
        return len(self._vocabulary)

    def search(self, terms: list[str], top_k: int) -> dict[int, float]:
        """Return ordinal → BM25 score of the best `top_k` passages that hold any of `terms`, best first."""
        known = rarest_terms(terms, self)
        if not known:
            return {}
        question = {self._vocabulary.id_of(term): 1.0 for term in known}
        return self._engine.search(self._stored, "weights", question, top_k, {})


def _key(digest: str) -> str:
    return f"ordinal_{digest[:16]}"


def _sparse(ids: np.ndarray, weights: np.ndarray) -> dict[int, float]:
    return dict(zip(ids.tolist(), weights.tolist(), strict=True)) or _NO_TERMS
