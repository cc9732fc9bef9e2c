"""Spans as a collector gets them: a real one's protocol, and one that is away."""

import gzip
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from index.errors import UsageError
from server.app import create_app
from server.settings import read_settings
from tests.server.test_chat_api import ANSWERED, events
from tests.soak.reindex_under_load import free_port


@contextmanager
def collector():
    """Yield the address of a collector and the list of the bodies that it gets."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *given):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()
    thread.join()


BEGUN = f"00-{'a' * 32}-{'b' * 16}-01"


def traced(settings, address, **changed):
    return settings.model_copy(update={"traces_url": address} | changed)


def spans_of(bodies):
    resources = [r for body in bodies for r in ExportTraceServiceRequest.FromString(body).resource_spans]
    return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]


def values(span):
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


@pytest.mark.parametrize("ask", ["at once", "as a stream"])
def test_an_answer_is_one_span_with_one_for_each_stage(settings, chat, ask):
    with collector() as (address, got):
        app = create_app(traced(settings, address, trusted_proxies="192.0.2.1"), chat)
        with TestClient(app, client=("192.0.2.1", 50_000)) as client:
            headers = {"traceparent": BEGUN, "tracestate": "vendor=content", "X-Forwarded-For": "203.0.113.5"}
            request_id = None
            if ask == "at once":
                response = client.post("/api/chat", json={"question": ANSWERED}, headers=headers)
                request_id = response.headers["X-Request-Id"]
            else:
                assert [name for name, _ in events(client, ANSWERED)][-1] == "done"
        # What ends sends what is left.
        spans = spans_of(got)
    [request] = [span for span in spans if span.name == "POST /api/chat"]
    stages = {span.name: span for span in spans if span.parent_span_id == request.span_id}
    assert list(stages) == ["embed", "search", "answer"]
    assert {span.trace_id for span in stages.values()} == {request.trace_id}
    assert values(request) | {"mundap.request_id": ""} == {
        "http.request.method": "POST", "http.route": "/api/chat", "http.response.status_code": 200,
        "mundap.request_id": "",
    }  # fmt: skip
    assert values(stages["answer"]) == {"mundap.status": "answered", "mundap.mode": "extractive"}
    assert stages["search"].start_time_unix_nano == stages["embed"].end_time_unix_nano
    assert request.start_time_unix_nano <= stages["embed"].start_time_unix_nano
    assert {span.trace_state for span in spans} == {""}
    if request_id:
        assert values(request)["mundap.request_id"] == request_id
        # It goes on with what a proxy has begun.
        assert (request.trace_id.hex(), request.parent_span_id.hex()) == ("a" * 32, "b" * 16)


@pytest.mark.parametrize("proxies", ["", "192.0.2.1"])
def test_a_client_has_no_say_in_the_trace_of_its_request(settings, chat, proxies):
    with collector() as (address, got):
        app = create_app(traced(settings, address, trusted_proxies=proxies), chat)
        with TestClient(app, client=("203.0.113.5", 50_000)) as client:
            # The first wants to be left out.
            for begun in (f"{BEGUN[:-2]}00", BEGUN):
                client.get("/healthz", headers={"traceparent": begun, "tracestate": "vendor=content"})
    spans = spans_of(got)
    assert [span.name for span in spans] == ["GET /healthz"] * 2
    assert all(span.trace_id.hex() != "a" * 32 and not span.parent_span_id for span in spans)
    assert {span.trace_state for span in spans} == {""}


def test_a_remembered_answer_has_no_stages_that_did_not_run(settings, chat):
    with collector() as (address, got), TestClient(create_app(traced(settings, address), chat)) as client:
        for _ in range(2):
            client.post("/api/chat", json={"question": ANSWERED})
        client.post("/api/chat", json={"question": "안녕하세요"})
    assert sorted(span.name for span in spans_of(got)) == ["POST /api/chat"] * 3 + ["answer", "embed", "search"]


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_SERVICE_NAME", "portal"), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=portal")]
)
def test_the_variables_of_opentelemetry_name_the_service(settings, chat, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with collector() as (address, got), TestClient(create_app(traced(settings, address), chat)) as client:
        client.get("/healthz")
    [resource] = ExportTraceServiceRequest.FromString(got[0]).resource_spans
    said = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert said["service.name"] == "portal"
    assert said["service.version"]


def test_spans_tell_nothing_of_who_asked_or_what(settings, chat):
    with collector() as (address, got), TestClient(create_app(traced(settings, address), chat)) as client:
        client.post("/api/chat", json={"question": "APEC 비밀은 무엇인가요?"}, headers={"User-Agent": "Kim's phone"})
        client.get("/api/search", params={"q": "비밀"})
        client.get("/documents/비밀.txt")
    names = {span.name for span in spans_of(got)}
    assert names >= {"POST /api/chat", "GET /api/search", "GET /documents/{doc_id:path}"}
    for private in ("비밀", "APEC", "Kim", "testclient"):
        assert private.encode() not in b"".join(got)


def test_a_collector_that_is_away_costs_no_answer_and_no_time_at_the_end(settings, chat):
    with TestClient(create_app(traced(settings, f"http://127.0.0.1:{free_port()}"), chat)) as client:
        assert client.post("/api/chat", json={"question": ANSWERED}).json()["status"] == "answered"
        began = time.monotonic()
    assert time.monotonic() - began < 15


def test_an_address_that_is_none_is_told(monkeypatch):
    monkeypatch.setenv("MUNDAP_TRACES_URL", "collector:4318")
    with pytest.raises(UsageError, match="MUNDAP_TRACES_URL: it must begin with http"):
        read_settings()
