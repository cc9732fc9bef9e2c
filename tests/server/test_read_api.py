from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from index.build import build_index
from index.publication import Publication
from index.retriever import Retriever
from server.app import create_app
from server.chat import Chat


def test_search_ranks_passages_with_the_score_of_each(client, doc_id):
    found = client.get("/api/search", params={"q": "양해각서 체결일", "top_k": 3}).json()
    assert found.keys() == {"hits", "index_version"}
    assert len(found["hits"]) == 3
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)
    text = client.get(f"/api/documents/{doc_id}").json()["text"]
    for hit in found["hits"]:
        assert hit.keys() == {
            "doc_id", "passage_id", "title", "start", "end", "text", "score", "dense_score", "lexical_score",
        }  # fmt: skip
        assert hit["doc_id"] == doc_id
        assert hit["text"] == text[hit["start"] : hit["end"]]


def test_search_gives_ten_passages_unless_told_otherwise(client, chat):
    hits = client.get("/api/search", params={"q": "협력"}).json()["hits"]
    assert len(hits) == min(10, chat.index.manifest.passages)


def test_documents_are_listed_with_their_size(client, doc_id):
    found = client.get("/api/documents").json()
    assert found.keys() == {"documents", "index_version"}
    [document] = found["documents"]
    assert document.keys() == {"doc_id", "title", "digest", "characters", "date", "department", "contact"}
    whole = client.get(f"/api/documents/{quote(doc_id)}").json()
    assert whole.keys() == {"doc_id", "title", "digest", "text", "index_version", "date", "department", "contact"}
    assert whole["doc_id"] == doc_id
    assert len(whole["text"]) == document["characters"]
    assert (whole["title"], whole["digest"]) == (document["title"], document["digest"])
    for described in (document, whole):
        assert described["date"] == "2025-10-29"
        assert described["department"] == "국제협력관 미주아시아협력담당관"
        assert described["contact"] == "이경림 (044-202-4340)"


@pytest.mark.parametrize("name", ["한글 이름.txt", "a folder/b/c d.txt", "50% #1?&+.txt", "<b>\"'.txt"])
def test_any_file_name_reaches_its_document(settings, fake_embedder, source, tmp_path, name):
    publication = Publication(tmp_path)
    build_index(source({name: "한 문장이다."}), publication, fake_embedder)
    chat = Chat(Retriever(publication.open(fake_embedder), fake_embedder))
    with TestClient(create_app(settings, chat)) as client:
        for encoded in (quote(name), quote(name, safe="")):
            assert client.get(f"/api/documents/{encoded}").json()["doc_id"] == name
            assert client.get(f"/documents/{encoded}").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "none.txt",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "pyproject.toml",
        "%00",
        "%ff%fe",
        "",
        "a" * 5_000,
    ],
)
def test_what_is_not_in_the_index_is_not_found(client, path):
    for prefix in ("/api/documents/", "/documents/"):
        assert client.get(prefix + path).status_code == 404


@pytest.mark.parametrize(
    "path", ["%2e%2e/locales/ko.json", "..%2f..%2fpyproject.toml", "none.js", "", "%2fetc%2fpasswd"]
)
def test_static_files_do_not_lead_out_of_their_folder(client, path):
    assert client.get(f"/static/{path}").status_code == 404


def test_health_and_readiness(client, chat):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {
        "status": "ok",
        "index_version": chat.index.manifest.version,
        "problems": [],
    }


def test_openapi_lists_every_route_for_programs(client):
    described = client.get("/openapi.json").json()
    assert described["paths"].keys() >= {
        "/api/chat", "/api/search", "/api/documents", "/api/documents/{doc_id}", "/healthz", "/readyz",
    }  # fmt: skip
    responses = described["paths"]["/api/chat"]["post"]["responses"]
    assert responses["200"]["content"].keys() == {"application/json", "text/event-stream"}
    assert {"413", "422", "503"} <= responses.keys()
