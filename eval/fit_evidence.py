"""Fit the weights of `server.answerers.evidence` on question-answering sets in SQuAD's form.

    python -m eval.fit_evidence --work DIR [--write] squad_file ...

and on the tuning part of the project's own questions, which count several times: they are asked as people ask.

Files that hold the same questions in several languages (XQuAD) also give questions in one language over paragraphs in
another. Every corpus is indexed twice by the shipped pipeline: whole, and each article alone, as a small agency.
Unanswerable questions are made by leaving out the paragraph that answers (near) or all of its article (far). Figures
are held out by article, in five folds.
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

from eval.datasets import Dataset, Question, load_gold, load_squad, squeeze
from index.build import build_index
from index.embedding import BUNDLED, SentenceTransformerEmbedder, load_embedder
from index.publication import Publication
from index.retriever import Retrieval, Retriever
from server.answerers import evidence
from server.answerers.evidence import ANSWER_FEATURES, PASSAGES_READ, SENTENCE_FEATURES, Candidate
from server.conversation import Turn, clean_question, standalone_question

FOLDS = 5
SOURCE_DOCS = Path(__file__).parents[1] / "source_docs"
# A wrong answer where there is none costs more than a missed one, but far questions are easy and plenty.
CLASS_WEIGHT = {"full": 2.0, "near": 1.5, "far": 0.7}
GOLD = "gold (tuning part)"
GOLD_WEIGHT = 10


class RememberingEmbedder(SentenceTransformerEmbedder):
    """Embeds each text once, since the same paragraphs are indexed in many corpora."""

    def __init__(self, embedder: SentenceTransformerEmbedder) -> None:
        super().__init__(embedder.name, embedder._model)
        self._known: dict[tuple[bool, str], np.ndarray] = {}

    def embed_questions(self, texts: list[str]) -> np.ndarray:
        """Return the vectors of `texts`, from memory where they are known."""
        return self._remember(True, texts)

    def embed_passages(self, texts: list[str], batch_size: int = 16) -> np.ndarray:
        """Return the vectors of `texts`, from memory where they are known."""
        return self._remember(False, texts, batch_size)

    def _remember(self, is_question: bool, texts: list[str], batch_size: int = 1) -> np.ndarray:
        new = list(dict.fromkeys(text for text in texts if (is_question, text) not in self._known))
        if new:
            vectors = super().embed_questions(new) if is_question else super().embed_passages(new, batch_size)
            self._known |= zip(((is_question, text) for text in new), vectors, strict=True)
        return np.stack([self._known[is_question, text] for text in texts])


@dataclass(frozen=True, slots=True)
class Example:
    """One question in one mode: its candidates with features, which of them answer, and what fold it is in."""

    source: str
    mode: str
    fold: int
    same_language: bool
    retrieval: Retrieval
    candidates: list[Candidate]
    answers: np.ndarray


def make_example(retriever: Retriever, question: Question, dataset: Dataset, mode: str, source: str) -> Example | None:
    """Retrieve for one question with the gold documents there, or hidden as `mode` says."""
    hidden = {"full": [], "near": list(question.relevant), "far": dataset.documents_of(question.topic)}[mode]
    retrieval = retriever.search(question.text, PASSAGES_READ, exclude=hidden)
    if not retrieval.hits:
        return None
    candidates = evidence.sentence_candidates(question.text, retrieval.terms, retrieval.hits)
    keys = [squeeze(key) for group in question.keys for key in group]
    answers = np.array([any(key in squeeze(candidate.text) for key in keys) for candidate in candidates])
    same = evidence.in_same_language(question.text, retrieval.hits[0].passage.text)
    return Example(
        source, mode, int(question.topic) // 2 % FOLDS, same, retrieval, candidates, answers & (mode == "full")
    )


def examples_of(dataset: Dataset, work: Path, embedder: SentenceTransformerEmbedder) -> Iterator[Example]:
    """Yield the examples of one dataset over its whole corpus and over each topic alone."""
    retriever = open_corpus(dataset, work / "whole", embedder)
    for question in dataset.questions:
        for mode in ("full", "near", "far"):
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
        asked = [(q, mode) for q in by_topic[topic] for mode in ("full", "near")] + [
            (q, "far") for q in by_topic[other]
        ]
        for question, mode in asked:
            example = make_example(retriever, question, small, mode, f"{dataset.name} (by article)")
            if example:
                yield example


def gold_examples(work: Path, embedder: SentenceTransformerEmbedder) -> Iterator[Example]:
    """Yield the examples of the tuning part of the project's own questions, over its own documents."""
    dataset = load_gold()
    publication = Publication(work)
    build_index(SOURCE_DOCS, publication, embedder)
    retriever = Retriever(publication.open(embedder), embedder)
    modes = {"near": "near", "offtopic": "far"}
    questions = [q for q in dataset.questions if q.split == "tune" and (q.expect == "answered" or q.kind in modes)]
    for number, question in enumerate(questions):
        text = standalone_question(clean_question(question.text), [Turn(*turn) for turn in question.history])
        retrieval = retriever.search(text, PASSAGES_READ)
        candidates = evidence.sentence_candidates(text, retrieval.terms, retrieval.hits)
        gold = {sentence for group in question.evidence for sentence in group}
        answers = np.array([candidate.text in gold for candidate in candidates])
        same = evidence.in_same_language(text, retrieval.hits[0].passage.text)
        yield Example(GOLD, modes.get(question.kind, "full"), number % FOLDS, same, retrieval, candidates, answers)


def open_corpus(dataset: Dataset, work: Path, embedder: SentenceTransformerEmbedder) -> Retriever:
    """Index the corpus of `dataset` below `work` by the shipped pipeline, unless it is there."""
    publication = Publication(work / "var")
    dataset.write_corpus(work / "source")
    build_index(work / "source", publication, embedder)
    return Retriever(publication.open(embedder), embedder)


def fit(examples: list[Example]) -> dict[str, dict[str, float]]:
    """Fit both regressions on `examples` and return their weights by feature, on the features' own scales."""
    full = [example for example in examples if example.mode == "full" and example.answers.any()]
    features = np.concatenate([np.stack([c.features for c in example.candidates]) for example in full])
    of_sentence = np.concatenate([[_weight(example)] * len(example.candidates) for example in full])
    sentence = _logistic(features, np.concatenate([example.answers for example in full]), of_sentence)
    rows = np.stack([_answer_row(example, *sentence) for example in examples])
    labels = np.array([example.mode == "full" for example in examples])
    of_question = np.array([CLASS_WEIGHT[example.mode] * _weight(example) for example in examples])
    answer = _logistic(rows, labels, of_question)
    return {"sentence": _named(SENTENCE_FEATURES, *sentence), "answer": _named(ANSWER_FEATURES, *answer)}


def _weight(example: Example) -> int:
    return GOLD_WEIGHT if example.source == GOLD else 1


def _logistic(features: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    model = LogisticRegression(C=1.0, max_iter=2000).fit((features - mean) / deviation, labels, sample_weight=weights)
    coefficients = model.coef_[0] / deviation
    # A feature that hardly varies in the data would get a huge weight on its own scale.
    coefficients[deviation < 1e-3] = 0.0
    return coefficients, float(model.intercept_[0] - coefficients @ mean)


def _named(names: tuple[str, ...], coefficients: np.ndarray, bias: float) -> dict[str, float]:
    return {name: round(float(value), 5) for name, value in zip(names, coefficients, strict=True)} | {
        "bias": round(bias, 5)
    }


def _scores(example: Example, coefficients: np.ndarray, bias: float) -> np.ndarray:
    scores: np.ndarray = np.stack([c.features for c in example.candidates]) @ coefficients + bias
    return scores


def _answer_row(example: Example, coefficients: np.ndarray, bias: float) -> np.ndarray:
    scores = _scores(example, coefficients, bias)
    ranked = [replace(example.candidates[i], score=float(scores[i])) for i in np.argsort(-scores, kind="stable")]
    return evidence.answer_features(ranked, example.retrieval)


def report(examples: list[Example]) -> None:
    """Print held-out figures by source: each fold is scored by weights that were fitted on the others."""
    ranks: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    logits: dict[tuple[str, str], list[float]] = defaultdict(list)
    for fold in range(FOLDS):
        weights = fit([example for example in examples if example.fold != fold])
        sentence = np.array([weights["sentence"][name] for name in SENTENCE_FEATURES]), weights["sentence"]["bias"]
        answer = np.array([weights["answer"][name] for name in ANSWER_FEATURES])
        for example in (example for example in examples if example.fold == fold):
            if example.mode == "full":
                ranked = example.answers[np.argsort(-_scores(example, *sentence), kind="stable")]
                ranks[example.source].append((bool(ranked[0]), bool(ranked[:3].any())))
            logit = float(_answer_row(example, *sentence) @ answer) + weights["answer"]["bias"]
            logits[example.source, example.mode].append(logit)
    print(f"{'source':42} {'n':>5}  sent@1 sent@3  AUROC near far    false answers at 90 % near far")
    for source, hits in ranks.items():
        full = np.array(logits[source, "full"])
        threshold = np.quantile(full, 0.1)
        figures = []
        for mode in ("near", "far"):
            other = np.array(logits[source, mode])
            area = roc_auc_score(np.r_[np.ones(len(full)), np.zeros(len(other))], np.r_[full, other])
            figures.append((area, float((other > threshold).mean())))
        (near_area, near_false), (far_area, far_false) = figures
        first, third = np.mean(hits, axis=0)
        at_90 = 1 / (1 + np.exp(-threshold))
        print(
            f"{source:42} {len(hits):5}  {first:.3f}  {third:.3f}  {near_area:.3f} {far_area:.3f}  "
            f"{near_false:.3f} {far_false:.3f}   p at 90 %: {at_90:.2f}"
        )


def load_parallel(files: list[Path]) -> list[Dataset]:
    """Load each file and, of parallel files, each question in one language over paragraphs of another."""
    datasets = [load_squad(path) for path in files]
    crossed = []
    for asked in datasets:
        texts = {question.question_id: question for question in asked.questions}
        for told in datasets:
            if asked is told or set(texts) != {question.question_id for question in told.questions}:
                continue
            questions = tuple(
                replace(q, text=texts[q.question_id].text, language=texts[q.question_id].language)
                for q in told.questions
            )
            name = f"{asked.questions[0].language} over {told.questions[0].language}"
            crossed.append(replace(told, name=name, questions=questions))
    return datasets + crossed


def main() -> None:
    """Fit, report, and with --write replace the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder for the indexes that are built")
    parser.add_argument("--write", action="store_true", help=f"write the weights to {evidence.WEIGHTS_FILE.name}")
    arguments = parser.parse_args()
    embedder = RememberingEmbedder(load_embedder(BUNDLED, arguments.work, print))
    examples: list[Example] = []
    for dataset in load_parallel(arguments.files):
        print(f"{dataset.name}: {len(dataset.questions)} questions over {len(dataset.corpus)} paragraphs", flush=True)
        examples += examples_of(dataset, arguments.work / dataset.name.replace(":", "-").replace(" ", "-"), embedder)
    examples += gold_examples(arguments.work / "gold", embedder)
    weights = {}
    for key, same in (("same", True), ("other", False)):
        chosen = [example for example in examples if example.same_language is same]
        print(f"\nQuestion and passage in the {key} language: {len(chosen)} examples")
        report(chosen)
        weights[key] = fit(chosen)
    if arguments.write:
        evidence.WEIGHTS_FILE.write_text(json.dumps(weights, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {evidence.WEIGHTS_FILE}")


if __name__ == "__main__":
    main()
