"""A disk that is full or can't be written costs the build and nothing else."""

import errno
import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from index.build import build_index
from index.errors import InputError
from index.publication import Publication
from tests.conftest import REPO

OLD, NEW = ({"a.txt": f"Apples are {colour}. They grow on trees."} for colour in ("red", "green"))
FAILED = r"can't be written.* check MUNDAP_DATA_DIR"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a few MB that is full once more than that is written."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"only who may mount can make a disk to be filled: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def served(publication, embedder):
    return publication.open(embedder).corpus.document("a.txt").text


def check_failed_and_left_no_litter(publication, embedder):
    assert served(publication, embedder) == OLD["a.txt"]
    names = {path.name for path in (publication.folder / "versions").iterdir()}
    assert names == {manifest.version for manifest in publication.versions()}


def test_a_disk_that_gets_full_at_any_point_of_a_build_leaves_the_old_version(source, small_disk, fake_embedder):
    publication = Publication(small_disk)
    build_index(source(OLD), publication, fake_embedder)
    filler = small_disk / "filler"
    problems = []
    for kilobytes in (0, 4, 8, 12, 16, 20, 28, 36, 44, 52, 60, 68, 76):
        free = shutil.disk_usage(small_disk).free
        filler.write_bytes(b"x" * (free - kilobytes * 1024))
        try:
            build_index(source(NEW), publication, fake_embedder)
        except InputError as error:
            problems.append(str(error))
            check_failed_and_left_no_litter(publication, fake_embedder)
            filler.unlink()
        else:
            break
    assert len(problems) > 5
    for problem in problems:
        assert "No space left" in problem or "full" in problem
        assert problem.endswith("check MUNDAP_DATA_DIR; what was published before stays")
    filler.unlink(missing_ok=True)
    build_index(source(NEW), publication, fake_embedder)
    assert served(publication, fake_embedder) == NEW["a.txt"]


def test_a_disk_that_can_only_be_read_serves_its_index_and_refuses_another(source, small_disk, fake_embedder):
    publication = Publication(small_disk)
    old = build_index(source(OLD), publication, fake_embedder).version
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert served(publication, fake_embedder) == OLD["a.txt"]
    assert publication.open(fake_embedder).lexical.search(["appl"], 1)
    assert not build_index(source(OLD), publication, fake_embedder).published
    with pytest.raises(InputError, match=rf"{FAILED}"):
        build_index(source(NEW), publication, fake_embedder)
    with pytest.raises(InputError, match=rf"{FAILED}"):
        publication.roll_back(old)
    assert served(publication, fake_embedder) == OLD["a.txt"]
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    build_index(source(NEW), publication, fake_embedder)
    assert served(publication, fake_embedder) == NEW["a.txt"]


def test_a_file_that_may_not_grow_at_any_point_of_a_build_leaves_the_old_version(source, tmp_path, fake_embedder):
    """Wherever tests run: every writer, libraries too, is refused from a size on, which grows from nothing."""
    publication = Publication(tmp_path / "data")
    folder = source(OLD)
    build_index(folder, publication, fake_embedder)
    source(NEW)
    script = """
        import resource, sys
        from pathlib import Path
        from index.build import build_index
        from index.errors import InputError
        from index.publication import Publication
        from tests.conftest import FakeEmbedder
        for size in (0, 1, 30, 60, 100, 200, 300, 500, 800, 1_000, 2_000, 4_000, 8_000, 12_000, 16_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            try:
                build_index(Path(sys.argv[1]), Publication(Path(sys.argv[2])), FakeEmbedder())
            except InputError as error:
                print(error)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), folder, tmp_path / "data"],
        cwd=REPO, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    problems = run.stdout.splitlines()
    assert len(problems) > 8
    for problem in problems:
        assert problem.startswith(("The index can't be written", "The data folder", "The temporary folder"))
    check_failed_and_left_no_litter(publication, fake_embedder)
    build_index(folder, publication, fake_embedder)
    assert served(publication, fake_embedder) == NEW["a.txt"]


@pytest.mark.parametrize("problem", [errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("step", ["mkdir", "fsync", "rename", "replace"])
def test_a_step_that_fails_each_time_it_is_taken_leaves_a_whole_version(
    step, problem, source, tmp_path, fake_embedder, monkeypatch
):
    publication = Publication(tmp_path / "data")
    build_index(source(OLD), publication, fake_embedder)
    source(NEW)
    original = getattr(os, step)
    for at in range(1, 100):
        taken = 0

        def fail(*given, at=at, **named):
            nonlocal taken
            taken += 1
            if taken == at:
                raise OSError(problem, os.strerror(problem))
            return original(*given, **named)

        with monkeypatch.context() as patch:
            patch.setattr(os, step, fail)
            try:
                build_index(tmp_path / "source", publication, fake_embedder)
            except InputError as error:
                said = str(error)
            else:
                said = os.strerror(problem)
        assert os.strerror(problem) in said
        assert served(publication, fake_embedder) in (OLD["a.txt"], NEW["a.txt"])
        if taken < at:
            break
    assert at > 1
    build_index(tmp_path / "source", publication, fake_embedder)
    assert served(publication, fake_embedder) == NEW["a.txt"]
