"""Whether a Korean sentence has words that its sources haven't, or has exchanged theirs."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import combinations

from index.morphemes import noun_particles, noun_terms

# Nouns that say nothing themselves: "2년 동안" is "2년간".
_GENERAL = frozenset(
    [
        "가능",
        "경우",
        "관련",
        "기간",
        "내용",
        "다음",
        "대상",
        "동안",
        "때",
        "방법",
        "부분",
        "사람",
        "사항",
        "이후",
        "정도",
        "필요",
        "해당",
    ]
)
_STRENGTHENING = re.compile("반드시|무조건|항상|언제나|오직|절대로?|전부|즉시|곧바로|꼭")
# From this share of its nouns on a sentence is a copy, and a noun in the place of another one is no summary.
_COPIED_SHARE = 0.5
_SUBJECTS, _TOPICS = ("이", "가", "께서"), ("은", "는", "ᆫ")
_JOINED = ("와", "과", "및", ",", "·", "하고", "이나", "나")


def unknown_nouns(claim: str, known: frozenset[str]) -> list[str]:
    """Return the nouns of `claim` that are not among `known`, the terms of what it cites, and are no general ones."""
    return [noun for noun in noun_terms(claim) if noun not in known and noun not in _GENERAL]


def is_strengthened(claim: str, sources: Sequence[str]) -> bool:
    """Whether `claim` says that something is always so, or has to be, where none of its sources does."""
    return bool(_STRENGTHENING.search(claim)) and not any(map(_STRENGTHENING.search, sources))


def has_exchanged_nouns(claim: str, quoted: Sequence[str]) -> bool:
    """Whether `claim` has a noun in the place of another one of its source, or two nouns change their parts."""
    return _has_substituted(claim, quoted) or _has_swapped(claim, quoted)


def _has_substituted(claim: str, quoted: Sequence[str]) -> bool:
    mine = noun_terms(claim)
    copies = [(theirs := noun_terms(text), SequenceMatcher(None, theirs, mine, autojunk=False)) for text in quoted]
    own, nearest = max(copies, key=lambda copy: _copied(copy[1]))
    if _copied(nearest) < _COPIED_SHARE * len(mine):
        return False
    return any(
        noun not in own and noun not in _GENERAL
        for kind, _, _, start, end in nearest.get_opcodes()
        if kind == "replace"
        for noun in mine[start:end]
    )


def _copied(copy: SequenceMatcher[str]) -> int:
    return sum(block.size for block in copy.get_matching_blocks())


def _has_swapped(claim: str, quoted: Sequence[str]) -> bool:
    """Whether two nouns have each the part that the other one has in each source that has both."""
    return any(
        _change_places(_parts(claim, view), [_parts(text, view) for text in quoted])
        for view in (_as_subjects, _as_topics, _as_names)
    )


Parts = dict[str, frozenset[str]]


def _change_places(mine: Parts, sources: Sequence[Parts]) -> bool:
    for one, other in combinations(mine, 2):
        both = [source for source in sources if one in source and other in source]
        if both and all(
            mine[one] & source[other]
            and mine[other] & source[one]
            and not mine[one] & source[one]
            and not mine[other] & source[other]
            for source in both
        ):
            return True
    return False


def _as_subjects(particle: str, following: str) -> str:  # noqa: ARG001
    # What a sentence is about mostly does what it says.
    return "이" if particle in _SUBJECTS or particle in _TOPICS else particle


def _as_topics(particle: str, following: str) -> str:  # noqa: ARG001
    return "이" if particle in _SUBJECTS else "은" if particle in _TOPICS else particle


def _as_names(particle: str, following: str) -> str:
    # A name stands before a title.
    return particle or following


@lru_cache(maxsize=5_000)
def _parts(text: str, view: Callable[[str, str], str]) -> Parts:
    """Return the parts of each noun. What is joined by "와" or a comma has that of the last one."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    part = following = ""
    for noun, particle in reversed(noun_particles(text)):
        if particle not in _JOINED:
            part = view(particle, following)
        found[noun].add(part)
        following = noun
    return {noun: frozenset(parts) for noun, parts in found.items()}
