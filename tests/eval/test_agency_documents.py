from collections import Counter
from pathlib import Path

import pytest

from eval.datasets import load_squad

EVAL = Path(__file__).parents[2] / "eval"
LEARNT = (EVAL / "agency_documents.json", EVAL / "later_documents.json")
UNSEEN = EVAL / "unseen_documents.json"


@pytest.fixture(scope="module", params=[*LEARNT, UNSEEN], ids=lambda path: path.stem)
def dataset(request):
    return load_squad(request.param)


def test_every_answer_stands_at_its_place(dataset):
    for question in dataset.questions:
        if question.expect == "answered":
            [doc_id] = question.relevant
            [alternatives] = question.keys
            assert question.places, question
            for place in question.places:
                assert any(dataset.corpus[doc_id].startswith(key, place) for key in alternatives), question


def test_half_of_the_questions_are_answered_nowhere_in_every_language(dataset):
    asked = Counter((question.language, question.expect) for question in dataset.questions)
    for language in ("ko", "en", "ja", "zh", "vi"):
        answered, abstain = asked[language, "answered"], asked[language, "abstain"]
        assert 0.4 < abstain / (answered + abstain) < 0.6, language


def test_no_question_is_asked_both_with_and_without_an_answer(dataset):
    expected = {}
    for question in dataset.questions:
        key = (question.topic, question.text)
        assert expected.setdefault(key, question.expect) == question.expect, question.text


def test_nothing_that_is_learnt_from_is_among_the_unseen():
    unseen = load_squad(UNSEEN)
    for path in LEARNT:
        assert not set(load_squad(path).corpus.values()) & set(unseen.corpus.values())
