"""Answers in the documents' own words: the one to three sentences that answer, verbatim."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from index.morphemes import bare_phrase
from index.reader import Reader
from index.retriever import Hit, Retrieval
from server.answerers.asked_kind import asked_kind, lacks_what_is_asked, missing_kinds
from server.answerers.evidence import Candidate, character_bigrams, weigh_evidence
from server.answerers.territories import asks_of_another_territory
from server.phrases import phrase

MAX_SENTENCES = 3
RELATED_PASSAGES = 3
# How far below the best sentence, in logits, another may score and still be shown.
MARGIN = 0.35
MARGIN_FOR_LISTS = 1.2
# What a sentence that covers all of what is still missing gains over one that covers none of it, in logits.
COVERAGE = 1.0
TOO_SIMILAR = 0.8
# How sure the reader must be of a phrase for it to be named, and how much of its sentence it may be.
FOCUS_FROM = 0.5
FOCUS_SHARE = 0.7


class Finding(StrEnum):
    """What the documents have for a question."""

    DIRECT = "direct"
    NEAR = "near"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Extract:
    """The sentences that answer, in document order, or where there are none the passages nearest to the question.

    `ranked` holds all sentences that were weighed, best first.
    """

    finding: Finding
    confidence: float
    ranked: tuple[Candidate, ...]
    sentences: tuple[Candidate, ...] = ()
    nearest: tuple[Hit, ...] = ()


def extract(question: str, retrieval: Retrieval, reader: Reader | None = None) -> Extract:
    """Choose the sentences of `retrieval` that answer `question`, or find that none does."""
    evidence = weigh_evidence(question, retrieval, reader)
    ranked, confidence = evidence.candidates, evidence.confidence
    # What is near may be what the wording was taken from, or twisted.
    lacks_quote = _wants_a_quote_that_is_not_there(question, retrieval.hits)
    if lacks_quote or (ranked and is_beside_the_question(question, ranked[0])):
        confidence = 0.0
    if confidence >= evidence.answered_from:
        chosen = choose_sentences(question, retrieval.terms, ranked)
        return Extract(Finding.DIRECT, confidence, ranked, tuple(sorted(chosen, key=_place)))
    if evidence.is_near or lacks_quote:
        nearest = {candidate.hit.passage.passage_id: candidate.hit for candidate in ranked}
        return Extract(Finding.NEAR, confidence, ranked, nearest=tuple(nearest.values())[:RELATED_PASSAGES])
    return Extract(Finding.NOTHING, confidence, ranked)


def is_beside_the_question(question: str, candidate: Candidate) -> bool:
    """Whether a sentence can't answer: it holds nothing of the kind that is asked for, or tells of another country."""
    passage = candidate.hit.passage
    about = " ".join((*passage.context, passage.text))
    return lacks_what_is_asked(question, candidate.text) or asks_of_another_territory(question, about)


def choose_sentences(question: str, terms: dict[str, float], ranked: Sequence[Candidate]) -> list[Candidate]:
    """Return the best candidate and up to two that score nearly as well, so that together they cover the question.

    `terms` are those of the question with their idf. Of the candidates within the margin the next is the one that adds
    most: its logit and, `COVERAGE` logits each, the shares of the terms and of the kinds of things asked for that no
    chosen sentence has yet. A sentence that says the same as a chosen one is passed over.
    """
    asked = asked_kind(question)
    several = phrase("asks_for_several").search(question) or len(asked.kinds - {"counter"}) > 1
    margin = MARGIN_FOR_LISTS if several else MARGIN
    near = [candidate for candidate in ranked[1:] if ranked[0].score - candidate.score <= margin]
    chosen = [ranked[0]]
    while len(chosen) < MAX_SENTENCES:
        near = [c for c in near if not any(_overlap(c.terms, other.terms) > TOO_SIMILAR for other in chosen)]
        if not near:
            break
        told = frozenset[str]().union(*(candidate.terms for candidate in chosen))
        missing = np.min([missing_kinds(asked, candidate.text) for candidate in chosen], axis=0)

        def gain(candidate: Candidate, told: frozenset[str] = told, missing: np.ndarray = missing) -> float:
            new_terms = sum(idf for term, idf in terms.items() if term in candidate.terms - told)
            new_kinds = (missing - missing_kinds(asked, candidate.text)).clip(0).sum()
            shares = new_terms / (sum(terms.values()) or 1) + new_kinds / (len(asked.kinds) or 1)
            return candidate.score + COVERAGE * float(shares)

        best = max(near, key=gain)
        chosen.append(best)
        near.remove(best)
    return chosen


def named_phrase(candidate: Candidate) -> tuple[int, int] | None:
    """Return the span of the candidate's sentence that answers, or None where the reader is not sure of one."""
    focus = candidate.focus
    if focus is None or focus.probability < FOCUS_FROM:
        return None
    if focus.end - focus.start > FOCUS_SHARE * len(candidate.text):
        return None
    return bare_phrase(candidate.text, focus.start, focus.end)


def _wants_a_quote_that_is_not_there(question: str, hits: tuple[Hit, ...]) -> bool:
    """Whether `question` asks for the place of a wording between quotation marks that no passage has or nearly has."""
    if not phrase("asks_for_quote").search(question):
        return False
    wordings = [character_bigrams(found.group(1)) for found in _QUOTED.finditer(question)]
    passages = [character_bigrams(hit.passage.text) for hit in hits]
    return any(all(len(wording & passage) < 0.7 * len(wording) for passage in passages) for wording in wordings)


_QUOTED = re.compile(r"""["'“‘「『《](.{6,}?)["'”’」』》]""")


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / (min(len(one), len(other)) or 1)


def _place(candidate: Candidate) -> tuple[str, int]:
    return (candidate.hit.passage.doc_id, candidate.sentence.start)
