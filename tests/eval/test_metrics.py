import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval import metrics
from eval.datasets import Question
from index.documents import Passage


def passage(doc_id, start=0):
    return Passage(f"{doc_id}#{start}", doc_id, start, start + 1, "x")


def question(**values):
    return Question("q", "?", "ko", "who", "answered", **values)


def test_ranking_figures_are_those_of_the_definitions():
    ranked = [passage("a"), passage("b"), passage("b", 5), passage("c")]
    values = metrics.ranking_values(ranked, [passage("b", 5)])
    assert values["document_recall@1"] == 0.0
    assert values["document_recall@5"] == 1.0
    assert values["document_mrr@10"] == pytest.approx(1 / 2)
    assert values["passage_mrr@10"] == pytest.approx(1 / 3)
    assert values["passage_ndcg@10"] == pytest.approx(1 / np.log2(4))


def test_the_first_of_the_ranking_counts_as_first():
    values = metrics.ranking_values([passage("b"), passage("a")], [passage("b")])
    assert values["document_recall@1"] == values["passage_recall@1"] == values["passage_mrr@10"] == 1.0


def test_nothing_retrieved_recalls_nothing():
    assert set(metrics.ranking_values([], [passage("a")]).values()) == {0.0}


def test_key_recall_counts_groups_of_alternatives():
    asked = question(keys=(("1989년", "1989"), ("블랙록",)))
    assert metrics.key_recall(asked, ["1989 년에 창설"]) == 0.5
    assert metrics.key_recall(asked, ["블랙 록과", "1989"]) == 1.0
    assert metrics.key_recall(asked, []) == 0.0


def test_citations_are_judged_sentence_by_sentence():
    asked = question(evidence=(("가.", "나."), ("다.",)))
    assert metrics.citation_values(asked, ["나.", "라."]) == {"citation_precision": 0.5, "citation_recall": 0.5}


def test_answers_are_compared_as_korquad_does():
    assert metrics.exact_match("《한강》, 다리.", ["한강 다리"]) == 1.0
    assert metrics.exact_match("한강 다리", ["한강"]) == 0.0
    assert metrics.character_f1("가나다라", ["가나"]) == pytest.approx(2 * 0.5 * 1 / 1.5)
    assert metrics.character_f1("", ["가"]) == 0.0


def test_a_bootstrap_interval_holds_the_mean_and_narrows_with_more_values():
    few, many = metrics.figure([0.0, 1.0] * 10), metrics.figure([0.0, 1.0] * 1000)
    assert few.low < few.value == 0.5 < few.high
    assert many.high - many.low < (few.high - few.low) / 5


def test_area_and_false_answers_of_separable_confidences():
    known, unknown = [0.9, 0.8, 0.7] * 10, [0.1, 0.2] * 10
    assert metrics.area_under_curve(known, unknown).value == 1.0
    assert metrics.false_answers_at(0.9, known, unknown).value == 0.0
    assert metrics.area_under_curve(unknown, known).value == 0.0


def test_confidence_that_is_the_share_of_what_is_true_is_calibrated():
    half_sure = metrics.calibration_error([0.5] * 400, [True, False] * 200)
    assert half_sure.value == pytest.approx(0.0, abs=1e-9)
    too_sure = metrics.calibration_error([0.9] * 400, [True, False] * 200)
    assert too_sure.value == pytest.approx(0.4)
    assert too_sure.low < 0.4 < too_sure.high
    assert too_sure.n == 400
    apart = metrics.calibration_error([0.1, 0.9] * 200, [False, True] * 200)
    assert apart.value == pytest.approx(0.1)


def test_risk_is_nothing_until_the_first_error():
    curve = metrics.risk_coverage([0.9, 0.8, 0.7, 0.6], [False, False, True, True])
    assert curve == [(0.25, 0.0), (0.5, 0.0), (0.75, 0.3333), (1.0, 0.5)]


def test_a_large_difference_is_significant_and_none_is_not():
    assert metrics.paired_p_value([0.0] * 30, [1.0] * 30) < 0.001
    assert metrics.paired_p_value([1.0, 0.0] * 15, [1.0, 0.0] * 15) == 1.0
    assert metrics.paired_p_value([1.0, 0.0], [0.0, 1.0]) > 0.5


@given(st.text(max_size=40), st.text(min_size=1, max_size=40))
def test_f1_is_a_share_and_one_for_equals(prediction, answer):
    assert 0.0 <= metrics.character_f1(prediction, [answer]) <= 1.0
    if metrics.normalise(answer):
        assert metrics.character_f1(answer, [answer]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("sentence", "is_altered"),
    [
        ("1989년에 창설되었다.", False),
        ("1998년에 창설되었다.", True),
        ("예산은 3,200만 원이다.", False),
        ("예산은 3200만 원이다.", False),
        ("It costs 32 million won.", True),
        ("숫자가 없다.", False),
    ],
)
def test_a_number_that_no_quote_has_is_altered(sentence, is_altered):
    assert metrics.altered_numbers(sentence, ["1989년 창설", "예산 3,200만 원"]) == is_altered
