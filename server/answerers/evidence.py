"""How well each retrieved sentence answers, and whether any does.

Two logistic regressions over features that cost nothing beyond the retrieval itself: the first scores every sentence
of the best passages, the second says from the best of them how likely the documents answer at all. Where there is a
reader, it then reads the best of these passages, and two more regressions weigh what it says with what was known
before. Their weights are in `evidence_weights.json`, made by `python -m eval.fit_evidence`; there is one set for
questions in the language of the passage and one for questions in another, where words can't overlap and only meaning is
left.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path

import numpy as np

from index.documents import BlockKind, Sentence
from index.reader import Focus, Reader, Reading
from index.retriever import Hit, Retrieval
from index.scripts import written_language
from server.answerers.asked_kind import KINDS, asked_kind, missing_kinds
from server.budget import check_budget
from server.phrases import phrase

PASSAGES_WEIGHED = 8
# Reading one takes some seven times as long as embedding the question; two hold the answer for 98 % of the questions.
PASSAGES_READ = 2
# A logit: a sentence that scores more ends the reading.
CONVINCING = 3.0
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

READ_SENTENCE_FEATURES = ("plain_score", "reader_score", "reader_gap", "unread")
READ_ANSWER_FEATURES = (
    "plain_logit", "plain_score", "score", "score_gap", "reader_score", "reader_best", "reader_gap", "reader_mass",
    "focus_probability",
)  # fmt: skip
# What a sentence that was not read counts as, and the least that one that was read can: a logit.
UNREAD = -8.0

_DIGITS = re.compile(r"\d+")
_SENTENCE_END = re.compile(r"[.!?。！？…]['\"”’」』)\]]*$|[다요음함됨임]$")
_NOT_WORD = re.compile(r"\W+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sentence that may answer. `score` is a logit: comparable between the candidates of one question.

    `reading` is what the reader made of its passage, where it was read.
    """

    hit: Hit
    position: int
    features: np.ndarray
    score: float = 0.0
    reading: Reading | None = None

    @property
    def reader_score(self) -> float:
        """The reader's logit, bounded below by that of a sentence that was not read."""
        read = float(self.reading.scores[self.position]) if self.reading else math.nan
        return UNREAD if math.isnan(read) else max(read, UNREAD)

    @property
    def focus(self) -> Focus | None:
        """The phrase of the sentence that answers, where it was read."""
        return self.reading.focus(self.position) if self.reading else None

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

    It is enough for an answer from `answered_from` on. `is_near` says whether the nearest passages are worth showing
    without one: that is a matter of what search knows, as a reader finds no answer in a recipe nor in a near passage.
    """

    candidates: tuple[Candidate, ...]
    confidence: float
    answered_from: float
    is_near: bool


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of both regressions, each with its bias last, and the thresholds that belong to them.

    `related_from` is of what search alone knows.
    """

    sentence: np.ndarray
    answer: np.ndarray
    answered_from: float
    related_from: float


def weigh_evidence(question: str, retrieval: Retrieval, reader: Reader | None = None) -> Evidence:
    """Score every sentence of the best passages of `retrieval`, and how likely they answer `question` at all."""
    hits = retrieval.hits[:PASSAGES_WEIGHED]
    if not hits:
        return Evidence((), 0.0, 1.0, is_near=False)
    languages = "same" if in_same_language(question, hits[0].passage.text) else "other"
    plain = load_weights()["plain"][languages]
    found = sentence_candidates(question, retrieval.terms, hits)
    candidates = rank(found, _weighed(np.stack([c.features for c in found]), plain.sentence))
    logit = float(_weighed(answer_features(candidates, retrieval), plain.answer))
    is_near = _probability(logit) >= plain.related_from
    if reader is None:
        return Evidence(candidates, _probability(logit), plain.answered_from, is_near)
    read = load_weights()["read"][languages]
    candidates = read_passages(question, candidates, reader)
    plain_score = candidates[0].score
    candidates = rank(candidates, _weighed(read_sentence_features(candidates), read.sentence))
    logit = float(_weighed(read_answer_features(candidates, plain_score, logit), read.answer))
    return Evidence(candidates, _probability(logit), read.answered_from, is_near)


def rank(candidates: Sequence[Candidate], scores: np.ndarray) -> tuple[Candidate, ...]:
    """Return `candidates` with their `scores`, float32 (candidates,), best first."""
    order = np.argsort(-scores, kind="stable").tolist()
    # Not by `replace`, which takes several times as long for each of some hundred.
    return tuple(
        Candidate(one.hit, one.position, one.features, score, one.reading)
        for one, score in zip([candidates[at] for at in order], scores[order].tolist(), strict=True)
    )


def read_passages(question: str, candidates: Sequence[Candidate], reader: Reader) -> tuple[Candidate, ...]:
    """Return `candidates`, given best first, with what `reader` makes of the first of their passages.

    It reads on until a passage convinces it, `PASSAGES_READ` at most. Where several things are asked for, the rest of
    them may stand in another passage: it reads that many, and one more.

    Raises:
        Refused: nobody waits for the answer any more.
    """
    hits = {candidate.hit.stored.ordinal: candidate.hit for candidate in candidates}
    several = phrase("asks_for_several").search(question) is not None
    readings: dict[int, Reading] = {}
    for ordinal, hit in islice(hits.items(), PASSAGES_READ + several):
        check_budget()
        readings[ordinal] = reader.read(question, hit.passage)
        if not several and np.nan_to_num(readings[ordinal].scores, nan=UNREAD).max(initial=UNREAD) > CONVINCING:
            break
    return tuple(replace(c, reading=readings.get(c.hit.stored.ordinal)) for c in candidates)


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
    asked_terms = frozenset(terms)

    # Most sentences hold the same few of the asked terms, or none.
    @cache
    def coverage(found: frozenset[str]) -> float:
        return sum(idf for term, idf in terms.items() if term in found) / mass

    places: list[tuple[Hit, int]] = []
    rows: list[list[float]] = []
    for rank, hit in enumerate(hits):
        context = hit.stored.context_terms
        known = asked_terms | context
        # The few terms that count, so that no set of all others is made for each sentence.
        in_context = asked_terms & context
        in_sentences = [asked_terms & own for own in hit.stored.sentence_terms]
        passage_coverage = coverage(in_context.union(*in_sentences))
        missing = _share_missing(numbers, hit.passage.text)
        similarities = hit.sentence_scores.tolist()
        for at, sentence in enumerate(hit.passage.sentences):
            text = hit.passage.quote(sentence)
            # A title is weighed alike whether the file marks it or not.
            is_prose = sentence.kind is BlockKind.PARAGRAPH or text == hit.passage.context[0]
            places.append((hit, at))
            rows.append(
                [
                    similarities[at],
                    similarities[at] - best_similarity,
                    hit.dense_score,
                    hit.score,
                    rank == 0,
                    coverage(in_sentences[at]),
                    coverage(in_sentences[at] | in_context),
                    coverage(in_context.union(*in_sentences[max(0, at - 1) : at + 2])),
                    passage_coverage,
                    len(bigrams & character_bigrams(text)) / (len(bigrams) or 1),
                    math.log1p(len(hit.stored.sentence_terms[at] - known)),
                    math.log1p(len(text)),
                    sentence.kind is BlockKind.HEADING or text in hit.passage.context,
                    is_prose and not _is_whole(text),
                    sentence.kind is BlockKind.FOOTNOTE,
                    asks_definition and sentence.kind is not BlockKind.FOOTNOTE,
                    missing,
                    _share_missing(numbers, text),
                    *missing_kinds(asked, text),
                ]
            )
    features = np.array(rows, dtype=np.float32)
    return [Candidate(hit, at, row) for (hit, at), row in zip(places, features, strict=True)]


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


def read_sentence_features(candidates: Sequence[Candidate]) -> np.ndarray:
    """Return float32 (candidates, len(READ_SENTENCE_FEATURES)); the candidates have their plain scores."""
    read = np.array([candidate.reader_score for candidate in candidates])
    plain = np.array([candidate.score for candidate in candidates])
    unread = np.array([candidate.reading is None for candidate in candidates])
    return np.stack([plain, read, read - read.max(), unread], axis=1).astype(np.float32)


def read_answer_features(candidates: Sequence[Candidate], plain_score: float, plain_logit: float) -> np.ndarray:
    """Return the features of a question as a whole, float32 (len(READ_ANSWER_FEATURES),), from its ranked candidates.

    `plain_score` and `plain_logit` are what the best sentence and the question as a whole had without the reader.
    """
    read = sorted((candidate.reader_score for candidate in candidates), reverse=True)
    best = candidates[0]
    focus = best.focus
    return np.array(
        [
            plain_logit,
            plain_score,
            best.score,
            best.score - candidates[min(1, len(candidates) - 1)].score,
            best.reader_score,
            read[0],
            read[0] - read[min(1, len(read) - 1)],
            read[0] + math.log(sum(math.exp(score - read[0]) for score in read)),
            focus.probability if focus else 0.0,
        ],
        dtype=np.float32,
    )


def _weighed(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return logits for `features`, (…, n), by `weights`, (n + 1,), whose last is the bias."""
    logits: np.ndarray = features @ weights[:-1] + weights[-1]
    return logits


def _probability(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


def _share_missing(numbers: set[str], text: str) -> float:
    return sum(number not in text for number in numbers) / len(numbers) if numbers else 0.0


@lru_cache(maxsize=20_000)
def _is_whole(text: str) -> bool:
    return bool(_SENTENCE_END.search(text))


@lru_cache(maxsize=20_000)
def character_bigrams(text: str) -> frozenset[str]:
    """Return the pairs of adjacent letters and digits of `text`, over word boundaries, without case."""
    letters = _NOT_WORD.sub("", text.casefold())
    return frozenset(letters[i : i + 2] for i in range(len(letters) - 1))


@lru_cache(maxsize=1)
def load_weights() -> dict[str, dict[str, Weights]]:
    """Return the weights "plain" and "read", each for the "same" language and for "other" languages."""
    stored = json.loads(WEIGHTS_FILE.read_text(encoding="utf-8"))
    features = {"plain": (SENTENCE_FEATURES, ANSWER_FEATURES), "read": (READ_SENTENCE_FEATURES, READ_ANSWER_FEATURES)}
    return {
        stage: {
            languages: Weights(
                np.array([values["sentence"][name] for name in (*of_sentence, "bias")], dtype=np.float32),
                np.array([values["answer"][name] for name in (*of_answer, "bias")], dtype=np.float32),
                values["answered_from"],
                values.get("related_from", 1.0),
            )
            for languages, values in stored[stage].items()
        }
        for stage, (of_sentence, of_answer) in features.items()
    }
