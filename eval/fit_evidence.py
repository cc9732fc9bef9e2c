"""Fit the weights of `server.answerers.evidence` on question-answering sets in SQuAD's form.

    python -m eval.fit_evidence --work DIR [--keep-plain] [--write | --as-shipped | --unseen] squad_file[=share] ...

and on the tuning part of the project's own questions, which count several times: they are asked as people ask.

Files that hold the same questions in several languages (XQuAD) also give questions in one language over paragraphs in
another. Every corpus is indexed twice by the shipped pipeline: whole, and each article alone, as a small agency. Of
sets that mark questions as unanswerable only the latter is used: their questions often leave their subject unsaid.
Unanswerable questions are those that a file marks so (SQuAD 2.0), and made by leaving out the paragraph that answers
(near) or all of its article (far). Figures are held out by article, in five folds; those with the reader are over
articles that it never saw, beside those without it on the same questions.
"""

import argparse
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from eval import metrics
from eval.datasets import Dataset, Question, load_gold, load_squad, squeeze
from eval.training_corpora import (
    FOLDS,
    HELD_OUT,
    SOURCE_DOCS,
    RememberingEmbedder,
    fold_of,
    open_corpus,
    open_folder,
    with_parallel,
)
from index.digests import file_digest
from index.embedding import BUNDLED, Embedder, load_embedder
from index.reader import Reader, load_reader
from index.reader.graph import ADAPTERS
from index.retriever import Retrieval, Retriever
from server.answerers import evidence
from server.answerers.evidence import (
    ANSWER_FEATURES,
    PASSAGES_WEIGHED,
    READ_ANSWER_FEATURES,
    READ_SENTENCE_FEATURES,
    SENTENCE_FEATURES,
    Candidate,
)
from server.answerers.extractive import is_beside_the_question
from server.conversation import Turn, clean_question, standalone_question

T = TypeVar("T")
Weights = dict[str, dict[str, float]]

# A wrong answer where there is none costs more than a missed one, but far questions are easy and plenty.
CLASS_WEIGHT = {"full": 2.0, "near": 1.5, "far": 0.7}
GOLD = "gold (tuning part)"
GOLD_WEIGHT = 10
# The deviation of what is the case for one in ten.
_RARELY = 0.3
# What thresholds are set to: the share that may be answered of the questions marked as unanswerable, each of which was
# written to look answered, and of far ones; and the share of far ones that may be shown something near.
FALSE_ANSWERS = 0.10
FAR_SHOWN = 0.25
# Fewer held-out questions than this fit no weights; those that ship are better.
FEWEST = 100


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
    modes = {"near": "near", "offtopic": "far", "adversarial": "far"}
    tuning = [q for q in dataset.questions if q.split == "tune" and (q.expect == "answered" or q.kind in modes)]
    # No reader is trained on attacks: all of them are held out, and the others in the folds that they have in training.
    asked = [question for question in tuning if question.kind != "adversarial"]
    folds = {question.question_id: number % FOLDS for number, question in enumerate(asked)}
    for question in tuning:
        text = standalone_question(clean_question(question.text), [Turn(*turn) for turn in question.history])
        retrieval = retriever.search(text, PASSAGES_WEIGHED)
        if not retrieval.hits:
            continue
        candidates = evidence.sentence_candidates(text, retrieval.terms, retrieval.hits)
        gold = {sentence for group in question.evidence for sentence in group}
        answers = np.array([candidate.text in gold for candidate in candidates])
        same = evidence.in_same_language(text, retrieval.hits[0].passage.text)
        mode = modes.get(question.kind, "full")
        topic, fold = f"gold {question.question_id}", folds.get(question.question_id, HELD_OUT)
        yield Example(text, GOLD, mode, topic, fold, same, retrieval, candidates, answers)


def fit(examples: list[Example]) -> Weights:
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


def read_examples(examples: list[Example], plain: Weights, reader: Reader) -> list[ReadExample]:
    """Read what would be read of each example, given the plain weights."""
    sentence, answer = _vector(SENTENCE_FEATURES, plain["sentence"]), _vector(ANSWER_FEATURES, plain["answer"])
    read = []
    for example in examples:
        ranked, row, answers = _plainly_weighed(example, sentence)
        logit = float(row @ answer[:-1] + answer[-1])
        read.append(ReadExample(example, evidence.read_passages(example.question, ranked, reader), answers, logit))
    return read


def fit_read(examples: list[ReadExample]) -> Weights:
    """Fit both regressions that weigh what was read."""
    full = [one for one in examples if one.example.mode == "full" and one.answers.any()]
    features = np.concatenate([evidence.read_sentence_features(one.candidates) for one in full])
    of_sentence = np.concatenate([[_weight(one.example)] * len(one.candidates) for one in full])
    sentence = _logistic(features, np.concatenate([one.answers for one in full]), of_sentence)
    rows = np.stack([_read_row(one, sentence)[1] for one in examples])
    answer = _logistic(rows, *_labels_and_weights([one.example for one in examples]))
    return {"sentence": _named(READ_SENTENCE_FEATURES, sentence), "answer": _named(READ_ANSWER_FEATURES, answer)}


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


# ----- what came of it -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Graded:
    """What came of one held-out example: whether the best sentence answers, one of the best three, and the logit.

    `lacks` is whether the answerer abstains whatever the logit is: the best sentence is beside the question.
    """

    example: Example
    first: bool
    in_three: bool
    logit: float
    lacks: bool

    @property
    def confidence(self) -> float:
        """What decides about an answer, 0 to 1."""
        return 0.0 if self.lacks else _probability(self.logit)


def graded_plain(examples: list[Example]) -> list[Graded]:
    """Grade each fold by weights that were fitted on the others, in the order of `examples`."""
    return _held_out(examples, [example.fold for example in examples], fit, grade_plain)


def graded_read(examples: list[ReadExample]) -> list[Graded]:
    """Grade each article of what was read by weights that were fitted on other articles, in the order of `examples`."""
    topics = sorted({one.example.topic for one in examples})
    return _held_out(examples, [topics.index(one.example.topic) % FOLDS for one in examples], fit_read, grade_read)


def _held_out(
    examples: list[T],
    parts: list[int],
    fitter: Callable[[list[T]], Weights],
    grade: Callable[[T, Weights], Graded],
) -> list[Graded]:
    placed = list(zip(examples, parts, strict=True))
    weights = {part: fitter([one for one, other in placed if other != part]) for part in set(parts)}
    return [grade(one, weights[part]) for one, part in placed]


def grade_plain(example: Example, weights: Weights) -> Graded:
    """Grade one example by plain weights."""
    ranked, row, answers = _plainly_weighed(example, _vector(SENTENCE_FEATURES, weights["sentence"]))
    return _graded(example, ranked, row, answers, _vector(ANSWER_FEATURES, weights["answer"]))


def grade_read(one: ReadExample, weights: Weights) -> Graded:
    """Grade what was read of one example by the weights for it."""
    ranked, row, answers = _read_row(one, _vector(READ_SENTENCE_FEATURES, weights["sentence"]))
    return _graded(one.example, ranked, row, answers, _vector(READ_ANSWER_FEATURES, weights["answer"]))


def _graded(
    example: Example, ranked: tuple[Candidate, ...], row: np.ndarray, answers: np.ndarray, weights: np.ndarray
) -> Graded:
    logit = float(row @ weights[:-1] + weights[-1])
    lacks = is_beside_the_question(example.question, ranked[0])
    return Graded(example, bool(answers[0]), bool(answers[:3].any()), logit, lacks)


def calibrate(graded: Sequence[Graded]) -> tuple[float, float, list[Graded]]:
    """Return slope and intercept that make held-out logits those of probabilities (Platt, 1999), and `graded` so.

    As if every second question could be answered. What is returned as graded is scaled by what the other articles say,
    so that how well it is calibrated can be read off it.
    """
    decided = [one for one in graded if not one.lacks]
    logits = np.array([[one.logit] for one in decided])
    labels = np.array([one.example.mode == "full" for one in decided])
    model = LogisticRegression(C=np.inf, class_weight="balanced").fit(logits, labels)
    topics = [one.example.topic for one in decided]
    held_out = cross_val_predict(model, logits, labels, groups=topics, cv=GroupKFold(FOLDS), method="decision_function")
    scaled = [replace(one, logit=float(logit)) for one, logit in zip(decided, held_out, strict=True)]
    return float(model.coef_[0, 0]), float(model.intercept_[0]), scaled + [one for one in graded if one.lacks]


def scaled(weights: Weights, slope: float, intercept: float) -> Weights:
    """Return `weights` whose logits of a question as a whole are scaled, which costs nothing when they are used."""
    answer = {name: round(weight * slope, 5) for name, weight in weights["answer"].items()}
    return weights | {"answer": answer | {"bias": round(answer["bias"] + intercept, 5)}}


def thresholds(graded: Sequence[Graded]) -> dict[str, float]:
    """Return from which probability on to answer, and from which on to show what is near.

    The first is the least, but no less than one half, at which at most `FALSE_ANSWERS` of the far questions are
    answered, and of those marked as unanswerable; the second the least at which at most `FAR_SHOWN` of the far
    questions are shown anything.
    """
    far = [one.confidence for one in graded if one.example.mode == "far"]
    marked = [one.confidence for one in graded if one.example.marked]
    answered = max(0.5, *(float(np.quantile(some, 1 - FALSE_ANSWERS)) for some in (far, marked) if some))
    related = min(answered, float(np.quantile(far, 1 - FAR_SHOWN)))
    return {"answered_from": round(answered, 3), "related_from": round(related, 3)}


def report(graded: Sequence[Graded], before: Sequence[Graded] = ()) -> None:
    """Print a table of figures by source, with those of `before`, the same examples otherwise graded, ahead of them.

    Brackets are 95 % intervals of the bootstrap, p is of a paired randomisation test on `sentence@1`.
    """
    print("| questions | n | sentence@1 | p | sentence@3 | AUROC near | far | answered wrongly at 90 %, near | far |")
    print("|---" * 9 + "|")
    for source in dict.fromkeys(one.example.source for one in graded):
        sides = [_Side.of([one for one in some if one.example.source == source]) for some in (before, graded) if some]
        n = len(sides[-1].full)
        if n:
            first = [[float(one.first) for one in side.full] for side in sides]
            p = f"{metrics.paired_p_value(first[0], first[1]):.3f}" if before else ""
            cells = [
                source, str(n), _told([metrics.figure(values) for values in first], interval=True), p,
                _told([metrics.figure([one.in_three for one in side.full]) for side in sides]),
                _told([side.area(side.near) for side in sides], interval=True),
                _told([side.area(side.far) for side in sides]),
                _told([side.wrongly(side.near) for side in sides]),
                _told([side.wrongly(side.far) for side in sides]),
            ]  # fmt: skip
            print("| " + " | ".join(cells) + " |")


@dataclass(frozen=True, slots=True)
class _Side:
    """The questions of one source, graded in one way, by mode."""

    full: list[Graded]
    near: list[Graded]
    far: list[Graded]

    @classmethod
    def of(cls, graded: Sequence[Graded]) -> "_Side":
        return cls(*([one for one in graded if one.example.mode == mode] for mode in ("full", "near", "far")))

    def area(self, others: list[Graded]) -> metrics.Figure | None:
        return metrics.area_under_curve(*self._confidences(others)) if others else None

    def wrongly(self, others: list[Graded]) -> metrics.Figure | None:
        return metrics.false_answers_at(0.9, *self._confidences(others)) if others else None

    def _confidences(self, others: list[Graded]) -> tuple[list[float], list[float]]:
        return [one.confidence for one in self.full], [one.confidence for one in others]


def _told(figures: Sequence[metrics.Figure | None], interval: bool = False) -> str:
    """Return the figures with arrows between them, and the interval of the last."""
    there = [figure for figure in figures if figure]
    told = " → ".join(f"{figure.value:.3f}" for figure in there)
    return told + (f" [{there[-1].low:.3f}, {there[-1].high:.3f}]" if interval and there else "")


def report_calibration(graded: Sequence[Graded]) -> None:
    """Print how far the confidence is from the share of questions that can be answered, by source.

    Over all that can be answered or all that can't, whichever are fewer, and as many of the others.
    """
    for source in dict.fromkeys(one.example.source for one in graded):
        some = [one for one in graded if one.example.source == source]
        answerable, others = ([o for o in some if (o.example.mode == "full") is full] for full in (True, False))
        count = min(len(answerable), len(others))
        if count:
            even = [side[at * len(side) // count] for side in (answerable, others) for at in range(count)]
            error = metrics.calibration_error([o.confidence for o in even], [o.example.mode == "full" for o in even])
            print(f"calibration error, {source}: {error.value:.3f} [{error.low:.3f}, {error.high:.3f}] of {error.n}")


def _probability(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def fit_stage(
    examples: list[T], graded: list[Graded], fitter: Callable[[list[T]], Weights]
) -> tuple[dict[str, object], tuple[float, float]]:
    """Return weights and thresholds fitted on `examples`, and the scaling in them that `graded` asks for."""
    slope, intercept, probable = calibrate(graded)
    report_calibration(probable)
    return {**scaled(fitter(examples), slope, intercept), **thresholds(probable)}, (slope, intercept)


def report_shipped(examples: list[Example], reader: Reader | None, plain: Weights, read: Weights) -> None:
    """Print what the weights that ship make of `examples`, without and, where there is one, with the reader."""
    graded, before = [grade_plain(example, plain) for example in examples], []
    if reader:
        before = graded
        graded = [grade_read(one, read) for one in read_examples(examples, plain, reader)]
    report(graded, before)
    report_calibration(graded)


def fit_language(
    examples: list[Example], reader: Reader | None, stages: dict[str, Any], key: str, keep_plain: bool
) -> None:
    """Put weights for `key`, the "same" language or an "other", into `stages`, if there are enough questions."""
    held_out = [example for example in examples if example.fold == HELD_OUT]
    if sum(example.mode == "full" for example in held_out) < FEWEST:
        print("Too few held-out questions: the weights stay as they are")
        return
    if keep_plain:
        learned = stages["plain"][key]
        plain = [grade_plain(example, learned) for example in examples]
    else:
        plain = graded_plain(examples)
        report(plain)
        stages["plain"][key], scaling = fit_stage(examples, plain, fit)
        learned = scaled(fit([example for example in examples if example.fold != HELD_OUT]), *scaling)
    if reader:
        read = read_examples(held_out, learned, reader)
        graded = graded_read(read)
        print(f"\n{len(read)} of them, of articles that the reader never saw, without and with it")
        report(graded, [one for one in plain if one.example.fold == HELD_OUT])
        found, _ = fit_stage(read, graded, fit_read)
        # Whether anything is near is said by what search knows.
        stages["read"][key] = {name: value for name, value in found.items() if name != "related_from"}


def main() -> None:
    """Fit, report, and with --write replace the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "files", nargs="+", type=_file_and_share, metavar="FILE[=SHARE]",
        help="a file of questions and the share of them to take, 0 to 1; of them all where none is given",
    )  # fmt: skip
    parser.add_argument("--work", type=Path, required=True, help="folder for the indexes that are built")
    parser.add_argument("--reader", default="", help="as MUNDAP_READER")
    parser.add_argument("--keep-plain", action="store_true", help="fit only what weighs the reader")
    nothing_fitted = parser.add_mutually_exclusive_group()
    nothing_fitted.add_argument("--write", action="store_true", help=f"write to {evidence.WEIGHTS_FILE.name}")
    nothing_fitted.add_argument(
        "--as-shipped", action="store_true", help="fit nothing: grade the weights that ship, over held-out articles"
    )
    nothing_fitted.add_argument(
        "--unseen", action="store_true", help="the same over all articles, of files that nothing was trained on"
    )
    arguments = parser.parse_args()
    embedder = RememberingEmbedder(load_embedder(BUNDLED, arguments.work, print))
    reader = load_reader(arguments.reader, arguments.work, print)
    stages = json.loads(evidence.WEIGHTS_FILE.read_text(encoding="utf-8"))
    grades_only = arguments.as_shipped or arguments.unseen
    examples: list[Example] = []
    for dataset in with_parallel([_drawn(load_squad(path), share) for path, share in arguments.files]):
        questions = dataset.questions
        if arguments.as_shipped or arguments.keep_plain:
            questions = tuple(question for question in questions if fold_of(question.topic) == HELD_OUT)
        print(f"{dataset.name}: {len(questions)} questions over {len(dataset.corpus)} paragraphs", flush=True)
        work = arguments.work / dataset.name.replace(":", "-").replace(" ", "-")
        examples += examples_of(replace(dataset, questions=questions), work, embedder)
    if not grades_only:
        examples += gold_examples(arguments.work / "gold", embedder)
    for key, same in (("same", True), ("other", False)):
        chosen = [example for example in examples if example.same_language is same]
        print(f"\nQuestion and passage in the {key} language: {len(chosen)} examples")
        if grades_only:
            report_shipped(chosen, reader, stages["plain"][key], stages["read"][key])
        else:
            fit_language(chosen, reader, stages, key, arguments.keep_plain)
    if arguments.write:
        stages["reader"] = arguments.reader or file_digest(ADAPTERS)
        evidence.WEIGHTS_FILE.write_text(json.dumps(stages, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {evidence.WEIGHTS_FILE}")


def _file_and_share(text: str) -> tuple[Path, float]:
    path, _, share = text.partition("=")
    return Path(path), float(share or 1)


def _drawn(dataset: Dataset, share: float) -> Dataset:
    """Return `dataset` with that share of its questions: the same ones each time, in every language."""
    drawn = (q for q in dataset.questions if zlib.crc32(q.question_id.encode()) < share * 2**32)
    return replace(dataset, questions=tuple(drawn))


if __name__ == "__main__":
    main()
