"""Answers in the documents' own words: the one to three sentences that answer, verbatim."""

import re
from dataclasses import dataclass
from enum import StrEnum

from index.morphemes import bare_phrase
from index.reader import Reader
from index.retriever import Hit, Retrieval
from server.answerers.asked_kind import lacks_what_is_asked
from server.answerers.evidence import Candidate, character_bigrams, weigh_evidence
from server.phrases import phrase

MAX_SENTENCES = 3
RELATED_PASSAGES = 3
# How far below the best sentence, in logits, another may score and still be shown.
MARGIN = 0.35
MARGIN_FOR_LISTS = 1.2
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
    if _wants_a_quote_that_is_not_there(question, retrieval.hits):
        # What is near may be what the wording was taken from, or twisted.
        confidence = evidence.related_from
    elif ranked and lacks_what_is_asked(question, ranked[0].text):
        confidence = min(confidence, evidence.related_from)
    if confidence >= evidence.answered_from:
        chosen = choose_sentences(question, ranked)
        return Extract(Finding.DIRECT, confidence, ranked, tuple(sorted(chosen, key=_place)))
    if confidence >= evidence.related_from:
        return Extract(Finding.NEAR, confidence, ranked, nearest=retrieval.hits[:RELATED_PASSAGES])
    return Extract(Finding.NOTHING, confidence, ranked)


def choose_sentences(question: str, ranked: tuple[Candidate, ...]) -> list[Candidate]:
    """Return the best candidate and those, `MAX_SENTENCES` at most, that score nearly as well and add something."""
    margin = MARGIN_FOR_LISTS if phrase("asks_for_several").search(question) else MARGIN
    chosen = [ranked[0]]
    for candidate in ranked[1:]:
        if len(chosen) == MAX_SENTENCES or ranked[0].score - candidate.score > margin:
            break
        if not any(_overlap(candidate.terms, other.terms) > TOO_SIMILAR for other in chosen):
            chosen.append(candidate)
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
