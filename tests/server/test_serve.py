import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from index.errors import InputError, TransientError
from server import cli
from server.routes.gate import MAX_BODY_BYTES
from tests.conftest import REPO
from tests.server.model_server import ModelServer
from tests.server.test_cli import check_failed
from tests.server.test_written_answers import TRUE

# For a busy machine, where each worker loads the models by itself.
PATIENCE_SECONDS = 300


@contextmanager
def serving(port, data_dir, settings, *options):
    """Run `mundap serve` until it is ready; end it, if that hasn't happened, when the test is over."""
    environment = os.environ | {"MUNDAP_DATA_DIR": str(data_dir), "MUNDAP_SOURCE_DIR": str(settings.source_dir)}
    command = [sys.executable, "-m", "server.cli", "serve", "--port", str(port), *options]
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    ) as server:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                wait_until_ready(client, server)
                yield server, client
        finally:
            # With its workers, which would go on without it.
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def wait_until_ready(client, server):
    give_up = time.monotonic() + PATIENCE_SECONDS
    while server.poll() is None and time.monotonic() < give_up:
        try:
            client.get("/readyz").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"The server did not start: {server.stdout.read() if server.poll() is not None else 'too slow'}")


def test_a_start_with_an_index_answers_prints_one_line_and_ends_when_asked_to(data_dir, settings, free_port):
    with serving(free_port, data_dir, settings) as (server, client):
        reply = client.post("/api/chat", json={"question": "APEC은 언제 창설되었나요?"}).json()
        assert "1989년 창설된" in reply["answer"]
        streamed = client.post("/api/chat", json={"question": "안녕하세요"}, headers={"Accept": "text/event-stream"})
        assert streamed.text.startswith("event: status\n")
        assert client.get("/").headers["content-type"].startswith("text/html")
        assert "server" not in client.get("/healthz").headers

        chunks = (b" " * 65_536 for _ in range(MAX_BODY_BYTES // 65_536 + 2))
        assert client.post("/api/chat", content=chunks).json()["code"] == "request_too_large"
        assert client.get("/healthz").status_code == 200

        server.send_signal(signal.SIGTERM)
        output = server.communicate(timeout=PATIENCE_SECONDS)[0]
    assert server.returncode == 0
    assert output.strip() == f"Mundap is starting and will answer at http://127.0.0.1:{free_port}"


@pytest.mark.parametrize("pause", [0, 0.5, 3])
def test_workers_that_are_asked_to_end_while_they_start_end_and_leave_nothing(
    data_dir, settings, free_port, tmp_path, pause
):
    (tmp_path / "tmp").mkdir()
    before = metrics_in_memory()
    environment = os.environ | {
        "MUNDAP_DATA_DIR": str(data_dir), "MUNDAP_SOURCE_DIR": str(settings.source_dir), "PYTHONPATH": ".",
        "TMPDIR": str(tmp_path / "tmp"),
    }  # fmt: skip
    # Not installed: the code is found where it was started, also when it begins anew.
    command = [sys.executable, "-m", "server.cli", "serve", "--port", str(free_port), "--workers", "2"]
    with subprocess.Popen(
        command, env=environment, cwd=REPO, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True
    ) as server:
        try:
            assert server.stderr.readline().startswith("Mundap is starting")
            time.sleep(pause)
            server.send_signal(signal.SIGTERM)
            said = server.communicate(timeout=PATIENCE_SECONDS)[1]
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
    assert (server.returncode, said) == (0, "")
    assert list((tmp_path / "tmp").glob("mundap-metrics-*")) == []
    assert metrics_in_memory() == before


def metrics_in_memory():
    return set(Path("/dev/shm").glob("mundap-metrics-*"))  # noqa: S108 - only looked at


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_is_asked_to_end_finishes_the_answer_that_it_streams(
    data_dir, settings, free_port, monkeypatch, workers
):
    def slowly(messages):
        for word in f"{TRUE} [1]".split(" "):
            yield f"{word} "
            time.sleep(0.2)

    with ModelServer(slowly).running() as model:
        monkeypatch.setenv("MUNDAP_LLM_BASE_URL", model.address)
        monkeypatch.setenv("MUNDAP_LLM_MODEL", "slow")
        with serving(free_port, data_dir, settings, "--workers", workers) as (server, client):
            question, accept = {"question": "APEC은 언제 창설되었나요?"}, {"Accept": "text/event-stream"}
            with client.stream("POST", "/api/chat", json=question, headers=accept) as reply:
                lines = reply.iter_lines()
                assert next(lines) == "event: status"
                server.send_signal(signal.SIGTERM)
                rest = list(lines)
            assert rest[-3] == "event: done"
            assert TRUE in "\n".join(rest)
            assert server.wait(PATIENCE_SECONDS) == 0


def test_what_is_in_the_way_of_workers_is_told_once_and_ends_the_start(data_dir, tmp_path, free_port):
    environment = os.environ | {"MUNDAP_DATA_DIR": str(data_dir), "MUNDAP_SOURCE_DIR": str(tmp_path / "none")}
    command = [sys.executable, "-m", "server.cli", "serve", "--port", str(free_port), "--workers", "2"]
    run = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    check_failed(run, 3)
    assert "MUNDAP_SOURCE_DIR" in run.stderr


def test_workers_whose_index_can_not_be_built_are_told(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/none/python")
    with pytest.raises(InputError, match=r"The index can't be built: /none/python .*No such file"):
        cli._build_in_a_child(None, None)


def test_an_address_that_is_taken_is_told_before_anything_is_loaded(mundap):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = mundap("serve", "--port", str(taken.getsockname()[1]))
    check_failed(run, 2)
    assert "Address already in use" in run.stderr


def test_an_address_of_another_machine_is_told(mundap, free_port):
    check_failed(mundap("serve", "--host", "192.0.2.1", "--port", str(free_port)), 2)


def test_everything_that_is_in_the_way_of_a_start_is_told_at_once(mundap, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MUNDAP_SOURCE_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("MUNDAP_DATA_DIR", str(tmp_path / "file" / "data"))
    monkeypatch.setenv("MUNDAP_DATABASE_URL", "nonsense")
    monkeypatch.setenv("MUNDAP_LOG_LEVEL", "loud")
    monkeypatch.setenv("MUNDAP_EMBEDDING_MODEL", str(tmp_path / "no model"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = mundap("serve", "--port", str(taken.getsockname()[1]))
    check_failed(run, 2)
    for problem in (
        "Address already in use", "MUNDAP_SOURCE_DIR", "MUNDAP_DATA_DIR", "MUNDAP_DATABASE_URL", "MUNDAP_LOG_LEVEL",
        "MUNDAP_EMBEDDING_MODEL",
    ):  # fmt: skip
        assert problem in run.stderr


def test_every_setting_that_is_wrong_is_told_at_once(mundap, monkeypatch):
    wrong = {
        "RATE_LIMIT": "many", "RATE_LIMIT_STORAGE": "redis:/", "TRUSTED_PROXIES": "10.0.0.0/8 proxy",
        "CONCURRENCY": "0", "RETENTION_DAYS": "0", "LOG_LEVEL": "loud", "TIME_BUDGET_SECONDS": "-1",
    }  # fmt: skip
    for name, value in wrong.items():
        monkeypatch.setenv(f"MUNDAP_{name}", value)
    run = mundap("serve")
    check_failed(run, 2)
    for name in wrong:
        assert f"MUNDAP_{name}:" in run.stderr


@pytest.mark.parametrize(
    ("name", "instead"),
    [("MUNDAP_LLM_BASE_URL", "MUNDAP_LLM_API_KEY"), ("MUNDAP_TRACES_URL", "OTEL_EXPORTER_OTLP_HEADERS")],
)
def test_an_address_with_a_password_in_it_is_refused_and_not_shown(mundap, monkeypatch, name, instead):
    monkeypatch.setenv("MUNDAP_LLM_MODEL", "model")
    monkeypatch.setenv("MUNDAP_LLM_BASE_URL", "http://127.0.0.1:8080/v1")
    monkeypatch.setenv(name, "https://user:s3cret@example.com/v1")
    run = mundap("settings")
    assert run.returncode == 2
    assert f"{name}: it must hold no user and no password" in run.stderr
    assert instead in run.stderr
    assert "s3cret" not in run.stdout + run.stderr


@pytest.mark.parametrize("is_there", [False, True])
def test_with_a_token_a_start_without_documents_lets_the_staff_bring_them(mundap, monkeypatch, tmp_path, is_there):
    served = []
    monkeypatch.setattr("uvicorn.run", lambda app, **options: served.append(app))
    monkeypatch.setenv("MUNDAP_DATA_DIR", str(tmp_path / "new"))
    monkeypatch.setenv("MUNDAP_SOURCE_DIR", str(tmp_path / "documents"))
    if is_there:
        (tmp_path / "documents").mkdir()
    check_failed(mundap("serve"), 3)
    assert served == []
    monkeypatch.setenv("MUNDAP_ADMIN_TOKEN", "a token that is long enough")
    run = mundap("serve")
    assert (run.returncode, len(served)) == (0, 1)
    assert "there is no index yet, the staff can build one at /admin" in run.stderr
    assert (tmp_path / "documents").is_dir()


def test_where_the_documents_can_not_be_read_now_what_was_published_is_served(
    data_dir, settings, free_port, monkeypatch, capsys
):
    def fail(*given):
        raise TransientError("The temporary folder can't be written")

    served = []
    monkeypatch.setenv("MUNDAP_DATA_DIR", str(data_dir))
    monkeypatch.setenv("MUNDAP_SOURCE_DIR", str(settings.source_dir))
    monkeypatch.setattr("index.build.build_if_stale", fail)
    monkeypatch.setattr("uvicorn.run", lambda app, **address: served.append(address["port"]))
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    cli.serve(port=free_port)
    assert served == [free_port]
    assert "The temporary folder can't be written; until then what was published is served" in capsys.readouterr().err
    (data_dir / "index" / "current").unlink()
    with pytest.raises(TransientError):
        cli.serve(port=free_port)
