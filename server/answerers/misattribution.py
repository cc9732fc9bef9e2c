"""Whether a Korean sentence says of its words something else than its sources say of them.

Each predicate of the sentence is held to the same predicate of a source sentence. Who does it and to whom must not have
changed places, a cause not its effect, what comes first not what comes after. What is so if something is, or only of
some, must not be said of all; what may be done in one of two ways need not be done in both; and what is going to be has
not been. What is said without a verb, and words that stand in no source, are the business of `relations` and `wording`.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from server.answerers.facts import squeeze
from server.answerers.predications import (
    DOING,
    IS,
    Argument,
    Link,
    Mood,
    Part,
    Predication,
    Sentence,
    is_number,
    read_sentence,
)
from server.answerers.wording import GENERAL, LIGHT_VERBS

_RECEIVED = "받"
_SAYING_LITTLE = (LIGHT_VERBS | {IS}) - {_RECEIVED}
_RECEIVING = frozenset({Part.TO, Part.AT, Part.FROM})
_SOME = frozenset({"대부분", "절반", "일부", "다수", "상당수", "대다수", "과반수", "반"})
# What leads on so in a sentence may lead on in any of these ways in its source.
_SAID = {Link.FINAL, Link.AND, Link.SO, Link.AFTER, Link.NEEDED, Link.FOR, Link.THAT, Link.NOMINAL}
_ALLOWED = {
    Link.FINAL: _SAID,
    Link.AND: _SAID,
    Link.OR: {Link.OR, Link.NOMINAL},
    Link.IF: {Link.IF, Link.AFTER, Link.NEEDED, Link.THAT, Link.NOMINAL, Link.FOR},
    Link.AFTER: {Link.AFTER, Link.AND, Link.SO, Link.NEEDED, Link.IF, Link.THAT, Link.NOMINAL},
    Link.BEFORE: {Link.BEFORE, Link.FINAL, Link.THAT, Link.NOMINAL},
    Link.SO: {Link.SO, Link.AND, Link.AFTER, Link.THAT, Link.NOMINAL, Link.FOR},
    Link.NEEDED: {Link.NEEDED, Link.IF, Link.AFTER, Link.THAT, Link.NOMINAL, Link.FOR},
    Link.THAT: set(Link) - {Link.OR},
    Link.FOR: set(Link),
    Link.NOMINAL: set(Link),
}
_LEADING_ON = (Link.IF, Link.AFTER, Link.SO)
_CONDITIONS = (Link.IF, Link.NEEDED, Link.BEFORE)
# What stands before such a predicate has to do with it alone.
_SUBORDINATE = (Link.IF, Link.AFTER, Link.BEFORE, Link.THAT, Link.NEEDED, Link.FOR)


def says_otherwise(claim: str, sources: Sequence[str], subject: Collection[str] = ()) -> str:
    """Return how `claim` says something else of a predicate of `sources` than they say, in a word; "" if it doesn't.

    `subject` are the terms of what the sources as a whole are about.
    """
    mine, told = read_sentence(claim), [read_sentence(text) for text in sources]
    for predication in mine.predications:
        if predication.lemma == IS and _is_former(predication, told):
            return "former"
        problems = [
            _Pair(mine, predication, source, other, subject).problem()
            for source, other in _nearest(mine, predication, told)
        ]
        if problems and all(problems):
            return problems[0]
    return ""


def _is_former(predication: Predication, told: Iterable[Sentence]) -> bool:
    """Whether a figure that something is said to be is what it has been until then: "15분에서 10분으로"."""
    figures = [word for one in predication.arguments if one.part == Part.BARE for word in one.words if is_number(word)]
    others = [other for source in told for other in source.predications]
    for figure in figures:
        changes = [
            argument.part == Part.IN and any(one.part == Part.BY and is_number(one.words[0]) for one in other.arguments)
            for other in others
            for argument in other.arguments
            if figure in argument.words
        ]
        if changes and all(changes):
            return True
    return False


def _nearest(mine: Sentence, predication: Predication, told: Iterable[Sentence]) -> list[tuple[Sentence, Predication]]:
    """Return the same predicate in the source sentences, where it has the most words in common."""
    if predication.lemma in _SAYING_LITTLE:
        return []
    arguments = mine.arguments(predication)
    words = {word for argument in arguments for word in argument.words} - GENERAL or mine.words - GENERAL
    things = {argument.head for argument in arguments if argument.part in (Part.OBJECT, Part.BARE)}
    found = []
    for source in told:
        shared = len(words & source.words)
        # Of what has hardly a word in common nothing follows.
        if not shared or shared * 3 < len(words):
            continue
        for other in source.predications:
            theirs = {word for argument in source.arguments(other) for word in argument.words}
            is_same = other.lemma == predication.lemma or (
                predication.lemma == _RECEIVED and _has_receiver(source.arguments(other))
            )
            if is_same and (predication.lemma != _RECEIVED or things & theirs):
                found.append((len(words & theirs) + shared, source, other))
    best = max((near for near, _, _ in found), default=0)
    return [(source, other) for near, source, other in found if near == best]


def _has_receiver(arguments: Iterable[Argument]) -> bool:
    parts = {argument.part for argument in arguments}
    return Part.OBJECT in parts and bool(parts & {Part.TO, Part.AT})


@dataclass(frozen=True)
class _Pair:
    """A predicate of a claim beside the same one of a source."""

    mine: Sentence
    predication: Predication
    source: Sentence
    other: Predication
    subject: Collection[str]

    @cached_property
    def own(self) -> list[Argument]:
        return self.mine.arguments(self.predication)

    @cached_property
    def theirs(self) -> list[Argument]:
        return self.source.arguments(self.other)

    @cached_property
    def squeezed(self) -> str:
        return squeeze(self.mine.text)

    @cached_property
    def lemmas(self) -> frozenset[str]:
        return frozenset(one.lemma for one in self.mine.predications)

    def problem(self) -> str:
        """Return how the claim says something else, in a word, "" if it doesn't."""
        checks = {
            "link": self.leads_on_otherwise, "time": self.is_done_too_early, "duty": self.demands_what_may_be,
            "cause": self.exchanges_cause, "part": self.exchanges_parts, "doer": self.has_another_doer,
            "some": self.says_of_all_what_is_of_some, "condition": self.leaves_out_a_condition,
            "which": self.leaves_out_which,
        }  # fmt: skip
        return next((name for name, is_wrong in checks.items() if is_wrong()), "")

    def leads_on_otherwise(self) -> bool:
        """Whether an effect has become a cause, a condition what is so, one of two ways both."""
        link, other = self.predication.link, self.other
        if other.link in _ALLOWED[link]:
            return False
        lemmas = {one.lemma for one in self.mine.predications if one is not self.predication} - _SAYING_LITTLE
        if link in _LEADING_ON and other.link == Link.FINAL:
            # It may lead on to something of its own, but not to what leads on to it in the source.
            led = self._led_to() - {*self.predication.words()}
            before = (one for one in self.source.before(other) if one.link != Link.AND)
            return any(one.lemma in lemmas or led & {*one.words()} for one in before)
        # "제출하면 신청할 수 있다": to apply, one must hand it in.
        is_needed = self.predication.must and other.link == Link.IF
        return not (is_needed and any(one.lemma in lemmas for one in self.source.behind(other)))

    def is_done_too_early(self) -> bool:
        """Whether what is mostly so, or going to be, has been."""
        mine, other = self.predication, self.other
        if mine.is_state or mine.link not in (Link.FINAL, Link.AND, Link.SO) or other.link == Link.NOMINAL:
            return False
        return mine.mood == Mood.DONE and other.mood not in (Mood.DONE, Mood.BEEN)

    def demands_what_may_be(self) -> bool:
        """Whether what may be done has to be."""
        return self.predication.must and self.other.may

    def exchanges_cause(self) -> bool:
        """Whether it leads on to what it is so by in the source."""
        if self.predication.link not in _LEADING_ON:
            return False
        led = self._led_to()
        return any(argument.part == Part.BY and argument.head in led for argument in self.other.arguments)

    def exchanges_parts(self) -> bool:
        """Whether a word has a part that it can't have: who gives is who gets, a side of a comparison the other one."""
        return any(self._is_exchanged(argument, word) for argument in self.own for word in argument.words)

    def has_another_doer(self) -> bool:
        """Whether what does it does something else in the source, or is what it is done to."""
        held = {word for argument in self.theirs for word in argument.words}
        doers = {argument.head for argument in self.theirs if argument.is_doing}
        objects = {argument.head for argument in self.theirs if argument.part == Part.OBJECT}
        only = [argument for argument in self.theirs if argument.is_only]
        done_to = {argument.head for argument in self.own if argument.part == Part.OBJECT}
        is_shared = any(argument.is_doing and argument.head in held for argument in self.own)
        for argument in self.own:
            head = argument.head
            if argument.is_only and only and not any(head in one.words for one in only):
                return True
            if argument.part == Part.BY and head in {one.lemma for one in self.source.behind(self.other)}:
                return True
            if not argument.is_doing:
                continue
            if head in objects - doers and done_to & (doers - objects):
                return True
            beside = {word for one in self.own for word in one.words} - {head, *done_to}
            if not is_shared and (doers & beside or head in self._of_other_predicates()):
                return True
        return False

    def says_of_all_what_is_of_some(self) -> bool:
        """Whether it leaves out that only a part is meant, or means a part of something else."""
        theirs = [{*argument.words} for argument in self.theirs if _SOME & {*argument.words}]
        own = [{*argument.words} for argument in self.own]
        tells_share = "%" in self.mine.text or any(word in self.mine.text for word in _SOME)
        if not tells_share and any((some - _SOME) & words for some in theirs for words in own):
            return True
        mine = [words - _SOME for words in own if _SOME & words and words - _SOME]
        return bool(theirs) and any(not any(words & some for some in theirs) for words in mine)

    def leaves_out_a_condition(self) -> bool:
        """Whether it says that something is so which is so under a condition."""
        if self.predication.link not in (Link.FINAL, Link.AND):
            return False
        for before in reversed(self.source.before(self.other)):
            if before.link in (Link.FINAL, Link.AND):
                return False
            if before.link in _CONDITIONS and not self._tells(before):
                return True
        return False

    def leaves_out_which(self) -> bool:
        """Whether it says of all what is said of such as something is told of: "거짓으로 신청한 사람은"."""
        heads = {argument.head for argument in self.own}
        objects = {argument.head for argument in self.theirs if argument.part == Part.OBJECT}
        # What may not or must be done with something is said of all, even without a word for them.
        topics = [argument.head for argument in self.own if argument.is_doing]
        is_of_all = (self.other.is_denied or self.other.must) and bool(topics) and objects.issuperset(topics)
        for argument in self.theirs:
            is_known = argument.is_name or argument.head in self.subject
            is_meant = argument.is_only or ((argument.is_doing or argument.part == Part.TO) and not is_known)
            is_told = argument.head in heads or (is_of_all and argument.is_doing)
            if is_meant and is_told and argument.of and not any(map(self._hints_at, argument.of)):
                return True
        return False

    def _led_to(self) -> set[str]:
        """Return what stands before the predicates behind the claim's."""
        return {word for one in self.mine.behind(self.predication) for word in one.words()}

    def _of_other_predicates(self) -> set[str]:
        """Return what only has to do with what comes before or with which things are meant."""
        others = (one for one in self.source.predications if one is not self.other and one.link in _SUBORDINATE)
        return {
            word for one in others for argument in one.arguments if not argument.is_doing for word in argument.words
        }

    def _is_exchanged(self, argument: Argument, word: str) -> bool:
        held = [other for other in self.theirs if word in other.words]
        part, parts = argument.part, {other.part for other in held}
        if not held:
            return False
        if argument.is_only and not any(other.is_only for other in held):
            return True
        if is_number(word):
            # "15분에서 10분으로"
            return (parts == {Part.IN} and part != Part.IN) or (parts == {Part.BY} and part == Part.IN)
        if part == Part.THAN or parts == {Part.THAN}:
            return Part.THAN not in parts or part != Part.THAN
        return word in (argument.head, *(other.head for other in held)) and self._cannot_be(part, parts)

    def _cannot_be(self, part: Part, parts: set[Part]) -> bool:
        """Whether what has one part of the claim's predicate can't have one of `parts` alone of the source's."""
        does, receives = parts <= DOING, parts <= _RECEIVING
        is_received = self.predication.is_received != self.other.is_received
        if is_received or (self.predication.lemma == _RECEIVED != self.other.lemma):
            return (part in DOING and does) or (part in _RECEIVING and receives)
        if {part, *parts} == {Part.TO, Part.FROM}:
            return True
        # "요건에 맞다" is "요건이 맞다".
        has_object = any(one.part in (Part.OBJECT, Part.BARE) for one in (*self.own, *self.theirs))
        if Part.AT in (part, *parts) and not has_object:
            return False
        # "기간으로 정한다": who sets it can be told beside it.
        is_by = parts == {Part.BY} and not self._names_a_doer()
        return (part in DOING and (receives or is_by)) or (part in (*_RECEIVING, Part.BY) and does)

    def _names_a_doer(self) -> bool:
        doers = {argument.head for argument in self.theirs if argument.is_doing}
        return any(argument.is_doing and argument.head in doers for argument in self.own)

    def _tells(self, condition: Predication) -> bool:
        """Whether the claim tells all of a condition: of what, how much, and what becomes of it."""
        words = [word for word in _heads_and_numbers(condition) if word not in GENERAL and word not in self.subject]
        if words:
            return all(word in self.squeezed for word in words)
        return condition.lemma in self.squeezed or condition.lemma in self.lemmas

    def _hints_at(self, condition: Predication) -> bool:
        """Whether the claim tells which things are meant: all of it, or in words that say it otherwise."""
        if condition.lemma in self.lemmas:
            return self._tells(condition)
        # A stem of one syllable stands in many words.
        words = {*condition.words(), *([condition.lemma] if len(condition.lemma) > 1 else [])} - GENERAL
        return any(word in self.squeezed for word in words)


def _heads_and_numbers(predication: Predication) -> Iterator[str]:
    for argument in predication.arguments:
        yield argument.head
        yield from filter(is_number, argument.words)
