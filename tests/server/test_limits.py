import asyncio
import json
import shutil
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import httpx
import pytest
from fastapi.testclient import TestClient
from limits.aio.storage import MemoryStorage

from index.errors import Refused
from server import listening as listening_module
from server.app import create_app
from server.budget import Budget, check_budget, spending, timed_out
from server.chat import Chat
from server.limits import Admission, RateLimiter, client_name, open_counts, parse_rates
from server.routes import gate
from tests.server.conftest import listening, wait_for
from tests.server.test_errors import check_problem

QUESTION = {"question": "APEC은 언제 창설되었나요?"}
HELLO = {"question": "안녕하세요"}


def client_with(settings, chat, address="203.0.113.5", **changed):
    app = create_app(settings.model_copy(update=changed), chat)
    return TestClient(app, client=(address, 50_000), raise_server_exceptions=False)


# ----- rates ---------------------------------------------------------------------------------------------------------


def test_a_client_that_asks_too_often_is_told_when_it_may_ask_again(settings, chat):
    with client_with(settings, chat, rate_limit="2/minute") as client:
        for _ in range(2):
            assert client.post("/api/chat", json=HELLO).status_code == 200
        refused = client.post("/api/chat", json=HELLO)
        check_problem(refused, 429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        page = client.post("/", data=HELLO, headers={"Accept": "text/html", "Accept-Language": "en"})
        assert page.status_code == 429
        assert "There were many questions in a short time." in page.text
        reply = client.post("/v1/chat/completions", json={"model": "mundap", "messages": []}).json()
        assert reply["error"]["code"] == "rate_limited"


def test_every_way_to_make_the_server_work_is_counted_and_nothing_else(settings, chat, doc_id):
    with client_with(settings, chat, rate_limit="1/hour") as client:
        assert client.get("/api/search", params={"q": "APEC"}).status_code == 200
        for method, path in [
            ("POST", "/api/chat"), ("POST", "/"), ("POST", "/v1/chat/completions"), ("GET", "/api/search?q=APEC"),
            ("HEAD", "/api/search?q=APEC"), ("POST", "/api/feedback"), ("POST", "/feedback"),
            ("GET", f"/documents/{doc_id}"), ("GET", f"/api/documents/{doc_id}"), ("GET", "/api/documents"),
        ]:  # fmt: skip
            assert client.request(method, path).status_code == 429, (method, path)
        for path in ("/", "/healthz", "/readyz", "/static/chat.js", "/openapi.json", "/v1/models"):
            assert client.get(path).status_code == 200, path


@pytest.mark.parametrize(
    ("proxies", "sent", "other_sent"),
    [
        # Nobody is trusted: what a client says of itself counts for nothing.
        ("", "198.51.100.1", "198.51.100.2"),
        # A proxy is trusted, but this client is none.
        ("10.0.0.0/8", "198.51.100.1", "198.51.100.2"),
        # The proxy adds whom it sees; what stands before that the client made up.
        ("203.0.113.0/24", "1.2.3.4, 198.51.100.1", "5.6.7.8, 198.51.100.1"),
        # All of one IPv6 network are one client.
        ("203.0.113.5", "2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
    ],
)
def test_one_client_stays_one_whatever_it_says_of_itself(settings, chat, proxies, sent, other_sent):
    with client_with(settings, chat, rate_limit="1/hour", trusted_proxies=proxies) as client:
        assert client.post("/api/chat", json=HELLO, headers={"X-Forwarded-For": sent}).status_code == 200
        assert client.post("/api/chat", json=HELLO, headers={"X-Forwarded-For": other_sent}).status_code == 429


def test_clients_behind_a_trusted_proxy_are_counted_one_by_one(settings, chat):
    with client_with(settings, chat, rate_limit="1/hour", trusted_proxies="203.0.113.5") as client:
        for number in range(3):
            headers = {"X-Forwarded-For": f"198.51.100.{number}"}
            assert client.post("/api/chat", json=HELLO, headers=headers).status_code == 200
        assert client.post("/api/chat", json=HELLO, headers=headers).status_code == 429


def test_a_salt_that_redis_evicted_at_once_is_made_anew(monkeypatch):
    class Redis:
        kept: bytes | None = None

        async def set(self, *given, **named):
            pass

        async def get(self, key):
            return self.kept

    redis, shared = Redis(), MemoryStorage()
    shared.bridge = SimpleNamespace(get_connection=lambda: redis)
    now, failures = 0.0, []
    limiter = RateLimiter(parse_rates("1/hour"), MemoryStorage(), lambda: now, lambda: failures.append(1))
    limiter._shared = shared
    asyncio.run(limiter.admit("203.0.113.5"))
    assert failures == [1]
    redis.kept, now = b"salt", 60.0
    asyncio.run(limiter.admit("203.0.113.5"))
    with pytest.raises(Refused):
        asyncio.run(limiter.admit("203.0.113.5"))
    assert failures == [1]


def test_a_name_says_nothing_of_an_address_and_is_another_with_another_salt():
    name = client_name("203.0.113.5", b"salt")
    assert "203" not in name
    assert name == client_name("203.0.113.5", b"salt") == client_name("::ffff:203.0.113.5", b"salt")
    assert len({name, client_name("203.0.113.6", b"salt"), client_name("203.0.113.5", b"other")}) == 3
    assert client_name("no address", b"salt") != client_name("", b"salt")


def hits(limiter, count, address="203.0.113.5"):
    async def hit():
        refused = 0
        for _ in range(count):
            try:
                await limiter.admit(address)
            except Refused:
                refused += 1
        await limiter.close()
        return refused

    return asyncio.run(hit())


def test_a_window_ends_by_the_clock_that_nobody_sets(monkeypatch):
    now = [100.0]
    limiter = RateLimiter(parse_rates("3/minute"), open_counts("memory://"), clock=lambda: now[0])
    assert hits(limiter, 5) == 2
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall - 86_400)
    assert hits(limiter, 1) == 1
    now[0] += 60
    assert hits(limiter, 5) == 2


def test_several_rates_hold_together():
    limiter = RateLimiter(parse_rates("2/second;3/hour"), open_counts("memory://"), clock=lambda: 5.0)
    assert hits(limiter, 3) == 1
    assert hits(limiter, 3, "203.0.113.6") == 1


@contextmanager
def redis_at(port):
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            give_up = time.monotonic() + 10
            while time.monotonic() < give_up:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield
        finally:
            server.kill()


needs_redis = pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")


@needs_redis
def test_processes_that_share_redis_count_together_and_store_no_address(free_port):
    url = f"redis://127.0.0.1:{free_port}/0"
    with redis_at(free_port):
        assert hits(RateLimiter(parse_rates("3/hour"), open_counts(url)), 2) == 0
        assert hits(RateLimiter(parse_rates("3/hour"), open_counts(url)), 2) == 1
        stored = subprocess.run(["redis-cli", "-p", str(free_port), "keys", "*"], capture_output=True, text=True).stdout
        assert stored
        assert "203.0.113.5" not in stored


@needs_redis
def test_a_window_in_redis_holds_until_its_end(free_port):
    with redis_at(free_port):
        limiter = RateLimiter(parse_rates("5/second"), open_counts(f"redis://127.0.0.1:{free_port}/0"))
        until = time.monotonic() + 2
        sent = refused = 0
        while time.monotonic() < until:
            sent, refused = sent + 1, refused + hits(limiter, 1)
    # Three or four windows are touched, as the first one begins with the first request.
    assert 10 <= sent - refused <= 20


@needs_redis
def test_without_redis_each_process_counts_alone_and_with_it_again_together(free_port):
    failures = []
    now = [0.0]
    counts = open_counts(f"redis://127.0.0.1:{free_port}/0")
    limiter = RateLimiter(parse_rates("3/hour"), counts, lambda: now[0], lambda: failures.append(1))
    started = time.monotonic()
    assert hits(limiter, 5) == 2
    assert failures == [1]  # and was left alone after the first attempt
    assert time.monotonic() - started < 3
    with redis_at(free_port):
        now[0] += 6
        assert hits(limiter, 3) == 0
        assert failures == [1]


# ----- at the same time ----------------------------------------------------------------------------------------------


def test_who_finds_the_queue_full_is_sent_away_and_the_others_come_in_turn():
    async def run():
        admission = Admission(at_once=2, places=3)
        order, refused = [], []

        async def come(number):
            try:
                async with admission.slot(5):
                    assert admission.working <= 2
                    order.append(number)
                    await asyncio.sleep(0.02)
            except Refused as error:
                refused.append((number, error.code, error.retry_after))

        await asyncio.gather(*(come(number) for number in range(8)))
        assert (admission.waiting, admission.working) == (0, 0)
        return order, refused

    order, refused = asyncio.run(run())
    assert order == [0, 1, 2, 3, 4]
    assert [(number, code) for number, code, _ in refused] == [(5, "busy"), (6, "busy"), (7, "busy")]
    assert all(1 <= retry_after <= 60 for _, _, retry_after in refused)


def test_who_waits_too_long_or_leaves_takes_no_place():
    async def run():
        admission = Admission(at_once=1, places=2)
        async with admission.slot(1):
            with pytest.raises(Refused):
                async with admission.slot(0.01):
                    pytest.fail("there was no slot")
            leaving = asyncio.create_task(admission.slot(1).__aenter__())
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            assert admission.waiting == 0
        async with admission.slot(0.01):
            assert admission.working == 1

    asyncio.run(run())


@pytest.fixture
def slow_answers(monkeypatch):
    """Let each answer take steps of 20 ms until it is told to go on; count those that work."""
    state = type("State", (), {"go": threading.Event(), "working": 0, "ended": []})()
    answer = Chat.answer_events

    def slow(self, *arguments):
        state.working += 1
        try:
            while not state.go.wait(0.02):
                check_budget()
            yield from answer(self, *arguments)
        except Refused as error:
            state.ended.append(error.code)
            raise
        finally:
            state.working -= 1

    monkeypatch.setattr(Chat, "answer_events", slow)
    yield state
    state.go.set()


def ask(address, results, **options):
    def run():
        response = httpx.post(f"{address}/api/chat", json=HELLO, timeout=30, **options)
        results.append((response.status_code, response.headers.get("retry-after"), response.text))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_more_than_there_are_slots_and_places_get_503_and_health_is_told_all_the_same(settings, chat, slow_answers):
    changed = settings.model_copy(update={"concurrency": 1, "queue": 2})
    app = create_app(changed, chat)
    results = []
    with listening(app, changed) as (_, address):
        threads = [ask(address, results) for _ in range(8)]
        wait_for(lambda: len(results) == 5)
        assert {status for status, _, _ in results} == {503}
        assert all(int(retry_after) >= 1 for _, retry_after, _ in results)
        assert all(json.loads(text)["code"] == "busy" for _, _, text in results)
        assert slow_answers.working == 1
        assert httpx.get(f"{address}/healthz").status_code == 200
        assert httpx.get(f"{address}/readyz").status_code == 200
        slow_answers.go.set()
        for thread in threads:
            thread.join(30)
    assert sorted(status for status, _, _ in results) == [200] * 3 + [503] * 5


@pytest.mark.parametrize("path", ["/documents/{}", "/api/documents/{}"])
def test_sources_wait_for_a_slot_too_and_have_a_budget(settings, chat, doc_id, monkeypatch, path):
    go = threading.Event()
    document = Chat.document

    def slow(self, doc_id):
        while not go.wait(0.02):
            check_budget()
        return document(self, doc_id)

    monkeypatch.setattr(Chat, "document", slow)
    changed = settings.model_copy(update={"concurrency": 1, "queue": 0, "time_budget_seconds": 1})
    with listening(create_app(changed, chat), changed) as (_, address):
        url = address + path.format(doc_id)
        with ThreadPoolExecutor(4) as askers:
            responses = list(askers.map(lambda _: httpx.get(url, timeout=30), range(4)))
        codes = {(response.status_code, response.json()["code"]) for response in responses}
        assert codes == {(503, "busy"), (503, "timed_out")}
        go.set()
        assert httpx.get(url, timeout=30).status_code == 200


# ----- time, and clients that go away --------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_an_answer_that_takes_too_long_is_given_up(settings, chat, slow_answers, accept):
    changed = settings.model_copy(update={"time_budget_seconds": 0.3})
    results = []
    with listening(create_app(changed, chat), changed) as (_, address):
        ask(address, results, headers={"Accept": accept}).join(30)
        wait_for(lambda: slow_answers.working == 0)
    [(status, retry_after, text)] = results
    if accept == "application/json":
        assert (status, retry_after, json.loads(text)["code"]) == (503, "5", "timed_out")
    else:
        assert status == 200
        assert text.startswith("event: error\n")
        assert '"code":"timed_out"' in text
    assert slow_answers.ended == ["timed_out"]


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_work_stops_when_its_client_goes_away(settings, chat, slow_answers, accept):
    changed = settings.model_copy(update={"concurrency": 1, "queue": 1})
    results = []
    with listening(create_app(changed, chat), changed) as (_, address):
        headers = {"Accept": accept}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{address}/api/chat", json=HELLO, headers=headers, timeout=0.5).read()
        wait_for(lambda: slow_answers.working == 0)
        assert slow_answers.ended == ["client_gone"]
        # Its slot is free again.
        slow_answers.go.set()
        ask(address, results).join(30)
    assert results[0][0] == 200


def test_who_leaves_the_queue_is_never_worked_for(settings, chat, slow_answers):
    changed = settings.model_copy(update={"concurrency": 1, "queue": 1})
    app = create_app(changed, chat)
    results = []
    with listening(app, changed) as (_, address):
        first = ask(address, results)
        wait_for(lambda: slow_answers.working == 1)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{address}/api/chat", json=HELLO, timeout=0.3)
        second = ask(address, results)
        wait_for(lambda: app.state.admission.waiting == 1)
        slow_answers.go.set()
        for thread in (first, second):
            thread.join(30)
    assert [status for status, _, _ in results] == [200, 200]


def test_a_budget_is_spent_in_the_threads_that_work_is_handed_to():
    async def run():
        with spending(Budget(0)):
            await asyncio.to_thread(check_budget)

    with pytest.raises(Refused, match="too long"):
        asyncio.run(run())
    check_budget()  # without a request there is none
    assert timed_out().retry_after


def test_a_body_that_trickles_in_is_not_waited_for(settings, chat, monkeypatch):
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.3)
    with listening(create_app(settings, chat), settings) as (_, address):
        with connection(address) as sock:
            sock.sendall(b"POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n{")
            reply = sock.recv(65_536)
        assert reply.startswith(b"HTTP/1.1 408 ")
        assert httpx.post(f"{address}/api/chat", json=HELLO).status_code == 200


def test_a_head_that_trickles_in_is_not_waited_for(settings, chat, monkeypatch):
    monkeypatch.setattr(listening_module, "HEAD_SECONDS", 0.3)
    with listening(create_app(settings, chat), settings) as (_, address):
        with connection(address) as fresh, connection(address) as used:
            used.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert used.recv(65_536).startswith(b"HTTP/1.1 200 ")
            for sock in (fresh, used):
                sock.sendall(b"GET /healthz HTTP/1.1\r\nHo")
            for sock in (fresh, used):
                assert is_cut(sock)
        assert httpx.get(f"{address}/healthz").status_code == 200


def test_a_client_that_reads_nothing_is_cut_off(settings, chat, monkeypatch):
    monkeypatch.setattr(listening_module, "STALLED_SECONDS", 0.3)
    with listening(create_app(settings, chat), settings) as (server, address):
        with connection(address, receive_buffer=4_096) as sock:
            sock.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 400)
            wait_for(lambda: server.server_state.connections)
            wait_for(lambda: not server.server_state.connections)
        assert httpx.get(f"{address}/healthz").status_code == 200


@contextmanager
def connection(address, receive_buffer=None):
    host, port = address.removeprefix("http://").split(":")
    with socket.socket() as sock:
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(10)
        sock.connect((host, int(port)))
        yield sock


def is_cut(sock):
    try:
        while sock.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


# ----- the end of the server -----------------------------------------------------------------------------------------


def test_a_server_that_ends_finishes_what_it_began_and_begins_nothing(settings, chat, slow_answers):
    app = create_app(settings, chat)
    results = []
    with listening(app, settings) as (_, address):
        stream = ask(address, results, headers={"Accept": "text/event-stream"})
        wait_for(lambda: slow_answers.working == 1)
        app.state.drain.begin()
        refused = httpx.post(f"{address}/api/chat", json=HELLO)
        assert (refused.status_code, refused.json()["code"]) == (503, "shutting_down")
        slow_answers.go.set()
        stream.join(30)
    assert "event: done" in results[0][2]


def test_what_can_not_be_finished_in_time_ends_with_an_error_event(settings, chat, slow_answers):
    changed = settings.model_copy(update={"drain_seconds": 0.2})
    app = create_app(changed, chat)
    results = []
    with listening(app, changed) as (_, address):
        stream = ask(address, results, headers={"Accept": "text/event-stream"})
        wait_for(lambda: slow_answers.working == 1)
        app.state.drain.begin()
        stream.join(30)
    assert results[0][2].startswith("event: error\n")
    assert '"code":"shutting_down"' in results[0][2]
