import json
from pathlib import Path

import pytest

from index.errors import IndexDamaged
from server.app import HEADERS
from server.chat import Chat
from server.routes.gate import MAX_BODY_BYTES

REPO = Path(__file__).resolve().parents[2]


def check_problem(response, status, code):
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.keys() == {"type", "title", "status", "detail", "code", "request_id"}
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    assert response.headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
    assert not any(leak in response.text for leak in ("Traceback", "site-packages", '.py"', str(REPO)))


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ("", "empty_question"),
        (" \t\n\u3000\xa0", "empty_question"),
        ("\u200b\u200d\ufeff\u2060", "empty_question"),
        ("\x00\x07\x1b", "empty_question"),
        ("가" * 501, "question_too_long"),
        (" " * 501, "question_too_long"),
        ("😀" * 501, "question_too_long"),
    ],
)
def test_a_question_that_cannot_be_asked_is_a_problem(client, question, code):
    check_problem(client.post("/api/chat", json={"question": question}), 422, code)
    check_problem(client.get("/api/search", params={"q": question}), 422, code)


TURN = {"role": "user", "content": "APEC이 뭐예요?"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "APEC?",
        None,
        {"question": None},
        {"question": 5},
        {"question": ["APEC?"]},
        {"question": "APEC?", "mode": "generative"},
        {"question": "APEC?", "\ud800": 1},
        {"question": "APEC?", "history": "APEC?"},
        {"question": "APEC?", "history": [TURN] * 21},
        {"question": "APEC?", "history": [TURN | {"role": "system"}]},
        {"question": "APEC?", "history": [{"role": "user"}]},
        {"question": "APEC?", "history": [TURN | {"content": "가" * 8_001}]},
        {"question": "APEC?", "history": [TURN | {"content": "\ud800"}]},
        {"question": "APEC?", "lang": "not a language"},
        {"question": "APEC?", "lang": ""},
        {"question": "APEC?", "lang": 5},
    ],
)
def test_a_body_of_another_shape_is_a_problem(client, body):
    response = client.post("/api/chat", content=json.dumps(body), headers={"Content-Type": "application/json"})
    check_problem(response, 422, "invalid_request")


def test_an_unpaired_surrogate_is_a_problem(client):
    response = client.post(
        "/api/chat", content=rb'{"question": "\ud800"}', headers={"Content-Type": "application/json"}
    )
    assert response.json()["code"] in ("invalid_question", "invalid_request")
    check_problem(response, 422, response.json()["code"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"question":',
        b"question=APEC",
        b'{"question": "\xff\xfe"}',
        b"[" * 100_000,
        b'{"question": ' + b"9" * 5_000 + b"}",
    ],
)
def test_a_body_that_is_not_json_is_a_problem(client, body):
    response = client.post("/api/chat", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    check_problem(response, response.status_code, "invalid_request")


def test_what_was_sent_is_not_sent_back(client):
    response = client.post("/api/chat", json={"question": "APEC?", "history": "<script>hostile</script>"})
    assert "hostile" not in response.text


@pytest.mark.parametrize("path", ["/api/chat", "/"])
def test_a_huge_body_is_refused_with_or_without_its_length(client, path):
    body = json.dumps({"question": "가" * MAX_BODY_BYTES}).encode()
    chunks = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    for content in (body, chunks):
        check_problem(
            client.post(path, content=content, headers={"Content-Type": "application/json"}), 413, "request_too_large"
        )


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/chat", 405, "method_not_allowed"),
        ("DELETE", "/api/documents", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("POST", "/static/chat.js", 405, "method_not_allowed"),
        ("GET", "/api/none", 404, "not_found"),
        ("GET", "/none", 404, "not_found"),
        ("GET", "/static/none.js", 404, "not_found"),
        ("GET", "/api/documents/none.txt", 404, "document_not_found"),
        ("GET", "/documents/none.txt", 404, "document_not_found"),
        ("GET", "/api/search", 422, "invalid_request"),
        ("GET", "/api/search?q=APEC&top_k=0", 422, "invalid_request"),
        ("GET", "/api/search?q=APEC&top_k=101", 422, "invalid_request"),
        ("GET", "/api/search?q=APEC&top_k=many", 422, "invalid_request"),
    ],
)
def test_every_error_has_one_json_shape(client, method, path, status, code):
    response = client.request(method, path)
    check_problem(response, status, code)
    assert ("allow" in response.headers) == (status == 405)


def failing(error):
    def answer_events(*arguments):
        raise error
        yield

    return answer_events


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RuntimeError("secret of /srv/secret.py"), 500, "internal_error"),
        (IndexDamaged("The index /srv/secret is damaged"), 503, "index_unavailable"),
    ],
)
def test_a_failure_of_the_server_keeps_its_details_to_itself(client, monkeypatch, error, status, code):
    monkeypatch.setattr(Chat, "answer_events", failing(error))
    response = client.post("/api/chat", json={"question": "APEC?"})
    check_problem(response, status, code)
    assert "secret" not in response.text
    page = client.post("/", data={"question": "APEC?"}, headers={"Accept": "text/html"})
    assert page.status_code == status
    assert "secret" not in page.text


def test_a_failure_of_the_server_is_logged_with_the_id_of_the_request(client, monkeypatch, caplog):
    monkeypatch.setattr(Chat, "answer_events", failing(RuntimeError("what happened")))
    request_id = client.post("/api/chat", json={"question": "APEC?"}).headers["x-request-id"]
    assert request_id in caplog.text
    assert "what happened" in caplog.text


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [("/none", 404, "The page could not be found."), ("/documents/none.txt", 404, "The document could not be found.")],
)
def test_a_browser_gets_errors_as_a_page_in_its_language(client, path, status, text):
    response = client.get(path, headers={"Accept": "text/html", "Accept-Language": "en-GB,en;q=0.5"})
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert text in response.text
    assert response.headers["x-request-id"] in response.text


def test_a_browser_gets_what_methods_are_allowed(client):
    response = client.delete("/", headers={"Accept": "text/html"})
    assert response.status_code == 405
    assert response.headers["allow"]


def test_programs_get_json_even_where_they_accept_pages(client):
    check_problem(client.get("/api/none", headers={"Accept": "text/html"}), 404, "not_found")
