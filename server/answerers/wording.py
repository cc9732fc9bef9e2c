"""Whether a Korean sentence has words that its sources haven't, or has exchanged theirs."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import chain, combinations

from index.morphemes import noun_particles, noun_terms, tagged_morphemes
from server.answerers.facts import squeeze

# Nouns that say nothing themselves: "2년 동안" is "2년간", and "전화번호는" goes before a number.
_GENERAL = frozenset({
    "가능", "경우", "관련", "기간", "날짜", "내용", "다음", "대상", "동안", "때", "말", "명칭", "방법", "번호",
    "부분", "사람", "사항", "연락처", "이름", "이유", "이후", "일", "전화번호", "정도", "직책", "필요", "해당",
})  # fmt: skip
# As they are shortened where several stand together: "한-미 정상회담", "한·중·일".
_COUNTRIES = {
    "한": "한국", "미": "미국", "중": "중국", "일": "일본", "북": "북한", "러": "러시아",
    "영": "영국", "독": "독일", "불": "프랑스",
}  # fmt: skip
_NAMING = frozenset({"NNG", "NNP", "XR", "SL", "SH", "SN", "W"})
_NUMBER, _GROUPED = re.compile(r"\d+"), re.compile(r"(?<=\d),(?=\d{3})")
_STRENGTHENING = re.compile("반드시|무조건|항상|언제나|오직|절대로?|전부|즉시|곧바로|꼭")
# From this share of its nouns on a sentence is a copy, and a noun in the place of another one is no summary.
_COPIED_SHARE = 0.5
_SUBJECTS, _TOPICS = ("이", "가", "께서"), ("은", "는", "ᆫ")
_JOINED = ("와", "과", "및", ",", "·", "하고", "이나", "나")


def analyse(text: str) -> None:
    """Remember of a source what it takes longest to find, so that no sentence waits for it later."""
    tagged_morphemes(text)
    noun_particles(text)


def unknown_nouns(claim: str, known: frozenset[str], cited: Sequence[str]) -> list[str]:
    """Return the nouns of `claim` that neither `known` nor the texts of `cited` hold, and that are no general ones.

    `known` are the terms of what it cites. A name can be taken apart otherwise there.
    """
    squeezed = squeeze("\n".join(cited))
    held = known | _spelled_out(known)
    return [noun for noun in noun_terms(claim) if noun not in held and not _is_held(noun, squeezed)]


def _spelled_out(words: Iterable[str]) -> frozenset[str]:
    """Return the names of the countries that are shortened in `words`."""
    several = (word for word in words if len(word) > 1 and _COUNTRIES.keys() >= set(word))
    return frozenset(_COUNTRIES[syllable] for word in several for syllable in word)


def _is_held(word: str, squeezed: str) -> bool:
    return word in _GENERAL or (len(word) > 1 and not word.isdigit() and word in squeezed)


def is_strengthened(claim: str, sources: Sequence[str]) -> bool:
    """Whether `claim` says that something is always so, or has to be, where none of its sources does."""
    return bool(_STRENGTHENING.search(claim)) and not any(map(_STRENGTHENING.search, sources))


def has_exchanged_nouns(claim: str, quoted: Sequence[str]) -> bool:
    """Whether `claim` has a noun or number in the place of another one of its source, or two that change places."""
    return _has_substituted(claim, quoted) or _has_swapped(claim, quoted)


def _has_substituted(claim: str, quoted: Sequence[str]) -> bool:
    mine = _sequence(claim)
    copies = [(text, SequenceMatcher(None, _sequence(text), mine, autojunk=False)) for text in quoted]
    source, nearest = max(copies, key=lambda copy: _copied(copy[1]))
    if _copied(nearest) < _COPIED_SHARE * len(mine):
        return False
    own, squeezed = _spelled_out(noun_terms(source)).union(_sequence(source)), squeeze(source)
    return any(
        word not in own and not _is_held(word, squeezed)
        for kind, _, _, start, end in nearest.get_opcodes()
        if kind == "replace"
        for word in mine[start:end]
    )


@lru_cache(maxsize=2_000)
def _sequence(text: str) -> tuple[str, ...]:
    """Return the nouns and the numbers of a text in their order."""
    found = [
        _NUMBER.findall(_GROUPED.sub("", form)) if _NUMBER.search(form) else [form]
        for form, tag in tagged_morphemes(text)
        if tag in _NAMING
    ]
    return tuple(chain.from_iterable(found))


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


def _as_subjects(particle: str, _following: str) -> str:
    # What a sentence is about mostly does what it says.
    return "이" if particle in _SUBJECTS or particle in _TOPICS else particle


def _as_topics(particle: str, _following: str) -> str:
    return "이" if particle in _SUBJECTS else "은" if particle in _TOPICS else particle


def _as_names(particle: str, following: str) -> str:
    # A name stands before a title, a part before what it is of.
    return following if particle in ("", "의") else particle


@lru_cache(maxsize=5_000)
def _parts(text: str, view: Callable[[str, str], str]) -> Parts:
    """Return the parts of each noun. What is joined by "와" or a comma has that of the last one."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    part = following = ""
    for noun, particle in reversed(noun_particles(text)):
        if particle and particle not in _JOINED:
            part = view(particle, following)
        found[noun].add(part if particle else view("", following))
        following = noun
    return {noun: frozenset(parts) for noun, parts in found.items()}
