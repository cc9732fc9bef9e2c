import asyncio
import csv
import html
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import SecretStr

from index.build import build_index
from index.errors import InputError
from index.loaders import LOADERS, MAX_FILE_BYTES
from index.publication import Publication
from server import sign_in as sign_in_module
from server.app import HEADERS, create_app
from server.builds import BUILDS_KEPT, Builds, BuildState, Evaluation, Gate
from server.chat import Models
from server.messages import catalogue
from server.routes import admin
from server.routes.gate import MAX_BODY_BYTES
from server.settings import Settings
from server.sign_in import FAILURES_ALLOWED, FAILURES_ALLOWED_IN_ALL, WINDOW_SECONDS, SignIn
from server.storage import AskedQuestion, Feedback, Storage
from tests.server.conftest import wait_for

SESAME = "sesame-öffne-dich"
SIGNED_IN = {"Authorization": f"Bearer {SESAME}".encode()}
PATIENCE_SECONDS = 120


@pytest.fixture
def staff_settings(settings, data_dir, tmp_path):
    source = shutil.copytree(settings.source_dir, tmp_path / "documents")
    changed = {"data_dir": data_dir, "source_dir": source, "admin_token": SecretStr(SESAME), "reader": "off"}
    return settings.model_copy(update=changed | {"upload_limit_mb": 2})


@pytest.fixture
def staff(staff_settings, chat):
    app = create_app(staff_settings, chat)
    with TestClient(app, headers=SIGNED_IN, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def folder(staff_settings):
    return staff_settings.source_dir


def files_in(folder):
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("mundap.sqlite-")]
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def states(staff):
    return {file["doc_id"]: file["state"] for file in staff.get("/api/admin/documents").json()["files"]}


def audit(staff):
    entries = staff.get("/api/admin/audit").json()["entries"]
    return [(entry["action"], entry["subject"], entry["outcome"]) for entry in entries]


def code_of(response):
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["request_id"] == response.headers["x-request-id"]
    return response.status_code, response.json()["code"]


def every_route():
    names = {"{doc_id:path}": "a.txt", "{build_id}": "x", "{version}": "x"}
    found = []
    for route in admin.router.routes:
        assert isinstance(route, APIRoute)
        path = route.path
        for name, value in names.items():
            path = path.replace(name, value)
        found += [(method, path) for method in route.methods]
    return found


# ----- who may come in


@pytest.mark.parametrize(("method", "path"), [*every_route(), ("GET", "/admin"), ("POST", "/admin")])
def test_without_a_token_there_is_no_such_route(client, method, path):
    response = client.request(method, path, headers=SIGNED_IN)
    unknown = client.request(method, "/api/none")
    assert code_of(response) == code_of(unknown) == (404, "not_found")
    assert response.headers.keys() == unknown.headers.keys() | {"cache-control"}
    assert "/api/admin" not in client.get("/openapi.json").text


@pytest.mark.parametrize(("method", "path"), every_route())
@pytest.mark.parametrize("sent", [{}, {"Authorization": "Basic c2VzYW1l"}, {"Authorization": f"{SESAME}".encode()}])
def test_every_route_wants_the_token(staff_settings, chat, method, path, sent):
    with TestClient(create_app(staff_settings, chat), headers=sent, cookies={"token": "sesame"}) as stranger:
        response = stranger.request(method, path, json={})
    assert code_of(response) == (401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["cache-control"] == "no-store"


def test_after_too_many_wrong_tokens_nobody_listens_for_a_while(staff, capfd):
    for _ in range(FAILURES_ALLOWED):
        wrong = staff.get("/api/admin/versions", headers={"Authorization": "Bearer guess-1"})
        assert code_of(wrong) == (401, "unauthorized")
    for headers in ({"Authorization": "Bearer guess-2"}, SIGNED_IN):
        response = staff.get("/api/admin/versions", headers=headers)
        assert code_of(response) == (429, "too_many_attempts")
        assert 0 < int(response.headers["retry-after"]) <= WINDOW_SECONDS + 1
    assert staff.get("/api/documents").status_code == 200
    staff.app.state.sign_in = SignIn(SESAME)
    assert audit(staff) == [("sign_in", "", "unauthorized")] * FAILURES_ALLOWED
    said = capfd.readouterr()
    assert "guess" not in said.out + said.err
    assert "sesame" not in said.out + said.err


def test_wrong_tokens_are_counted_for_each_client_and_forgotten_after_a_while():
    now = 0.0
    sign_in = SignIn(SESAME, clock=lambda: now)
    for _ in range(FAILURES_ALLOWED):
        assert sign_in.seconds_to_wait("a") == 0
        assert not sign_in.accepts("a", b"guess")
    assert sign_in.seconds_to_wait("a") == WINDOW_SECONDS + 1
    assert sign_in.seconds_to_wait("b") == 0
    assert sign_in.accepts("b", SESAME.encode())
    now = WINDOW_SECONDS + 1
    assert sign_in.seconds_to_wait("a") == 0
    assert sign_in.accepts("a", SESAME.encode())


def test_a_client_has_no_more_tries_for_all_the_addresses_of_its_network():
    sign_in = SignIn(SESAME)
    for number in range(FAILURES_ALLOWED):
        assert not sign_in.accepts(f"2001:db8:0:1::{number:x}", b"guess")
    assert sign_in.seconds_to_wait("2001:db8:0:1:ffff::") > 0
    assert sign_in.seconds_to_wait("2001:db8:0:2::1") == 0


def test_all_clients_together_have_so_many_tries_and_the_staff_get_in_meanwhile():
    now = 0.0
    sign_in = SignIn(SESAME, clock=lambda: now)
    assert sign_in.accepts("192.0.2.1", SESAME.encode())
    for number in range(FAILURES_ALLOWED_IN_ALL):
        assert sign_in.seconds_to_wait(f"10.0.0.{number}") == 0
        assert not sign_in.accepts(f"10.0.0.{number}", b"guess")
    assert sign_in.seconds_to_wait("10.0.1.1") == WINDOW_SECONDS + 1
    assert sign_in.seconds_to_wait("192.0.2.1") == 0
    now = WINDOW_SECONDS + 1
    assert sign_in.seconds_to_wait("10.0.1.1") == 0


def test_wrong_tokens_without_end_do_not_fill_the_audit_log(staff, monkeypatch):
    monkeypatch.setattr(sign_in_module, "FAILURES_NOTED_A_DAY", 3)
    before = audit(staff)
    for _ in range(FAILURES_ALLOWED):
        assert code_of(staff.get("/api/admin/versions", headers={"Authorization": "Bearer guess"}))[0] == 401
    staff.app.state.sign_in = SignIn(SESAME)
    wrong = ("sign_in", "", "unauthorized")
    noted = audit(staff)
    assert noted[: len(noted) - len(before)] == [("sign_in", "…", "unauthorized"), wrong, wrong]


def test_the_page_holds_nothing_of_the_agency_and_is_not_kept(staff, doc_id):
    page = staff.get("/admin", headers={"Authorization": ""})
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert page.headers.get_list("set-cookie") == []
    assert catalogue("ko")["admin.no_script"] in html.unescape(page.text)
    assert doc_id not in page.text
    assert "sesame" not in page.text


@pytest.mark.parametrize("path", ["/admin", "/api/admin/versions", "/api/admin/none", "/api/admin/builds/none"])
def test_every_response_carries_the_security_headers(staff, path):
    headers = staff.get(path).headers
    assert headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
    assert headers["cache-control"] == "no-store"


def test_the_page_holds_nothing_that_the_policy_blocks(staff):
    page = staff.get("/admin").text
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    for attributes in re.findall(r"<script([^>]*)>", page):
        assert "src=" in attributes or 'type="application/json"' in attributes


def test_the_token_is_not_shown(staff_settings):
    assert "sesame" not in json.dumps(staff_settings.shown()) + repr(staff_settings)
    assert "MUNDAP_ADMIN_TOKEN" not in staff_settings.environment()


def test_staff_make_the_first_index_of_a_server_that_began_without(
    staff_settings, tmp_path, embedder, folder, monkeypatch, chat
):
    monkeypatch.setattr("server.app.load_models", lambda settings: Models(embedder))
    fresh = staff_settings.model_copy(update={"data_dir": tmp_path / "fresh"})
    (name,) = files_in(folder)
    document = (folder / name).read_bytes()
    (folder / name).unlink()
    app = create_app(fresh)
    with TestClient(app, headers=SIGNED_IN, raise_server_exceptions=False) as staff:
        assert code_of(staff.get("/readyz")) == (503, "index_unavailable")
        assert code_of(staff.post("/api/chat", json={"question": "APEC?"})) == (503, "index_unavailable")
        page = staff.get("/", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert staff.get("/healthz").status_code == staff.get("/metrics").status_code == 200
        assert staff.get("/admin").status_code == 200
        assert staff.get("/api/admin/versions").json() == {"versions": [], "published": None, "served": ""}
        assert staff.put(f"/api/admin/documents/{quote(name)}", content=document).status_code == 200
        assert staff.get("/api/admin/documents").json()["served"] == ""
        build_index(folder, Publication(fresh.data_dir), embedder)
        wait_for(lambda: staff.get("/readyz").status_code == 200, PATIENCE_SECONDS)
        assert staff.post("/api/chat", json={"question": "APEC은 언제 창설되었나요?"}).status_code == 200
        assert staff.get("/api/admin/versions").json()["served"] != ""


# ----- documents


def test_a_document_is_uploaded_whole_and_listed_as_new(staff, folder):
    content = os.urandom(MAX_BODY_BYTES + 1)
    response = staff.put(f"/api/admin/documents/{quote('공지/2026년 안내.pdf')}", content=content)
    assert response.json() == {
        "audited": True, "doc_id": "공지/2026년 안내.pdf", "size": len(content), "replaced": False,
    }  # fmt: skip
    assert (folder / "공지" / "2026년 안내.pdf").read_bytes() == content
    assert states(staff)["공지/2026년 안내.pdf"] == "new"
    assert audit(staff) == [("upload", "공지/2026년 안내.pdf", "done")]


def test_an_existing_file_is_replaced_only_when_asked_to(staff, folder, doc_id):
    before = (folder / doc_id).read_bytes()
    path = f"/api/admin/documents/{quote(doc_id)}"
    assert code_of(staff.put(path, content=b"new")) == (409, "document_exists")
    assert (folder / doc_id).read_bytes() == before
    assert staff.put(f"{path}?replace=true", content="새 글이다.".encode()).json()["replaced"] is True
    assert (folder / doc_id).read_bytes() == "새 글이다.".encode()
    assert states(staff) == {doc_id: "changed"}
    assert audit(staff) == [("replace", doc_id, "done"), ("upload", doc_id, "document_exists")]


def test_names_are_kept_in_one_form_of_hangul(staff, folder):
    name = "안내.txt"
    path = f"/api/admin/documents/{quote(unicodedata.normalize('NFD', name))}"
    assert staff.put(path, content=b"a").json()["doc_id"] == name
    assert name in files_in(folder)
    assert code_of(staff.put(path, content=b"a")) == (409, "document_exists")


@pytest.mark.parametrize(
    "name",
    [
        "../a.txt", "a/../../a.txt", "..", "/etc/a.txt", "a//b.txt", "./a.txt", "a/./b.txt", ".a.txt", ".git/a.txt",
        "~$a.docx", "a\\b.txt", "C:\\a.txt", "a\0.txt", "a\t.txt", "a\x7f.txt", "a\u202etxt.txt", "a\u200b.txt",
        "a\ufeff.txt", "a\u2028.txt", "a\ue000.txt", " a.txt", "a.txt ", "a /b.txt", "a./b.txt", "<a>.txt", 'a"b.txt',
        "a|b.txt", "a?.txt", "a*.txt", "a:b.txt", "가" * 70 + ".txt", "a/b/c/d/e.txt", "",
    ],
)  # fmt: skip
def test_a_name_that_is_not_simple_and_safe_is_refused(staff, folder, name):
    assert audit(staff) == []
    before = files_in(folder.parent)
    encoded = "".join(f"%{byte:02x}" for byte in name.encode())
    response = staff.put(f"/api/admin/documents/{encoded}", content=b"text")
    assert code_of(response) == (422, "invalid_name")
    assert str(folder) not in response.text
    assert files_in(folder.parent) == before
    [(action, subject, outcome)] = audit(staff)
    assert (action, outcome) == ("upload", "invalid_name")
    assert subject.isprintable()


@pytest.mark.parametrize("name", ["a.exe", "a", "a.txt.sh", "txt", "a.hwp.zip"])
def test_a_suffix_that_nothing_reads_is_refused(staff, folder, name):
    assert code_of(staff.put(f"/api/admin/documents/{name}", content=b"text")) == (415, "format_unknown")
    assert len(files_in(folder)) == 1


def test_nothing_is_written_through_a_link_nor_over_a_folder(staff, folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "folder.txt").mkdir()
    for name in ("link/a.txt", "link/b/c.txt", "folder.txt", "한-미_기술번영_양해각서_체결.txt/a.txt"):
        response = staff.put(f"/api/admin/documents/{quote(name)}?replace=true", content=b"text")
        assert code_of(response) == (422, "invalid_name")
    assert files_in(outside) == []


def in_pieces(size):
    yield from (b" " * 65_536 for _ in range(size // 65_536))


@pytest.mark.parametrize("announced", [True, False])
def test_a_document_above_the_limit_is_refused_and_leaves_nothing(staff, folder, announced):
    content = b" " * 2_000_001 if announced else in_pieces(2_200_000)
    response = staff.put("/api/admin/documents/large.txt", content=content)
    assert code_of(response) == (413, "document_too_large")
    assert "2 MB" in response.json()["detail"]
    assert len(files_in(folder)) == 1


def test_other_routes_keep_their_own_limit(staff):
    response = staff.post("/api/admin/builds", content=in_pieces(MAX_BODY_BYTES * 2))
    assert code_of(response) == (413, "request_too_large")


def test_the_limit_can_not_be_above_what_is_read_of_a_file():
    assert Settings.model_fields["upload_limit_mb"].metadata[1].le * 1_000_000 == MAX_FILE_BYTES


def test_an_empty_upload_is_refused(staff, folder):
    assert code_of(staff.put("/api/admin/documents/a.txt", content=b"")) == (422, "document_empty")
    assert len(files_in(folder)) == 1


def test_an_upload_that_breaks_off_leaves_nothing(staff, folder):
    arriving = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
    seen = []

    async def receive():
        seen.append([name for name in files_in(folder) if "upload" in name])
        return arriving.pop(0) if arriving else {"type": "http.disconnect"}

    async def send(message):
        pass

    scope = {
        "type": "http", "method": "PUT", "path": "/api/admin/documents/a.txt", "query_string": b"",
        "headers": [(b"authorization", SIGNED_IN["Authorization"])], "client": ("192.0.2.1", 1), "app": staff.app,
    }  # fmt: skip
    asyncio.run(staff.app(scope, receive, send))
    assert any(seen)
    assert len(files_in(folder)) == 1
    assert audit(staff) == [("upload", "a.txt", "upload_broken_off")]


def test_what_a_crash_left_of_an_upload_is_removed_by_a_later_one_but_never_listed(staff, folder):
    for name, age in (("old", 7_200), ("young", 60)):
        left_over = folder / f".mundap-upload-{name}"
        left_over.write_bytes(b"half")
        os.utime(left_over, (time.time() - age,) * 2)
    assert len(states(staff)) == 1
    staff.put("/api/admin/documents/a.txt", content=b"text")
    assert ".mundap-upload-old" not in files_in(folder)
    assert ".mundap-upload-young" in files_in(folder)


def test_a_folder_that_can_not_be_written_is_told(staff, folder):
    shutil.rmtree(folder)
    folder.symlink_to("/proc/1")
    response = staff.put("/api/admin/documents/a.txt", content=b"text")
    assert code_of(response) == (503, "source_unwritable")
    assert "/proc" not in response.text


def test_a_document_is_removed_once(staff, folder, doc_id):
    path = f"/api/admin/documents/{quote(doc_id)}"
    assert staff.delete(path).json() == {"audited": True}
    assert files_in(folder) == []
    assert states(staff) == {doc_id: "removed"}
    assert code_of(staff.delete(path)) == (404, "document_not_found")


@pytest.mark.parametrize("name", ["../kept.txt", "link/kept.txt", "..%2fkept.txt", "%00", "", "folder"])
def test_nothing_outside_the_folder_is_removed(staff, folder, tmp_path, name):
    (tmp_path / "kept.txt").write_text("kept")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to(tmp_path)
    path = f"/api/admin/documents/{name.replace('../', '%2e%2e%2f')}"
    assert code_of(staff.delete(path)) == (404, "document_not_found")
    assert (tmp_path / "kept.txt").exists()


def test_a_file_with_a_name_that_nobody_may_upload_can_still_be_removed(staff, folder):
    (folder / "<b>.txt").write_text("markup")
    assert staff.delete("/api/admin/documents/%3Cb%3E.txt").status_code == 200
    assert "<b>.txt" not in files_in(folder)


# ----- builds: what is written down


@pytest.fixture
def builds(tmp_path):
    return Builds(tmp_path / "data")


REPORT = {
    "version": "v1", "published": True, "held": False, "added": ["a.txt"], "changed": [], "removed": [],
    "unchanged": [], "skipped": {"b.pdf": "damaged"}, "passages": 3, "sentences": 9,
}  # fmt: skip


def test_a_build_is_seen_while_it_runs_and_after_it(builds):
    seen = Builds(builds.folder.parent)
    with builds.recorded(True, False, {"a.txt": (1, 2)}) as build:
        assert seen.running() is None
        build.progress("Reading", 0, 10)
        time.sleep(0.3)
        build.progress("Reading", 5, 10)
        running = seen.running()
        assert (running.state, running.step, running.done, running.total) == (BuildState.RUNNING, "Reading", 5, 10)
        assert 5 < running.per_second < 17
        assert 0.2 < running.seconds_left < 1.0
        build.evaluated(Evaluation("gold", 3, {"right": (0.5, 0.4, 0.6, 3)}, (Gate("right is 0.5", True),)))
        build.finished(REPORT)
    assert seen.running() is None
    [record] = seen.records()
    assert (record.state, record.version, record.evaluation.broken) == (BuildState.DONE, "v1", ["right is 0.5"])
    assert seen.stamps_of("v1") == {"a.txt": (1, 2)}
    assert seen.stamps_of("v2") is None


@pytest.mark.parametrize(
    ("raised", "error"),
    [(InputError("No document"), "No document"), (SystemExit(1), "stopped"), (RuntimeError("secret"), "RuntimeError")],
)
def test_a_build_that_ends_early_says_why(builds, raised, error):
    with pytest.raises(type(raised)), builds.recorded(False, False, {}):
        raise raised
    [record] = builds.records()
    assert record.state is BuildState.FAILED
    assert error in record.error
    assert "secret" not in record.error


def test_where_nothing_was_to_do_nothing_is_written(builds):
    with builds.recorded(False, False, {}) as build:
        build.finished(None)
    assert builds.records() == []


def test_a_build_whose_process_died_has_failed_with_its_last_words_but_not_its_insides(builds):
    script = """
import os, sys
from pathlib import Path
from server.builds import Builds
with Builds(Path(sys.argv[1])).recorded(False, False, {}) as build:
    build.progress("Embedding", 1, 9)
    (log,) = build._builds.folder.glob("*.log")
    log.write_text("Traceback (most recent call last):\\n  File \\"/secret/path.py\\"\\nMemoryError: no room\\n")
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script, str(builds.folder.parent)], check=False)
    [record] = builds.records()
    assert (record.state, record.step, record.said) == (BuildState.FAILED, "Embedding", ("MemoryError: no room",))
    assert builds.running() is None


def test_a_damaged_record_is_no_build(builds):
    builds.folder.mkdir(parents=True)
    for content in ("", "[]", '{"build_id": 1}', "\xff"):
        (builds.folder / "1.json").write_text(content, encoding="latin-1")
        assert builds.records() == []
    assert builds.record("../1") is None


def test_a_progress_that_can_not_be_written_stops_no_build(builds, caplog):
    builds.folder.parent.mkdir()
    builds.folder.write_text("not a folder")
    with builds.recorded(False, False, {}) as build:
        build.progress("Reading", 1, 1)
        build.finished(REPORT)
    assert "can't be written" in caplog.text


# ----- builds and versions


def wait_for_end(staff):
    give_up = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up:
        build = staff.get("/api/admin/builds/latest").json()["build"]
        if build["state"] != "running":
            return build
        time.sleep(0.2)
    pytest.fail(f"The build did not end: {build}")


def versions(staff):
    found = staff.get("/api/admin/versions").json()
    return {one["version"]: one for one in found["versions"]}, found["published"], found["served"]


def test_a_version_is_built_aside_held_published_and_rolled_back(staff, staff_settings, folder, doc_id):
    _, first, served = versions(staff)
    assert first == served
    staff.put("/api/admin/documents/parking.md", content="# 주차\n\n주차장은 평일 오전 8시에 연다.\n".encode())
    (folder / "broken.pdf").write_bytes(b"%PDF")
    started = staff.post("/api/admin/builds", json={"hold": True})
    assert (started.status_code, started.json()["build"]["state"]) == (202, "running")
    assert code_of(staff.post("/api/admin/builds", json={})) == (409, "index_busy")

    build = wait_for_end(staff)
    assert (build["state"], build["error"], build["held"], build["published"]) == ("done", "", True, False)
    counts = {kind: count for kind, count in build["report"]["counts"].items() if count}
    assert counts == {"added": 1, "unchanged": 1, "skipped": 1}
    assert build["report"]["skipped"][0]["doc_id"] == "broken.pdf"
    kept, published, _ = versions(staff)
    assert published == first
    assert (kept[build["version"]]["held"], kept[build["version"]]["documents"]) == (True, 2)
    assert states(staff)["parking.md"] == "new"

    assert staff.post(f"/api/admin/versions/{build['version']}/publish").json()["audited"] is True
    kept, published, served = versions(staff)
    assert published == build["version"]
    assert not kept[build["version"]]["held"]
    assert staff.get("/api/admin/documents").json()["served"] == served
    assert states(staff) == {doc_id: "indexed", "parking.md": "indexed", "broken.pdf": "skipped"}
    (folder / "parking.md").write_text("주차장은 닫았다.", encoding="utf-8")
    assert states(staff)["parking.md"] == "changed"

    staff.post(f"/api/admin/versions/{first}/publish")
    assert Publication(staff_settings.data_dir).current_version() == first
    actions = [(action, outcome) for action, _, outcome in reversed(audit(staff))]
    assert actions == [
        ("upload", "done"), ("build", "done"), ("build", "index_busy"), ("build_end", "done"), ("publish", "done"),
        ("roll_back", "done"),
    ]  # fmt: skip


def test_a_build_can_be_stopped_and_ends_with_its_server(staff, staff_settings, folder, chat):
    (folder / "more.txt").write_text("더 많은 글이다.", encoding="utf-8")
    build_id = staff.post("/api/admin/builds", json={}).json()["build"]["build_id"]
    assert staff.delete(f"/api/admin/builds/{build_id}").status_code == 200
    assert wait_for_end(staff)["state"] == "failed"
    assert code_of(staff.delete(f"/api/admin/builds/{build_id}")) == (409, "build_not_running")
    assert code_of(staff.delete("/api/admin/builds/none")) == (404, "build_missing")

    with TestClient(create_app(staff_settings, chat), headers=SIGNED_IN) as closing:
        pid = (
            Builds(staff_settings.data_dir)
            .record(closing.post("/api/admin/builds", json={}).json()["build"]["build_id"])
            .pid
        )
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert wait_for_end(staff)["state"] == "failed"
    assert len(versions(staff)[0]) == 1
    assert list((staff_settings.data_dir / "index" / "versions").glob(".*")) == []


@contextmanager
def building_elsewhere(data_dir):
    """Hold the lock that a build in another process holds."""
    with Publication(data_dir).writing():
        yield


def test_nothing_is_published_while_a_build_writes(staff, staff_settings):
    version = versions(staff)[1]
    with building_elsewhere(staff_settings.data_dir):
        assert code_of(staff.post(f"/api/admin/versions/{version}/publish")) == (409, "index_busy")
    assert audit(staff) == [("publish", version, "index_busy")]


def test_a_version_that_is_missing_damaged_or_of_another_model_is_not_published(staff, staff_settings):
    for name in ("none", "..%2f..", "%00"):
        assert code_of(staff.post(f"/api/admin/versions/{name}/publish"))[0] == 404
    publication = Publication(staff_settings.data_dir)
    current = publication.current_version()
    other = publication.folder / "versions" / "20200101T000000000Z-00000000"
    shutil.copytree(publication.folder / "versions" / current, other)
    manifest = json.loads((other / "manifest.json").read_text()) | {"version": other.name}
    manifest.pop("digest", None)
    (other / "manifest.json").write_text(json.dumps(manifest | {"dimension": 3}))
    assert code_of(staff.post(f"/api/admin/versions/{other.name}/publish")) == (409, "version_unusable")
    (other / "manifest.json").write_text(json.dumps(manifest))
    (other / "corpus.sqlite").write_bytes(b"damaged")
    assert code_of(staff.post(f"/api/admin/versions/{other.name}/publish")) == (409, "version_unusable")
    assert publication.current_version() == current


def test_only_so_many_builds_are_remembered(staff):
    builds = staff.app.state.builds
    for number in range(BUILDS_KEPT + 2):
        with builds.recorded(False, False, {}, build_id=f"2020-{number:03}") as build:
            build.finished(REPORT)
    staff.post("/api/admin/builds", json={})
    builds.close()
    found = [build["build_id"] for build in staff.get("/api/admin/builds").json()["builds"]]
    assert found[1:] == [f"2020-{number:03}" for number in range(BUILDS_KEPT + 1, 2, -1)]
    assert len(list(builds.folder.glob("2020*"))) == 2 * (BUILDS_KEPT - 1)


def test_the_command_holds_and_publishes_too(mundap, source, data_dir):
    build = ["index", "build", "--source", str(source({"a.txt": "첫 문서이다."})), "--hold"]
    before = Publication(data_dir).current_version()
    run = mundap(*build)
    assert run.returncode == 0
    held = Publication(data_dir).held()
    assert len(held) == 1
    [version] = held
    assert f"held {version}: 1 added" in run.stdout
    assert Publication(data_dir).current_version() == before
    assert [line.endswith("  held") for line in mundap("index", "list").stdout.splitlines()] == [True, False]
    [record] = Builds(data_dir).records()
    assert (record.hold, record.version, record.state) == (True, version, BuildState.DONE)
    assert mundap("index", "publish", version).stdout == f"published {version}\n"
    assert Publication(data_dir).held() == set()
    assert mundap("index", "publish", "none").returncode == 3


def test_a_build_that_is_asked_to_end_leaves_nothing_half_written(data_dir, source):
    folder = source({f"{number}.txt": f"글 {number}이다. " * 200 for number in range(40)})
    environment = os.environ | {"MUNDAP_DATA_DIR": str(data_dir), "MUNDAP_SOURCE_DIR": str(folder)}
    command = [sys.executable, "-m", "server.cli", "index", "build"]
    versions = data_dir / "index" / "versions"
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not list(versions.glob(".writing-*")) and child.poll() is None and time.monotonic() < give_up:
            time.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE_SECONDS) == 1
    assert list(versions.glob(".*")) == []
    [record] = Builds(data_dir).records()
    assert (record.state, record.error) == (BuildState.FAILED, "It was stopped before it was done")


# ----- what is kept in the database


def test_a_lost_database_stops_no_action_and_is_told(staff_settings, chat, folder, tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    lost = staff_settings.model_copy(update={"database_url": SecretStr(f"sqlite:///{tmp_path}/file/kept.sqlite")})
    with TestClient(create_app(lost, chat), headers=SIGNED_IN) as staff:
        response = staff.put("/api/admin/documents/a.txt", content=b"text")
        assert (response.status_code, response.json()["audited"]) == (200, False)
        assert (folder / "a.txt").exists()
        assert "upload of 'a.txt' (done) can't be kept in the audit log" in caplog.text
        for path in ("audit", "feedback", "questions", "questions/export"):
            assert code_of(staff.get(f"/api/admin/{path}")) == (503, "storage_unavailable")


def test_feedback_is_shown_newest_first_and_paged(staff, tmp_path):
    storage = Storage(f"sqlite:///{tmp_path / 'kept.sqlite'}")
    for number in range(admin.ENTRIES_A_PAGE + 1):
        storage.keep_feedback(Feedback(f"{number:032x}", number == 0, comment=f"<b>{number}</b>"))
    staff.app.state.storage.close()
    staff.app.state.storage = storage
    first = staff.get("/api/admin/feedback").json()
    assert (first["helpful"], first["not_helpful"]) == (1, admin.ENTRIES_A_PAGE)
    assert [one["comment"] for one in first["feedback"][:2]] == ["<b>25</b>", "<b>24</b>"]
    second = staff.get("/api/admin/feedback?page=2").json()
    assert [one["helpful"] for one in second["feedback"]] == [True]
    assert second["feedback"][0]["sent"].endswith("Z")
    for page in ("0", "-1", "x", "9" * 30):
        assert code_of(staff.get(f"/api/admin/feedback?page={page}")) == (422, "invalid_request")


def asked(number, status, question="질문"):
    # Recent, or the purge at the start takes it away.
    when = datetime.now(UTC) - timedelta(hours=1) + timedelta(minutes=number)
    return AskedQuestion(f"{number:032x}", when, question, status, "ko", "extractive", "api", "", 0.5, 9.0, "2026")


def test_questions_without_an_answer_are_shown_first(staff):
    count = admin.ENTRIES_A_PAGE + 5
    staff.app.state.storage.keep_questions(asked(n, "answered" if n % 2 else "not_found") for n in range(count))
    staff.app.state.storage.keep_feedback(Feedback(f"{28:032x}", helpful=True))
    first = staff.get("/api/admin/questions").json()
    assert (first["total"], first["keeps_questions"], first["retention_days"]) == (count, True, 90)
    assert [one["status"] for one in first["questions"][:16]] == ["not_found"] * 15 + ["answered"]
    assert [one["helpful"] for one in first["questions"][:2]] == [True, None]
    assert len(staff.get("/api/admin/questions?page=2").json()["questions"]) == 5
    assert staff.get("/api/admin/questions?status=unanswered").json()["total"] == 15
    assert staff.get("/api/admin/questions?status=smalltalk").json()["questions"] == []
    assert code_of(staff.get("/api/admin/questions?status=none")) == (422, "invalid_request")


def test_questions_are_exported_for_spreadsheets_without_formulas(staff):
    hostile = ["=HYPERLINK(1)", "+1", "-1", "@x", "＝1", "＠x", 'a "b", c\nd', "질문"]
    staff.app.state.storage.keep_questions(asked(n, "answered", text) for n, text in enumerate(hostile))
    response = staff.get("/api/admin/questions/export")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="questions.csv"'
    assert response.content.startswith(b"\xef\xbb\xbfanswer_id,")
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [row["question"] for row in reversed(rows)] == [
        *(f"'{text}" for text in hostile[:6]),
        *hostile[6:],
    ]
    assert response.headers["x-audited"] == "true"
    assert staff.get("/api/admin/audit").json()["entries"][0]["action"] == "export"


def test_the_audit_log_is_paged_and_keeps_no_address(staff, staff_settings):
    for number in range(admin.ENTRIES_A_PAGE + 1):
        staff.app.state.storage.keep_audit("upload", f"{number}.txt" + "x" * 500, "done")
    assert staff.get("/api/admin/audit").json()["total"] == admin.ENTRIES_A_PAGE + 1
    [(_, subject, _)] = [
        (one["action"], one["subject"], one["outcome"])
        for one in staff.get("/api/admin/audit?page=2").json()["entries"]
    ]
    assert subject.startswith("0.txtx")
    assert len(subject) == 300
    for path in staff_settings.data_dir.glob("mundap.sqlite*"):
        assert b"testclient" not in path.read_bytes()


def test_every_format_that_is_read_may_be_uploaded(staff):
    for suffix in LOADERS:
        assert staff.put(f"/api/admin/documents/a{suffix.upper()}", content=b"text").status_code == 200
