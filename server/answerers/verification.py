"""Whether the passages that a written sentence cites support it, and which of their sentences do.

A sentence is supported when its facts (see `facts`) stand in the sentences that are quoted for it, when it turns none
of them round (see `polarity`) nor moves a figure of theirs (see `labels`), when a Korean one has no noun in the place
of another (see `wording`) and puts no words together that are kept apart (see `relations`), and when a logistic
regression finds it near enough to them: between languages in meaning alone, where the rules for words say nothing.
The weights are in `support_weights.json`, made by `python -m eval.fit_support`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np

from index.documents import BlockKind
from index.embedding import EmbeddedText, TokenEmbedder
from index.morphemes import search_terms
from index.publication import PublishedIndex
from index.question_words import QUESTION_WORDS
from index.scripts import written_language
from server.answerers.evidence import Candidate
from server.answerers.facts import unsupported_facts
from server.answerers.labels import is_misplaced, is_misplaced_between_languages
from server.answerers.misattribution import says_otherwise
from server.answerers.polarity import is_turned_round
from server.answerers.relations import joins_what_is_apart
from server.answerers.wording import analyse, has_exchanged_nouns, is_strengthened, unknown_words

MAX_QUOTED = 3
WEIGHTS_FILE = Path(__file__).with_name("support_weights.json")
# `coverage`: share of the sentence's terms, weighted by idf, that the quoted ones hold. The others compare its tokens,
# each with the nearest of the quoted ones, by the embedding model's contextual vectors: the mean of the cosines around
# the mean of the cited passages' tokens, and the mean of the worst fifth of the plain cosines. A single word that
# changes the sense leaves the whole similar, and this low.
FEATURES = ("coverage", "aligned", "worst_similar")


@dataclass(frozen=True, slots=True)
class Support:
    """What speaks for a sentence: the sentences to quote, best first, and `FEATURES` of how near they are.

    `problem` says in words for the log why they don't support it, "" if they do: its kind and, after a colon, what it
    is about, if anything. Where their facts don't, `features` are not measured, and 0.
    """

    quoted: tuple[Candidate, ...]
    features: tuple[float, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of `FEATURES`, with the bias last, and the logit from which a sentence counts as supported."""

    weights: np.ndarray
    supported_from: float


class Verifier:
    """Holds written sentences to the sentences of one index; made for one answer."""

    def __init__(self, index: PublishedIndex, embedder: TokenEmbedder) -> None:
        self._index = index
        self._embedder = embedder
        self._read: dict[tuple[int, int], EmbeddedText] = {}
        self._written: dict[str, EmbeddedText] = {}

    def verify(self, sentence: str, language: str, cited: Sequence[Sequence[Candidate]]) -> Support:
        """Hold `sentence`, in `language`, to the passages that it cites, each given as its sentences in order."""
        support = self.weigh(sentence, language, cited)
        if support.problem:
            return support
        weights = load_weights()[_languages(language, support.quoted)]
        logit = float(np.array([*support.features, 1.0]) @ weights.weights)
        return support if logit >= weights.supported_from else replace(support, problem=f"too far: {logit:.2f}")

    def weigh(self, sentence: str, language: str, cited: Sequence[Sequence[Candidate]]) -> Support:
        """Return what speaks for `sentence`, in `language`, before any threshold."""
        terms = {t: self._index.lexical.idf(t) for t in search_terms(sentence) if t not in QUESTION_WORDS}
        written = self.read_written(sentence)
        scores = self._similarities(written.vector, cited)
        every = list(chain.from_iterable(cited))
        telling = list(filter(_is_telling, every))
        quoted = _chosen(sentence, telling or every, terms, scores)
        problem = ""
        if missing := unsupported_facts(sentence, [_evidence(candidate) for candidate in quoted]):
            problem = f"facts: {'; '.join(missing)}"
        elif is_turned_round(sentence, [candidate.text for candidate in quoted]):
            problem = "turned round"
        elif self._is_misplaced(sentence, language, written, quoted):
            problem = "belongs to something else"
        if problem:
            return Support(tuple(quoted), (0.0,) * len(FEATURES), problem)
        held, total = _known_terms(quoted), sum(terms.values())
        coverage = sum(weight for term, weight in terms.items() if term in held) / total if total else 0.0
        features = (coverage, *self._alignment(sentence, written, quoted, cited))
        is_korean = _languages(language, quoted) == "korean"
        return Support(tuple(quoted), features, _other_words(sentence, quoted, cited) if is_korean else "")

    def _is_misplaced(self, sentence: str, language: str, written: EmbeddedText, quoted: Sequence[Candidate]) -> bool:
        sources = [_evidence(candidate) for candidate in quoted]
        if _languages(language, quoted) != "other":
            return is_misplaced(sentence, sources)
        return is_misplaced_between_languages(sentence, written, sources, self.read(quoted))

    def _similarities(self, vector: np.ndarray, cited: Sequence[Sequence[Candidate]]) -> dict[tuple[int, int], float]:
        """Return the cosine of `vector` with each sentence of the passages, by the passage's ordinal and position."""
        ordinals = list(dict.fromkeys(candidate.hit.stored.ordinal for passage in cited for candidate in passage))
        found = self._index.corpus.sentence_scores(vector, ordinals)
        return {(ordinal, at): float(score) for ordinal in ordinals for at, score in enumerate(found[ordinal])}

    def _alignment(
        self,
        sentence: str,
        written: EmbeddedText,
        quoted: Sequence[Candidate],
        cited: Sequence[Sequence[Candidate]],
    ) -> tuple[float, float]:
        """Return the last two of `FEATURES`, as in BERTScore's precision (Zhang et al., ICLR 2020)."""
        words = [any(map(str.isalnum, sentence[start:end])) for start, end in written.spans]
        centre = np.concatenate([read.tokens for passage in cited for read in self.read(passage)]).mean(axis=0)
        mine, theirs = written.tokens[words], np.concatenate([read.tokens for read in self.read(quoted)])
        if not len(mine) or not len(theirs):
            return 0.0, 0.0
        aligned = _best_cosines(mine - centre, theirs - centre).mean()
        worst = np.sort(_best_cosines(mine, theirs))[: max(1, len(mine) // 5)]
        return float(aligned), float(worst.mean())

    def read(self, sentences: Sequence[Candidate]) -> list[EmbeddedText]:
        """Return the tokens of each sentence. It takes longest of all, so it is best done while one waits.

        Each is read alone, as the written one is: what stands around a sentence would change the vectors of its words.
        """
        return [self._read_once(candidate) for candidate in sentences]

    def read_written(self, sentence: str) -> EmbeddedText:
        """Return the tokens of a sentence that was written; like `read`, it is best done while one waits."""
        if sentence not in self._written:
            self._written[sentence] = self._embedder.embed_tokens(sentence)
        return self._written[sentence]

    def _read_once(self, candidate: Candidate) -> EmbeddedText:
        place = _place(candidate)
        if place not in self._read:
            self._read[place] = self._embedder.embed_tokens(_evidence(candidate))
            analyse(_evidence(candidate))
        return self._read[place]


def _other_words(sentence: str, quoted: Sequence[Candidate], cited: Sequence[Sequence[Candidate]]) -> str:
    """Return which words of a Korean sentence its sources haven't, or how it uses theirs otherwise; "" if neither."""
    every = list(chain.from_iterable(cited))
    if unknown := unknown_words(sentence, _known_terms(every), [candidate.text for candidate in every]):
        return f"unknown words: {' '.join(unknown)}"
    sources = [_evidence(candidate) for candidate in quoted]
    if is_strengthened(sentence, sources):
        return "strengthened"
    if has_exchanged_nouns(sentence, sources):
        return "exchanged words"
    told = [[_evidence(candidate) for candidate in passage if _is_telling(candidate)] for passage in cited]
    subject = frozenset[str]().union(*(candidate.hit.stored.context_terms for candidate in every))
    if joins_what_is_apart(sentence, told, subject):
        return "words that are kept apart"
    otherwise = says_otherwise(sentence, list(chain.from_iterable(told)), subject)
    return f"said otherwise: {otherwise}" if otherwise else ""


def _is_telling(candidate: Candidate) -> bool:
    """Whether it tells that something is so: a heading says what is told."""
    return candidate.sentence.kind is not BlockKind.HEADING


def _languages(language: str, quoted: Sequence[Candidate]) -> str:
    """Return whether a sentence in `language` and its sources are "korean", in the "same" language or in "other"s."""
    # Not by the letters of what was written: it may hold names in those of the document.
    if (written_language(quoted[0].text) or "en") != language:
        return "other"
    return "korean" if language == "ko" else "same"


def _best_cosines(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return the cosine of each row of `mine`, (n, d), with the nearest of `theirs`, (m, d): (n,)."""
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9) for rows in (mine, theirs)]
    cosines: np.ndarray = (unit[0] @ unit[1].T).max(axis=1)
    return cosines


def _chosen(
    sentence: str, candidates: Sequence[Candidate], terms: Mapping[str, float], scores: Mapping[tuple[int, int], float]
) -> list[Candidate]:
    """Return the sentence that is nearest, and up to two more that hold what is still missing of facts and terms."""
    total = sum(terms.values()) or 1.0

    def nearness(candidate: Candidate) -> float:
        held = _known_terms([candidate])
        return scores[_place(candidate)] + sum(weight for term, weight in terms.items() if term in held) / total

    chosen = [max(candidates, key=nearness)]
    while len(chosen) < MAX_QUOTED:
        missing = set(unsupported_facts(sentence, [_evidence(candidate) for candidate in chosen]))
        lacking = terms.keys() - _known_terms(chosen)
        if not missing and not lacking:
            break
        best, gained = None, (0, 0.0)
        for candidate in candidates:
            if candidate in chosen:
                continue
            still = unsupported_facts(sentence, [*map(_evidence, chosen), _evidence(candidate)]) if missing else ()
            found = sum(terms[term] for term in lacking & _known_terms([candidate])) / total
            if (len(missing) - len(still), found) > gained:
                best, gained = candidate, (len(missing) - len(still), found)
        # A word or two in common is chance.
        if best is None or gained < (0, 0.15):
            break
        chosen.append(best)
    return chosen


def _known_terms(candidates: Sequence[Candidate]) -> frozenset[str]:
    # The title and the headings above say what a sentence is about without saying so.
    return frozenset[str]().union(*(c.terms | c.hit.stored.context_terms for c in candidates))


def _evidence(candidate: Candidate) -> str:
    # A footnote doesn't name the word that it explains, nor a table row the heads of its columns.
    return f"{candidate.sentence.about} {candidate.text}".strip()


def _place(candidate: Candidate) -> tuple[int, int]:
    return candidate.hit.stored.ordinal, candidate.position


@cache
def load_weights() -> dict[str, Weights]:
    """Return the weights by what `_languages` says of a sentence and its sources."""
    stored = json.loads(WEIGHTS_FILE.read_text(encoding="utf-8"))
    return {
        languages: Weights(np.array([values[name] for name in (*FEATURES, "bias")]), values["supported_from"])
        for languages, values in stored.items()
    }
