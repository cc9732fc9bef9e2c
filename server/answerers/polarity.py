"""Whether a sentence says that something is so where its sources say that it isn't, or the other way round.

In Korean each predicate of the sentence is held to one of the sources' predicates: what is planned there is not done,
and what may be done there need not be. In other languages, and between two, it is told of whole sentences alone: one
that denies something must rest on one that does, and one that denies nothing on such as deny nothing, or on their
clauses with its figures.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from index.morphemes import tagged_morphemes
from index.scripts import HANGUL
from server.answerers.labels import parts_about
from server.answerers.wording import TOPIC_PARTICLES
from server.phrases import phrase

_NOUNS = frozenset({"NNG", "NNP", "NR", "XR", "SL", "SH", "SN"})
_DENYING_VERBS = frozenset({"않", "못하", "말"})
_DENYING_PREFIXES = frozenset({"불", "비", "무", "미"})
# "신청할 수 있다" is a predicate of its own beside "신청하다".
_ABILITY = "수"
_PLANS = frozenset({"예정", "계획", "방침", "전망", "것"})
_MAY, _MUST, _DONE, _PLANNED = "may", "must", "done", "planned"
_EXCLUDED = ({_MAY, _MUST}, {_DONE, _PLANNED})
_OPPOSITES = (("rises", "falls"), ("is_free", "is_paid"))
_OPPOSITES_BETWEEN_LANGUAGES = (
    ("is_done", "is_planned"), ("is_duty", "is_permission"), ("is_all", "is_some"), ("is_more", "is_less"),
)  # fmt: skip
_CLAUSE_END = re.compile(r"(?:고|며|나|지만|는데|ᆫ데|은데|면)$")


class Predicate(NamedTuple):
    """What a clause says of its nouns, or denies. `lemma` is a stem, or the noun before "하다".

    `mood` says whether it may, must, has been or is going to be done, "" where none of these is said. `topics` are
    those among `words` that the clause is about; one that names none is about those of the one before it.
    """

    lemma: str
    is_denied: bool
    words: frozenset[str]
    topics: frozenset[str]
    mood: str = ""

    def nearness(self, other: "Predicate") -> int:
        """Return how many nouns both have; topics count twice."""
        return len(self.words & other.words) + len(self.topics & other.topics)

    def is_opposite_of(self, other: "Predicate") -> bool:
        """Whether both can't be so of the same things."""
        return self.is_denied != other.is_denied or {self.mood, other.mood} in _EXCLUDED


@dataclass(slots=True)
class _Clause:
    words: set[str] = field(default_factory=set)
    topics: set[str] = field(default_factory=set)
    # "현금으로는" is set apart, but who pays is said before.
    names_topic: bool = False


@dataclass(slots=True)
class _Found:
    lemma: str
    is_denied: bool
    clause: _Clause
    mood: str = ""


def is_turned_round(claim: str, quoted: Sequence[str]) -> bool:
    """Whether `claim` denies what `quoted`, its sources, say, says what they deny, or the opposite of what they say."""
    denies = is_negated(claim)
    if denies and not any(map(is_negated, quoted)):
        return True
    if HANGUL.search(claim) and _differs_by_prefix(claim, quoted):
        return True
    opposites = _OPPOSITES if HANGUL.search(claim) else _OPPOSITES + _OPPOSITES_BETWEEN_LANGUAGES
    if any(_says_opposite(claim, quoted, *pair) or _says_opposite(claim, quoted, *pair[::-1]) for pair in opposites):
        return True
    said = [predicate for text in quoted if HANGUL.search(text) for predicate in predicates(text)]
    if HANGUL.search(claim) and said:
        return any(_is_contradicted(predicate, said) for predicate in predicates(claim))
    # The fee of what has no chip is 53 dollars all the same.
    return not denies and any(is_negated(part) for text in quoted for part in parts_about(claim, text))


def is_negated(text: str) -> bool:
    """Whether `text` denies anything, in any of the languages."""
    return bool(phrase("negation").search(text))


def _says_opposite(claim: str, quoted: Sequence[str], one: str, other: str) -> bool:
    held = {key for key in (one, other) for text in quoted if phrase(key).search(text)}
    return bool(phrase(one).search(claim)) and held == {other}


def _differs_by_prefix(claim: str, quoted: Sequence[str]) -> bool:
    """Whether a noun of `claim` has a prefix that denies it, or has none, and the sources that have it don't agree."""
    mine, theirs = _by_prefix(claim), [_by_prefix(text) for text in quoted]
    return any(
        noun not in frozenset[str]().union(*(of_text[with_prefix] for of_text in theirs))
        and any(noun in of_text[not with_prefix] for of_text in theirs)
        for with_prefix in (True, False)
        for noun in mine[with_prefix]
    )


@lru_cache(maxsize=2_000)
def _by_prefix(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the nouns of a Korean text without a prefix that denies them, and those with one."""
    found: tuple[set[str], set[str]] = (set(), set())
    for (prefix, tag), (noun, noun_tag) in pairwise([("", ""), *tagged_morphemes(text)]):
        if noun_tag in _NOUNS:
            found[tag == "XPN" and prefix in _DENYING_PREFIXES].add(noun.casefold())
    return frozenset(found[False]), frozenset(found[True])


def _is_contradicted(predicate: Predicate, said: Sequence[Predicate]) -> bool:
    """Whether what is said in words nearest to those of `predicate` is its opposite."""
    # "재료비는 120,000원이다": figures are held to the sources with the other facts.
    if not predicate.is_denied and any(map(str.isdigit, predicate.lemma)):
        return False
    same = [other for other in said if other.lemma == predicate.lemma]
    nearest = max(map(predicate.nearness, same or said))
    # Of what else is said of other things nothing follows.
    if not same and not nearest:
        return False
    rivals = [other for other in same or said if predicate.nearness(other) == nearest]
    # Of one predicate that is said and denied of the same things, neither is certain.
    if same:
        return any(map(predicate.is_opposite_of, rivals))
    return all(other.is_denied != predicate.is_denied for other in rivals)


@lru_cache(maxsize=2_000)
def predicates(text: str) -> tuple[Predicate, ...]:
    """Return the predicates of a Korean text in their order."""
    clauses = [_Clause()]
    found: list[_Found] = []
    noun, is_denied, is_prefixed = "", False, False

    def begin(lemma: str, denied: bool) -> None:
        nonlocal is_denied
        found.append(_Found(lemma, denied != is_denied, clauses[-1]))
        is_denied = False

    def deny() -> None:
        if found:
            found[-1].is_denied = not found[-1].is_denied

    def is_said_to(mood: str) -> None:
        if found:
            found[-1].mood = mood

    last, before_last = ("", ""), ("", "")
    for (form, tag), following in pairwise([*tagged_morphemes(text), ("", "")]):
        if tag == "VX" and not last[1].startswith("E"):
            tag = "VV"  # an auxiliary stands behind a verb
        if form in _PLANS and last == ("ᆯ", "ETM"):
            is_said_to(_PLANNED)
        if tag in _NOUNS:
            noun = form.casefold()
            clauses[-1].words.add(noun)
            # "무주택 청년에게 지원한다" denies no support.
            is_denied ^= is_prefixed and following[1] in ("XSV", "XSA", "VCP")
            is_prefixed = False
            if phrase("negation").search(noun):
                begin(noun, True)
        elif tag == "XPN" and form in _DENYING_PREFIXES:
            is_prefixed = True
            continue
        elif tag == "MAG" and form in ("안", "못"):
            # "신청하지 못하였다" denies what stands before it, "못 신청하였다" what follows.
            if last == ("지", "EC"):
                deny()
            else:
                is_denied = not is_denied
            continue
        elif tag == "VX" and form in _DENYING_VERBS:
            deny()
        elif form in TOPIC_PARTICLES and tag == "JX" and last != (_ABILITY, "NNB"):
            clauses[-1].topics.add(noun)
            clauses[-1].names_topic |= not last[1].startswith("JK")
        elif tag in ("XSV", "XSA", "VCP"):
            if not (found and found[-1].lemma == noun and found[-1].clause is clauses[-1]):
                begin(noun, False)
        elif tag == "VCN":
            begin(noun, True)
        elif tag in ("VV", "VA") and form == "되" and "EC" in (last[1], before_last[1]):
            # "버리면 안 된다", "버려도 된다"
            if is_denied:
                deny()
            is_denied = False
        elif form == "하" and last == ("지", "EC"):
            pass  # "합의하지 못하였다", taken apart
        elif tag in ("VV", "VA") and form in ("있", "없"):
            # "할 수는 없다"
            if (_ABILITY, "NNB") in (last, before_last if last[1] == "JX" else last):
                is_said_to(_MAY)
                if form == "없":
                    deny()
                begin(f"{found[-1].lemma} {_ABILITY}" if found else _ABILITY, form == "없")
            else:
                begin(noun, form == "없")
        elif tag in ("VV", "VA"):
            begin(form, False)
        elif tag == "EP" and form in ("었", "겠"):
            is_said_to(_DONE if form == "었" else _PLANNED)
        elif tag == "EC" and form == "어야":
            is_said_to(_MUST)
        elif tag == "EF" or (tag == "EC" and _CLAUSE_END.search(form)):
            clauses.append(_Clause())
        before_last, last = last, (form, tag)
    for before, clause in pairwise(clauses):
        if not clause.names_topic:
            clause.topics |= before.topics
            clause.words |= before.topics
    return tuple(
        Predicate(one.lemma, one.is_denied, frozenset(one.clause.words), frozenset(one.clause.topics), one.mood)
        for one in found
    )
