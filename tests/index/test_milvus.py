from contextlib import contextmanager

import pytest

from eval.benchmarks.servers import MilvusLiteServer
from index.build import build_index
from index.errors import EngineUnavailable
from index.publication import Publication
from tests.index.engine_contract import FILES, ServerContract

pymilvus = pytest.importorskip("pymilvus")
pytest.importorskip("milvus_lite")

from index import milvus  # noqa: E402
from index.milvus import MilvusEngine  # noqa: E402


@contextmanager
def running(folder):
    server = MilvusLiteServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("milvus")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    client = pymilvus.MilvusClient(server.url)
    yield client
    client.close()


class TestMilvus(ServerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, server, client):
        cls.client = client
        return MilvusEngine(server.url)

    def kept_by(self, engine, publication):
        prefix = publication.store_name("").rstrip("_")
        return [name for name in self.client.list_collections() if name.startswith(prefix)]

    def spoil(self, engine, name):
        self.client.delete(name, ids=[0])

    def test_the_alias_leads_to_the_published_version(self, engine, publication, source, fake_embedder):
        first = build_index(source(FILES), publication, fake_embedder).version
        alias = publication.store_name("").rstrip("_")
        assert self.leads_to(alias) == publication.store_name(first)
        second = build_index(source({"a.txt": "One."}), publication, fake_embedder).version
        assert self.leads_to(alias) == publication.store_name(second)
        held = build_index(source({"a.txt": "Two."}), publication, fake_embedder, hold=True).version
        assert self.leads_to(alias) == publication.store_name(second)
        publication.publish_kept(held)
        assert self.leads_to(alias) == publication.store_name(held)
        publication.roll_back(second)
        assert self.leads_to(alias) == publication.store_name(second)

    def test_what_an_alias_was_left_on_is_dropped(self, engine, publication, source, fake_embedder):
        build_index(source(FILES), publication, fake_embedder)
        left_over = publication.store_name("20260101T000000000Z-00000000")
        self.client.create_collection(left_over, dimension=4)
        self.client.create_alias(left_over, f"{left_over}_alias")
        build_index(source({"a.txt": "One."}), publication, fake_embedder)
        assert left_over not in self.client.list_collections()

    def leads_to(self, alias):
        return self.client.describe_alias(alias)["collection_name"]


# ----- failures ------------------------------------------------------------------------------------------------------


@pytest.fixture
def frail(tmp_path, monkeypatch):
    """A server that a test may kill."""
    monkeypatch.setattr(milvus, "_SECONDS_TO_ANSWER", 3)
    with running(tmp_path / "milvus") as server:
        yield server


@pytest.fixture
def publication(frail, tmp_path):
    return Publication(tmp_path / "data", engine=MilvusEngine(frail.url))


def test_a_server_that_is_killed_is_told_and_come_back_to(frail, publication, source, fake_embedder):
    build_index(source(FILES), publication, fake_embedder)
    index = publication.open(fake_embedder)
    vector = fake_embedder.embed_questions(["x"])[0]
    expected = index.dense.search(vector, 3)
    frail.kill()
    for search in (lambda: index.dense.search(vector, 3), lambda: index.lexical.search(["town"], 3)):
        with pytest.raises(EngineUnavailable, match="Milvus can't be used"):
            search()
    frail.start()
    assert index.dense.search(vector, 3) == pytest.approx(expected)
    assert index.lexical.search(["town"], 3)


def test_a_server_that_is_killed_in_a_publication_keeps_the_old_version(
    frail, publication, source, fake_embedder, monkeypatch
):
    old = build_index(source(FILES), publication, fake_embedder).version
    flush = pymilvus.MilvusClient.flush

    def die_first(client, *given, **named):
        frail.kill()
        return flush(client, *given, **(named | {"timeout": 1}))

    monkeypatch.setattr(pymilvus.MilvusClient, "flush", die_first)
    with pytest.raises(EngineUnavailable):
        build_index(source({"a.txt": "One."}), publication, fake_embedder)
    monkeypatch.setattr(pymilvus.MilvusClient, "flush", flush)
    frail.start()
    assert publication.open(fake_embedder).manifest.version == old
    new = build_index(source({}), publication, fake_embedder).version
    assert publication.open(fake_embedder).manifest.version == new
    with publication.engine.client() as client:
        kept = [name for name in client.list_collections() if name.startswith("mundap_")]
    assert sorted(kept) == sorted(publication.store_name(version) for version in (old, new))


def test_an_address_that_leads_nowhere_is_told_without_its_password(monkeypatch):
    monkeypatch.setattr(milvus, "_SECONDS_TO_ANSWER", 3)
    with pytest.raises(EngineUnavailable) as raised:
        MilvusEngine("http://user:s3cret@127.0.0.1:1").keep_only("mundap_", [])
    assert "s3cret" not in str(raised.value)
