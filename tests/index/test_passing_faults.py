"""Faults of the machine and not of a file: nothing is dropped for them, and nothing of them is remembered."""

import errno
import os
import signal
from pathlib import Path

import pytest

from index.build import build_index
from index.build_cache import FILE
from index.errors import InputError, TransientError
from index.loaders import process, read_source_files
from index.loaders.process import ParserProcess
from index.publication import Publication
from tests.formats import write_html

FILES = {"a.csv": "name,fee\ncopy,1000\n", "b.csv": "name,fee\nstamp,500\n"}


@pytest.fixture
def publication(tmp_path):
    return Publication(tmp_path / "data")


@pytest.fixture
def kill_readers(monkeypatch):
    """Let the next so many children be killed as soon as they are given a file."""

    def arrange(times, number=signal.SIGKILL):
        left = [number] * times
        ask = ParserProcess._is_answered

        def killed_first(parser, *file):
            if left:
                os.kill(parser._child.pid, left.pop())
            return ask(parser, *file)

        monkeypatch.setattr(ParserProcess, "_is_answered", killed_first)

    return arrange


@pytest.fixture
def change(source, publication, fake_embedder):
    """Publish two documents, change both and forget what is known, so that both have to be read again."""
    folder = source(FILES)
    published = build_index(folder, publication, fake_embedder).version
    source({name: f"{text}photo,300\n" for name, text in FILES.items()})
    (publication.folder / FILE).unlink()
    return folder, published


def check_nothing_is_lost(change, publication, embedder, match):
    folder, published = change
    settled = publication.settled()
    with pytest.raises(TransientError, match=match):
        build_index(folder, publication, embedder)
    assert publication.current_version() == published
    assert publication.settled() == settled
    assert not list((publication.folder / "versions").glob(".*"))


def check_built_when_it_has_passed(change, publication, embedder):
    report = build_index(change[0], publication, embedder)
    assert (report.changed, report.skipped) == (["a.csv", "b.csv"], {})


def test_a_reader_that_is_killed_once_costs_nothing(change, publication, fake_embedder, kill_readers):
    kill_readers(1)
    check_built_when_it_has_passed(change, publication, fake_embedder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_reader_that_is_killed_again_and_again_fails_the_build(
    number, change, publication, fake_embedder, kill_readers
):
    kill_readers(2, number)
    check_nothing_is_lost(change, publication, fake_embedder, r"a\.csv can't be read now, as its reader is killed")
    check_built_when_it_has_passed(change, publication, fake_embedder)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_file_that_crashes_its_reader_is_skipped(number, kill_readers):
    kill_readers(1, number)
    with ParserProcess() as parser, pytest.raises(InputError, match="breaks its reader") as raised:
        parser.parse(".csv", "a.csv", b"a,b")
    assert not isinstance(raised.value, TransientError)


def test_a_temporary_folder_that_is_full_fails_the_build(change, publication, fake_embedder, monkeypatch):
    def full(path, data):
        if path.name == process._DATA:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        check_nothing_is_lost(change, publication, fake_embedder, "No space left on device.*check TMPDIR")
    check_built_when_it_has_passed(change, publication, fake_embedder)


def test_a_temporary_folder_that_gets_full_while_a_file_is_read_fails_the_build(
    change, publication, fake_embedder, monkeypatch
):
    ask = ParserProcess._is_answered

    def without_room(parser, *file):
        # What the child finds in the way of its answer is as good as a full disk.
        (parser._folder / process._ANSWER).mkdir(exist_ok=True)
        return ask(parser, *file)

    with monkeypatch.context() as patch:
        patch.setattr(ParserProcess, "_is_answered", without_room)
        check_nothing_is_lost(change, publication, fake_embedder, r"while a\.csv was read.*check TMPDIR")
    check_built_when_it_has_passed(change, publication, fake_embedder)


def test_no_process_for_a_reader_fails_the_build(change, publication, fake_embedder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(process.sys, "executable", "/nonexistent/python")
        check_nothing_is_lost(change, publication, fake_embedder, "No process can be started")
    check_built_when_it_has_passed(change, publication, fake_embedder)


def test_a_reader_that_gets_nothing_of_the_processor_fails_the_build(
    change, publication, fake_embedder, monkeypatch, kill_readers
):
    kill_readers(1, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(process, "_BUSY", 0.5 / process.TIME_LIMIT)
        check_nothing_is_lost(change, publication, fake_embedder, "the machine is too busy")
    check_built_when_it_has_passed(change, publication, fake_embedder)


def test_time_is_counted_anew_for_each_file():
    page = write_html() * 200
    with ParserProcess(time_limit=1.0) as parser:
        pids = {parser.parse(".html", "a.html", page) and parser._child.pid for _ in range(30)}
        used = sum(map(int, Path(f"/proc/{parser._child.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    assert len(pids) == 1
    assert used / os.sysconf("SC_CLK_TCK") > 2


@pytest.mark.parametrize(("problem", "passes"), [(errno.EIO, True), (errno.ESTALE, True), (errno.EACCES, False)])
def test_a_source_file_on_a_disk_that_fails_is_not_skipped(problem, passes, source, monkeypatch):
    folder = source(FILES)

    def fail(path):
        raise OSError(problem, os.strerror(problem))

    monkeypatch.setattr(Path, "read_bytes", fail)
    if passes:
        with pytest.raises(TransientError, match=r"a\.csv can't be read now"):
            list(read_source_files(folder))
    else:
        assert {file.reason for file in read_source_files(folder)} == {"can't be read: Permission denied"}
