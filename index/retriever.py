"""A question to the passages that most likely answer it."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

import numpy as np

from index.corpus import StoredPassage
from index.documents import Passage
from index.embedding import Embedder
from index.fusion import fuse, lexical_weight
from index.morphemes import question_terms
from index.publication import PublishedIndex
from index.question_vectors import QuestionVectors
from index.scripts import HANGUL

# Passages that each search hands to fusion. More changes nothing that is measured; fewer loses recall.
CANDIDATES = 100
# A passage is as near as its best sentence first, and as it is as a whole second.
SENTENCE_SHARE = 2 / 3
_SHORTEST_PART = 2


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage with the scores that ranked it.

    `score` is the fused one, 0 to 1; `dense_score` a mean of cosines (see `SENTENCE_SHARE`); `lexical_score` BM25;
    `sentence_scores` the cosine of each sentence, float32 (sentences,).
    """

    stored: StoredPassage
    score: float
    dense_score: float
    lexical_score: float
    sentence_scores: np.ndarray

    @property
    def passage(self) -> Passage:
        """The passage that was hit."""
        return self.stored.passage


@dataclass(frozen=True, slots=True)
class Retrieval:
    """A question as the index understood it, and its hits, best first.

    `vector` is float32 (d,); `terms` maps each content term to its weighted idf; `known_share` is the share of their
    mass that the index holds at all; timings are in milliseconds.
    """

    vector: np.ndarray
    terms: dict[str, float]
    known_share: float
    hits: tuple[Hit, ...]
    embed_ms: float
    search_ms: float


class Retriever:
    """Hybrid search over one published index."""

    def __init__(self, index: PublishedIndex, embedder: Embedder) -> None:
        self.index = index
        self.embedder = embedder
        self._questions = QuestionVectors(embedder)

    def search(self, question: str, top_k: int, exclude: Collection[str] = ()) -> Retrieval:
        """Return the `top_k` best passages for `question`, by fused score, then by passage id.

        Documents whose id is in `exclude` are left out before anything is normalised, as if they weren't there.
        """
        started = time.perf_counter()
        vector = self._questions.vector(question)
        embedded = time.perf_counter()
        terms = self._terms(question)
        known_share = self._known_share(terms)
        hidden = frozenset(self.index.corpus.ordinals_of(exclude))
        candidates = max(CANDIDATES, top_k)
        lexical = _best_of(self.index.lexical.search(list(terms), candidates + len(hidden)), hidden, candidates)
        whole = _best_of(self.index.dense.search(vector, candidates + len(hidden)), hidden, candidates)
        whole |= self.index.dense.scores(vector, [ordinal for ordinal in lexical if ordinal not in whole])
        sentences = self.index.corpus.sentence_scores(vector, list(whole))
        dense = {
            ordinal: (1 - SENTENCE_SHARE) * score + SENTENCE_SHARE * float(sentences[ordinal].max())
            for ordinal, score in whole.items()
        }
        fused = fuse(dense, lexical, lexical_weight(known_share))
        ranked = sorted(fused, key=lambda ordinal: -fused[ordinal])[: top_k + CANDIDATES // 10]
        # Ties at the end are broken by passage id too, so those are read that score no less than the last one.
        best = [ordinal for ordinal in ranked if fused[ordinal] >= fused[ranked[:top_k][-1]]]
        hits = [
            Hit(stored, fused[at], dense[at], lexical.get(at, 0.0), sentences[at])
            for stored in self.index.corpus.passages(best)
            for at in [stored.ordinal]
        ]
        hits.sort(key=lambda hit: (-hit.score, hit.passage.passage_id))
        finished = time.perf_counter()
        return Retrieval(
            vector, terms, known_share, tuple(hits[:top_k]), (embedded - started) * 1000, (finished - embedded) * 1000
        )

    def _terms(self, question: str) -> dict[str, float]:
        """Return the content terms of `question` with their weighted idf; unknown compounds give their parts."""
        return {
            part: weight * self.index.lexical.idf(part)
            for term, weight in question_terms(question).items()
            for part in self._known_parts(term)
        }

    def _known_parts(self, term: str) -> tuple[str, ...]:
        """Split a Korean noun that the index doesn't know in two that it does: "양해각서" is "양해 각서" elsewhere.

        Of several ways the one whose rarer part is the most frequent, as corpus-based compound splitting does (Koehn
        and Knight, EACL 2003).
        """
        count = self.index.lexical.passages_with
        if len(term) < 2 * _SHORTEST_PART or not HANGUL.search(term) or count(term):
            return (term,)
        splits = [(term[:at], term[at:]) for at in range(_SHORTEST_PART, len(term) - _SHORTEST_PART + 1)]
        best = max(splits, key=lambda parts: min(count(part) for part in parts))
        return best if min(count(part) for part in best) else (term,)

    def _known_share(self, terms: dict[str, float]) -> float:
        total = sum(terms.values())
        known = sum(idf for term, idf in terms.items() if self.index.lexical.passages_with(term))
        return known / total if total else 0.0


def _best_of(scores: dict[int, float], hidden: frozenset[int], count: int) -> dict[int, float]:
    return dict(islice(((ordinal, score) for ordinal, score in scores.items() if ordinal not in hidden), count))
