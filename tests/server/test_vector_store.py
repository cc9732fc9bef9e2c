"""The server when what holds its vectors is away: a real address, where nobody listens."""

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr, ValidationError

from index.build import build_index
from index.engine import Stored
from index.postgres import PostgresEngine
from index.publication import Publication
from index.retriever import Retriever
from index.vocabulary import TermWeights
from server.app import create_app
from server.chat import Chat
from server.settings import Settings
from tests.server.test_errors import check_problem

AWAY = "postgresql://mundap:s3cret@127.0.0.1:1/mundap"


@pytest.fixture
def client(source, tmp_path, fake_embedder):
    """A server whose index was opened before its engine went away."""
    publication = Publication(tmp_path / "data")
    build_index(source({"a.txt": "The town hall opens at nine."}), publication, fake_embedder)
    index = publication.open(fake_embedder)
    stored = Stored(PostgresEngine.kind, "mundap_00000000_20260101t000000000z_00000000")
    TermWeights([["town"]]).write(tmp_path)
    dense, _ = PostgresEngine([AWAY]).open(stored, tmp_path)
    away = replace(index, dense=dense)
    settings = Settings(_env_file=None, data_dir=tmp_path / "data")
    with TestClient(
        create_app(settings, Chat(Retriever(away, fake_embedder))), raise_server_exceptions=False
    ) as client:
        yield client


def test_it_is_a_problem_that_says_when_to_try_again(client, caplog):
    asked = {"question": "When does the town hall open?"}
    for response in (client.post("/api/chat", json=asked), client.get("/api/search", params={"q": asked["question"]})):
        check_problem(response, 503, "index_unavailable")
        assert int(response.headers["retry-after"]) > 0
        assert "s3cret" not in response.text
    messages = [{"role": "user", "content": asked["question"]}]
    response = client.post("/v1/chat/completions", json={"model": "mundap", "messages": messages})
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert "PostgreSQL can't be used" in caplog.text
    assert "s3cret" not in caplog.text


def test_the_server_is_not_ready_and_lives(client):
    check_problem(client.get("/readyz"), 503, "index_unavailable")
    assert client.get("/healthz").status_code == 200


def test_what_needs_no_search_is_answered(client):
    assert client.get("/api/documents/a.txt").json()["text"] == "The town hall opens at nine."


def test_the_engine_is_shown_where_it_is_the_default_and_its_password_nowhere():
    assert Settings(_env_file=None).shown()["MUNDAP_VECTOR_STORE"] == "faiss"
    own = Settings(_env_file=None, vector_store=SecretStr(AWAY))
    assert set(own.shown()["MUNDAP_VECTOR_STORE"]) == {"*"}
    assert "s3cret" not in repr(own) + repr(own.environment()) + own.model_dump_json()
    assert own.publication().engine.kind == "postgresql"


@pytest.mark.parametrize("wrong", ["s3cret", "postgresql://u:s3cret@h/d?s3cret=1", "milvus:ftp://u:s3cret@h"])
def test_what_is_no_engine_is_a_wrong_setting_that_is_not_repeated(wrong):
    with pytest.raises(ValidationError) as raised:
        Settings(_env_file=None, vector_store=wrong)
    [problem] = raised.value.errors(include_input=False, include_context=False)
    assert problem["loc"] == ("vector_store",)
    assert "s3cret" not in problem["msg"]
