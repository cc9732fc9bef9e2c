import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from index.build import build_index
from index.errors import Refused
from index.publication import Publication
from index.reader import Focus
from index.reader.graph import ADAPTERS
from index.retriever import Retriever
from server.answerers import evidence
from server.answerers.evidence import UNREAD, load_weights, weigh_evidence
from server.answerers.extractive import MAX_SENTENCES, choose_sentences, named_phrase
from server.budget import Budget, client_gone, spending

TEXT = """과학기술 협력 발표

두 나라는 10월 29일 경주에서 양해각서에 서명했다.
서명식에는 120명이 참석했다.
서명식에는 모두 120명이 참석했다.
두 나라는 양자 분야에서 협력한다.
두 나라는 우주 분야에서 협력한다.
두 나라는 바이오 분야에서 협력한다.
날씨는 맑았다.
"""


@pytest.fixture(scope="module")
def retriever(embedder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("extractive")
    (folder / "source").mkdir()
    (folder / "source" / "발표.txt").write_text(TEXT, encoding="utf-8")
    publication = Publication(folder / "data")
    build_index(folder / "source", publication, embedder)
    return Retriever(publication.open(embedder), embedder)


def scored(retriever, question, **scores):
    """The sentences that hold a word of `scores`, with that score, best first, and the terms of the question."""
    retrieval = retriever.search(question, 8)
    candidates = evidence.sentence_candidates(question, retrieval.terms, retrieval.hits)
    found = [replace(c, score=score) for word, score in scores.items() for c in candidates if word in c.text]
    return retrieval.terms, sorted(found, key=lambda candidate: -candidate.score)


def test_a_question_for_one_thing_is_answered_by_the_best_sentence(retriever):
    terms, ranked = scored(retriever, "서명식에 몇 명이 참석했나요?", 서명식에는=3.0, 날씨=1.0)
    assert len(choose_sentences("서명식에 몇 명이 참석했나요?", terms, ranked)) == 1


def test_a_question_for_two_kinds_of_things_gets_a_sentence_for_each(retriever):
    question = "서명은 언제 했고 몇 명이 참석했나요?"
    terms, ranked = scored(retriever, question, 경주=3.0, 날씨=2.6, 서명식에는=2.5)
    texts = [candidate.text for candidate in choose_sentences(question, terms, ranked)]
    assert "10월 29일" in texts[0]
    assert "120명" in texts[1]


def test_a_list_is_answered_by_several_and_what_is_said_already_is_passed_over(retriever):
    question = "두 나라가 협력하는 분야는 무엇무엇인가요?"
    terms, ranked = scored(retriever, question, 양자=3.0, 우주=2.9, 바이오=2.8, 날씨=2.7)
    assert len(choose_sentences(question, terms, ranked)) == MAX_SENTENCES
    terms, ranked = scored(retriever, question, 서명식에는=3.0)
    assert len(ranked) == 2
    assert len(choose_sentences(question, terms, ranked)) == 1


class OneFocus:
    """A reading that names the same phrase in every sentence."""

    def __init__(self, focus):
        self.scores = np.zeros(20)
        self._focus = focus

    def focus(self, position):
        return self._focus


@pytest.mark.parametrize(
    ("focus", "named"),
    [
        (Focus(6, 13, 0.9), "10월 29일"),
        (Focus(14, 17, 0.9), "경주"),
        (Focus(6, 13, 0.1), None),
        (Focus(0, 29, 0.9), None),
        (None, None),
    ],
)
def test_a_phrase_is_named_where_the_reader_is_sure_of_a_short_one(retriever, focus, named):
    _, [candidate] = scored(retriever, "언제 서명했나요?", 경주=3.0)
    span = named_phrase(replace(candidate, reading=OneFocus(focus)))
    assert (candidate.text[slice(*span)] if span else None) == named


def test_nothing_is_named_in_a_sentence_that_was_not_read(retriever):
    _, [candidate] = scored(retriever, "언제 서명했나요?", 경주=3.0)
    assert named_phrase(candidate) is None
    assert candidate.reader_score == UNREAD


class StubReader:
    """Gives each sentence the logit that it is told, and counts what it reads."""

    def __init__(self, logit):
        self.logit = logit
        self.read_passages = 0

    def read(self, question, passage):
        self.read_passages += 1
        reading = OneFocus(None)
        reading.scores = np.full(len(passage.sentences), self.logit, dtype=np.float32)
        return reading


def test_what_the_reader_says_counts(retriever):
    retrieval = retriever.search("언제 서명했나요?", 8)
    doubtful, convinced = (weigh_evidence("언제 서명했나요?", retrieval, StubReader(logit)) for logit in (-6.0, 6.0))
    assert doubtful.confidence < convinced.confidence


def test_it_reads_on_only_until_it_is_convinced(retriever, monkeypatch):
    retrieval = retriever.search("언제 서명했나요?", 8)
    hits = tuple(replace(retrieval.hits[0], stored=replace(retrieval.hits[0].stored, ordinal=at)) for at in range(6))
    for logit, read in ((9.0, 1), (-6.0, evidence.PASSAGES_READ), (np.nan, evidence.PASSAGES_READ)):
        reader = StubReader(logit)
        weigh_evidence("언제 서명했나요?", replace(retrieval, hits=hits), reader)
        assert reader.read_passages == read


def test_what_asks_for_several_things_is_read_for_further(retriever):
    retrieval = retriever.search("두 가지 분야를 모두 알려 주세요.", 8)
    hits = tuple(replace(retrieval.hits[0], stored=replace(retrieval.hits[0].stored, ordinal=at)) for at in range(6))
    reader = StubReader(9.0)
    weigh_evidence("두 가지 분야를 모두 알려 주세요.", replace(retrieval, hits=hits), reader)
    assert reader.read_passages == evidence.PASSAGES_READ + 1


def test_it_reads_no_further_once_nobody_waits(retriever):
    retrieval = retriever.search("언제 서명했나요?", 8)
    hits = tuple(replace(retrieval.hits[0], stored=replace(retrieval.hits[0].stored, ordinal=at)) for at in range(6))
    budget = Budget(60)

    class Leaving(StubReader):
        def read(self, question, passage):
            budget.cancel(client_gone())
            return super().read(question, passage)

    reader = Leaving(-6.0)
    with spending(budget), pytest.raises(Refused, match="closed the connection"):
        weigh_evidence("언제 서명했나요?", replace(retrieval, hits=hits), reader)
    assert reader.read_passages == 1


def test_the_weights_were_fitted_with_the_reader_that_ships():
    fitted_with = json.loads(evidence.WEIGHTS_FILE.read_text(encoding="utf-8"))["reader"]
    assert fitted_with == hashlib.sha256(ADAPTERS.read_bytes()).hexdigest()


def test_without_a_reader_the_earlier_scoring_answers(retriever):
    retrieval = retriever.search("언제 서명했나요?", 8)
    plain = weigh_evidence("언제 서명했나요?", retrieval)
    weights = load_weights()["plain"]["same"]
    assert all(candidate.reading is None for candidate in plain.candidates)
    assert plain.answered_from == weights.answered_from
    assert plain.is_near == (plain.confidence >= weights.related_from)
    features = np.stack([candidate.features for candidate in plain.candidates])
    scores = features @ weights.sentence[:-1] + weights.sentence[-1]
    np.testing.assert_allclose(scores, [candidate.score for candidate in plain.candidates], rtol=1e-5)
