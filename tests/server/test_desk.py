import io
import json
import logging
import re
import time
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from server import desk as desk_module
from server.app import create_app
from server.chat import Chat
from server.logs import formatter
from server.routes import health
from tests.server.test_errors import check_problem

ASKED = "APEC은 언제 창설되었나요? 제 번호는 010-1234-5678입니다"
MASKED = "APEC은 언제 창설되었나요? 제 번호는 [전화번호]입니다"


@pytest.fixture
def kept(client):
    """The questions that are noted, which go no further."""
    kept = []
    client.app.state.desk._note = kept.append
    return kept


def values(client):
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


# ----- what is kept, and what the asker is told ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "sent", "way"),
    [
        ("/api/chat", {"json": {"question": ASKED}}, "api"),
        ("/api/chat", {"json": {"question": ASKED}, "headers": {"Accept": "text/event-stream"}}, "api"),
        ("/", {"data": {"question": ASKED}}, "page"),
        (
            "/v1/chat/completions",
            {"json": {"model": "mundap", "messages": [{"role": "user", "content": ASKED}]}},
            "completions",
        ),
    ],
)
def test_a_question_is_kept_masked_and_its_asker_is_told(client, kept, path, sent, way):
    response = client.post(path, **sent)
    assert response.status_code == 200
    [question] = kept
    assert (question.question, question.masked, question.way) == (MASKED, "phone", way)
    assert question.status in ("answered", "related")
    assert question.lang == "ko"
    if way == "api":
        assert re.search(r'"masked": ?\["phone"\]', response.text)
    else:
        assert "개인정보" in response.text
        assert "적지 마세요" in response.text


def test_who_sent_no_personal_data_is_told_nothing_of_it(client, kept):
    assert client.post("/api/chat", json={"question": "안녕하세요"}).json()["masked"] == []
    assert (
        "적지 마세요" not in client.post("/", data={"question": "안녕하세요"}).text.split('type="application/json"')[0]
    )
    assert [question.status for question in kept] == ["smalltalk", "smalltalk"]


def test_feedback_is_kept_masked(client):
    said = {
        "answer_id": "c" * 32,
        "helpful": False,
        "comment": "hong@example.com으로 알려 주세요",
        "question": ASKED,
    }
    assert client.post("/api/feedback", json=said).status_code == 204
    kept = next(one for one in client.app.state.storage.feedback() if one.answer_id == "c" * 32)
    assert (kept.comment, kept.question) == ("[이메일]으로 알려 주세요", MASKED)


@pytest.mark.parametrize(("keeps", "said"), [(True, "questions and feedback for 30 days"), (False, "only if you send")])
def test_the_page_says_what_is_kept_and_for_how_long(settings, chat, keeps, said):
    changed = settings.model_copy(update={"keep_questions": keeps, "retention_days": 30})
    with TestClient(create_app(changed, chat)) as client:
        for path in ("/", "/embed"):
            page = client.get(path, headers={"Accept-Language": "en"}).text
            assert said in page
            assert "30 days" in page


def test_a_database_that_is_lost_stops_no_answer_and_is_told(settings, chat, tmp_path):
    (tmp_path / "file").write_text("no folder")
    lost = settings.model_copy(update={"data_dir": tmp_path / "file"})
    with TestClient(create_app(lost, chat)) as client:
        for _ in range(3):
            assert (
                client.post("/api/chat", json={"question": "APEC은 언제 창설되었나요?"}).json()["status"] == "answered"
            )
        client.app.state.question_log.write()
        assert client.get("/readyz").json()["problems"] == ["storage"]
        assert client.get("/readyz").json()["status"] == "degraded"
        assert values(client)["mundap_failures_total", ("part", "storage")] >= 1


# ----- answers that were given before --------------------------------------------------------------------------------


@pytest.fixture
def answered(monkeypatch):
    """The questions that were answered anew."""
    asked = []
    answer = Chat.answer_events

    def noting(self, question, *rest):
        asked.append(question)
        yield from answer(self, question, *rest)

    monkeypatch.setattr(Chat, "answer_events", noting)
    return asked


def test_the_same_question_is_answered_once_and_each_answer_has_an_id_of_its_own(client, kept, answered):
    replies = [client.post("/api/chat", json={"question": q}).json() for q in ("APEC이 뭐예요?", " APEC이  뭐예요?")]
    assert len(answered) == 1
    first, second = replies
    assert first["id"] != second["id"]
    assert [question.answer_id for question in kept] == [first["id"], second["id"]]
    same = set(first) - {"id", "timings_ms"}
    assert {name: first[name] for name in same} == {name: second[name] for name in same}
    assert second["timings_ms"]["search"] == 0
    assert values(client)["mundap_cache_total", ("result", "hit")] == 1
    assert values(client)["mundap_answer_seconds_count", ("stage", "search")] == 1
    assert values(client)["mundap_answer_seconds_count", ("stage", "total")] == 2


@pytest.mark.parametrize(
    "other",
    [
        {"question": "APEC이 뭐죠?"},
        {"lang": "en"},
        {"history": [{"role": "user", "content": "안녕"}]},
        {"question": "APEC이 뭐예요? 010-1234-5678"},
    ],
)
def test_what_is_asked_otherwise_is_answered_anew(client, answered, other):
    for body in ({"question": "APEC이 뭐예요?"}, {"question": "APEC이 뭐예요?"} | other):
        assert client.post("/api/chat", json=body).status_code == 200
    assert len(answered) == 2


def test_answers_of_another_version_are_not_given(client, answered, chat):
    client.post("/api/chat", json={"question": "APEC이 뭐예요?"})
    other = Chat(chat.retriever, chat.reader)
    other.index = replace(chat.index, manifest=replace(chat.index.manifest, version="another"))
    client.app.state.chat = other
    assert client.post("/api/chat", json={"question": "APEC이 뭐예요?"}).json()["index_version"] == "another"
    assert len(answered) == 2


def test_only_so_many_answers_are_remembered_and_none_of_their_questions(client, answered, monkeypatch):
    monkeypatch.setattr(desk_module, "ANSWERS_REMEMBERED", 2)
    for question in ("안녕", "고마워요", "안녕하세요", "고마워요", "안녕"):
        client.post("/api/chat", json={"question": question})
    assert answered == ["안녕", "고마워요", "안녕하세요", "안녕"]
    assert "고마워요" not in repr(client.app.state.desk._remembered.keys())


# ----- what is counted and logged ------------------------------------------------------------------------------------


def test_everything_that_goes_on_is_counted(client, chat):
    for question in ("APEC은 언제 창설되었나요?", "What is the weather in Seoul?", "안녕하세요", ASKED):
        client.post("/api/chat", json={"question": question})
    client.post("/api/feedback", json={"answer_id": "d" * 32, "helpful": True})
    client.get("/api/none")
    client.get("/static/chat.js")
    counted = values(client)
    by_status = {
        dict(labels)["status"]: value for (name, *labels), value in counted.items() if name == "mundap_answers_total"
    }
    assert by_status.keys() >= {"answered", "not_found", "smalltalk"}
    # Small talk is answered without a search.
    assert counted["mundap_answer_seconds_count", ("stage", "search")] == 3
    assert counted["mundap_answer_seconds_count", ("stage", "answer")] == 3
    assert counted["mundap_answer_seconds_count", ("stage", "total")] == 4
    assert counted["mundap_feedback_total", ("helpful", "true")] == 1
    assert counted["mundap_masked_total", ("kind", "phone")] == 1
    assert counted["mundap_working",] == counted["mundap_waiting",] == 0
    version = ("version", chat.version)
    assert 0 < counted["mundap_index_built_timestamp_seconds", version] < time.time()
    for route, method, status in [
        ("/api/chat", "POST", "200"), ("/api/feedback", "POST", "204"), ("none", "GET", "404"),
        ("/static", "GET", "200"),
    ]:  # fmt: skip
        assert counted["mundap_requests_total", ("method", method), ("route", route), ("status", status)] >= 1
    assert counted["process_resident_memory_bytes",] > 0


def test_what_comes_from_outside_is_no_label(client):
    client.request("HOSTILE", "/hostile-path")
    client.get("/documents/hostile.txt")
    client.get("/api/search", params={"q": "hostile"})
    assert "hostile" not in client.get("/metrics").text.lower()


@pytest.fixture
def logged(client):
    """What is logged meanwhile, as lines."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter())
    logger = logging.getLogger("mundap")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_each_request_is_a_line_of_json_with_its_id_and_nothing_of_its_asker(client, logged):
    response = client.post("/api/chat?from=me", json={"question": ASKED}, headers={"User-Agent": "browser"})
    line = next(line for line in logged() if line["event"] == "request")
    assert line.keys() == {"event", "level", "logger", "timestamp", "request_id", "method", "route", "status", "ms"}
    assert line["request_id"] == response.headers["x-request-id"]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/api/chat", 200)


def test_a_failure_is_logged_with_the_id_of_its_request_in_one_line(client, logged, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("what happened")

    monkeypatch.setattr(Chat, "answer_question", fail)
    response = client.post("/api/chat", json={"question": "APEC?"})
    line = next(line for line in logged() if line["level"] == "error")
    assert line["request_id"] == response.headers["x-request-id"]
    assert "what happened" in line["exception"]


# ----- readiness -----------------------------------------------------------------------------------------------------


def test_a_server_that_can_not_search_is_not_ready_until_it_can(client, chat, monkeypatch):
    def fail(*arguments):
        raise OSError("the disk is gone: /srv/secret")

    assert values(client)["mundap_ready",] == 1
    client.app.state.try_again_at = 0.0
    with monkeypatch.context() as broken:
        broken.setattr(type(chat.retriever), "search", fail)
        response = client.get("/readyz")
        check_problem(response, 503, "index_unavailable")
        assert "secret" not in response.text
        assert client.get("/healthz").status_code == 200
        counted = values(client)
        assert counted["mundap_ready",] == 0
        assert counted["mundap_problems_total", ("code", "index_unavailable")] == 1
    assert client.get("/readyz").json()["status"] == "ok"
    assert values(client)["mundap_ready",] == 1


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
def test_what_ends_a_stream_is_counted(client, monkeypatch, path):
    def fail(*arguments):
        raise RuntimeError("what happened")
        yield

    monkeypatch.setattr(Chat, "answer_events", fail)
    body = {"question": "APEC?"} if path == "/api/chat" else {
        "model": "mundap", "stream": True, "messages": [{"role": "user", "content": "APEC?"}],
    }  # fmt: skip
    client.post(path, json=body, headers={"Accept": "text/event-stream"})
    assert values(client)["mundap_problems_total", ("code", "internal_error")] == 1


def test_a_server_that_ends_is_not_ready(client):
    client.app.state.drain.begin()
    check_problem(client.get("/readyz"), 503, "shutting_down")


def test_the_index_is_tried_now_and_then_and_not_each_time(client, chat, monkeypatch):
    searches = []
    monkeypatch.setattr(type(chat.retriever), "search", lambda *given: searches.append(given))
    for _ in range(5):
        assert client.get("/readyz").status_code == 200
    assert len(searches) == 1
    assert health._TRY_EVERY_SECONDS > 1
