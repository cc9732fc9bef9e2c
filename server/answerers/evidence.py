"""How well each retrieved sentence answers, and whether any does.

Two logistic regressions over features that cost nothing beyond the retrieval itself: the first scores every sentence
of the best passages, the second says from the best of them how likely the documents answer at all. Their weights are
in `evidence_weights.json`, made by `python -m eval.fit_evidence`; there is one set for questions in the language of the
passage and one for questions in another, where words can't overlap and only meaning is left.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from index.documents import BlockKind, Sentence
from index.retriever import Hit, Retrieval
from index.scripts import written_language
from server.answerers.asked_kind import KINDS, asked_kind, missing_kinds
from server.phrases import phrase

PASSAGES_READ = 8
WEIGHTS_FILE = Path(__file__).with_name("evidence_weights.json")

SENTENCE_FEATURES = (
    "similarity", "similarity_gap", "passage_similarity", "passage_score", "in_best_passage", "coverage",
    "coverage_with_context", "coverage_with_neighbours", "passage_coverage", "bigram_overlap", "novelty", "length",
    "is_heading", "is_fragment", "is_footnote", "definition_without_footnote", "numbers_missing", "numbers_not_here",
    *(f"missing_{kind}" for kind in KINDS),
)  # fmt: skip
ANSWER_FEATURES = (
    *SENTENCE_FEATURES, "sentence_score", "score_gap", "mean_of_best_five", "best_similarity",
    "similarity_above_mean", "best_coverage", "best_passage_coverage", "known_share",
)  # fmt: skip

_DIGITS = re.compile(r"\d+")
_SENTENCE_END = re.compile(r"[.!?。！？…]['\"”’」』)\]]*$|[다요음함됨임]$")
_NOT_WORD = re.compile(r"\W+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sentence that may answer. `score` is a logit: comparable between the candidates of one question."""

    hit: Hit
    position: int
    features: np.ndarray
    score: float = 0.0

    @property
    def sentence(self) -> Sentence:
        """Where the sentence is in its document."""
        return self.hit.passage.sentences[self.position]

    @property
    def terms(self) -> frozenset[str]:
        """The search terms of the sentence."""
        return self.hit.stored.sentence_terms[self.position]

    @property
    def text(self) -> str:
        """The sentence, verbatim."""
        return self.hit.passage.quote(self.sentence)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The candidates of one question, best first, and the probability that the documents answer it.

    `same_language` says whether the question is in the language of the best passage.
    """

    candidates: tuple[Candidate, ...]
    confidence: float
    same_language: bool = True


@dataclass(frozen=True, slots=True)
class _Weights:
    sentence: np.ndarray
    sentence_bias: float
    answer: np.ndarray
    answer_bias: float


def weigh_evidence(question: str, retrieval: Retrieval) -> Evidence:
    """Score every sentence of the best passages of `retrieval`, and how likely they answer `question` at all."""
    hits = retrieval.hits[:PASSAGES_READ]
    if not hits:
        return Evidence((), 0.0)
    same_language = in_same_language(question, hits[0].passage.text)
    weights = _load_weights()["same" if same_language else "other"]
    found = sentence_candidates(question, retrieval.terms, hits)
    scores = np.stack([candidate.features for candidate in found]) @ weights.sentence + weights.sentence_bias
    ranked = sorted(zip(found, scores.tolist(), strict=True), key=lambda pair: -pair[1])
    candidates = tuple(Candidate(c.hit, c.position, c.features, score) for c, score in ranked)
    logit = float(answer_features(candidates, retrieval) @ weights.answer) + weights.answer_bias
    return Evidence(candidates, 1 / (1 + math.exp(-max(-30.0, min(30.0, logit)))), same_language)


def in_same_language(question: str, text: str) -> bool:
    """Whether both are written in the same of the languages that are told apart by their characters alone."""
    return written_language(question) == written_language(text)


def sentence_candidates(question: str, terms: dict[str, float], hits: Sequence[Hit]) -> list[Candidate]:
    """Return each sentence of `hits` with its features, float32 (len(SENTENCE_FEATURES),), in the order of `hits`."""
    mass = sum(terms.values()) or 1.0
    bigrams = character_bigrams(question)
    numbers = set(_DIGITS.findall(question))
    asked = asked_kind(question)
    asks_definition = bool(phrase("asks_definition").search(question))
    best_similarity = max(float(hit.sentence_scores.max()) for hit in hits)

    def coverage(found: frozenset[str]) -> float:
        return sum(idf for term, idf in terms.items() if term in found) / mass

    candidates = []
    for rank, hit in enumerate(hits):
        context = hit.stored.context_terms
        sentence_terms = hit.stored.sentence_terms
        everything = context.union(*sentence_terms)
        passage_coverage = coverage(everything)
        missing = _share_missing(numbers, hit.passage.text)
        for at, sentence in enumerate(hit.passage.sentences):
            text = hit.passage.quote(sentence)
            own = sentence_terms[at]
            neighbours = context.union(*sentence_terms[max(0, at - 1) : at + 2])
            features = np.array(
                [
                    hit.sentence_scores[at],
                    hit.sentence_scores[at] - best_similarity,
                    hit.dense_score,
                    hit.score,
                    rank == 0,
                    coverage(own),
                    coverage(own | context),
                    coverage(neighbours),
                    passage_coverage,
                    len(bigrams & character_bigrams(text)) / (len(bigrams) or 1),
                    math.log1p(len(own - terms.keys() - context)),
                    math.log1p(len(text)),
                    sentence.kind is BlockKind.HEADING or text in hit.passage.context,
                    sentence.kind is BlockKind.PARAGRAPH and not _SENTENCE_END.search(text),
                    sentence.kind is BlockKind.FOOTNOTE,
                    asks_definition and sentence.kind is not BlockKind.FOOTNOTE,
                    missing,
                    _share_missing(numbers, text),
                    *missing_kinds(asked, text),
                ],
                dtype=np.float32,
            )
            candidates.append(Candidate(hit, at, features))
    return candidates


def answer_features(candidates: Sequence[Candidate], retrieval: Retrieval) -> np.ndarray:
    """Return the features of a question as a whole, float32 (len(ANSWER_FEATURES),), from its ranked candidates."""
    matrix = np.stack([candidate.features for candidate in candidates])
    scores = [candidate.score for candidate in candidates]
    similarity = matrix[:, SENTENCE_FEATURES.index("similarity")]
    of_question = [
        scores[0],
        scores[0] - scores[min(1, len(scores) - 1)],
        sum(scores[:5]) / len(scores[:5]),
        similarity.max(),
        similarity.max() - similarity.mean(),
        matrix[:, SENTENCE_FEATURES.index("coverage")].max(),
        matrix[:, SENTENCE_FEATURES.index("passage_coverage")].max(),
        math.sqrt(retrieval.known_share),
    ]
    return np.concatenate([matrix[0], np.array(of_question, dtype=np.float32)])


def _share_missing(numbers: set[str], text: str) -> float:
    return sum(number not in text for number in numbers) / len(numbers) if numbers else 0.0


@lru_cache(maxsize=20_000)
def character_bigrams(text: str) -> frozenset[str]:
    """Return the pairs of adjacent letters and digits of `text`, over word boundaries, without case."""
    letters = _NOT_WORD.sub("", text.casefold())
    return frozenset(letters[i : i + 2] for i in range(len(letters) - 1))


@lru_cache(maxsize=1)
def _load_weights() -> dict[str, _Weights]:
    stored = json.loads(WEIGHTS_FILE.read_text(encoding="utf-8"))
    return {
        language: _Weights(
            np.array([values["sentence"][name] for name in SENTENCE_FEATURES], dtype=np.float32),
            values["sentence"]["bias"],
            np.array([values["answer"][name] for name in ANSWER_FEATURES], dtype=np.float32),
            values["answer"]["bias"],
        )
        for language, values in stored.items()
    }
