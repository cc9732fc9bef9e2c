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
        assert {path.name for path in folder.iterdir()} <= {"versions", "current", "lock", "settled", "cache.sqlite"}
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
    for size in (0, 1, 30, 100, 200, 500, 1_000, 4_000, 10_000, 16_000):
        assert bench.crash("size", size)
    assert not bench.crash("size", 10_000_000)


def test_a_build_that_is_killed_at_any_moment_leaves_a_whole_version(bench):
    started = time.monotonic()
    bench.crasher.build(bench.source(NEW), bench.data_dir, "time", 60)
    seconds = time.monotonic() - started
    moments = random.Random(5)
    killed = 0
    while killed < RANDOM_MOMENTS:
        if bench.crash("time", moments.uniform(0, seconds)):
            killed += 1
        else:
            # It came to its end before: the machine is less busy than it was.
            seconds *= 0.95


def test_a_lock_goes_with_the_process_that_held_it(bench, fake_embedder):
    assert bench.crasher.build(bench.source(NEW), bench.data_dir, "size", 0)
    assert list((bench.publication.folder / "versions").glob(".writing-*"))
    assert bench.answer_after(NEW, {KEPT}) == NEW["a.txt"]


@pytest.fixture
def shelf(tmp_path, source, fake_embedder, crasher):
    return Shelf(tmp_path, source, fake_embedder, crasher)


class Shelf(Bench):
    """The same with a version that is held beside the published one."""

    def __init__(self, folder, source, embedder, crasher):
        super().__init__(folder, source, embedder, crasher)
        self.held = build(source(NEW), self.data_dir, hold=True)
        self.start = shutil.copytree(self.data_dir, folder / "with_held")

    def crashes(self, change, files):
        """Kill the change before each of its steps; yield after each kill, and at last after the change."""
        killed, step = True, 1
        while killed:
            shutil.rmtree(self.data_dir)
            shutil.copytree(self.start, self.data_dir)
            killed = self.crasher.change(change, self.source(files), self.data_dir, "step", step)
            yield killed
            step += 1


def test_a_version_that_was_held_is_held_or_published_whenever_its_publishing_is_killed(shelf):
    seen = set()
    for killed in shelf.crashes("publish held", NEW):
        version, text = shelf.answer()
        assert shelf.publication.held() == ({shelf.held} if version == shelf.old else set())
        assert shelf.publication.current_version() in [one.version for one in shelf.publication.kept()]
        assert killed or text == NEW["a.txt"]
        if version == shelf.held:
            # Another one is published, and the first is what can be gone back to.
            shelf.publication.publish_kept(shelf.old)
            assert shelf.publication.held() == set()
        seen.add(version)
    assert seen == {shelf.old, shelf.held}


def test_what_was_published_after_a_crash_is_not_held_anew_when_it_is_gone_back_from(shelf):
    held = shelf.publication.folder / "held"
    before = held.read_text(encoding="utf-8")
    shelf.publication.publish_kept(shelf.held)
    # As a crash would have left it between its two files.
    held.write_text(before, encoding="utf-8")
    shutil.copytree(shelf.data_dir, shelf.start, dirs_exist_ok=True)
    seen = set()
    for killed in shelf.crashes("roll back", NEW):
        version, _ = shelf.answer()
        assert shelf.publication.held() == set()
        assert killed or version == shelf.old
        seen.add(version)
    assert seen == {shelf.old, shelf.held}


def test_what_is_built_to_be_held_is_never_published_by_a_crash(shelf):
    held = set()
    for killed in shelf.crashes("hold", NEXT):
        version, text = shelf.answer()
        assert (version, text) == (shelf.old, OLD["a.txt"])
        kept = [one.version for one in shelf.publication.kept()]
        assert kept == [shelf.old]
        held.add(len(shelf.publication.held()))
        assert killed or len(shelf.publication.held()) == 1
    assert held
