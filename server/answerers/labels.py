"""Whether the figures of a sentence belong to what its sources give them to: "성인 4,000원, 어린이 2,000원"."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from index.embedding import EmbeddedText
from index.morphemes import search_terms
from server.answerers.facts import Date, Quantity, facts

_CLAUSE_END = re.compile(
    r"(?<!\d)[,.](?=\s)|(?<=\d)[,.]\s|[、，;；。!?\n/]|(?<=[가-힣])(?:고|며|나|지만|는데)(?=[\s,])"
    r"|\s(?:and|but|while|whereas|và|còn|nhưng)\s|而|但",
    re.IGNORECASE,
)
# What a sentence begins to speak of holds for all that follows, until it speaks of something else.
_TOPIC = re.compile(r"[^\d]{1,30}?(?:[은는](?=\s)|は)")
# A figure and what is said of it in brackets; a range is one, and so is "27만 1,000원".
_AMOUNT = r"\d[\d,.]*(?:\s?[십백천만억조]+\s?\d[\d,.]*)*"
_FIGURE = re.compile(rf"{_AMOUNT}(?:\s?[~∼–-]\s?{_AMOUNT})?\s?[^\W\d]{{0,4}}(?:\s?\([^)\d]*\))?")


class Clause(NamedTuple):
    """What stands together from `start` to `end` of a text: figures, and the terms that say whose they are."""

    figures: frozenset[Quantity | Date]
    terms: frozenset[str]
    start: int
    end: int


def is_misplaced(claim: str, sources: Sequence[str]) -> bool:
    """Whether a figure of `claim` stands beside words that the sources give another figure of the same kind to."""
    held = [clause for text in sources for clause in _clauses(text)]
    mine = _clauses(claim)
    for clause in mine:
        nearness = [len(clause.terms & other.terms) for other in held]
        for figure in clause.figures:
            if _is_elsewhere(figure, held, nearness) and not _is_in_order(figure, mine, held, nearness):
                return True
    return False


def _is_in_order(
    figure: Quantity | Date, mine: Sequence[Clause], held: Sequence[Clause], nearness: Sequence[float]
) -> bool:
    """Whether what is equally near to `figure` has figures of its kind in the claim's order: "9일에서 16일로"."""
    tied = [clause for clause, near in zip(held, nearness, strict=True) if near == max(nearness)]
    claimed, told = _of_kind(figure, mine), _of_kind(figure, tied)
    return len(claimed) == len(told) > 1 and all(map(_is_same, claimed, told))


def _of_kind(figure: Quantity | Date, clauses: Sequence[Clause]) -> list[Quantity | Date]:
    """Return the figures of the kind of `figure`, of clauses with one such each; none where one has several."""
    found = [[other for other in clause.figures if _kind(other) == _kind(figure)] for clause in clauses]
    return [] if any(len(several) > 1 for several in found) else [one for several in found for one in several]


def is_misplaced_between_languages(
    claim: str, written: EmbeddedText, sources: Sequence[str], read: Sequence[EmbeddedText]
) -> bool:
    """Whether that is so where `claim` and the sources share no words; `written` and `read` are their tokens.

    That clause is nearest whose tokens are: the mean cosine of each token of the claim's with the nearest of its own,
    around the mean of the sources.
    """
    centre = np.concatenate([tokens.tokens for tokens in read]).mean(axis=0)
    held = [
        (clause, _words(text, tokens, clause, centre))
        for text, tokens in zip(sources, read, strict=True)
        for clause in _clauses(text)
    ]
    clauses = [clause for clause, _ in held]
    return any(
        _is_elsewhere(figure, clauses, [_nearness(_words(claim, written, clause, centre), words) for _, words in held])
        for clause in _clauses(claim)
        for figure in clause.figures
    )


def parts_about(claim: str, text: str) -> list[str]:
    """Return the clauses of `text` that give figures of `claim`; the whole where it has none, or none gives them."""
    figures = _figures(claim)

    def has_one(clause: Clause) -> bool:
        pairs = product(figures, clause.figures)
        return any(_kind(mine) == _kind(other) and _is_same(mine, other) for mine, other in pairs)

    return [text[clause.start : clause.end] for clause in _clauses(text) if has_one(clause)] or [text]


def _words(text: str, embedded: EmbeddedText, clause: Clause, centre: np.ndarray) -> np.ndarray:
    """Return the tokens of `clause` that have letters, around `centre`, (d,): unit rows, (n, d)."""
    chosen = [
        start < clause.end and clause.start < end and any(map(str.isalpha, text[start:end]))
        for start, end in embedded.spans
    ]
    rows = embedded.tokens[chosen] - centre
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9)
    return unit


def _nearness(mine: np.ndarray, theirs: np.ndarray) -> float:
    return float((mine @ theirs.T).max(axis=1).mean()) if len(mine) and len(theirs) else 0.0


def _is_elsewhere(figure: Quantity | Date, held: Sequence[Clause], nearness: Sequence[float]) -> bool:
    """Whether that one of the clauses with a figure of the same kind which is nearest has another."""
    rivals = [
        (near, clause)
        for near, clause in zip(nearness, held, strict=True)
        if any(_kind(other) == _kind(figure) for other in clause.figures)
    ]
    nearest = max((near for near, _ in rivals), default=0)
    # Where two are as near, none is certain.
    return bool(nearest) and not all(
        any(_is_same(figure, other) for other in clause.figures) for near, clause in rivals if near == nearest
    )


def _kind(figure: Quantity | Date) -> str:
    return "date" if isinstance(figure, Date) else figure.unit + figure.bound


def _is_same(figure: Quantity | Date, other: Quantity | Date) -> bool:
    if isinstance(figure, Date) or isinstance(other, Date):
        return all(not mine or not theirs or mine == theirs for mine, theirs in zip(figure[:3], other[:3], strict=True))
    return figure[:2] == other[:2]


@lru_cache(maxsize=2_000)
def _clauses(text: str) -> tuple[Clause, ...]:
    clauses = []
    topic: frozenset[str] = frozenset()
    end = 0
    for part in _parts(text):
        start = text.index(part, end)
        end = start + len(part)
        if about := _TOPIC.match(part):
            topic = _terms(about.group())
        if figures := _figures(part):
            clauses.append(Clause(figures, _terms(part) | topic, start, end))
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
    dates = frozenset(date for date in found.dates if date.year or date.month)
    # "30일" may be a day of a month or a stretch of days.
    days = frozenset(Quantity(float(date.day), "day", date.bound) for date in found.dates - dates if date.day)
    return frozenset(one for one in found.quantities if one.unit) | dates | days
