"""Whatever is written, built, held, published, rolled back and asked in whatever order: answers stay true."""

import shutil
import tempfile
from pathlib import Path

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from index.build import build_index
from index.errors import InputError
from index.publication import Publication
from index.retriever import Retriever
from server.chat import Chat
from server.follower import Follower
from tests.conftest import FakeEmbedder

KEPT = 3
NAMES = ("접수.txt", "요금.txt", "부록/문의.txt")
EXAMPLES = hypothesis.settings().max_examples // 25


class LifeOfAnIndex(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="mundap-life-"))
        self.source = self.folder / "source"
        self.source.mkdir()
        self.embedder = FakeEmbedder()
        self.publication = Publication(self.folder / "data", KEPT)
        self.texts = {}
        self.built = {}
        self.held = set()
        self.write(NAMES[0], 0)
        self.build()
        self.chat = Chat(Retriever(self.publication.open(self.embedder), self.embedder))
        self.follower = Follower(self.publication, self.chat, self.take)

    def take(self, chat):
        self.chat = chat

    def teardown(self):
        shutil.rmtree(self.folder)

    @rule(name=st.sampled_from(NAMES), edition=st.integers(0, 30))
    def write(self, name, edition):
        self.texts[name] = (
            f"{name} 안내 제{edition}판\n\n수수료는 {1_000 + edition}원이다. 접수는 {edition + 1}일부터이다.\n"
        )
        path = self.source / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(self.texts[name], encoding="utf-8")

    @precondition(lambda self: len(self.texts) > 1)
    @rule(data=st.data())
    def remove(self, data):
        name = data.draw(st.sampled_from(sorted(self.texts)))
        del self.texts[name]
        (self.source / name).unlink()

    @rule()
    def build(self):
        report = build_index(self.source, self.publication, self.embedder)
        self.built[report.version] = dict(self.texts)

    @rule()
    def build_and_hold(self):
        report = build_index(self.source, self.publication, self.embedder, hold=True)
        if report.version not in self.built:
            self.built[report.version] = dict(self.texts)

    @rule(data=st.data())
    def publish(self, data):
        kept = sorted(manifest.version for manifest in self.publication.versions())
        self.publication.publish_kept(data.draw(st.sampled_from(kept)))

    @rule()
    def roll_back(self):
        before = self.publication.current_version()
        try:
            after = self.publication.roll_back().version
        except InputError:  # there is none before it
            assert self.publication.current_version() == before
        else:
            assert after < before

    @rule(
        question=st.sampled_from(
            ("수수료는 얼마인가요?", "접수는 언제부터인가요?", "How much is the fee?", "안녕하세요")
        )
    )
    def ask(self, question):
        answer = self.chat.answer_question(question)
        assert answer.index_version == self.chat.version
        texts = self.built[answer.index_version]
        for cited in answer.citations:
            assert texts[cited.doc_id][cited.start : cited.end] == cited.quote
        for near in answer.related:
            assert texts[near.doc_id][near.start : near.end] == near.text

    @rule()
    def search(self):
        for hit in self.chat.retriever.search("수수료", 10).hits:
            passage = hit.passage
            text = self.built[self.chat.version][passage.doc_id]
            assert text[passage.start : passage.end] == passage.text

    @invariant()
    def what_is_published_is_served_and_whole(self):
        if not hasattr(self, "follower"):
            return
        self.follower.look()
        assert not self.follower.is_behind
        assert self.chat.version == self.publication.current_version()
        assert set(self.chat.index.manifest.documents) == set(self.built[self.chat.version])
        kept = {manifest.version for manifest in self.publication.versions()}
        assert self.chat.version in kept
        assert len(kept) <= KEPT + 1  # the one that was published before always stays


LifeOfAnIndex.TestCase.settings = hypothesis.settings(max_examples=EXAMPLES, stateful_step_count=12, deadline=None)
TestLifeOfAnIndex = LifeOfAnIndex.TestCase
