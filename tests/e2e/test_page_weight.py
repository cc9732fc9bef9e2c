"""What the first visit costs: bytes, requests and nothing of anyone else's."""

import gzip
from urllib.parse import urlsplit

import pytest

from tests.e2e.test_chat import APEC, ask, open_source

MOST_BYTES = 60_000
MOST_REQUESTS = 8


@pytest.mark.parametrize("path", ["/", "/embed", "/widget"])
def test_a_page_weighs_little_and_asks_nothing_of_other_hosts(open_page, site, path):
    page = open_page()
    responses = []
    page.on("response", lambda response: responses.append(response))
    page.goto(site + path, wait_until="networkidle")
    own = [response for response in responses if response.frame == page.main_frame]
    assert {urlsplit(response.url).netloc for response in responses} == {urlsplit(site).netloc}
    assert len(own) <= MOST_REQUESTS
    assert sum(len(gzip.compress(response.body())) for response in own) < MOST_BYTES


def test_text_travels_compressed_but_a_stream_does_not_wait_for_it(open_page, site):
    page = open_page()
    responses = {}
    page.on("response", lambda response: responses.setdefault(urlsplit(response.url).path, response))
    page.goto(site)
    ask(page, APEC)
    for path in ("/", "/static/chat.js", "/static/mundap.css"):
        assert responses[path].header_value("content-encoding") == "gzip"
    assert responses["/api/chat"].header_value("content-encoding") is None


def test_an_answer_and_its_source_ask_nothing_of_other_hosts(open_page, site):
    page = open_page(site)
    hosts = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    ask(page, APEC)
    open_source(page)
    assert hosts == {urlsplit(site).netloc}
