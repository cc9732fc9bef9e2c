"""PostgreSQL with pgvector: one schema a version in each database, made in one transaction.

<version>.dense     a passage's ordinal and vector; a graph (HNSW) over vectors of half precision finds the nearest,
                    the vectors themselves give the scores
<version>.lexical   ordinal, the ids of its terms (GIN), and their BM25 weights (sparsevec); the rarest terms of a
                    question find passages, all of its terms score them
<version>.about     digest and number of passages of the whole version

A database is one primary, which builds write to, and the replicas that follow it, which questions are put to. Passages
are spread over several databases by ordinal; a question goes to all of them at once.
"""

import struct
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.pool import QueuePool

from index.engine import Stored, written_digest
from index.errors import EngineUnavailable, IndexDamaged, IndexMismatch, UsageError
from index.lexical import rarest_terms
from index.vocabulary import TermWeights, Vocabulary

# Below this many passages in a database all vectors are compared, which takes milliseconds and misses none.
GRAPH_FROM = 10_000
# Passages that hold a term are scored one by one. A question's terms are looked for rarest first, until so many would
# be; the others count for those that were found. So a question costs no more than this, however large the index.
POSTINGS = 50_000
_OLDEST_PGVECTOR = (0, 8)
_DIMENSIONS_OF_TERMS = 1_000_000_000
_GRAPH = {"m": 16, "ef_construction": 64}
# Twice what a question asks for; pgvector takes no more than a thousand.
_CANDIDATES, _MOST_CANDIDATES = 200, 1_000

_CONNECTIONS = 16
_SECONDS_TO_WAIT = 5
# After it a connection is made anew, so that questions come back to a replica that was away.
_SECONDS_TO_KEEP = 300
_CONNECTING = {
    "connect_timeout": 2, "tcp_user_timeout": 10_000, "keepalives_idle": 10, "keepalives_interval": 5,
    "keepalives_count": 3, "application_name": "mundap",
}  # fmt: skip
# One question uses one processor there: many are asked at once, and none is worth compiling.
_ASKING = "-c statement_timeout=10000 -c jit=off -c max_parallel_workers_per_gather=0"
_BUILDING = "-c statement_timeout=0 -c lock_timeout=30000"

Rows = list[tuple[Any, ...]]
_Connection = psycopg.Connection[tuple[Any, ...]]
_Result = TypeVar("_Result")


class PostgresEngine:
    """Keeps versions in the databases at `urls`, each with all the hosts of one primary and its replicas.

    Raises:
        UsageError: one of `urls` can't be read as an address.
    """

    kind = "postgresql"

    def __init__(self, urls: Sequence[str], graph_from: int = GRAPH_FROM, postings: int = POSTINGS) -> None:
        self._databases = _Databases(urls)
        self._graph_from = graph_from
        self._postings = postings

    def write(self, name: str, folder: Path, vectors: np.ndarray, terms_by_passage: Sequence[list[str]]) -> Stored:
        """Make the schema `name` in each database; what is not committed everywhere is dropped by the next build."""
        weights = TermWeights(terms_by_passage)
        weights.write(folder)
        digest = written_digest(vectors, terms_by_passage)
        shards = len(self._databases)

        def write_part(shard: int, database: "_Database") -> None:
            with database.building() as connection:
                _require_pgvector(connection)
                with connection.transaction():
                    connection.execute(_sql("CREATE SCHEMA {}", name))
                    ordinals = range(shard, len(weights), shards)
                    _write_dense(connection, name, vectors, ordinals, self._graph_from)
                    _write_lexical(connection, name, weights, ordinals)
                    connection.execute(_sql("CREATE TABLE {}.about (digest text, passages integer)", name))
                    connection.execute(_sql("INSERT INTO {}.about VALUES (%s, %s)", name), (digest, len(weights)))

        self._databases.each(write_part)
        return Stored(self.kind, name, shards, digest)

    def check(self, stored: Stored, passages: int) -> None:
        """Compare digest and number of rows in each database.

        Raises:
            IndexMismatch: it was spread over another number of databases.
            IndexDamaged, EngineUnavailable: see there.
        """
        shards = len(self._databases)
        if stored.shards != shards:
            raise IndexMismatch(
                f"The index was spread over {stored.shards} databases, MUNDAP_VECTOR_STORE names {shards}; "
                "run: mundap index build"
            )
        statement = _sql(
            "SELECT digest, (SELECT count(*) FROM {}.dense), (SELECT count(*) FROM {}.lexical) FROM {}.about",
            stored.name, stored.name, stored.name,
        )  # fmt: skip
        for shard, rows in enumerate(self._databases.each(lambda _, database: database.ask(statement))):
            part = len(range(shard, passages, shards))
            if rows != [(stored.digest, part, part)]:
                raise IndexDamaged(
                    f"The schema {stored.name} in PostgreSQL is not as it was written; run: mundap index build"
                )

    def open(self, stored: Stored, folder: Path) -> tuple["PostgresDense", "PostgresLexical"]:
        """Return what asks the databases, with the vocabulary in `folder`."""
        vocabulary = Vocabulary(folder)
        dense = PostgresDense(self._databases, stored.name, len(vocabulary), self._graph_from)
        return dense, PostgresLexical(self._databases, stored.name, vocabulary, self._postings)

    def point_to(self, stored: Stored) -> None:
        """Do nothing: the schema is found by the manifest alone."""

    def keep_only(self, prefix: str, names: Collection[str]) -> None:
        """Drop all schemas whose name begins with `prefix` but the given ones."""

        def drop(_: int, database: "_Database") -> None:
            with database.building() as connection:
                found = connection.execute("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", (prefix,))
                for (name,) in found.fetchall():
                    if name not in names:
                        connection.execute(_sql("DROP SCHEMA IF EXISTS {} CASCADE", name))

        self._databases.each(drop)


class PostgresDense:
    """The vectors of one version."""

    def __init__(self, databases: "_Databases", name: str, passages: int, graph_from: int) -> None:
        self._databases = databases
        self._table = sql.Identifier(name, "dense")
        self._passages = passages
        self._graph_from = graph_from

    def __len__(self) -> int:
        return self._passages

    def search(self, vector: np.ndarray, top_k: int) -> dict[int, float]:
        """Return ordinal → cosine of the `top_k` passages nearest to `vector`, shape (d,), nearest first."""
        given = {"vector": _vector_text(vector), "top_k": top_k}
        exact = sql.SQL(
            "SELECT ordinal, -(embedding <#> %(vector)s::vector) AS score FROM {table}"
            " ORDER BY score DESC, ordinal LIMIT %(top_k)s"
        ).format(table=self._table)
        # What the graph finds by halves is ranked by the vectors themselves.
        by_graph = sql.SQL(
            "SELECT ordinal, -(embedding <#> %(vector)s::vector) AS score FROM (SELECT ordinal, embedding FROM {table}"
            " ORDER BY embedding::halfvec({d}) <#> %(vector)s::vector::halfvec({d}) LIMIT %(top_k)s) AS found"
            " ORDER BY score DESC, ordinal"
        ).format(table=self._table, d=sql.Literal(len(vector)))

        def nearest(shard: int, database: "_Database") -> Rows:
            has_graph = len(range(shard, self._passages, len(self._databases))) >= self._graph_from
            if not has_graph or top_k > _MOST_CANDIDATES:
                return database.ask(exact, given)
            settings = {"hnsw.ef_search": str(max(_CANDIDATES, top_k)), "enable_seqscan": "off"}
            return database.ask(by_graph, given, settings)

        return _best(self._databases.each(nearest), top_k)

    def scores(self, vector: np.ndarray, ordinals: list[int]) -> dict[int, float]:
        """Return ordinal → cosine for the given passages."""
        shards = len(self._databases)
        statement = sql.SQL("SELECT ordinal, -(embedding <#> %s::vector) FROM {} WHERE ordinal = ANY (%s)")
        statement_here = statement.format(self._table)

        def score(shard: int, database: "_Database") -> Rows:
            here = [ordinal for ordinal in ordinals if ordinal % shards == shard]
            return database.ask(statement_here, (_vector_text(vector), here)) if here else []

        found: dict[int, float] = dict(row for rows in self._databases.each(score) for row in rows)
        return {ordinal: found[ordinal] for ordinal in ordinals}


class PostgresLexical:
    """The terms of one version."""

    def __init__(self, databases: "_Databases", name: str, vocabulary: Vocabulary, postings: int) -> None:
        self._databases = databases
        self._table = sql.Identifier(name, "lexical")
        self._vocabulary = vocabulary
        self._postings = postings
        self.idf = vocabulary.idf
        self.passages_with = vocabulary.passages_with

    def __len__(self) -> int:
        return len(self._vocabulary)

    def search(self, terms: list[str], top_k: int) -> dict[int, float]:
        """Return ordinal → BM25 score of the best `top_k` passages that hold any of `terms`, best first.

        Of very frequent terms see `POSTINGS`.
        """
        known = rarest_terms(terms, self)
        if not known:
            return {}
        ids = [self._vocabulary.id_of(term) for term in known]
        counts = np.cumsum([self.passages_with(term) for term in known])
        finding = ids[: max(1, int(np.searchsorted(counts, self._postings * len(self._databases), side="right")))]
        question = f"{{{','.join(f'{number}:1' for number in sorted(ids))}}}/{_DIMENSIONS_OF_TERMS}"
        statement = sql.SQL(
            "SELECT ordinal, -(weights <#> %s::sparsevec) AS score FROM {} WHERE terms && %s::integer[]"
            " ORDER BY score DESC, ordinal LIMIT %s"
        ).format(self._table)
        return _best(
            self._databases.each(lambda _, database: database.ask(statement, (question, finding, top_k))), top_k
        )


class _Databases:
    """The databases that share the passages; what is put to all of them is put at once, in so many threads at most."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._databases = [_Database(url) for url in urls]
        self._threads = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="databases")

    def __len__(self) -> int:
        return len(self._databases)

    def each(self, do: Callable[[int, "_Database"], _Result]) -> list[_Result]:
        """Return what `do` returns for each number and database, or raise what it raises when all have ended."""
        begun = [self._threads.submit(do, *numbered) for numbered in list(enumerate(self._databases))[1:]]
        try:
            first = do(0, self._databases[0])
        finally:
            wait(begun)
        return [first, *(one.result() for one in begun)]


class _Database:
    """One primary and its replicas. Connections for questions are kept, one for a build is made for it."""

    def __init__(self, url: str) -> None:
        try:
            if not url.startswith(("postgresql://", "postgres://")):
                raise psycopg.ProgrammingError("it is no address")
            given = conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            # Its message may hold the address, and so the password.
            raise UsageError("it holds an address that PostgreSQL can't read") from error
        hosts = str(given.get("host") or "").count(",") + 1
        for_replicas = {"target_session_attrs": "prefer-standby", "load_balance_hosts": "random"} if hosts > 1 else {}
        for_questions = _conninfo(for_replicas | given, _ASKING)
        for_primary = given | {"target_session_attrs": "read-write"}
        self._connect = partial(_connect, for_questions)
        self._connect_primary = partial(_connect, _conninfo(for_primary, _ASKING))
        self._connect_builder = partial(_connect, _conninfo(for_primary, _BUILDING))
        self._pool = QueuePool(
            partial(_connect_pooled, for_questions), pool_size=_CONNECTIONS, max_overflow=0, timeout=_SECONDS_TO_WAIT,
            recycle=_SECONDS_TO_KEEP,
        )  # fmt: skip
        weakref.finalize(self, self._pool.dispose)

    def ask(self, statement: sql.SQL | sql.Composed, given: Any = (), settings: dict[str, str] | None = None) -> Rows:
        """Return the rows of a statement that only reads, with server settings that hold for it alone.

        What fails because its connection was cut, or the server behind it ended, is put once more to whoever answers
        now; what a replica doesn't know yet, to the primary.

        Raises:
            EngineUnavailable, IndexDamaged: see there.
        """
        try:
            with self._pooled() as connection:
                return _rows(connection, statement, given, settings)
        except NoConnectionFree as error:
            raise EngineUnavailable("All connections to PostgreSQL are in use; try again in a moment") from error
        except errors.QueryCanceled as error:
            raise _unavailable(error) from error
        except (errors.UndefinedTable, errors.InvalidSchemaName):
            again = self._connect_primary
        except psycopg.Error:
            again = self._connect
        with _telling(), again() as connection:
            return _rows(connection, statement, given, settings)

    @contextmanager
    def building(self) -> Iterator[_Connection]:
        """Yield a connection to the primary on which a statement may take long.

        Raises:
            EngineUnavailable: the server can't be used.
        """
        with _telling(), self._connect_builder() as connection:
            yield connection

    @contextmanager
    def _pooled(self) -> Iterator[_Connection]:
        held = self._pool.connect()
        connection: Any = held.driver_connection
        try:
            yield connection
        except BaseException:
            held.invalidate()
            raise
        finally:
            held.close()


def _conninfo(given: dict[str, Any], options: str) -> str:
    own = str(given.get("options") or "")
    parameters: dict[str, Any] = _CONNECTING | given | {"options": f"{options} {own}".strip()}
    return make_conninfo("", **parameters)


def _connect(conninfo: str) -> _Connection:
    # Statements are not prepared: whatever pools connections before the server may give each another session.
    return psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)


def _connect_pooled(conninfo: str) -> Any:
    """Return a connection as SQLAlchemy's pool takes it, which knows it by its methods alone."""
    return _connect(conninfo)


@contextmanager
def _telling() -> Iterator[None]:
    """Turn what psycopg raises into an error that says what to do."""
    try:
        yield
    except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
        raise IndexDamaged("The index is no longer in PostgreSQL; run: mundap index build") from error
    except psycopg.Error as error:
        raise _unavailable(error) from error


def _unavailable(error: psycopg.Error) -> EngineUnavailable:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return EngineUnavailable(f"PostgreSQL can't be used ({reason}); check that it runs, and MUNDAP_VECTOR_STORE")


def _rows(
    connection: _Connection, statement: sql.SQL | sql.Composed, given: Any, settings: dict[str, str] | None
) -> Rows:
    if not settings:
        return connection.execute(statement, given).fetchall()
    with connection.pipeline(), connection.transaction():
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, true)", (name, value))
        return connection.execute(statement, given).fetchall()


def _best(found: list[Rows], top_k: int) -> dict[int, float]:
    rows = sorted((row for rows in found for row in rows), key=lambda row: (-row[1], row[0]))
    return dict(rows[:top_k])


def _sql(statement: str, *schemas: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, schemas))


# ----- writing -------------------------------------------------------------------------------------------------------


def _require_pgvector(connection: _Connection) -> None:
    find = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    found = connection.execute(find).fetchone()
    if not found:
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except psycopg.Error as error:
            problem = "pgvector is not in the database; let its administrator run: CREATE EXTENSION vector"
            raise EngineUnavailable(problem) from error
        found = connection.execute(find).fetchone()
    if tuple(map(int, str(found[0] if found else 0).split(".")[:2])) < _OLDEST_PGVECTOR:
        raise EngineUnavailable("pgvector is older than 0.8; let its administrator run: ALTER EXTENSION vector UPDATE")


def _write_dense(connection: _Connection, name: str, vectors: np.ndarray, ordinals: range, graph_from: int) -> None:
    table, dimension = sql.Identifier(name, "dense"), sql.Literal(vectors.shape[1])
    create = sql.SQL("CREATE TABLE {} (ordinal integer NOT NULL, embedding vector({}) NOT NULL)")
    connection.execute(create.format(table, dimension))
    # pgvector's own form: the number of values, two empty bytes, the values.
    head = struct.pack(">hh", vectors.shape[1], 0)
    rows = ((ordinal, head + vectors[ordinal].astype(">f4").tobytes()) for ordinal in ordinals)
    _copy(connection, table, ("int4", "bytea"), rows)
    connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (ordinal)").format(table))
    if len(ordinals) >= graph_from:
        index = sql.SQL("CREATE INDEX ON {} USING hnsw ((embedding::halfvec({})) halfvec_ip_ops) WITH ({})")
        options = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(option), sql.Literal(value)) for option, value in _GRAPH.items()
        )
        connection.execute(index.format(table, dimension, options))
    connection.execute(sql.SQL("ANALYZE {}").format(table))


def _write_lexical(connection: _Connection, name: str, weights: TermWeights, ordinals: range) -> None:
    table = sql.Identifier(name, "lexical")
    create = "CREATE TABLE {} (ordinal integer NOT NULL, terms integer[] NOT NULL, weights sparsevec NOT NULL)"
    connection.execute(sql.SQL(create).format(table))
    rows = ((ordinal, *_term_columns(*weights.of(ordinal))) for ordinal in ordinals)
    _copy(connection, table, ("int4", "bytea", "bytea"), rows)
    connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (ordinal)").format(table))
    connection.execute(sql.SQL("CREATE INDEX ON {} USING gin (terms) WITH (fastupdate = off)").format(table))
    connection.execute(sql.SQL("ANALYZE {}").format(table))


def _term_columns(ids: np.ndarray, weights: np.ndarray) -> tuple[bytes, bytes]:
    """Return an integer[] and a sparsevec as the server takes them. Its places are counted from 1, here from 0."""
    elements = np.empty(len(ids), dtype=[("length", ">i4"), ("value", ">i4")])
    elements["length"], elements["value"] = 4, ids
    integer = 23
    shape = (1, 0, integer, len(ids), 1) if len(ids) else (0, 0, integer)
    array = struct.pack(f">{len(shape)}i", *shape) + elements.tobytes()
    head = struct.pack(">iii", _DIMENSIONS_OF_TERMS, len(ids), 0)
    return array, head + (ids - 1).astype(">i4").tobytes() + weights.astype(">f4").tobytes()


def _copy(
    connection: _Connection, table: sql.Identifier, types: Sequence[str], rows: Iterator[tuple[Any, ...]]
) -> None:
    """Put rows into a table, in binary: what is given as bytes is the column's own form, whatever its type."""
    statement = sql.SQL("COPY {} FROM STDIN WITH (FORMAT BINARY, FREEZE)").format(table)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _vector_text(vector: np.ndarray) -> str:
    return f"[{','.join(map(str, vector.tolist()))}]"
