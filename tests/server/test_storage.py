import json
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from index.errors import StorageError
from server import question_log
from server import storage as storage_module
from server.question_log import QuestionLog
from server.storage import AskedQuestion, Feedback, Storage, _metadata
from tests.server.conftest import wait_for

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


def asked(number, status="answered", days_ago=0, question="질문"):
    when = NOW - timedelta(days=days_ago, seconds=-number)
    return AskedQuestion(
        f"{number:032x}", when, question, status, "ko", "extractive", "api", "", 0.5, 12.5, "2026"
    )  # fmt: skip


def find_postgres():
    found = shutil.which("initdb") or next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
    return Path(found).parent if found else None


@contextmanager
def postgres_at(folder, port):
    """A server of its own; it refuses to run as root, so it runs as the user that its package made."""
    as_user = ["runuser", "-u", "postgres", "--"] if Path.home() == Path("/root") else []
    binaries = find_postgres()
    if not (folder / "PG_VERSION").exists():
        command = [*as_user, binaries / "initdb", "-D", folder, "-U", "mundap", "-A", "trust", "-E", "UTF8", "-N"]
        subprocess.run(command, check=True, capture_output=True)
    command = [*as_user, binaries / "postgres", "-D", folder, "-p", str(port), "-k", "", "-h", "127.0.0.1"]
    with subprocess.Popen([*command, "-c", "fsync=off"], stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: is_ready(port), 30)
            yield f"postgresql+psycopg://mundap@127.0.0.1:{port}/postgres"
        finally:
            # Its processes end with the first of them, which is the child of runuser where there is one.
            pid = int((folder / "postmaster.pid").read_text().splitlines()[0])
            subprocess.run(["kill", "-INT", str(pid)], check=True)
            server.wait(30)


def is_ready(port):
    engine = sa.create_engine(f"postgresql+psycopg://mundap@127.0.0.1:{port}/postgres", poolclass=sa.NullPool)
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False


@contextmanager
def postgres_folder():
    if not find_postgres():
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="mundap-postgres-"))
    try:
        if Path.home() == Path("/root"):
            shutil.chown(folder, "postgres")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'mundap.sqlite'}"
        return
    address = request.getfixturevalue("postgres_url")
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    yield address


@pytest.fixture(scope="module")
def postgres_url():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with postgres_folder() as folder, postgres_at(folder, port) as address:
        yield address


@pytest.fixture
def storage(url):
    storage = Storage(url)
    yield storage
    storage.close()


def ids(page):
    return [int(question.answer_id, 16) for question, _ in page]


def test_questions_are_kept_and_those_without_an_answer_come_first(storage):
    statuses = ["answered", "related", "smalltalk", "not_found", "answered"]
    storage.keep_questions([asked(number, status) for number, status in enumerate(statuses)])
    storage.keep_feedback(Feedback(f"{4:032x}", helpful=False))
    page, total = storage.questions_page(0, 10)
    assert ids(page) == [3, 1, 4, 2, 0]
    assert total == 5
    assert [helpful for _, helpful in page] == [None, None, False, None, None]
    assert page[0][0] == asked(3, "not_found")
    assert ids(storage.questions_page(2, 2)[0]) == [4, 2]
    only, count = storage.questions_page(0, 10, {"answered"})
    assert (ids(only), count) == ([4, 0], 2)
    assert ids(storage.each_question()) == [3, 1, 4, 2, 0]


def test_a_question_is_kept_once_however_often_it_is_written(storage):
    storage.keep_questions([asked(1), asked(2)])
    storage.keep_questions([asked(2), asked(3)])
    assert storage.questions_page(0, 10)[1] == 3


def test_texts_that_grow_when_they_are_made_printable_are_cut_to_what_fits(storage):
    storage.keep_feedback(Feedback("a" * 32, helpful=True, comment="שּׁ" * 1_000, question="שּׁ" * 500))
    storage.keep_questions([asked(1, question="שּׁ" * 500)])
    [kept] = storage.feedback()
    assert (len(kept.comment), len(kept.question)) == (1_000, 500)


def test_what_is_wrong_with_one_row_stops_no_other(storage, monkeypatch):
    # Neither database takes nothing for a text.
    with pytest.raises(StorageError):
        storage.keep_feedback(Feedback("a" * 32, helpful=True, comment=None))
    storage.keep_audit("build", "", "done")
    monkeypatch.setattr(storage_module, "_fitting", lambda table, row: row)
    if storage._engine.dialect.name == "postgresql":
        with pytest.raises(StorageError):
            storage.keep_feedback(Feedback("a" * 32, helpful=True, comment="x" * 1_001))
    storage.keep_audit("build", "", "done")
    assert storage.audit_page(0, 10)[1] == 2


def test_feedback_on_one_answer_that_comes_twice_at_once_is_kept_once(storage):
    storage.keep_audit("build", "", "done")
    failures = []

    def keep(number):
        try:
            for _ in range(20):
                storage.keep_feedback(Feedback("a" * 32, helpful=True, comment=str(number)))
        except StorageError as error:
            failures.append(error)

    threads = [threading.Thread(target=keep, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(storage.feedback()) == 1


def test_what_is_older_than_the_retention_is_removed_and_what_staff_did_stays(storage):
    storage.keep_questions([asked(1, days_ago=91), asked(2, days_ago=89)])
    storage.keep_feedback(Feedback("a" * 32, helpful=True))
    storage.keep_audit("build", "", "done")
    assert storage.purge(NOW - timedelta(days=90)) == {"questions": 1, "feedback": 0}
    assert ids(storage.questions_page(0, 10)[0]) == [2]
    assert storage.purge(datetime.now(UTC) + timedelta(days=1)) == {"questions": 1, "feedback": 1}
    assert storage.audit_page(0, 10)[1] == 1


def test_however_much_is_old_is_removed_by_and_by(storage, monkeypatch):
    monkeypatch.setattr(storage_module, "_REMOVED_AT_ONCE", 2)
    storage.keep_questions([asked(number, days_ago=100) for number in range(5)] + [asked(9)])
    assert storage.purge(NOW - timedelta(days=90))["questions"] == 5
    assert [question.answer_id for question, _ in storage.each_question()] == [f"{9:032x}"]


def test_what_is_kept_of_one_answer_can_be_removed_alone(storage):
    storage.keep_questions([asked(1), asked(2)])
    storage.keep_feedback(Feedback(f"{1:032x}", helpful=True))
    assert storage.forget_answer(f"{1:032x}") == {"questions": 1, "feedback": 1}
    assert storage.forget_answer(f"{1:032x}") == {"questions": 0, "feedback": 0}
    assert ids(storage.questions_page(0, 10)[0]) == [2]


def test_everything_can_be_exported(storage):
    storage.keep_questions([asked(2), asked(1)])
    rows = list(storage.export("questions"))
    assert [row["answer_id"] for row in rows] == [f"{1:032x}", f"{2:032x}"]
    assert rows[0]["asked"] == (NOW + timedelta(seconds=1)).isoformat()
    assert list(storage.export("feedback")) == list(storage.export("audit")) == []


def test_the_changes_make_the_tables_that_the_program_knows(storage, url):
    storage.keep_audit("build", "", "done")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    made = sa.inspect(engine)
    assert set(made.get_table_names()) == {*_metadata.tables, "alembic_version"}
    for table in _metadata.tables.values():
        columns = {column["name"]: column for column in made.get_columns(table.name)}
        assert list(columns) == [column.name for column in table.c]
        for column in table.c:
            kind = columns[column.name]["type"]
            assert (kind.python_type, getattr(kind, "length", None)) == (
                column.type.python_type,
                getattr(column.type, "length", None),
            ), column
            assert columns[column.name]["nullable"] == column.nullable, column
        indexed = {tuple(index["column_names"]) for index in made.get_indexes(table.name)}
        assert indexed == {(column.name,) for column in table.c if column.index}


def test_many_processes_that_start_at_once_make_the_tables_once(url):
    failures = []

    def start(number):
        storage = Storage(url)
        try:
            storage.keep_questions([asked(number)])
        except StorageError as error:
            failures.append(error)
        storage.close()

    threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    storage = Storage(url)
    assert storage.questions_page(0, 10)[1] == 8
    storage.close()


def test_a_database_from_before_there_were_changes_is_taken_over_with_what_it_holds(tmp_path):
    path = tmp_path / "mundap.sqlite"
    with sqlite3.connect(path) as old:
        old.executescript("""
            CREATE TABLE feedback (answer_id VARCHAR(32) NOT NULL PRIMARY KEY, sent DATETIME NOT NULL,
              helpful BOOLEAN NOT NULL, reason VARCHAR(20) NOT NULL, comment VARCHAR(1000) NOT NULL,
              question VARCHAR(500) NOT NULL);
            CREATE TABLE audit (entry_id INTEGER NOT NULL PRIMARY KEY, at DATETIME NOT NULL,
              action VARCHAR(20) NOT NULL, subject VARCHAR(300) NOT NULL, outcome VARCHAR(40) NOT NULL);
            INSERT INTO feedback VALUES ('a', '2026-01-01 00:00:00', 1, '', '', 'kept');
        """)
    old.close()
    storage = Storage(f"sqlite:///{path}")
    storage.keep_questions([asked(1)])
    assert [said.question for said in storage.feedback()] == ["kept"]
    storage.close()


def test_sqlite_can_be_read_while_it_is_written(tmp_path):
    storage = Storage(f"sqlite:///{tmp_path / 'mundap.sqlite'}")
    storage.keep_questions([asked(1)])
    with sqlite3.connect(tmp_path / "mundap.sqlite") as writer:
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        writer.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        assert storage.questions_page(0, 10)[1] == 1
        assert time.monotonic() - started < 1
    writer.close()
    storage.close()


# ----- the log that is written beside --------------------------------------------------------------------------------


@pytest.fixture
def log(storage):
    log = QuestionLog(storage, 90, on_lost=lambda count: lost.append(count))
    log.lost = lost = []
    return log


def test_noted_questions_are_written_by_and_by_and_at_the_end(log, storage, monkeypatch):
    monkeypatch.setattr(question_log, "WRITE_EVERY_SECONDS", 0.05)
    log.start()
    log.note(asked(1))
    wait_for(lambda: storage.questions_page(0, 10)[1] == 1)
    log.note(asked(2))
    log.stop()
    assert storage.questions_page(0, 10)[1] == 2
    assert log.lost == []
    assert not storage.is_failing


def test_a_database_that_goes_and_comes_back_costs_no_question(free_port):
    with postgres_folder() as folder:
        with postgres_at(folder, free_port) as url:
            storage = Storage(url)
            log = QuestionLog(storage, 90)
            log.note(asked(1))
            assert log.write()
        log.note(asked(2))
        assert not log.write()
        assert storage.is_failing
        with pytest.raises(StorageError, match="try again later"):
            storage.keep_feedback(Feedback("b" * 32, helpful=True))
        with postgres_at(folder, free_port):
            wait_for(log.write)
            assert not storage.is_failing
            assert ids(storage.questions_page(0, 10)[0]) == [2, 1]
            storage.close()


def test_a_database_file_that_is_taken_away_is_made_anew(tmp_path):
    path = tmp_path / "mundap.sqlite"
    storage = Storage(f"sqlite:///{path}")
    log = QuestionLog(storage, 90)
    log.note(asked(1))
    assert log.write()
    path.unlink()
    log.note(asked(2))
    wait_for(log.write)
    assert ids(storage.questions_page(0, 10)[0]) == [2]
    storage.close()


def test_a_database_that_does_not_answer_keeps_nobody_waiting_for_long(monkeypatch):
    monkeypatch.setattr(storage_module, "PATIENCE_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        storage = Storage(f"postgresql+psycopg://mundap@127.0.0.1:{silent.getsockname()[1]}/postgres")
        told = []

        def keep(number):
            try:
                storage.keep_feedback(Feedback(f"{number:032x}", helpful=True))
            except StorageError:
                told.append(number)

        threads = [threading.Thread(target=keep, args=(number,)) for number in range(20)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started < 6
        assert len(told) == 20
        storage.close()


def test_while_nothing_can_be_written_the_oldest_questions_are_lost_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(question_log, "MOST_WAITING", 3)
    (tmp_path / "file").write_text("no folder")
    lost = []
    log = QuestionLog(Storage(f"sqlite:///{tmp_path / 'file' / 'x.sqlite'}"), 90, on_lost=lost.append)
    for number in range(5):
        log.note(asked(number))
    assert not log.write()
    assert [int(question.answer_id, 16) for question in log._waiting] == [2, 3, 4]
    log.start()
    log.stop()
    assert lost == [1, 1, 3]


def test_a_failure_is_counted_and_told_until_something_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(storage_module, "TRY_AGAIN_SECONDS", 0)
    monkeypatch.setattr(question_log, "WRITE_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(question_log, "PROBE_EVERY_SECONDS", 0.05)
    (tmp_path / "file").write_text("no folder")
    failures = []
    storage = Storage(f"sqlite:///{tmp_path / 'file' / 'x.sqlite'}", lambda: failures.append(1))
    with pytest.raises(StorageError):
        storage.keep_feedback(Feedback("a" * 32, helpful=True))
    with pytest.raises(StorageError):
        storage.keep_audit("build", "", "done")
    assert len(failures) == 2
    log = QuestionLog(storage, 90)
    # There is nothing to write, which says nothing of the database.
    assert log.write()
    assert storage.is_failing
    (tmp_path / "file").unlink()
    log.start()
    wait_for(lambda: not storage.is_failing)
    # Else it might make the folder anew while that is taken away.
    log.stop()
    shutil.rmtree(tmp_path / "file")
    (tmp_path / "file").write_text("no folder")
    # And the other way round: nobody has to ask for a loss to be told.
    log = QuestionLog(storage, 90)
    log.start()
    wait_for(lambda: storage.is_failing)
    log.stop()


def test_a_log_that_keeps_no_questions_keeps_none(storage):
    log = QuestionLog(storage, 90, keeps_questions=False)
    log.note(asked(1))
    assert log.write()
    assert storage.questions_page(0, 10)[1] == 0


def test_the_log_purges_by_itself(storage, log, monkeypatch):
    monkeypatch.setattr(question_log, "WRITE_EVERY_SECONDS", 0.05)
    storage.keep_questions([asked(1, days_ago=91)])
    log.start()
    wait_for(lambda: storage.questions_page(0, 10)[1] == 0)
    log.stop()


@pytest.mark.parametrize("hours", [-100_000, 100_000])
def test_a_clock_that_jumps_purges_nothing(storage, log, monkeypatch, hours):
    storage.keep_questions([asked(1)])
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall + hours * 3_600)
    log.purge()
    assert storage.questions_page(0, 10)[1] == 1


# ----- the command ---------------------------------------------------------------------------------------------------


def test_the_command_exports_and_purges_what_is_kept(mundap, data_dir):
    storage = Storage(f"sqlite:///{data_dir / 'mundap.sqlite'}")
    now = datetime.now(UTC)
    storage.keep_questions(replace(asked(number), asked=now - timedelta(days=10 * number)) for number in range(4))
    storage.keep_feedback(Feedback(f"{1:032x}", helpful=True, comment="감사합니다"))
    storage.keep_audit("build", "", "done")
    storage.close()

    lines = [json.loads(line) for line in mundap("data", "export").stdout.splitlines()]
    assert [line["kind"] for line in lines] == ["questions"] * 4 + ["feedback", "audit"]
    assert lines[4]["comment"] == "감사합니다"
    assert len(mundap("data", "export", "questions").stdout.splitlines()) == 4
    wrong = mundap("data", "export", "answers")
    assert wrong.returncode == 2
    assert "questions, feedback, audit or all" in wrong.stderr

    assert mundap("data", "purge").stdout == "0 questions, 0 feedback\n"
    assert mundap("data", "purge", "--days", "25").stdout == "1 questions, 0 feedback\n"
    assert mundap("data", "purge", "--answer", f"{1:032x}").stdout == "1 questions, 1 feedback\n"
    assert mundap("data", "purge", "--answer", f"{1:032x}").returncode == 1
    assert mundap("data", "purge", "--days", "0").stdout == "2 questions, 0 feedback\n"
    left = [json.loads(line) for line in mundap("data", "export").stdout.splitlines()]
    assert {line["kind"] for line in left} == {"audit"}
    assert [(line["action"], line["subject"]) for line in left] == [
        ("build", ""),
        ("export", "all"),
        ("export", "questions"),
        ("purge", "older than 90 days: 0 questions, 0 feedback"),
        ("purge", "older than 25 days: 1 questions, 0 feedback"),
        ("purge", f"{1:032x}: 1 questions, 1 feedback"),
        ("purge", f"{1:032x}: 0 questions, 0 feedback"),
        ("purge", "older than 0 days: 2 questions, 0 feedback"),
    ]


def test_what_is_purged_is_not_left_in_the_file_and_nobody_else_can_read_it(tmp_path):
    path = tmp_path / "mundap.sqlite"
    storage = Storage(f"sqlite:///{path}")
    storage.keep_questions(replace(asked(number), question="MARK" * 50) for number in range(200))
    assert any(b"MARK" in file.read_bytes() for file in tmp_path.iterdir())
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    storage.purge(datetime.now(UTC) + timedelta(days=1))
    storage.close()
    assert not any(b"MARK" in file.read_bytes() for file in tmp_path.iterdir())


def test_the_command_tells_of_a_database_that_is_lost(mundap, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MUNDAP_DATABASE_URL", f"sqlite:///{tmp_path}/file/x.sqlite")
    for arguments in (["export"], ["purge"]):
        run = mundap("data", *arguments)
        assert run.returncode == 3
        assert "the database can't be" in run.stderr or "at the moment" in run.stderr


def test_an_export_holds_each_question_once_while_others_come(storage):
    kept = [asked(number) for number in range(1_200)]
    storage.keep_questions(kept)
    found = storage.each_question()
    first = next(found)
    storage.keep_questions([asked(number) for number in range(5_000, 5_005)])
    ids = [one.answer_id for one, _ in (first, *found)]
    assert len(ids) == len(set(ids))
    assert {one.answer_id for one in kept} <= set(ids)


def test_a_log_that_waits_for_a_silent_database_says_so_and_ends(log, storage, monkeypatch):
    monkeypatch.setattr(question_log, "STUCK_AFTER_SECONDS", 0.2)
    silent = threading.Event()
    monkeypatch.setattr(storage, "keep_questions", lambda questions: silent.wait(20))
    log.start()
    assert not log.is_stuck
    log.note(asked(1))
    wait_for(lambda: log.is_stuck)
    log.stop()
    silent.set()
