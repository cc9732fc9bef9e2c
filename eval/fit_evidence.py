"""Fit the weights of `server.answerers.evidence` on question-answering sets in SQuAD's form.

    python -m eval.fit_evidence --work DIR [--write] squad_file ...

and on the tuning part of the project's own questions, which count several times: they are asked as people ask.

Files that hold the same questions in several languages (XQuAD) also give questions in one language over paragraphs in
another. Every corpus is indexed twice by the shipped pipeline: whole, and each article alone, as a small agency. Of
sets that mark questions as unanswerable only the latter is used: their questions often leave their subject unsaid.
Unanswerable questions are those that a file marks so (SQuAD 2.0), and made by leaving out the paragraph that answers
(near) or all of its article (far). Figures are held out by article, in five folds.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from eval.datasets import Dataset, Question, load_gold, squeeze
from eval.training_corpora import (
    FOLDS,
    HELD_OUT,
    SOURCE_DOCS,
    RememberingEmbedder,
    fold_of,
    load_parallel,
    open_corpus,
    open_folder,
)
from index.embedding import BUNDLED, Embedder, load_embedder
from index.reader import Reader, load_reader
from index.retriever import Retrieval, Retriever
from server.answerers import evidence
from server.answerers.asked_kind import lacks_what_is_asked
from server.answerers.evidence import (
    ANSWER_FEATURES,
    PASSAGES_WEIGHED,
    READ_ANSWER_FEATURES,
    READ_SENTENCE_FEATURES,
    SENTENCE_FEATURES,
    Candidate,
)
from server.conversation import Turn, clean_question, standalone_question

# A wrong answer where there is none costs more than a missed one, but far questions are easy and plenty.
CLASS_WEIGHT = {"full": 2.0, "near": 1.5, "far": 0.7}
GOLD = "gold (tuning part)"
GOLD_WEIGHT = 10
# The deviation of what is the case for one in ten.
_RARELY = 0.3
# What thresholds are set to: the share that may be answered of the questions marked as unanswerable, each of which was
# written to look answered, and of far ones; and the share of far ones that may be shown something near.
FALSE_ANSWERS = 0.15
FAR_SHOWN = 0.25


@dataclass(frozen=True, slots=True)
class Example:
    """One question in one mode: its candidates with features, which of them answer, and what fold it is in.

    `marked` is of questions that their set marks as unanswerable.
    """

    question: str
    source: str
    mode: str
    topic: str
    fold: int
    same_language: bool
    retrieval: Retrieval
    candidates: list[Candidate]
    answers: np.ndarray
    marked: bool = False


def make_example(retriever: Retriever, question: Question, dataset: Dataset, mode: str, source: str) -> Example | None:
    """Retrieve for one question with the gold documents there, or hidden as `mode` says."""
    hidden = {"full": [], "near": list(question.relevant), "far": dataset.documents_of(question.topic)}[mode]
    retrieval = retriever.search(question.text, PASSAGES_WEIGHED, exclude=hidden)
    if not retrieval.hits:
        return None
    candidates = evidence.sentence_candidates(question.text, retrieval.terms, retrieval.hits)
    keys = [squeeze(key) for group in question.keys for key in group]
    answers = np.array([any(key in squeeze(candidate.text) for key in keys) for candidate in candidates])
    same = evidence.in_same_language(question.text, retrieval.hits[0].passage.text)
    fold = fold_of(question.topic)
    found = answers & (mode == "full")
    marked = question.kind == "impossible"
    return Example(question.text, source, mode, question.topic, fold, same, retrieval, candidates, found, marked)


def examples_of(dataset: Dataset, work: Path, embedder: Embedder) -> Iterator[Example]:
    """Yield the examples of one dataset over its whole corpus and over each topic alone."""
    written_apart = any(question.kind == "impossible" for question in dataset.questions)
    retriever = open_corpus(dataset, work / "whole", embedder)
    for question in () if written_apart else dataset.questions:
        for mode in (*_modes_among_its_own(question), "far"):
            example = make_example(retriever, question, dataset, mode, dataset.name)
            if example:
                yield example
    by_topic = defaultdict(list)
    for question in dataset.questions:
        by_topic[question.topic].append(question)
    topics = list(by_topic)
    for topic, other in zip(topics, topics[1:] + topics[:1], strict=True):
        small = replace(dataset, corpus={i: dataset.corpus[i] for i in dataset.documents_of(topic)})
        retriever = open_corpus(small, work / topic, embedder)
        asked = [(q, mode) for q in by_topic[topic] for mode in _modes_among_its_own(q)] + [
            (q, "far") for q in by_topic[other]
        ]
        for question, mode in asked:
            example = make_example(retriever, question, small, mode, f"{dataset.name} (by article)")
            if example:
                yield example


def _modes_among_its_own(question: Question) -> tuple[str, ...]:
    """Return how to ask over documents of its subject: one that nothing answers is near as it is."""
    return ("full", "near") if question.expect == "answered" else ("near",)


def gold_examples(work: Path, embedder: Embedder) -> Iterator[Example]:
    """Yield the examples of the tuning part of the project's own questions, over its own documents."""
    dataset = load_gold()
    retriever = open_folder(SOURCE_DOCS, work, embedder)
    modes = {"near": "near", "offtopic": "far"}
    questions = [q for q in dataset.questions if q.split == "tune" and (q.expect == "answered" or q.kind in modes)]
    for number, question in enumerate(questions):
        text = standalone_question(clean_question(question.text), [Turn(*turn) for turn in question.history])
        retrieval = retriever.search(text, PASSAGES_WEIGHED)
        candidates = evidence.sentence_candidates(text, retrieval.terms, retrieval.hits)
        gold = {sentence for group in question.evidence for sentence in group}
        answers = np.array([candidate.text in gold for candidate in candidates])
        same = evidence.in_same_language(text, retrieval.hits[0].passage.text)
        mode = modes.get(question.kind, "full")
        yield Example(text, GOLD, mode, f"gold {number}", number % FOLDS, same, retrieval, candidates, answers)


def fit(examples: list[Example]) -> dict[str, dict[str, float]]:
    """Fit both plain regressions on `examples` and return their weights by feature, on the features' own scales."""
    full = [example for example in examples if example.mode == "full" and example.answers.any()]
    features = np.concatenate([_features(example) for example in full])
    of_sentence = np.concatenate([[_weight(example)] * len(example.candidates) for example in full])
    sentence = _logistic(features, np.concatenate([example.answers for example in full]), of_sentence)
    rows = np.stack([_plainly_weighed(example, sentence)[1] for example in examples])
    answer = _logistic(rows, *_labels_and_weights(examples))
    return {"sentence": _named(SENTENCE_FEATURES, sentence), "answer": _named(ANSWER_FEATURES, answer)}


@dataclass(frozen=True, slots=True)
class ReadExample:
    """An example after reading: its candidates by plain score, with what was read, and which of them answer."""

    example: Example
    candidates: tuple[Candidate, ...]
    answers: np.ndarray
    plain_logit: float


def read_examples(examples: list[Example], plain: dict[str, dict[str, float]], reader: Reader) -> list[ReadExample]:
    """Read what would be read of each example, given the plain weights."""
    sentence, answer = _vector(SENTENCE_FEATURES, plain["sentence"]), _vector(ANSWER_FEATURES, plain["answer"])
    read = []
    for example in examples:
        ranked, row, answers = _plainly_weighed(example, sentence)
        logit = float(row @ answer[:-1] + answer[-1])
        read.append(ReadExample(example, evidence.read_passages(example.question, ranked, reader), answers, logit))
    return read


def fit_read(examples: list[ReadExample]) -> dict[str, dict[str, float]]:
    """Fit both regressions that weigh what was read."""
    full = [one for one in examples if one.example.mode == "full" and one.answers.any()]
    features = np.concatenate([evidence.read_sentence_features(one.candidates) for one in full])
    of_sentence = np.concatenate([[_weight(one.example)] * len(one.candidates) for one in full])
    sentence = _logistic(features, np.concatenate([one.answers for one in full]), of_sentence)
    rows = np.stack([_read_row(one, sentence)[1] for one in examples])
    answer = _logistic(rows, *_labels_and_weights([one.example for one in examples]))
    return {"sentence": _named(READ_SENTENCE_FEATURES, sentence), "answer": _named(READ_ANSWER_FEATURES, answer)}


def plain_logits(examples: list[Example], weights: dict[str, dict[str, float]]) -> list[float]:
    """Return the logit of each question as a whole by the plain weights, as it decides about an answer."""
    sentence, answer = _vector(SENTENCE_FEATURES, weights["sentence"]), _vector(ANSWER_FEATURES, weights["answer"])
    weighed = [_plainly_weighed(one, sentence)[:2] for one in examples]
    return [_deciding(one, ranked, row, answer) for one, (ranked, row) in zip(examples, weighed, strict=True)]


def read_logits(examples: list[ReadExample], weights: dict[str, dict[str, float]]) -> list[float]:
    """Return the logit of each question as a whole after reading, as it decides about an answer."""
    sentence = _vector(READ_SENTENCE_FEATURES, weights["sentence"])
    answer = _vector(READ_ANSWER_FEATURES, weights["answer"])
    weighed = [_read_row(one, sentence)[:2] for one in examples]
    return [_deciding(one.example, ranked, row, answer) for one, (ranked, row) in zip(examples, weighed, strict=True)]


def _deciding(example: Example, ranked: tuple[Candidate, ...], row: np.ndarray, weights: np.ndarray) -> float:
    """Return the logit, or a very low one where the answerer abstains whatever it is."""
    lacking = lacks_what_is_asked(example.question, ranked[0].text)
    return -30.0 if lacking else float(row @ weights[:-1] + weights[-1])


def _features(example: Example) -> np.ndarray:
    return np.stack([candidate.features for candidate in example.candidates])


def _plainly_weighed(example: Example, weights: np.ndarray) -> tuple[tuple[Candidate, ...], np.ndarray, np.ndarray]:
    """Return the ranked candidates, the features of the question, and which of the ranked candidates answer."""
    scores = _features(example) @ weights[:-1] + weights[-1]
    ranked = evidence.rank(example.candidates, scores)
    return (
        ranked,
        evidence.answer_features(ranked, example.retrieval),
        example.answers[np.argsort(-scores, kind="stable")],
    )


def _read_row(one: ReadExample, weights: np.ndarray) -> tuple[tuple[Candidate, ...], np.ndarray, np.ndarray]:
    """Return the candidates ranked after reading, the features of the question, and which of the candidates answer."""
    scores = evidence.read_sentence_features(one.candidates) @ weights[:-1] + weights[-1]
    ranked = evidence.rank(one.candidates, scores)
    row = evidence.read_answer_features(ranked, one.candidates[0].score, one.plain_logit)
    return ranked, row, one.answers[np.argsort(-scores, kind="stable")]


def _labels_and_weights(examples: list[Example]) -> tuple[np.ndarray, np.ndarray]:
    labels = np.array([example.mode == "full" for example in examples])
    return labels, np.array([CLASS_WEIGHT[example.mode] * _weight(example) for example in examples])


def _weight(example: Example) -> int:
    return GOLD_WEIGHT if example.source == GOLD else 1


def _logistic(features: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the coefficients on the features' own scales, the bias last."""
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    # What is hardly ever the case in the data must not get a huge weight from the few examples of which it is.
    deviation = np.where(np.isin(features, (0, 1)).all(axis=0), deviation.clip(_RARELY), deviation)
    model = LogisticRegression(C=1.0, max_iter=2000).fit((features - mean) / deviation, labels, sample_weight=weights)
    coefficients = model.coef_[0] / deviation
    # Nor what hardly varies.
    coefficients[deviation < 1e-3] = 0.0
    return np.append(coefficients, model.intercept_[0] - coefficients @ mean)


def _named(names: tuple[str, ...], weights: np.ndarray) -> dict[str, float]:
    return {name: round(float(value), 5) for name, value in zip((*names, "bias"), weights, strict=True)}


def _vector(names: tuple[str, ...], weights: dict[str, float]) -> np.ndarray:
    return np.array([weights[name] for name in (*names, "bias")])


@dataclass(frozen=True, slots=True)
class Graded:
    """What came of one held-out example: whether the best sentence answers, one of the best three, and the logit."""

    source: str
    mode: str
    first: bool
    in_three: bool
    logit: float


def graded_plain(examples: list[Example]) -> list[Graded]:
    """Grade each fold by weights that were fitted on the others."""
    graded = []
    for fold in range(FOLDS):
        weights = fit([example for example in examples if example.fold != fold])
        sentence, answer = _vector(SENTENCE_FEATURES, weights["sentence"]), _vector(ANSWER_FEATURES, weights["answer"])
        for example in (example for example in examples if example.fold == fold):
            _, row, answers = _plainly_weighed(example, sentence)
            graded.append(_graded(example, answers, row, answer))
    return graded


def graded_read(examples: list[ReadExample]) -> list[Graded]:
    """Grade each article of what was read by weights that were fitted on other articles."""
    topics = sorted({one.example.topic for one in examples})
    graded = []
    for part in range(FOLDS):
        held = set(topics[part::FOLDS])
        weights = fit_read([one for one in examples if one.example.topic not in held])
        sentence = _vector(READ_SENTENCE_FEATURES, weights["sentence"])
        answer = _vector(READ_ANSWER_FEATURES, weights["answer"])
        for one in (one for one in examples if one.example.topic in held):
            _, row, answers = _read_row(one, sentence)
            graded.append(_graded(one.example, answers, row, answer))
    return graded


def _graded(example: Example, answers: np.ndarray, row: np.ndarray, weights: np.ndarray) -> Graded:
    logit = float(row @ weights[:-1] + weights[-1])
    return Graded(example.source, example.mode, bool(answers[0]), bool(answers[:3].any()), logit)


def report(graded: list[Graded]) -> None:
    """Print figures by source."""
    print(f"{'source':42} {'n':>5}  sent@1 sent@3  AUROC near far    false answers at 90 % near far")
    for source in dict.fromkeys(one.source for one in graded):
        logits = {
            mode: np.array([one.logit for one in graded if (one.source, one.mode) == (source, mode)])
            for mode in ("full", "near", "far")
        }
        full = [one for one in graded if (one.source, one.mode) == (source, "full")]
        if not full:
            continue
        first, third = np.mean([one.first for one in full]), np.mean([one.in_three for one in full])
        threshold = np.quantile(logits["full"], 0.1)
        areas, false = [], []
        for other in (logits["near"], logits["far"]):
            labels = np.r_[np.ones(len(full)), np.zeros(len(other))]
            areas.append(roc_auc_score(labels, np.r_[logits["full"], other]) if len(other) else np.nan)
            false.append((other > threshold).mean() if len(other) else np.nan)
        print(
            f"{source:42} {len(full):5}  {first:.3f}  {third:.3f}  {areas[0]:.3f} {areas[1]:.3f}  "
            f"{false[0]:.3f} {false[1]:.3f}   p at 90 %: {1 / (1 + np.exp(-threshold)):.2f}"
        )


def thresholds(graded: list[Graded], marked: list[float]) -> dict[str, float]:
    """Return from which probability on to answer, and from which on to show what is near.

    The first is the least, but no less than one half, at which at most `FALSE_ANSWERS` of the far questions are
    answered, and of those marked as unanswerable, whose logits are `marked`; the second the least at which at most
    `FAR_SHOWN` of the far questions are shown anything.
    """
    far = [one.logit for one in graded if one.mode == "far"]
    answered = max(0.5, *(_probability(np.quantile(some, 1 - FALSE_ANSWERS)) for some in (far, marked) if some))
    related = min(answered, _probability(np.quantile(far, 1 - FAR_SHOWN)))
    return {"answered_from": round(answered, 3), "related_from": round(related, 3)}


def _probability(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def main() -> None:
    """Fit, report, and with --write replace the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder for the indexes that are built")
    parser.add_argument("--reader", default="", help="as MUNDAP_READER")
    parser.add_argument("--write", action="store_true", help=f"write the weights to {evidence.WEIGHTS_FILE.name}")
    arguments = parser.parse_args()
    embedder = RememberingEmbedder(load_embedder(BUNDLED, arguments.work, print))
    reader = load_reader(arguments.reader, arguments.work, print)
    examples: list[Example] = []
    for dataset in load_parallel(arguments.files):
        print(f"{dataset.name}: {len(dataset.questions)} questions over {len(dataset.corpus)} paragraphs", flush=True)
        examples += examples_of(dataset, arguments.work / dataset.name.replace(":", "-").replace(" ", "-"), embedder)
    examples += gold_examples(arguments.work / "gold", embedder)
    stages: dict[str, dict[str, object]] = {"plain": {}, "read": {}}
    for key, same in (("same", True), ("other", False)):
        chosen = [example for example in examples if example.same_language is same]
        print(f"\nQuestion and passage in the {key} language: {len(chosen)} examples")
        graded = graded_plain(chosen)
        report(graded)
        weights = fit(chosen)
        stages["plain"][key] = weights | thresholds(graded, plain_logits([e for e in chosen if e.marked], weights))
        if reader:
            learned = fit([example for example in chosen if example.fold != HELD_OUT])
            held_out = read_examples([e for e in chosen if e.fold == HELD_OUT], learned, reader)
            graded = graded_read(held_out)
            print("after reading, articles that the reader never saw:")
            report(graded)
            weights = fit_read(held_out)
            marked = [one for one in held_out if one.example.marked]
            found = thresholds(graded, read_logits(marked, weights))
            stages["read"][key] = weights | {"answered_from": found["answered_from"]}
    if arguments.write:
        evidence.WEIGHTS_FILE.write_text(json.dumps(stages, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {evidence.WEIGHTS_FILE}")


if __name__ == "__main__":
    main()
