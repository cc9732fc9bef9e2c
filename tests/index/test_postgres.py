import shutil
import threading
import time
from contextlib import ExitStack, contextmanager

import numpy as np
import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg import sql

from eval.benchmarks.servers import PostgresServer, ServerMissing, postgres_programs, wait_until
from index import postgres
from index.build import build_index
from index.errors import EngineUnavailable, IndexMismatch
from index.postgres import PostgresEngine
from index.publication import Publication
from server.app import create_app
from server.chat import Models, create_chat
from server.settings import Settings
from tests.index.engine_contract import FILES, ServerContract, bm25, unit
from tests.server.test_errors import check_problem

NAME = "mundap_{:08x}_20260101t000000000z_ffffffff"


@pytest.fixture(scope="module")
def programs():
    try:
        with postgres_programs() as found:
            yield found
    except ServerMissing as error:
        pytest.skip(str(error))


@contextmanager
def running(programs, name, settings=(), primary=None):
    binaries, home = programs
    server = PostgresServer(binaries, home / name, settings)
    server.follow(primary) if primary else server.create()
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder)


@pytest.fixture(scope="module")
def server(programs):
    with running(programs, "primary") as server:
        for name in ("one", "two"):
            run(server, f"CREATE DATABASE {name}")
        yield server


def run(server, statement, given=(), database="postgres"):
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        cursor = connection.execute(statement, given)
        return cursor.fetchall() if cursor.description else []


def schemas(server, database="postgres"):
    found = run(server, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'mundap%%'", database=database)
    return [name for (name,) in found]


class PostgresContract(ServerContract):
    databases = ("postgres",)

    def kept_by(self, engine, publication):
        prefix = publication.store_name("").rstrip("_")
        kept = [{name for name in schemas(self.server, one) if name.startswith(prefix)} for one in self.databases]
        assert all(names == kept[0] for names in kept)
        return kept[0]

    def spoil(self, engine, name):
        spoilt = sql.SQL("DELETE FROM {} WHERE ordinal = 0").format(sql.Identifier(name, "lexical"))
        run(self.server, spoilt, database=self.databases[0])

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, server):
        cls.server = server
        return PostgresEngine([server.url(name) for name in cls.databases], cls.graph_from)


class TestPostgres(PostgresContract):
    graph_from = 1

    def test_the_graph_is_what_is_searched(self, engine, keep, server):
        vectors = unit(np.random.default_rng(2).standard_normal((3_000, 24)))
        dense, _ = keep(vectors)
        [schema, _] = dense._table._obj
        before = scans(engine, server, schema)
        question = unit(vectors[5] + 0.2 * vectors[6])
        found = dense.search(question, 100)
        assert scans(engine, server, schema) == before + 1
        cosines = vectors @ question
        assert list(found.values()) == sorted(found.values(), reverse=True)
        assert found == pytest.approx({at: float(cosines[at]) for at in found}, abs=1e-5)
        assert len(set(found) & set(np.argsort(-cosines)[:100].tolist())) >= 97


class TestTwoShards(PostgresContract):
    databases = ("one", "two")
    graph_from = postgres.GRAPH_FROM

    def test_each_database_has_its_part(self, engine, keep, server):
        dense, _ = keep(unit(np.random.default_rng(3).standard_normal((7, 24))))
        find = sql.SQL("SELECT ordinal FROM {} ORDER BY ordinal").format(dense._table)
        parts = [run(server, find, database=name) for name in self.databases]
        assert parts == [[(0,), (2,), (4,), (6,)], [(1,), (3,), (5,)]]

    def test_another_number_of_databases_is_refused(self, engine, publication, source, fake_embedder, server):
        build_index(source(FILES), publication, fake_embedder)
        fewer = Publication(publication.folder.parent, engine=PostgresEngine([server.url("one")]))
        with pytest.raises(IndexMismatch, match="spread over 2 databases, MUNDAP_VECTOR_STORE names 1"):
            fewer.open(fake_embedder)


def scans(engine, server, schema):
    """How often the graph was searched; the server counts that when connections are closed."""
    [database] = engine._databases._databases
    database._pool.dispose()
    wait_until(lambda: not asked(server))
    find = "SELECT idx_scan FROM pg_stat_user_indexes WHERE schemaname = %s AND indexrelname LIKE 'dense_embedding%%'"
    [(count,)] = run(server, find, (schema,))
    return count


# ----- very frequent terms -------------------------------------------------------------------------------------------


def test_frequent_terms_count_for_what_rarer_ones_find(server, tmp_path):
    engine = PostgresEngine([server.url()], postings=3)
    terms = [["common"], ["common", "rare"], ["common", "common", "rare"], ["common"]]
    stored = engine.write(NAME.format(1), tmp_path, unit(np.ones((4, 8))), terms)
    _, lexical = engine.open(stored, tmp_path)
    expected = {at: bm25(["common", "rare"], terms[at], terms) for at in (2, 1)}
    assert lexical.search(["common", "rare"], 10) == pytest.approx(expected, rel=1e-5)
    assert sorted(lexical.search(["common"], 10)) == [0, 1, 2, 3]


# ----- failures ------------------------------------------------------------------------------------------------------


@pytest.fixture
def frail(programs):
    """A server that a test may kill."""
    with running(programs, f"frail{time.monotonic_ns()}") as server:
        yield server


@pytest.fixture
def publication(frail, tmp_path):
    return Publication(tmp_path / "data", engine=PostgresEngine([frail.url()]))


def test_a_server_that_is_killed_in_a_search_is_told_and_come_back_to(frail, publication, source, fake_embedder):
    build_index(source(FILES), publication, fake_embedder)
    index = publication.open(fake_embedder)
    vector = fake_embedder.embed_questions(["x"])[0]
    expected = index.dense.search(vector, 3)
    killer = threading.Timer(0.3, frail.kill)
    killer.start()

    def search_for_a_minute():
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            assert index.dense.search(vector, 3) == expected

    with pytest.raises(EngineUnavailable, match="PostgreSQL can't be used"):
        search_for_a_minute()
    killer.join()
    with pytest.raises(EngineUnavailable):
        index.lexical.search(["town"], 3)
    frail.start()
    assert index.dense.search(vector, 3) == expected
    assert index.lexical.search(["town"], 3)


def test_a_server_that_is_killed_in_a_statement_is_told(frail):
    [database] = PostgresEngine([frail.url()])._databases._databases

    def kill_when_it_sleeps():
        find = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%%'"
        wait_until(lambda: run(frail, find))
        frail.kill()

    killer = threading.Thread(target=kill_when_it_sleeps)
    killer.start()
    with pytest.raises(EngineUnavailable, match="PostgreSQL can't be used"):
        database.ask(sql.SQL("SELECT pg_sleep(9)"))
    killer.join()


def test_servers_that_share_an_index_answer_alike_and_are_back_when_the_engine_is(
    frail, publication, source, fake_embedder
):
    build_index(source(FILES), publication, fake_embedder)
    settings = Settings(_env_file=None, data_dir=publication.folder.parent, vector_store=frail.url())
    asked = {"question": "When does the town hall open?"}
    with ExitStack() as stack:
        chats = [create_chat(settings, Models(fake_embedder)) for _ in range(2)]
        clients = [stack.enter_context(TestClient(create_app(settings, chat))) for chat in chats]

        def hits():
            replies = [client.get("/api/search", params={"q": asked["question"]}) for client in clients]
            assert [reply.status_code for reply in replies] == [200, 200]
            return [[(hit["passage_id"], hit["score"]) for hit in reply.json()["hits"]] for reply in replies]

        [one, other] = before = hits()
        assert one == other
        assert len(one) == len(FILES)
        frail.kill()
        for client in clients:
            check_problem(client.post("/api/chat", json=asked), 503, "index_unavailable")
            assert client.get("/readyz").status_code == 503
        frail.start()
        assert hits() == before
        assert [client.get("/readyz").status_code for client in clients] == [200, 200]
        # What is published meanwhile is taken over by both.
        version = build_index(source({"more.txt": "More of it."}), publication, fake_embedder).version
        wait_until(lambda: all(client.get("/readyz").json()["index_version"] == version for client in clients))


def test_connections_that_a_restart_has_cut_are_made_anew_without_an_error(frail, publication, source, fake_embedder):
    build_index(source(FILES), publication, fake_embedder)
    index = publication.open(fake_embedder)
    expected = index.lexical.search(["town"], 3)
    frail.stop()
    frail.start()
    assert index.lexical.search(["town"], 3) == expected


def test_a_server_that_is_killed_in_a_publication_keeps_the_old_version(
    frail, publication, source, fake_embedder, monkeypatch
):
    old = build_index(source(FILES), publication, fake_embedder).version
    columns, written = postgres._term_columns, []

    def die_at_the_second(*given):
        written.append(given)
        if len(written) == 2:
            frail.kill()
        return columns(*given)

    folder = source({"more.txt": "More of it."})
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "_term_columns", die_at_the_second)
        with pytest.raises(EngineUnavailable):
            build_index(folder, publication, fake_embedder)
    assert len(written) >= 2
    assert publication.current_version() == old
    frail.start()
    index = publication.open(fake_embedder)
    assert index.manifest.version == old
    assert index.lexical.search(["town"], 3)
    new = build_index(source({}), publication, fake_embedder).version
    assert publication.open(fake_embedder).manifest.version == new
    assert sorted(schemas(frail)) == sorted(publication.store_name(version) for version in (old, new))


def test_what_a_killed_build_has_left_goes_with_the_next(frail, publication, source, fake_embedder):
    version = build_index(source(FILES), publication, fake_embedder).version
    left_over = publication.store_name("20260101T000000000Z-00000000")
    run(frail, f"CREATE SCHEMA {left_over}")
    build_index(source({"a.txt": "One."}), publication, fake_embedder)
    assert left_over not in schemas(frail)
    assert publication.store_name(version) in schemas(frail)


def test_a_server_that_is_away_fails_a_build_before_anything_is_embedded(frail, publication, source, fake_embedder):
    build_index(source(FILES), publication, fake_embedder)
    frail.stop()
    with pytest.raises(EngineUnavailable, match="check that it runs, and MUNDAP_VECTOR_STORE") as raised:
        build_index(source({"a.txt": "One."}), publication, fake_embedder)
    assert raised.value.retry_after


def test_a_statement_that_takes_too_long_is_given_up(frail, monkeypatch):
    monkeypatch.setattr(postgres, "_ASKING", "-c statement_timeout=50")
    [database] = PostgresEngine([frail.url()])._databases._databases
    with pytest.raises(EngineUnavailable, match="statement timeout"):
        database.ask(sql.SQL("SELECT pg_sleep(5)"))


def test_an_address_that_leads_nowhere_is_told_without_its_password(tmp_path, fake_embedder):
    engine = PostgresEngine(["postgresql://mundap:s3cret@127.0.0.1:1/mundap"])
    with pytest.raises(EngineUnavailable) as raised:
        engine.keep_only("mundap_", [])
    assert "s3cret" not in str(raised.value)


# ----- replicas ------------------------------------------------------------------------------------------------------


@pytest.fixture
def replicated(programs):
    """A primary and a replica that follows it."""
    stamp = time.monotonic_ns()
    with (
        running(programs, f"primary{stamp}") as primary,
        running(programs, f"replica{stamp}", primary=primary) as replica,
    ):
        yield primary, replica


def caught_up(primary, replica):
    [(written,)] = run(primary, "SELECT pg_current_wal_lsn()::text")
    wait_until(lambda: run(replica, "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (written,)) == [(True,)])


def asked(server):
    """How many connections for questions a server has."""
    [(count,)] = run(server, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mundap'")
    return count


def test_questions_go_to_the_replica_and_builds_to_the_primary(replicated, source, tmp_path, fake_embedder):
    primary, replica = replicated
    url = f"postgresql://mundap@127.0.0.1:{replica.port},127.0.0.1:{primary.port}/postgres"
    publication = Publication(tmp_path / "data", engine=PostgresEngine([url]))
    build_index(source(FILES), publication, fake_embedder)
    caught_up(primary, replica)
    vector = fake_embedder.embed_questions(["x"])[0]
    index = Publication(tmp_path / "data", engine=PostgresEngine([url])).open(fake_embedder)
    expected = index.dense.search(vector, 3)
    assert asked(primary) == 0
    assert asked(replica) > 0

    # A replica that lags behind: what it doesn't know yet is asked of the primary.
    run(replica, "SELECT pg_wal_replay_pause()")
    build_index(source({"more.txt": "More of it."}), publication, fake_embedder)
    newer = publication.open(fake_embedder)
    assert newer.lexical.search(["more"], 3)
    run(replica, "SELECT pg_wal_replay_resume()")

    # A replica that is gone: the primary answers, and again the replica when it is back.
    replica.kill()
    assert index.dense.search(vector, 3) == expected
    replica.start()

    # A primary that is gone: the replica answers on, and no build succeeds.
    caught_up(primary, replica)
    primary.kill()
    assert publication.open(fake_embedder).manifest.version == newer.manifest.version
    assert newer.lexical.search(["more"], 3)
    with pytest.raises(EngineUnavailable):
        build_index(source({"more.txt": "Yet more."}), publication, fake_embedder)
    primary.start()
    assert build_index(source({}), publication, fake_embedder).published


def test_one_of_two_shards_that_is_killed_is_told_and_come_back_to(programs, source, tmp_path, fake_embedder):
    stamp = time.monotonic_ns()
    with running(programs, f"a{stamp}") as first, running(programs, f"b{stamp}") as second:
        publication = Publication(tmp_path / "data", engine=PostgresEngine([first.url(), second.url()]))
        build_index(source(FILES), publication, fake_embedder)
        index = publication.open(fake_embedder)
        expected = index.lexical.search(["town", "permit", "park"], 5)
        assert len({ordinal % 2 for ordinal in expected}) == 2
        second.kill()
        with pytest.raises(EngineUnavailable):
            index.lexical.search(["town"], 5)
        second.start()
        assert index.lexical.search(["town", "permit", "park"], 5) == expected
