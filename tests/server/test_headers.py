import re

import pytest

from server.app import HEADERS

EVERY_KIND_OF_RESPONSE = [
    ("GET", "/", {}),
    ("GET", "/embed", {}),
    ("GET", "/widget", {}),
    ("GET", "/widget/sample", {}),
    ("GET", "/widget.js", {}),
    ("GET", "/static/chat.js", {}),
    ("GET", "/static/mundap.css", {}),
    ("GET", "/static/none.js", {}),
    ("GET", "/healthz", {}),
    ("GET", "/openapi.json", {}),
    ("GET", "/api/documents", {}),
    ("GET", "/api/search?q=APEC", {}),
    ("POST", "/api/chat", {"json": {"question": "안녕하세요"}}),
    ("POST", "/api/chat", {"json": {"question": "안녕하세요"}, "headers": {"Accept": "text/event-stream"}}),
    ("POST", "/api/chat", {"json": {"question": ""}}),
    ("POST", "/", {"data": {"question": "안녕하세요"}}),
    ("GET", "/none", {"headers": {"Accept": "text/html"}}),
    ("DELETE", "/", {}),
]


def test_a_browser_asks_whether_its_static_files_are_still_those(client):
    first = client.get("/static/chat.js")
    assert first.headers["cache-control"] == "no-cache"
    assert client.get("/static/chat.js", headers={"If-None-Match": first.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(("method", "path", "request_parts"), EVERY_KIND_OF_RESPONSE)
def test_every_response_carries_the_security_headers(client, method, path, request_parts):
    headers = client.request(method, path, **request_parts).headers
    assert headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
    assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere():
    policy = dict(directive.split(" ", 1) for directive in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}


@pytest.mark.parametrize(
    "path", ["/", "/embed?accent=%23fc0", "/widget", "/widget/sample", "/documents/{doc_id}?start=10&end=90", "/none"]
)
def test_pages_hold_nothing_that_the_policy_blocks(client, doc_id, path):
    page = client.get(path.format(doc_id=doc_id), headers={"Accept": "text/html"}).text
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)
    for attributes in re.findall(r"<script([^>]*)>", page):
        assert "src=" in attributes or 'type="application/json"' in attributes


def test_two_requests_have_two_ids(client):
    ids = {client.get("/healthz").headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2
