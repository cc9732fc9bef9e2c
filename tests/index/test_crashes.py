"""Whenever a build ends by force, one whole version is published, the old one or the new."""

import random
import shutil
import time

import pytest

from index.publication import Publication
from index.retriever import Retriever
from server.chat import Chat
from tests.index.crashes import KEPT, build, crashing

RANDOM_MOMENTS = 50
OLD, NEW, NEXT = ({"a.txt": f"Apples are {colour}. They grow on trees."} for colour in ("red", "green", "yellow"))


@pytest.fixture(scope="module")
def crasher():
    with crashing() as crasher:
        yield crasher


@pytest.fixture
def bench(tmp_path, source, fake_embedder, crasher):
    return Bench(tmp_path, source, fake_embedder, crasher)


class Bench:
    """A data folder with as many versions as are kept, so that each build also removes one."""

    def __init__(self, folder, source, embedder, crasher):
        self.source = source
        self.embedder = embedder
        self.crasher = crasher
        self.data_dir = folder / "data"
        self.publication = Publication(self.data_dir, KEPT)
        build(source(NEXT), self.data_dir)
        self.old = build(source(OLD), self.data_dir)
        self.start = shutil.copytree(self.data_dir, folder / "start")
        self.published = set()
        self.moments = 0

    def crash(self, kill, at):
        """Build NEW over OLD in a process that is killed; check what it left, then that the next build is as ever."""
        shutil.rmtree(self.data_dir)
        shutil.copytree(self.start, self.data_dir)
        killed = self.crasher.build(self.source(NEW), self.data_dir, kill, at)
        version, text = self.answer()
        assert text == (OLD if version == self.old else NEW)["a.txt"]
        assert killed or version != self.old
        self.published.add(text)
        if self.moments % 4 == 0:
            assert self.answer_after(NEXT, {KEPT}) == NEXT["a.txt"]
        elif self.moments % 4 == 2:
            # When the killed build came so far, there is nothing to do but to clear up.
            assert self.answer_after(NEW, {KEPT, KEPT + 1}) == NEW["a.txt"]
        self.moments += 1
        return killed

    def answer_after(self, files, count):
        build(self.source(files), self.data_dir)
        folder = self.publication.folder
        names = {path.name for path in (folder / "versions").iterdir()}
        assert names == {manifest.version for manifest in self.publication.versions()}
        assert len(names) in count
        assert {path.name for path in folder.iterdir()} <= {"versions", "current", "lock", "settled"}
        for name in names:
            self.publication.verify(name)
        return self.answer()[1]

    def answer(self):
        """Open what is published, which verifies it, and ask it."""
        chat = Chat(Retriever(self.publication.open(self.embedder), self.embedder))
        assert chat.answer_question("Which colour have apples?").index_version == chat.version
        [hit] = chat.retriever.search("apples", 1).hits
        assert hit.passage.text == chat.document("a.txt").text
        return chat.version, hit.passage.text


def test_a_build_that_is_killed_before_any_of_its_steps_leaves_a_whole_version(bench):
    steps = 1
    while bench.crash("step", steps):
        steps += 1
    # Written, synced, named, pointed to, and the oldest version removed file by file.
    assert steps > 40
    assert bench.published == {OLD["a.txt"], NEW["a.txt"]}


def test_a_build_that_is_killed_while_a_library_writes_leaves_a_whole_version(bench):
    assert [bench.crash("size", size) for size in (0, 1, 30, 100, 200, 500, 1_000, 4_000, 10_000, 20_000)][:-1]
    assert not bench.crash("size", 10_000_000)


def test_a_build_that_is_killed_at_any_moment_leaves_a_whole_version(bench):
    started = time.monotonic()
    bench.crasher.build(bench.source(NEW), bench.data_dir, "time", 60)
    seconds = time.monotonic() - started
    moments = random.Random(5)
    killed = [bench.crash("time", moments.uniform(0, 1.1 * seconds)) for _ in range(RANDOM_MOMENTS)]
    assert sum(killed) > RANDOM_MOMENTS // 2


def test_a_lock_goes_with_the_process_that_held_it(bench, fake_embedder):
    assert bench.crasher.build(bench.source(NEW), bench.data_dir, "size", 0)
    assert list((bench.publication.folder / "versions").glob(".writing-*"))
    assert bench.answer_after(NEW, {KEPT}) == NEW["a.txt"]
