"""Whether the figures of a sentence belong to what its sources give them to: "성인 4,000원, 어린이 2,000원"."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from index.morphemes import search_terms
from server.answerers.facts import Date, Quantity, facts

_CLAUSE_END = re.compile(
    r"(?<!\d)[,.](?=\s)|(?<=\d)[,.]\s|[、，;；。!?\n/]|(?<=[가-힣])(?:고|며|나|지만|는데)(?=[\s,])"
    r"|\s(?:and|but|while|whereas|và|còn|nhưng)\s|而|但",
    re.IGNORECASE,
)
# What a sentence begins to speak of holds for all that follows, until it speaks of something else.
_TOPIC = re.compile(r"[^\d]{1,30}?(?:[은는](?=\s)|は)")
# A figure and what is said of it in brackets; a range is one.
_FIGURE = re.compile(r"\d[\d,.]*(?:\s?[~∼–-]\s?\d[\d,.]*)?\s?[^\W\d]{0,4}(?:\s?\([^)\d]*\))?")


class Clause(NamedTuple):
    """What stands together: figures, and the terms that say whose they are."""

    figures: frozenset[Quantity | Date]
    terms: frozenset[str]


def is_misplaced(claim: str, sources: Sequence[str]) -> bool:
    """Whether a figure of `claim` stands beside words that the sources give another figure of the same kind to."""
    held = [clause for text in sources for clause in _clauses(text)]
    return any(_is_elsewhere(figure, clause.terms, held) for clause in _clauses(claim) for figure in clause.figures)


def _is_elsewhere(figure: Quantity | Date, terms: frozenset[str], held: Sequence[Clause]) -> bool:
    rivals = [clause for clause in held if any(_kind(other) == _kind(figure) for other in clause.figures)]
    nearest = max((len(clause.terms & terms) for clause in rivals), default=0)
    # Where two are as near, none is certain.
    return bool(nearest) and not all(
        any(_is_same(figure, other) for other in clause.figures)
        for clause in rivals
        if len(clause.terms & terms) == nearest
    )


def _kind(figure: Quantity | Date) -> str:
    return ("date" if isinstance(figure, Date) else figure.unit) + figure.bound


def _is_same(figure: Quantity | Date, other: Quantity | Date) -> bool:
    if isinstance(figure, Date) or isinstance(other, Date):
        return all(not mine or not theirs or mine == theirs for mine, theirs in zip(figure[:3], other[:3], strict=True))
    return figure[:2] == other[:2]


@lru_cache(maxsize=2_000)
def _clauses(text: str) -> tuple[Clause, ...]:
    clauses = []
    topic: frozenset[str] = frozenset()
    for part in _parts(text):
        if about := _TOPIC.match(part):
            topic = _terms(about.group())
        if figures := _figures(part):
            clauses.append(Clause(figures, _terms(part) | topic))
    return tuple(clauses)


def _terms(text: str) -> frozenset[str]:
    return frozenset(term for term in search_terms(text) if not any(map(str.isdigit, term)))


def _parts(text: str) -> Iterator[str]:
    for part in _CLAUSE_END.split(text):
        figures = _figures(part)
        if len(figures) < 2 or any(figure.bound for figure in figures) or len(set(map(_kind, figures))) == len(figures):
            yield part
            continue
        # "성인 4,000원 어린이 2,000원": each is told before its figure.
        start = 0
        for found in _FIGURE.finditer(part):
            yield part[start : found.end()]
            start = found.end()
        yield part[start:]


def _figures(text: str) -> frozenset[Quantity | Date]:
    found = facts(text)
    return frozenset(one for one in found.quantities if one.unit) | {
        date for date in found.dates if date.month or date.day or date.year
    }
