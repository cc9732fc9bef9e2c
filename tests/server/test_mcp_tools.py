import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import httpx
import pytest
from mcp import Client, StdioServerParameters

from index.build import build_index
from index.errors import IndexDamaged
from index.publication import Publication
from server.answerers.generative import Writer
from server.answerers.language_model import LanguageModel
from server.chat import Chat, CurrentChat, Models
from server.routes.gate import MAX_BODY_BYTES
from server.routes.mcp_tools import READ_CHARACTERS, ToolServer
from server.settings import Settings
from tests.conftest import REPO
from tests.server.model_server import ModelServer, in_tokens
from tests.server.test_chat_api import ANSWERED, OF_EACH_STATUS
from tests.server.test_cli import check_failed
from tests.server.test_errors import failing
from tests.server.test_written_answers import TRUE

ADDRESS = "https://chat.example.go.kr"
COMMAND = [sys.executable, "-m", "server.cli", "mcp"]


def calling(server, *calls):
    """Call each (tool, arguments) at `server`, a command, an address or a server in this process."""

    async def talk():
        async with Client(server) as client:
            return [await client.call_tool(tool, arguments) for tool, arguments in calls]

    return asyncio.run(talk())


@pytest.fixture
def tools(chat):
    """Call one tool in this process."""

    def call(tool, **arguments):
        return calling(ToolServer(lambda: chat, ADDRESS), (tool, arguments))[0]

    return call


def result_of(called):
    assert not called.is_error, called.content
    assert json.loads(called.content[0].text) == called.structured_content
    return called.structured_content


def check_tool_error(called, part=""):
    assert called.is_error
    [content] = called.content
    assert part in content.text
    assert "\n" not in content.text
    assert not any(leak in content.text for leak in ("Traceback", "pydantic", "secret", str(REPO)))


# ----- the tools -----------------------------------------------------------------------------------------------------


def test_each_tool_says_what_it_takes_and_gives(chat):
    async def look():
        async with Client(ToolServer(lambda: chat, ADDRESS)) as client:
            return (await client.list_tools()).tools, client.instructions

    tools, instructions = asyncio.run(look())
    assert [tool.name for tool in tools] == ["ask", "search", "read_document"]
    assert "ask" in instructions
    for tool in tools:
        assert tool.annotations.read_only_hint
        assert not any(line.startswith(" ") for line in tool.description.split("\n"))
        assert all("description" in argument for argument in tool.input_schema["properties"].values())
        assert tool.output_schema["properties"]["index_version"]["description"]
    assert [tool.input_schema["required"] for tool in tools] == [["question"], ["query"], ["doc_id"]]


@pytest.mark.parametrize(("status", "question"), OF_EACH_STATUS.items())
def test_ask_gives_the_answer_of_the_chat_with_whole_addresses(tools, chat, status, question):
    found = result_of(tools("ask", question=question))
    answer = chat.answer_question(question)
    assert (found["status"], found["answer"]) == (status, answer.text)
    assert [s["citations"] for s in found["sentences"]] == [list(s.citations) for s in answer.sentences]
    for kind, expected in (("citations", answer.citations), ("related", answer.related)):
        links = [f"{ADDRESS}{place.url}&version={chat.version}" for place in expected]
        assert [place["url"] for place in found[kind]] == links
    for citation in found["citations"]:
        document = chat.document(citation["doc_id"])
        assert citation["quote"] == document.text[citation["start"] : citation["end"]]


@pytest.mark.parametrize(("language", "lang"), [(None, "ko"), ("ja-JP", "ja"), ("fr", "en")])
def test_notices_come_in_the_language_that_is_asked_for(tools, language, lang):
    assert result_of(tools("ask", question="안녕하세요", language=language))["lang"] == lang


def test_a_notice_says_that_the_model_died(chat):
    with (
        ModelServer(lambda messages: [*in_tokens(f"{TRUE} [1] 이 기구는"), b'data: {"broken']).running() as server,
        closing(LanguageModel(server.address, "scripted", budget_seconds=5.0)) as model,
    ):
        server.ends_properly = False
        written = Chat(chat.retriever, chat.reader, Writer(model, chat.retriever.embedder))
        asked = ("ask", {"question": ANSWERED})
        [called] = calling(ToolServer(lambda: written, ADDRESS), asked)
        found = result_of(called)
        assert (found["mode"], found["notice"]["code"]) == ("generative", "cut_off")
        assert found["notice"]["text"]
        server.status = 500
        [called] = calling(ToolServer(lambda: written, ADDRESS), asked)
        assert result_of(called)["notice"]["code"] == "not_written"
    [called] = calling(ToolServer(lambda: chat, ADDRESS), asked)
    assert result_of(called)["notice"] is None


def test_what_search_finds_can_be_read(tools, chat):
    found = result_of(tools("search", query="양해각서 체결", top_k=3))
    assert found["index_version"] == chat.index.manifest.version
    assert len(found["passages"]) == 3
    for passage in found["passages"]:
        place = {name: passage[name] for name in ("doc_id", "start", "end")}
        read = result_of(tools("read_document", **place))
        assert read["text"] == passage["text"]
        assert read["url"] == passage["url"]


def test_a_document_is_read_whole_or_in_parts(tools, chat, doc_id):
    text = chat.document(doc_id).text
    whole = result_of(tools("read_document", doc_id=doc_id))
    assert (whole["text"], whole["start"], whole["end"], whole["characters"]) == (text, 0, len(text), len(text))
    assert result_of(tools("read_document", doc_id=doc_id, start=5, end=10**9))["text"] == text[5:]


def test_a_long_document_is_read_in_several_steps(fake_embedder, source, tmp_path):
    text = "\n\n".join(f"{number}번째 문장이다." for number in range(3_000))
    build_index(source({"long.txt": text}), Publication(tmp_path / "data"), fake_embedder)
    chat = Chat.__new__(Chat)
    chat.index = Publication(tmp_path / "data").open(fake_embedder)
    read, start = "", 0
    while start < len(text):
        [called] = calling(ToolServer(lambda: chat, ADDRESS), ("read_document", {"doc_id": "long.txt", "start": start}))
        part = result_of(called)
        assert len(part["text"]) == part["end"] - start <= READ_CHARACTERS
        read, start = read + part["text"], part["end"]
    assert read == text
    assert part["characters"] == len(text) > READ_CHARACTERS


@pytest.mark.parametrize(
    ("tool", "arguments", "part"),
    [
        ("ask", {}, "question"),
        ("ask", {"question": ""}, "empty"),
        ("ask", {"question": "가" * 501}, "500"),
        ("ask", {"question": 5}, "question"),
        ("ask", {"question": "\u200b"}, "empty"),
        ("search", {"query": " "}, "empty"),
        ("search", {"query": "APEC", "top_k": 0}, "top_k"),
        ("search", {"query": "APEC", "top_k": "many"}, "top_k"),
        ("read_document", {"doc_id": "../secrets.txt"}, "no document"),
        ("read_document", {"doc_id": "\x00"}, "no document"),
        ("read_document", {"doc_id": "{doc_id}", "start": -1}, "start"),
        ("read_document", {"doc_id": "{doc_id}", "start": 10, "end": 10}, "no text from 10 to 10"),
        ("read_document", {"doc_id": "{doc_id}", "start": 10**9}, "characters"),
        ("write", {}, "write"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_sentence(tools, doc_id, tool, arguments, part):
    arguments = {name: doc_id if value == "{doc_id}" else value for name, value in arguments.items()}
    check_tool_error(tools(tool, **arguments), part)


@pytest.mark.parametrize(
    ("error", "part"),
    [(RuntimeError("secret"), "went wrong"), (IndexDamaged("/srv/secret is damaged"), "index can't be used")],
)
def test_a_failure_keeps_its_details_to_itself_and_the_log(tools, monkeypatch, caplog, error, part):
    monkeypatch.setattr(Chat, "answer_events", failing(error))
    check_tool_error(tools("ask", question=ANSWERED), part)
    assert "secret" in caplog.text


def test_the_handshake_does_not_wait_for_the_models(chat):
    loaded = threading.Event()

    def open_chat():
        assert loaded.wait(30)
        return chat

    async def talk():
        async with Client(ToolServer(open_chat, ADDRESS), mode="legacy") as client:
            assert len((await client.list_tools()).tools) == 3
            loaded.set()
            return await client.call_tool("ask", {"question": ANSWERED})

    assert result_of(asyncio.run(talk()))["status"] == "answered"


def test_the_tools_follow_what_is_published(data_dir, source, embedder, reader, monkeypatch):
    loads = []
    monkeypatch.setattr("server.chat.load_models", lambda settings: loads.append(1) or Models(embedder, reader))
    current = CurrentChat(Settings(_env_file=None, data_dir=data_dir))
    assert current() is current()
    before = current().index.manifest.version
    build_index(source({"new.txt": "새 문서이다."}), Publication(data_dir), embedder)
    assert current().index.manifest.version != before
    assert [summary.doc_id for summary in current().index.corpus.documents()] == ["new.txt"]
    assert len(loads) == 1
    served = current()
    (Publication(data_dir).folder / "current").write_text("nothing-like-it\n")
    assert current() is served


# ----- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(settings):
    return {"MUNDAP_DATA_DIR": str(settings.data_dir), "PYTHONPATH": str(REPO)}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_assistant_starts_the_command_and_calls_its_tools(environment, tmp_path, doc_id, mode):
    command = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=environment, cwd=tmp_path)

    async def talk():
        async with Client(command, mode=mode, read_timeout_seconds=120) as client:
            answer = result_of(await client.call_tool("ask", {"question": ANSWERED}))
            assert "1989년 창설된" in answer["answer"]
            assert answer["citations"][0]["url"].startswith("http://127.0.0.1:8000/documents/")
            assert result_of(await client.call_tool("search", {"query": "APEC"}))["passages"]
            assert result_of(await client.call_tool("read_document", {"doc_id": doc_id}))["text"]
            check_tool_error(await client.call_tool("ask", {"question": ""}), "empty")

    asyncio.run(talk())


def test_standard_output_carries_the_protocol_and_nothing_else(environment, tmp_path):
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    call = {"name": "ask", "arguments": {"question": "APEC?"}}
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call},
    ]  # fmt: skip
    with subprocess.Popen(
        COMMAND, env=os.environ | environment, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, encoding="utf-8",
    ) as server:  # fmt: skip
        try:
            server.stdin.write("hostile\n" + "".join(f"{json.dumps(message)}\n" for message in messages))
            server.stdin.flush()
            lines = []
            while not lines or lines[-1].get("id") != 2:
                lines.append(json.loads(server.stdout.readline()))
            rest, errors = server.communicate(timeout=60)
        finally:
            server.kill()
    assert {line["jsonrpc"] for line in lines} == {"2.0"}
    assert [line["id"] for line in lines if "result" in line] == [1, 2]
    assert (rest, server.returncode) == ("", 0)
    assert "Traceback" not in errors


@contextmanager
def serving_tools(port, environment, folder):
    command = [*COMMAND, "--http", "--port", str(port), "--url", ADDRESS]
    with subprocess.Popen(
        command, env=os.environ | environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as server:  # fmt: skip
        try:
            give_up = time.monotonic() + 120
            while server.poll() is None and time.monotonic() < give_up:
                try:
                    httpx.get(f"http://127.0.0.1:{port}/mcp")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield server
        finally:
            server.kill()


def test_the_tools_are_offered_by_http_to_this_machine_alone(environment, tmp_path, free_port):
    url = f"http://127.0.0.1:{free_port}/mcp"
    with serving_tools(free_port, environment, tmp_path) as server:
        answer, problem = calling(url, ("ask", {"question": ANSWERED}), ("ask", {"question": ""}))
        assert result_of(answer)["citations"][0]["url"].startswith(f"{ADDRESS}/documents/")
        check_tool_error(problem, "empty")

        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        headers = {"Accept": "application/json, text/event-stream"}
        assert httpx.post(url, json=body, headers=headers).status_code == 200
        assert httpx.post(url, json=body, headers=headers | {"Host": "evil.example"}).status_code == 421
        assert httpx.post(url, json=body, headers=headers | {"Origin": "https://evil.example"}).status_code == 403
        assert httpx.post(url, json=body | {"params": "가" * MAX_BODY_BYTES}, headers=headers).status_code == 413
        response = httpx.post(url, content=b"hostile", headers=headers | {"Content-Type": "application/json"})
        assert response.status_code == 400
        assert "server" not in response.headers

        server.send_signal(signal.SIGTERM)
        output = server.communicate(timeout=60)[0]
    assert server.returncode == 0
    assert output.startswith(f"Mundap offers its tools at {url}\n")
    assert "Traceback" not in output


def test_a_missing_index_is_told_before_anything_is_offered(mundap, data_dir):
    shutil.rmtree(data_dir / "index")
    check_failed(mundap("mcp"), 4)
    check_failed(mundap("mcp", "--http"), 4)


def test_an_address_for_links_that_is_none_is_told(mundap):
    check_failed(mundap("mcp", "--url", "chat.example.go.kr"), 2)


def test_a_missing_package_is_told_with_the_command_that_brings_it(mundap, monkeypatch):
    monkeypatch.delitem(sys.modules, "server.routes.mcp_tools")
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    run = mundap("mcp")
    check_failed(run, 2)
    assert "pip install" in run.stderr
