import json
import socket

import httpx
import openai
import pytest

from index.errors import IndexDamaged
from server.app import HEADERS
from server.chat import Chat
from server.routes.gate import MAX_BODY_BYTES
from tests.server.test_chat_api import ANSWERED, OF_EACH_STATUS
from tests.server.test_errors import REPO, failing
from tests.server.test_serve import serving

HOSTILE = {"role": "user", "content": "<script>hostile</script>"}


@pytest.fixture(scope="module")
def address(settings):
    """That of a real server process."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with serving(port, settings.data_dir, settings):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def api(address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="sk-ignored", max_retries=0) as client:
        yield client


def said(*contents):
    """A conversation in which user and assistant took turns."""
    return [
        {"role": "assistant" if place % 2 else "user", "content": content} for place, content in enumerate(contents)
    ]


def check_error(response, status, code, param=None):
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.json().keys() == {"error"}
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    assert error["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    assert error["message"]
    assert response.headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
    assert not any(leak in response.text for leak in ("Traceback", "site-packages", '.py"', str(REPO), "hostile"))


# ----- by the official client, from a real server --------------------------------------------------------------------


def test_the_client_finds_the_one_model(api):
    [model] = api.models.list()
    assert (model.id, model.object, model.owned_by) == ("mundap", "model", "mundap")
    assert api.models.retrieve("mundap").created == model.created > 1_700_000_000
    with pytest.raises(openai.NotFoundError, match="the only one is mundap"):
        api.models.retrieve("gpt-4o/mini")


def test_an_answer_has_its_sources_in_text_and_as_annotations(api, address):
    completion = api.chat.completions.create(model="mundap", messages=said(ANSWERED))
    assert (completion.object, completion.model) == ("chat.completion", "mundap")
    [choice] = completion.choices
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "stop", "assistant")
    reply = completion.mundap
    text, heading, *sources = choice.message.content.replace("\n\n", "\n").split("\n")
    assert (text, heading) == (reply["answer"], "출처")
    links = [f"{address}{citation['url']}&version={reply['index_version']}" for citation in reply["citations"]]
    assert sources == [f"- [{c['n']}] {c['title']}: {link}" for c, link in zip(reply["citations"], links, strict=True)]
    assert (reply["status"], completion.system_fingerprint) == ("answered", reply["index_version"])
    assert len(choice.message.annotations) == len(reply["citations"]) > 0
    for annotation, citation, link in zip(choice.message.annotations, reply["citations"], links, strict=True):
        cited = annotation.url_citation
        assert annotation.type == "url_citation"
        assert choice.message.content[cited.start_index : cited.end_index] == f"[{citation['n']}]"
        assert choice.message.content[: cited.start_index].endswith(f"{citation['quote']} ")
        assert (cited.url, cited.title) == (link, citation["title"])
        assert httpx.get(cited.url).status_code == 200


@pytest.mark.parametrize(("status", "question"), OF_EACH_STATUS.items())
def test_a_stream_is_the_same_reply_in_pieces(api, status, question):
    whole = api.chat.completions.create(model="mundap", messages=said(question))
    chunks = list(
        api.chat.completions.create(
            model="mundap", messages=said(question), stream=True, stream_options={"include_usage": True}
        )
    )
    *pieces, last, usage = chunks
    assert {(chunk.id, chunk.object, chunk.model) for chunk in chunks} == {
        (chunks[0].id, "chat.completion.chunk", "mundap")
    }
    assert pieces[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content for chunk in pieces) == whole.choices[0].message.content
    assert {chunk.choices[0].finish_reason for chunk in pieces} == {None}
    assert last.choices[0].finish_reason == "stop"
    annotations = [annotation.to_dict() for annotation in whole.choices[0].message.annotations]
    assert last.choices[0].delta.annotations == annotations
    assert bool(annotations) == (status == "answered")
    differing = {"id": "", "timings_ms": {}}
    assert last.mundap | differing == whole.mundap | differing
    assert last.mundap["status"] == status
    assert (usage.choices, usage.usage) == ([], whole.usage)


def test_a_stream_without_options_holds_no_usage(api):
    chunks = list(api.chat.completions.create(model="mundap", messages=said("안녕하세요"), stream=True))
    assert len(chunks[-1].choices) == 1
    assert not any(chunk.usage for chunk in chunks)


def test_earlier_turns_say_what_a_question_is_about(api):
    def ask(*contents):
        return api.chat.completions.create(model="mundap", messages=said(*contents)).mundap["answer"]

    assert "1989년 창설된" in ask("APEC이 뭐예요?", "지역 협력체입니다.", "언제 만들어졌는데요?")
    other = ask("원자력협정이 뭐예요?", "한국과 미국의 협정입니다.", "언제 만들어졌는데요?")
    assert "1992년" in other
    assert "1989년 창설된" not in other


def test_the_client_raises_the_exception_of_each_error(api, address):
    with pytest.raises(openai.BadRequestError) as error:
        api.chat.completions.create(model="mundap", messages=said("가" * 501))
    assert (error.value.code, error.value.param) == ("question_too_long", "messages")
    assert "500" in error.value.message
    assert error.value.request_id
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    with pytest.raises(openai.BadRequestError, match="send no images"):
        api.chat.completions.create(model="mundap", messages=[{"role": "user", "content": [picture]}])
    with pytest.raises(openai.APIStatusError) as error:
        api.chat.completions.create(model="mundap", messages=said("가" * MAX_BODY_BYTES))
    assert (error.value.status_code, error.value.code) == (413, "request_too_large")
    with pytest.raises(openai.NotFoundError):
        api.embeddings.create(model="mundap", input="APEC")


def test_parameters_of_existing_clients_do_no_harm(api):
    completion = api.chat.completions.create(
        model="gpt-4o", messages=said(ANSWERED), temperature=0.7, top_p=0.9, max_tokens=5, max_completion_tokens=5, n=1,
        stop=["APEC"], seed=1, user="u", presence_penalty=1, logit_bias={}, logprobs=False, parallel_tool_calls=True,
        tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}], tool_choice="auto",
        response_format={"type": "text"}, modalities=["text"], reasoning_effort="low", store=False,
    )  # fmt: skip
    assert completion.model == "mundap"
    assert "1989년 창설된" in completion.choices[0].message.content
    assert completion.choices[0].message.tool_calls is None


# ----- in detail -----------------------------------------------------------------------------------------------------


def complete(client, messages, headers=None, **parameters):
    return client.post("/v1/chat/completions", json={"messages": messages} | parameters, headers=headers)


def content_of(response):
    assert response.status_code == 200
    return response.json()["choices"][0]["message"]["content"]


def test_a_stream_ends_with_done_and_is_not_kept(client):
    response = complete(client, said(ANSWERED), stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    events = response.text.strip().split("\n\n")
    assert all(event.startswith("data: ") for event in events)
    assert events[-1] == "data: [DONE]"


def test_sizes_are_told_in_characters(client):
    response = complete(client, [{"role": "system", "content": "ignored"}, *said("APEC?", "네.", "안녕하세요")])
    usage = response.json()["usage"]
    assert usage["prompt_tokens"] == len("APEC?네.안녕하세요")
    assert usage["completion_tokens"] == len(content_of(response))
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": [{"type": "text", "text": text} for text in ("APEC은 언제", "창설되었나요?")]}],
        [{"role": "system", "content": "Answer in verse."}, *said(ANSWERED)],
        [{"role": "developer", "content": [{"type": "image_url"}]}, *said(ANSWERED)],
        [{"role": "assistant", "content": None}, {"role": "assistant", "content": "가" * 9_000}, *said(ANSWERED)],
        [*said(ANSWERED), {"role": "assistant", "content": "APEC은"}],
        [*said(*["가나다라마바사" * 2_000, "네."] * 15), *said(ANSWERED)],
    ],
)  # fmt: skip
def test_what_clients_send_as_a_conversation_is_read(client, messages):
    assert "1989년 창설된" in content_of(complete(client, messages))


def test_only_the_newest_turns_and_the_beginning_of_each_are_looked_at(client, monkeypatch):
    seen = []
    answer_question = Chat.answer_question

    def watch(self, question, history, *rest):
        seen.extend(history)
        return answer_question(self, question, history)

    monkeypatch.setattr(Chat, "answer_question", watch)
    contents = [f"{turn} {'가' * 9_000}" for turn in range(30)]
    content_of(complete(client, said(*contents, "안녕하세요")))
    assert [turn.content for turn in seen] == [content[:8_000] for content in contents[-20:]]


@pytest.mark.parametrize(
    ("question", "lang"), [(OF_EACH_STATUS["not_found"], "ko"), ("What is the weather in Seoul?", "en")]
)
def test_abstentions_come_in_the_language_of_the_question(client, question, lang):
    # What the client's own software prefers says nothing of who asks.
    response = complete(client, said(question), {"Accept-Language": "ja"})
    reply = response.json()["mundap"]
    assert (reply["status"], reply["lang"]) == ("not_found", lang)
    assert content_of(response) == reply["answer"]


def test_the_nearest_passages_are_part_of_the_message(client):
    response = complete(client, said(OF_EACH_STATUS["related"]))
    related = response.json()["mundap"]["related"]
    _, heading, *lines = content_of(response).replace("\n\n", "\n").split("\n")
    assert heading == "가장 가까운 내용"
    assert len(lines) == len(related) > 0
    for line, passage in zip(lines, related, strict=True):
        assert " ".join(passage["text"].split()) in line
        assert f"http://testserver{passage['url']}" in line
    assert response.json()["choices"][0]["message"]["annotations"] == []


@pytest.mark.parametrize("host", ["a b", "evil.example/x?", 'x"><script>', "user@evil.example", "문답.kr"])
def test_an_address_that_is_none_is_not_made_part_of_links(client, host):
    response = complete(client, said(ANSWERED), {"Host": host.encode()})
    [annotation, *_] = response.json()["choices"][0]["message"]["annotations"]
    assert annotation["url_citation"]["url"].startswith("/documents/")


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"n": 2}, "n"),
        ({"n": "2"}, "n"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "hostile"}}}, "tool_choice"),
        ({"function_call": {"name": "hostile"}}, "function_call"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
    ],
)
def test_what_promises_another_form_of_reply_is_refused(client, parameters, param):
    check_error(complete(client, said(ANSWERED), **parameters), 400, "unsupported_value", param)


@pytest.mark.parametrize(
    ("messages", "code", "param"),
    [
        ([], "no_question", "messages"),
        ([{"role": "system", "content": "APEC?"}], "no_question", "messages"),
        (said(""), "empty_question", "messages"),
        (said("\u200b\n"), "empty_question", "messages"),
        ([{"role": "user"}], "empty_question", "messages"),
        ([{"role": "user", "content": []}], "empty_question", "messages"),
        (said("가" * 501), "question_too_long", "messages"),
        (None, "invalid_request", "messages"),
        ("APEC?", "invalid_request", "messages"),
        ([None], "invalid_request", "messages[0]"),
        ([{"content": "APEC?"}], "invalid_request", "messages[0].role"),
        ([{"role": "hostile", "content": "APEC?"}], "invalid_request", "messages[0].role"),
        ([*said("APEC?"), {"role": "tool", "content": "1"}], "invalid_request", "messages[1].role"),
        ([{"role": "user", "content": 5}], "invalid_request", "messages[0].content"),
        ([{"role": "user", "content": {"type": "text"}}], "invalid_request", "messages[0].content"),
        ([{"role": "user", "content": ["APEC?"]}], "unsupported_value", "messages[0].content"),
        ([{"role": "user", "content": [{"type": "text"}]}], "unsupported_value", "messages[0].content"),
        ([{"role": "user", "content": [{"type": "file", "file": {}}]}], "unsupported_value", "messages[0].content"),
    ],
)  # fmt: skip
def test_messages_that_cannot_be_answered_are_an_error_that_names_them(client, messages, code, param):
    check_error(complete(client, messages), 400, code, param)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"hostile"',
        b'{"messages":',
        b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}',
        rb'{"messages": [{"role": "user", "content": "\ud800"}]}',
        b"[" * 100_000,
        b'{"messages": [], "stream": "hostile"}',
        b'{"messages": [], "stream_options": 5}',
        b'{"messages": [], "model": 5}',
        b'{"n": ' + b"9" * 5_000 + b"}",
    ],
)
def test_a_body_of_another_shape_is_an_error(client, body):
    response = client.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
    error = response.json()["error"]
    assert error["code"] in ("invalid_request", "no_question", "invalid_question")
    check_error(response, 400, error["code"], error["param"])


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/chat/completions", 405, "method_not_allowed"),
        ("GET", "/v1", 404, "not_found"),
        ("POST", "/v1/embeddings", 404, "not_found"),
        ("GET", "/v1/models/hostile", 404, "not_found"),
    ],
)
def test_every_error_has_the_shape_of_openai(client, method, path, status, code):
    response = client.request(method, path, headers={"Accept": "text/html"})
    check_error(response, status, code)
    assert ("allow" in response.headers) == (status == 405)


def test_other_routes_keep_their_own_shape_of_error(client):
    assert "code" in client.get("/v10").json()
    assert client.get("/v10").headers["content-type"] == "application/problem+json"


def test_a_huge_body_is_refused(client):
    body = json.dumps({"messages": said("가" * MAX_BODY_BYTES)}).encode()
    chunks = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    for content in (body, chunks):
        headers = {"Content-Type": "application/json"}
        check_error(client.post("/v1/chat/completions", content=content, headers=headers), 413, "request_too_large")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RuntimeError("hostile /srv/secret.py"), 500, "internal_error"),
        (IndexDamaged("hostile /srv/secret is damaged"), 503, "index_unavailable"),
    ],
)
def test_a_failure_keeps_its_details_and_the_key_to_itself(client, monkeypatch, caplog, stream, error, status, code):
    monkeypatch.setattr(Chat, "answer_events", failing(error))
    response = complete(client, said(ANSWERED), {"Authorization": "Bearer sk-secret-key"}, stream=stream)
    check_error(response, status, code)
    assert response.headers["x-request-id"] in caplog.text
    assert "sk-secret-key" not in caplog.text


def test_no_page_of_another_origin_may_read_a_reply(client):
    response = complete(client, said("안녕하세요"), {"Origin": "https://elsewhere.example"})
    assert not any(name.startswith("access-control-") for name in response.headers)
