"""What is measured of one question, and how single values become figures.

Ranking figures come from ir-measures (Recall@k, RR@10, nDCG@10 as trec_eval defines them), areas from scikit-learn. All
others are means of the per-question values that are defined here.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import ir_measures
import numpy as np
from ir_measures import RR, Qrel, R, ScoredDoc, nDCG
from sklearn.metrics import roc_auc_score

from eval.datasets import Question, squeeze
from index.documents import Passage

RANKING = {"recall@1": R @ 1, "recall@5": R @ 5, "recall@10": R @ 10, "mrr@10": RR @ 10, "ndcg@10": nDCG @ 10}
RESAMPLES = 1_000
CONFIDENCE = 0.95
CALIBRATION_BINS = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean with its bootstrap interval, over `n` questions."""

    value: float
    low: float
    high: float
    n: int


# ----- of one question -----------------------------------------------------------------------------------------------


def ranking_values(ranked: Sequence[Passage], relevant: Sequence[Passage]) -> dict[str, float]:
    """Return the ranking figures of `ranked`, best first, against the relevant passages and against their documents."""
    return _ranking(
        [passage.doc_id for passage in ranked], {passage.doc_id for passage in relevant}, "document"
    ) | _ranking([passage.passage_id for passage in ranked], {passage.passage_id for passage in relevant}, "passage")


def _ranking(ranked: list[str], relevant: set[str], level: str) -> dict[str, float]:
    judgements = [Qrel("q", name, 1) for name in relevant]
    run = [ScoredDoc("q", name, -rank) for rank, name in enumerate(dict.fromkeys(ranked))]
    if not judgements or not run:
        return {f"{level}_{name}": 0.0 for name in RANKING}
    measured = ir_measures.calc_aggregate(list(RANKING.values()), judgements, run)
    return {f"{level}_{name}": float(measured[measure]) for name, measure in RANKING.items()}


def key_recall(question: Question, quotes: Sequence[str]) -> float:
    """Return the share of key groups of which one string stands in the quotes, 0 to 1."""
    told = squeeze("\n".join(quotes))
    found = [any(squeeze(key) in told for key in group) for group in question.keys]
    return sum(found) / len(found)


def citation_values(question: Question, quotes: Sequence[str]) -> dict[str, float]:
    """Return citation precision and recall against gold evidence, sentence by sentence.

    ALCE (Gao et al., 2023) asks a language model whether citations support; here the gold says which sentences do:
    precision is the share of cited sentences that are evidence, recall the share of evidence groups that are cited.
    """
    gold = {squeeze(sentence) for group in question.evidence for sentence in group}
    cited = {squeeze(quote) for quote in quotes}
    covered = [any(squeeze(sentence) in cited for sentence in group) for group in question.evidence]
    return {
        "citation_precision": len(cited & gold) / len(cited) if cited else 0.0,
        "citation_recall": sum(covered) / len(covered),
    }


def altered_numbers(sentence: str, quotes: Sequence[str]) -> bool:
    """Whether `sentence` has a run of digits that none of the quotes has, thousands separators aside.

    Deliberately simpler than what a written sentence has to pass before it is shown, and none of its code.
    """
    told, held = (set(re.findall(r"\d+", re.sub(r"(?<=\d),(?=\d{3})", "", t))) for t in (sentence, " ".join(quotes)))
    return not told <= held


_KORQUAD_MARKS = re.compile("[" + re.escape("'\"《》<>〈〉()‘’") + "]")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def normalise(text: str) -> str:
    """Return `text` as KorQuAD 1.0's script compares answers: without marks, punctuation, case and extra spaces."""
    return " ".join(_PUNCTUATION.sub("", _KORQUAD_MARKS.sub(" ", text).lower()).split())


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """Return 1.0 when `prediction` equals an answer after `normalise`."""
    return float(any(normalise(prediction) == normalise(answer) for answer in answers))


def character_f1(prediction: str, answers: Sequence[str]) -> float:
    """Return the best F1 of characters over the answers, as KorQuAD 1.0's evaluation script defines it."""
    return max((_f1(normalise(prediction), normalise(answer)) for answer in answers), default=0.0)


def _f1(prediction: str, answer: str) -> float:
    told, wanted = Counter("".join(prediction.split())), Counter("".join(answer.split()))
    same = (told & wanted).total()
    if not same:
        return 0.0
    precision, recall = same / told.total(), same / wanted.total()
    return 2 * precision * recall / (precision + recall)


# ----- of many questions ---------------------------------------------------------------------------------------------


def figure(values: Sequence[float], seed: int = 0) -> Figure:
    """Return the mean of `values` with the percentile bootstrap interval (Efron, 1979) at `CONFIDENCE`."""
    array = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(array), (RESAMPLES, len(array)))
    low, high = np.quantile(array[drawn].mean(axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Figure(float(array.mean()), float(low), float(high), len(array))


def area_under_curve(answerable: Sequence[float], unanswerable: Sequence[float], seed: int = 0) -> Figure:
    """Return the AUROC of the confidence as a test of answerability, with its bootstrap interval."""
    positive, negative = np.asarray(answerable), np.asarray(unanswerable)
    rng = np.random.default_rng(seed)

    def area(p: np.ndarray, n: np.ndarray) -> float:
        return float(roc_auc_score(np.r_[np.ones(len(p)), np.zeros(len(n))], np.r_[p, n]))

    drawn = [area(rng.choice(positive, len(positive)), rng.choice(negative, len(negative))) for _ in range(200)]
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Figure(area(positive, negative), float(low), float(high), len(positive) + len(negative))


def false_answers_at(answer_rate: float, answerable: Sequence[float], unanswerable: Sequence[float]) -> Figure:
    """Return the share of unanswerable questions above the confidence that answers `answer_rate` of the answerable."""
    threshold = np.quantile(np.asarray(answerable), 1 - answer_rate)
    return figure([float(confidence > threshold) for confidence in unanswerable])


def calibration_error(confidences: Sequence[float], outcomes: Sequence[bool], seed: int = 0) -> Figure:
    """Return the expected calibration error of `confidences`, each 0 to 1, with its bootstrap interval.

    The mean distance, over bins of equally many questions, between mean confidence and the share of true outcomes
    (Naeini et al., AAAI 2015; `CALIBRATION_BINS` bins).
    """
    told, true = np.asarray(confidences, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)

    def error(told: np.ndarray, true: np.ndarray) -> float:
        order = np.array_split(np.argsort(told, kind="stable"), min(CALIBRATION_BINS, len(told)))
        return float(sum(len(some) * abs(told[some].mean() - true[some].mean()) for some in order) / len(told))

    drawn = np.random.default_rng(seed).integers(0, len(told), (200, len(told)))
    low, high = np.quantile(
        [error(told[some], true[some]) for some in drawn], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    )
    return Figure(error(told, true), float(low), float(high), len(told))


def risk_coverage(confidences: Sequence[float], wrong: Sequence[bool]) -> list[tuple[float, float]]:
    """Return (coverage, risk) for every threshold: the share answered, and the share of those that is wrong.

    El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification" (JMLR 2010).
    """
    order = np.argsort(-np.asarray(confidences), kind="stable")
    risks = np.cumsum(np.asarray(wrong, dtype=np.float64)[order]) / np.arange(1, len(order) + 1)
    coverages = np.arange(1, len(order) + 1) / len(order)
    keep = np.unique(np.linspace(0, len(order) - 1, min(len(order), 200)).astype(int))
    return [(round(float(coverages[i]), 4), round(float(risks[i]), 4)) for i in keep]


def paired_p_value(before: Sequence[float], after: Sequence[float], seed: int = 0) -> float:
    """Return the two-sided p of a paired randomisation test on the difference of means (Smucker et al., CIKM 2007)."""
    differences = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    if not differences.any():
        return 1.0
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (10_000, len(differences)))
    extreme = np.abs((signs * differences).mean(axis=1)) >= abs(differences.mean()) - 1e-12
    return float((extreme.sum() + 1) / (len(extreme) + 1))
