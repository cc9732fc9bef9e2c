"""What a Korean sentence says: its predicates, what stands before each in which part, and how one leads to the next."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import chain
from typing import NamedTuple

from index.morphemes import Morpheme, placed_morphemes
from server.answerers.facts import squeeze
from server.answerers.wording import TOPIC_PARTICLES


class Part(StrEnum):
    """The part that a particle gives to what stands before it; BARE is none."""

    TOPIC = "topic"
    SUBJECT = "subject"
    OBJECT = "object"
    TO = "to"
    AT = "at"
    IN = "in"
    SINCE = "since"
    FROM = "from"
    BY = "by"
    THAN = "than"
    AS = "as"
    BARE = "bare"


class Link(StrEnum):
    """How a predicate leads on to the next: FINAL is none, NOMINAL a noun of it."""

    FINAL = "final"
    AND = "and"
    OR = "or"
    IF = "if"
    AFTER = "after"
    BEFORE = "before"
    SO = "so"
    NEEDED = "needed"
    FOR = "for"
    THAT = "that"
    NOMINAL = "nominal"


class Mood(StrEnum):
    """Whether it has been or is going to be. "예약한 사람" (BEEN) may have booked, or be going to."""

    PLAIN = "plain"
    DONE = "done"
    BEEN = "been"
    PLANNED = "planned"


# What is said of a thing without a verb.
IS = "이다"
DOING = frozenset({Part.TOPIC, Part.SUBJECT})

_NOUNS = frozenset({"NNG", "NNP", "XR", "SL", "SH"})
_NUMBERS = frozenset({"SN", "NR"})
_NOTHING = Morpheme("", "", 0, 0)
_PARTICLES = {
    "에게": Part.TO, "께": Part.TO, "한테": Part.TO, "더러": Part.TO, "에": Part.AT, "에서": Part.IN, "서": Part.IN,
    "부터": Part.SINCE, "에게서": Part.FROM, "한테서": Part.FROM, "로부터": Part.FROM, "으로부터": Part.FROM,
    "로": Part.BY, "으로": Part.BY, "로써": Part.BY, "으로써": Part.BY, "로서": Part.AS, "으로서": Part.AS,
    "보다": Part.THAN,
}  # fmt: skip
_ENDINGS = {
    "거나": Link.OR, "든지": Link.OR, "든가": Link.OR,
    "면": Link.IF, "으면": Link.IF, "다면": Link.IF, "ᆫ다면": Link.IF, "는다면": Link.IF, "라면": Link.IF,
    "어": Link.SO, "아": Link.SO, "어서": Link.SO, "아서": Link.SO, "느라": Link.SO, "면서": Link.SO, "으면서": Link.SO,
    "라고": Link.FINAL, "다고": Link.FINAL, "ᆫ다고": Link.FINAL, "는다고": Link.FINAL, "자고": Link.FINAL,
    "자": Link.AFTER, "자마자": Link.AFTER, "어야": Link.NEEDED, "아야": Link.NEEDED, "어야만": Link.NEEDED,
    "려면": Link.FOR, "으려면": Link.FOR, "도록": Link.FOR, "게": Link.FOR, "고자": Link.FOR, "러": Link.FOR,
    "으러": Link.FOR, "려고": Link.FOR, "으려고": Link.FOR,
}  # fmt: skip
# Nouns behind a predicate, or a noun of one, that lead on to the next: "등록한 뒤", "등록 후".
_LEADING_NOUNS = {
    "뒤": Link.AFTER, "후": Link.AFTER, "다음": Link.AFTER, "이후": Link.AFTER, "직후": Link.AFTER,
    "전": Link.BEFORE, "이전": Link.BEFORE, "경우": Link.IF, "때": Link.AFTER, "시": Link.AFTER,
    "탓": Link.SO, "덕분": Link.SO, "때문": Link.SO,
}  # fmt: skip
_CAUSES = frozenset({"때문", "탓", "덕분"})
_PLANS = frozenset({"예정", "계획", "방침", "전망"})
_ASPECTS = _PLANS | {"것", "바", "중", "수", "뿐", "데", "줄", "만큼", "대로", "때문", "동안"}
# "하기로 하다", "하게 되다", "해야 하다", "하면 되다"
_BEFORE_AUXILIARY = frozenset({"로", "게", "어야", "아야", "면", "으면"})
# "늘어나다" is "늘다".
_DERIVED = ("어나", "어들", "어지", "아지")
_BRACKETS = {"(": 1, "（": 1, "[": 1, "〔": 1, ")": -1, "）": -1, "]": -1, "〕": -1}


def is_number(word: str) -> bool:
    """Whether a word of an argument is a number."""
    return word[:1].isdigit()


class Argument(NamedTuple):
    """Nouns and numbers up to a particle, the head last, and the part that it gives them.

    `of` are the predicates that tell which of them are meant: "거짓으로 신청한" of "거짓으로 신청한 사람". `is_only` is
    whether "만" stands behind it.
    """

    words: tuple[str, ...]
    part: Part
    is_only: bool = False
    of: tuple["Predication", ...] = ()
    is_name: bool = False

    @property
    def head(self) -> str:
        """The word that the particle stands behind; a figure belongs to the word before it."""
        return next((word for word in reversed(self.words) if not is_number(word)), self.words[-1])

    @property
    def is_doing(self) -> bool:
        """Whether it can be what does what is said."""
        return self.part in DOING


@dataclass(slots=True, eq=False)
class Predication:
    """A predicate, by the stem of its verb or the noun before "하다", and what stands before it.

    `is_received` is of "받다" behind a noun, `is_state` of an adjective.
    """

    lemma: str
    arguments: list[Argument] = field(default_factory=list)
    link: Link = Link.NOMINAL
    mood: Mood = Mood.PLAIN
    may: bool = False
    must: bool = False
    is_denied: bool = False
    is_received: bool = False
    is_state: bool = False

    def words(self) -> Iterator[str]:
        """Yield what stands before it."""
        return chain.from_iterable(argument.words for argument in self.arguments)


@dataclass(frozen=True, eq=False)
class Sentence:
    """The predicates of a sentence in their order, and its topics, each with how many predicates come before it."""

    text: str
    predications: tuple[Predication, ...]
    topics: tuple[tuple[int, Argument], ...]

    @cached_property
    def words(self) -> frozenset[str]:
        """All words that are told of its predicates."""
        about = chain.from_iterable(topic.words for _, topic in self.topics)
        return frozenset(chain(about, *(predication.words() for predication in self.predications)))

    def arguments(self, predication: Predication) -> list[Argument]:
        """Return what a predicate of the sentence has before it, with the last topic before it.

        The topic need not be that of a predicate that tells which things are meant.
        """
        if predication.link == Link.THAT:
            return predication.arguments
        at = self.predications.index(predication)
        return [*predication.arguments, *[topic for begins, topic in self.topics if begins <= at][-1:]]

    def before(self, predication: Predication) -> tuple[Predication, ...]:
        """Return the predicates before one of them."""
        return self.predications[: self.predications.index(predication)]

    def behind(self, predication: Predication) -> tuple[Predication, ...]:
        """Return the predicates behind one of them."""
        return self.predications[self.predications.index(predication) + 1 :]


@lru_cache(maxsize=2_000)
def read_sentence(text: str) -> Sentence:
    """Return what a Korean sentence says."""
    reading = _Reading(text)
    morphemes = placed_morphemes(text)
    for before, this, after in zip((_NOTHING, *morphemes), morphemes, (*morphemes[1:], _NOTHING), strict=False):
        reading.take(before, this, after)
    return reading.end()


class _Reading:
    """Takes the morphemes of one sentence, one after the other."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: list[Predication] = []
        self._topics: list[tuple[int, Argument]] = []
        self._arguments: list[Argument] = []
        self._phrase: list[str] = []
        self._of: list[Predication] = []
        self._is_name = False
        self._number_end = -1
        self._is_skipping = False
        self._depth = 0

    def take(self, before: Morpheme, this: Morpheme, after: Morpheme) -> None:
        """Take `this`, which stands between two others."""
        self._depth = max(0, self._depth + _BRACKETS.get(this.form, 0))
        if self._is_skipping or self._depth:
            self._is_skipping = False
        elif this.form in (":", "："):
            self._phrase = []
        elif this.tag in _NUMBERS:
            self._take_number(this)
        elif this.tag in _NOUNS or this.tag == "NNB":
            self._take_noun(before, this, after)
        elif this.tag in ("XSV", "XSA"):
            if self._phrase:
                self._begin(self._phrase.pop(), is_received=this.form in ("받", "당하"), is_state=this.tag == "XSA")
        elif this.tag in ("VV", "VA") or (this.tag == "VX" and not before.tag.startswith("E")):
            # An auxiliary stands behind a verb.
            self._take_verb(before, this)
        elif this.tag in ("VCP", "VCN"):
            if before.form not in _ASPECTS or not self._found or self._phrase:
                self._begin(IS, is_state=True)
        elif this.tag.startswith("J"):
            self._take_particle(before, this)
        elif self._found:
            self._take_ending(before, this, after)

    def end(self) -> Sentence:
        """Return the sentence. What has no tense of its own has that of what follows it: "방문하고 서명했다".

        Of "정하고 금지한다" the first may have been as well.
        """
        self._close(Part.BARE)
        for this, following in zip(self._found[-2::-1], self._found[:0:-1], strict=True):
            if this.link in (Link.AND, Link.SO, Link.OR) and this.mood == Mood.PLAIN:
                this.mood = Mood.BEEN if following.mood == Mood.PLAIN else following.mood
            this.may |= this.link == Link.OR and following.may
        return Sentence(self._text, tuple(self._found), tuple(self._topics))

    def _take_number(self, this: Morpheme) -> None:
        if self._phrase and is_number(self._phrase[-1]) and this.start == self._number_end:
            self._phrase[-1] += this.form
        else:
            self._phrase.append(this.form)
        self._number_end = this.end

    def _take_noun(self, before: Morpheme, this: Morpheme, after: Morpheme) -> None:
        if this.form in _ASPECTS and before.tag == "ETM":
            if this.form in _PLANS and self._found:
                self._found[-1].mood = Mood.PLANNED
        elif this.form in _LEADING_NOUNS and before.tag in _NOUNS and self._phrase and after.tag not in _NOUNS:
            self._begin(self._phrase.pop())
            self._found[-1].link = _LEADING_NOUNS[this.form]
        elif this.form in _CAUSES and self._phrase:
            self._close(Part.BY)
        elif this.tag != "NNB":
            self._phrase.append(squeeze(self._text[this.start : this.end]))
            self._is_name = this.tag == "NNP"

    def _take_verb(self, before: Morpheme, this: Morpheme) -> None:
        is_auxiliary = (this.form in ("있", "없") and before.form == "수") or (
            this.form in ("하", "되") and before.form in _BEFORE_AUXILIARY
        )
        if is_auxiliary:
            self._take_auxiliary(before, this)
        elif this.form == "하" and not self._phrase and self._arguments and self._arguments[-1].part == Part.OBJECT:
            # "신고를 하다" is "신고하다".
            *self._phrase, lemma = self._arguments.pop().words
            self._begin(lemma)
        else:
            stem = next((this.form.removesuffix(ending) for ending in _DERIVED if this.form.endswith(ending)), "")
            self._begin(stem or this.form, is_state=this.tag == "VA")

    def _take_auxiliary(self, before: Morpheme, this: Morpheme) -> None:
        if not self._found:
            return
        last = self._found[-1]
        if before.form == "수":
            last.may, last.is_denied = True, this.form == "없"
        elif before.form == "로":
            last.mood = Mood.PLANNED
        elif this.form in ("않", "못하", "말"):
            last.is_denied = True
        elif before.form in ("어야", "아야") and this.form in ("하", "되"):
            last.must = True

    def _take_particle(self, before: Morpheme, this: Morpheme) -> None:
        if not self._phrase:
            if this.form == "만" and self._arguments and before.tag.startswith("J"):
                self._arguments[-1] = self._arguments[-1]._replace(is_only=True)
        elif this.tag == "JX" and this.form in TOPIC_PARTICLES:
            self._close(Part.TOPIC)
        elif this.tag == "JKS":
            self._close(Part.SUBJECT)
        elif this.tag == "JKO":
            self._close(Part.OBJECT)
        elif this.tag in ("JKB", "JX"):
            self._close(_PARTICLES.get(this.form, Part.BARE), is_only=this.form == "만")

    def _take_ending(self, before: Morpheme, this: Morpheme, after: Morpheme) -> None:
        last = self._found[-1]
        if this.tag == "VX":
            self._take_auxiliary(before, this)
        elif this.tag == "EP":
            # "하기로 했다" has not been done.
            if this.form in ("었", "겠") and last.mood != Mood.PLANNED:
                last.mood = Mood.DONE if this.form == "었" else Mood.PLANNED
        elif this.tag == "EF":
            last.link = Link.FINAL
        elif this.tag == "EC":
            last.link = _ENDINGS.get(this.form, Link.AND)
        elif this.tag == "ETN":
            last.link = Link.FOR if this.form == "기" else Link.NOMINAL
            if this.form == "기" and after.form in _LEADING_NOUNS:
                last.link, self._is_skipping = _LEADING_NOUNS[after.form], True
        elif this.tag == "ETM":
            if this.form in ("ᆫ", "은") and last.mood == Mood.PLAIN:
                last.mood = Mood.BEEN
            if after.form in _LEADING_NOUNS and after.tag in ("NNG", "NNB"):
                last.link, self._is_skipping = _LEADING_NOUNS[after.form], True
            elif after.form in _ASPECTS:
                last.link = Link.FINAL
            else:
                last.link = Link.THAT
                self._of.append(last)

    def _close(self, part: Part, is_only: bool = False) -> None:
        if self._phrase:
            argument = Argument(tuple(self._phrase), part, is_only, tuple(self._of), self._is_name)
            if part == Part.TOPIC:
                self._topics.append((len(self._found), argument))
            else:
                self._arguments.append(argument)
        self._phrase, self._of = [], []

    def _begin(self, lemma: str, is_received: bool = False, is_state: bool = False) -> None:
        self._close(Part.BARE)
        self._found.append(Predication(lemma, self._arguments, is_received=is_received, is_state=is_state))
        self._arguments = []
