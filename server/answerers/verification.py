"""Whether the passages that a written sentence cites support it, and which of their sentences do.

A sentence is supported when its facts (see `facts`) stand in the sentences that are quoted for it, when it turns their
sense round in no word of negation, and when its words and its meaning are near enough to theirs. How near is in
`support_thresholds.json`, made by `python -m eval.fit_support`: in the language of the passages words count, in another
meaning alone is left.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from index.embedding import SentenceTransformerEmbedder
from index.morphemes import search_terms
from index.publication import PublishedIndex
from index.question_words import QUESTION_WORDS
from index.scripts import written_language
from server.answerers.evidence import Candidate
from server.answerers.facts import unsupported_facts
from server.phrases import phrase

MAX_QUOTED = 3
THRESHOLDS_FILE = Path(__file__).with_name("support_thresholds.json")


@dataclass(frozen=True, slots=True)
class Support:
    """What speaks for a sentence: the sentences to quote, best first, and how near they are.

    `coverage` is the share of the sentence's terms, weighted by idf, that the quoted ones hold; `similarity` the best
    cosine with one of them; `problem` says in words for the log why they don't support it, "" if they do.
    """

    quoted: tuple[Candidate, ...]
    coverage: float
    similarity: float
    problem: str


class Verifier:
    """Holds written sentences to the sentences of one index."""

    def __init__(self, index: PublishedIndex, embedder: SentenceTransformerEmbedder) -> None:
        self._index = index
        self._embedder = embedder

    def verify(self, sentence: str, language: str, cited: Sequence[Sequence[Candidate]]) -> Support:
        """Hold `sentence`, in `language`, to the passages that it cites, each given as its sentences in order."""
        support = self.weigh(sentence, cited)
        if support.problem:
            return support
        # Not by the letters of the sentence: it may hold names in those of the document.
        same = (written_language(support.quoted[0].text) or "en") == language
        limits = thresholds()["same" if same else "other"]
        for name, value in (("coverage", support.coverage), ("similarity", support.similarity)):
            if value < limits[name]:
                return Support(support.quoted, support.coverage, support.similarity, f"{name} {value:.3f}")
        return support

    def weigh(self, sentence: str, cited: Sequence[Sequence[Candidate]]) -> Support:
        """Return what speaks for `sentence`, before any threshold."""
        terms = self._terms(sentence)
        scores = self._similarities(sentence, cited)
        candidates = list(chain.from_iterable(cited))
        quoted = _chosen(sentence, candidates, terms, scores)
        texts = [_evidence(candidate) for candidate in quoted]
        held = _known_terms(quoted)
        total = sum(terms.values())
        coverage = sum(weight for term, weight in terms.items() if term in held) / total if total else 0.0
        similarity = max(scores[_place(candidate)] for candidate in quoted)
        missing = unsupported_facts(sentence, texts)
        if not missing and _is_negated(sentence) != any(map(_is_negated, texts)):
            missing = ["negation"]
        return Support(tuple(quoted), coverage, similarity, "; ".join(missing))

    def _terms(self, sentence: str) -> dict[str, float]:
        return {term: self._index.lexical.idf(term) for term in search_terms(sentence) if term not in QUESTION_WORDS}

    def _similarities(self, sentence: str, cited: Sequence[Sequence[Candidate]]) -> dict[tuple[int, int], float]:
        """Return the cosine of `sentence` with each sentence of the passages, by the passage's ordinal and position."""
        vector = self._embedder.embed_passages([sentence])[0]
        ordinals = list(dict.fromkeys(candidate.hit.stored.ordinal for passage in cited for candidate in passage))
        found = self._index.corpus.sentence_scores(vector, ordinals)
        return {(ordinal, at): float(score) for ordinal in ordinals for at, score in enumerate(found[ordinal])}


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
        rest = [candidate for candidate in candidates if candidate not in chosen]

        def gain(candidate: Candidate, missing: set[str] = missing, lacking: set[str] = lacking) -> tuple[int, float]:
            still = unsupported_facts(sentence, [*map(_evidence, chosen), _evidence(candidate)]) if missing else ()
            found = sum(terms[term] for term in lacking & _known_terms([candidate])) / total
            return len(missing) - len(still), found

        best = max(rest, key=gain, default=None)
        # A word or two in common is chance.
        if best is None or gain(best) < (0, 0.15):
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


def _is_negated(text: str) -> bool:
    return bool(phrase("negation").search(text))


@cache
def thresholds() -> dict[str, dict[str, float]]:
    """Return the least coverage and similarity in the "same" language and in "other" ones."""
    found: dict[str, dict[str, float]] = json.loads(THRESHOLDS_FILE.read_text(encoding="utf-8"))
    return found
