import hashlib
import os
import time

import pytest

from index import digests
from index.digests import DigestRecord, file_digest


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.write_bytes(b"apples")
    return path


@pytest.fixture
def settled(monkeypatch):
    """Let files count as settled at once; two writes are then a tick of the clock apart."""
    monkeypatch.setattr(digests, "SETTLED_SECONDS", 0.0)
    time.sleep(0.03)


@pytest.fixture
def read(monkeypatch):
    """What is read."""
    read = []

    def noted(path):
        read.append(path)
        return file_digest(path)

    monkeypatch.setattr(digests, "file_digest", noted)
    return read


def digest_once(path):
    record = DigestRecord(path.parent.parent / "digests.json")
    digest = record.digest(path)
    record.save()
    return digest


@pytest.mark.usefixtures("settled")
def test_a_file_that_was_not_touched_is_read_once(path, read):
    assert {digest_once(path) for _ in range(3)} == {hashlib.sha256(b"apples").hexdigest()}
    assert read == [path]


def rewrite(path):
    path.write_bytes(b"pears!")


def rewrite_and_set_the_time_back(path):
    before = path.stat()
    path.write_bytes(b"pears!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def put_another_in_its_place(path):
    other = path.with_name("other")
    other.write_bytes(b"pears!")
    before = path.stat()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", [rewrite, rewrite_and_set_the_time_back, put_another_in_its_place])
def test_whatever_was_changed_is_read_again(change, path, read):
    digest_once(path)
    time.sleep(0.03)
    change(path)
    assert digest_once(path) == hashlib.sha256(b"pears!").hexdigest()
    assert len(read) == 2


def test_what_was_written_just_now_is_read_each_time(path, read):
    for content in (b"apples", b"pears!", b"grapes"):
        path.write_bytes(content)
        assert digest_once(path) == hashlib.sha256(content).hexdigest()
    digest_once(path)
    assert len(read) == 4


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"folder/file": 1}', '{"folder/file": [1, 2, "x"]}'])
def test_a_damaged_record_is_none(content, path, tmp_path):
    (tmp_path / "digests.json").write_text(content)
    assert digest_once(path) == hashlib.sha256(b"apples").hexdigest()


@pytest.mark.usefixtures("settled")
def test_where_nothing_can_be_kept_files_are_read_again(path, read, monkeypatch, tmp_path):
    (tmp_path / "digests.json").mkdir()
    assert digest_once(path) == digest_once(path)
    assert len(read) == 2


@pytest.mark.usefixtures("settled")
def test_files_that_are_gone_are_forgotten(path, tmp_path):
    digest_once(path)
    other = path.with_name("other")
    path.rename(other)
    time.sleep(0.03)
    digest_once(other)
    assert "folder/file" not in (tmp_path / "digests.json").read_text()
