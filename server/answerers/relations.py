"""Whether a Korean sentence joins words that its sources keep apart.

Each clause of the sentence must find those of its words that any source has in one clause of one source, with what
that one takes over from what was said before it, and no noun there may have the part of another. Where it says that one
thing is another, as in "사무관은 추은경입니다", its words must also stand side by side there, as no verb tells how they
belong together. Words that no source has are the business of `wording`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from index.morphemes import Morpheme, placed_morphemes
from server.answerers.facts import squeeze
from server.answerers.wording import GENERAL, LIGHT_VERBS, TOPIC_PARTICLES, copied_size

_NUMBERS = frozenset({"SN", "NR", "W_SERIAL"})
_NOUNS = frozenset({"NNG", "NNP", "XR", "SL", "SH"}) | _NUMBERS
_VERBS = frozenset({"VV", "VA"})
_COPULAS = frozenset({"VCP", "VCN"})
_VERB_ENDINGS = frozenset({"XSV", "XSA"})
_PREDICATES = _VERBS | _COPULAS | _VERB_ENDINGS
# "체결할 예정이다", "진행 중이다": what stands before the copula is no thing.
_ASPECTS = frozenset({"예정", "계획", "방침", "전망", "것", "때문", "중", "수", "뿐"})
# "방문하여 신청", "강화하고자", "담배를 피우거나": how and what for something is done belongs to what is done, as does
# what else may be done.
_MANNER = frozenset({"어", "아", "어서", "아서", "게", "도록", "고자", "러", "려고", "거나"})
_POINTING = frozenset({"이", "그", "동", "해당"})
# Particles that say what part a noun has, in one form each.
_PARTS = {
    "에서": "에서", "서": "에서", "까지": "까지", "부터": "부터", "에게": "에게", "께": "에게", "한테": "에게",
    "로": "로", "으로": "로", "을": "을", "를": "을", "ᆯ": "을", "와": "와", "과": "와", "하고": "와",
}  # fmt: skip
_MOST_JOINED = 4
_COPIED_SHARE = 0.8
_NOTHING = Morpheme("", "", 0, 0)


class Word(NamedTuple):
    """A noun, a number or the stem of a verb, as it stands without spaces, with the particle that says its part."""

    form: str
    tag: str
    surface: str
    is_predicate: bool
    particle: str = ""


class Clause(NamedTuple):
    """The words of a clause in their order, and those that it takes over; `text` is the whole without spaces.

    `joints` are the places among `words` before which "와", a comma or the like stands, `topics` how many come before
    the particle of the topic, or where there is none of the subject, 0 if it has neither.
    """

    words: tuple[Word, ...]
    shared: tuple[Word, ...]
    text: str
    joints: frozenset[int]
    topics: int
    names_topic: bool
    is_copula: bool


def joins_what_is_apart(claim: str, sources: Sequence[Sequence[str]], subject: Collection[str] = ()) -> bool:
    """Whether `claim` joins words that the sentences of `sources`, each a passage in order, keep apart.

    `subject` are the terms of what the sources as a whole are about: their sentences need not name it.
    """
    held = [clause for passage in sources for clause in _of_passage(tuple(passage))]
    surfaces = frozenset(word.surface for source in held for word in source.words)
    for clause in _of_passage((claim,)):
        joined = _joined(clause, surfaces)
        needed = list(_needed(joined, held))
        if (needed or joined.is_copula) and not any(_covers(source, joined, needed, subject) for source in held):
            return True
    return False


def _joined(clause: Clause, surfaces: Collection[str]) -> Clause:
    """Return a clause with nouns as one that are one in the sources: "과학", "기술", "정책" are "과학기술정책".

    Its joints keep the places that they had: of a sentence that was written it only counts whether it has any.
    """
    words: list[Word] = []
    topics = at = 0
    while at < len(clause.words):
        count, surface = 1, clause.words[at].surface
        for more in range(min(_MOST_JOINED, len(clause.words) - at), 1, -1):
            whole = "".join(word.surface for word in clause.words[at : at + more])
            if whole in surfaces:
                count, surface = more, whole
                break
        last = clause.words[at + count - 1]
        words.append(last._replace(form=surface, surface=surface) if count > 1 else last)
        at += count
        topics += at <= clause.topics
    return clause._replace(words=tuple(words), topics=topics)


def _needed(clause: Clause, held: Sequence[Clause]) -> Iterator[Word]:
    """Yield the words of a clause that any source has; general ones only where both speak of nothing else."""
    topics = {word.form for word in clause.words[: clause.topics]}
    if not topics <= GENERAL or not any(
        {word.form for word in source.words[: source.topics]} == topics for source in held
    ):
        topics = set()
    for word in (*clause.shared, *clause.words):
        if (word.form in topics or not _says_little(word)) and any(_places(word, source.words) for source in held):
            yield word


def _says_little(word: Word) -> bool:
    return word.form in (LIGHT_VERBS if word.tag in _VERBS else GENERAL)


def _covers(source: Clause, clause: Clause, needed: Sequence[Word], subject: Collection[str]) -> bool:
    spoken_of = (*clause.shared, *clause.words[: clause.topics])
    if not source.names_topic and not clause.is_copula:
        needed = [word for word in needed if word not in spoken_of or word.form not in subject]
    places = {word: _places(word, source.words) for word in needed}
    for word in needed:
        # A name may be taken for everyday words there.
        is_hidden = word.tag == "NNP" and word.surface in source.text
        if not places[word] and not is_hidden and not _places(word, source.shared):
            return False
    if any(_has_the_part_of_another(word, clause, found, source) for word, found in places.items()):
        return False
    return not clause.is_copula or _is_copied(source, clause, needed) or _stand_together(source, clause, needed, places)


def _is_copied(source: Clause, clause: Clause, needed: Sequence[Word]) -> bool:
    """Whether what is `needed` of a clause is nearly all of the source's, in its order."""
    mine = [word.form for word in clause.words if word in needed]
    theirs = [word.form for word in source.words if not _says_little(word)]
    same = copied_size(SequenceMatcher(None, theirs, mine, autojunk=False))
    return bool(mine) and same == len(mine) >= _COPIED_SHARE * len(theirs)


def _has_the_part_of_another(word: Word, clause: Clause, places: Sequence[range], source: Clause) -> bool:
    """Whether `word` has the particle before a predicate that another word has before it in the source."""
    if not word.particle or not places or word not in clause.words:
        return False
    part = word.particle, _predicate(clause, clause.words.index(word))
    own = {(source.words[found[-1]].particle, _predicate(source, found[-1])) for found in places}
    if part in own or any(not particle for particle, _ in own):
        return False
    return any((other.particle, _predicate(source, at)) == part for at, other in enumerate(source.words))


def _predicate(clause: Clause, at: int) -> str:
    """Return the predicate behind the word at `at`, "" if there is none."""
    return next((word.form for word in clause.words[at:] if word.is_predicate), "")


def _stand_together(
    source: Clause, clause: Clause, needed: Sequence[Word], places: Mapping[Word, Sequence[range]]
) -> bool:
    """Whether the words of a clause that says that one thing is another stand side by side in `source`."""
    sides = (*clause.shared, *clause.words[: clause.topics]), clause.words[clause.topics :]
    # Figures are held to what they belong to by `labels`, and may be written otherwise there: "09:00" is "9시".
    things, others = ([word for word in side if word in places or word.tag in _NUMBERS] for side in sides)
    # "대학병원입니다." says nothing by itself.
    if not things or not others:
        return False
    predicates = {word.form for word in source.words if word.is_predicate}
    # "점검 대상은 통학버스입니다" where "통학버스를 점검한다" says how they belong together.
    if all(word.form in predicates for word in things):
        return True
    # What was said before need not stand beside it too, unless the clause names nothing of its own.
    names_itself = any(word.form not in GENERAL for word in clause.words[: clause.topics])
    needed = [word for word in needed if not names_itself or word in clause.words]
    wanted = [word for word in needed if places[word]]
    # What is taken over belongs to what is done; what something is must be said beside it.
    if len(wanted) < len(needed) and not source.is_copula:
        return False
    claimed = {at for word in wanted for found in places[word] for at in found}
    verbs = {word.form for word in clause.words if word.tag in _VERBS}
    run: set[int] = set()
    for at, word in enumerate(source.words):
        is_passed = word.form in GENERAL or word.form in verbs or word.tag in _NUMBERS
        is_foreign = at not in claimed and not is_passed
        if is_foreign or (at in source.joints and not clause.joints):
            run = set()
        if at in claimed:
            run.add(at)
            if len(run) >= len(wanted) and all(any(run & {*found} for found in places[one]) for one in wanted):
                return True
    return False


def _places(word: Word, words: Sequence[Word]) -> list[range]:
    """Return where among `words` `word` stands, be it taken apart there: "과 장" is "과장"."""
    found = []
    for start, first in enumerate(words):
        if first.form == word.form or first.surface == word.surface:
            found.append(range(start, start + 1))
        elif word.surface.startswith(first.surface):
            text = first.surface
            for end in range(start + 1, min(start + _MOST_JOINED, len(words))):
                text += words[end].surface
                if text == word.surface:
                    found.append(range(start, end + 1))
    return found


# ----- clauses -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Said:
    """What was said before a clause and may hold for it: topic, subject, whose it is, who speaks, the last clause."""

    topic: tuple[Word, ...] = ()
    subject: tuple[Word, ...] = ()
    owner: tuple[Word, ...] = ()
    speaker: tuple[Word, ...] = ()
    before: tuple[Word, ...] = ()


@lru_cache(maxsize=200)
def _of_passage(sentences: tuple[str, ...]) -> tuple[Clause, ...]:
    """Return the clauses of sentences that follow one another."""
    clauses: list[Clause] = []
    said = _Said()
    for sentence in sentences:
        found = _clauses(sentence, said)
        clauses += found
        # The first topic holds until another is named.
        first = next((clause.words[: clause.topics] for clause in found if clause.topics), said.topic)
        said = _Said(topic=first, before=said.before)
    return tuple(clauses)


def _clauses(text: str, said: _Said) -> list[Clause]:
    """Return the clauses of one sentence; `said` is what was said before and afterwards what it said."""
    clauses: list[Clause] = []
    segments = list(_segments(placed_morphemes(text)))
    for segment, following in pairwise([*segments, []]):
        words, joints = _words(segment, text)
        if not words:
            continue
        topics, subjects = _before_last(segment, _is_topic), _before_last(segment, _is_subject)
        shared = _taken_over(segment, words[:topics], subjects > 0, said, clauses)
        # "해양경찰청은 감시 선박을, 부산항만공사는 훈련 장소를 제공한다."
        if not any(morpheme.tag in _PREDICATES for morpheme in segment):
            shared += tuple(word for word in _words(following, text)[0] if word.is_predicate)
        is_copula = any(_is_copula(before, this) for before, this in pairwise(segment))
        squeezed = squeeze(text[segment[0].start : segment[-1].end])
        clauses.append(Clause(words, shared, squeezed, joints, topics or subjects, topics > 0, is_copula))
        if topics:
            if not said.owner:
                said.owner = words[: min(topics, _before_first(segment, _is_owner))]
            if not said.speaker and any(_is_speaker(before, this) for before, this in pairwise(segment)):
                said.speaker = words[: _before_first(segment, _is_topic)]
            said.topic, said.subject = words[:topics], ()
        elif subjects:
            said.subject = words[:subjects]
        said.before = words
    return clauses


def _taken_over(
    segment: Sequence[Morpheme], topic: Sequence[Word], has_subject: bool, said: _Said, clauses: Sequence[Clause]
) -> tuple[Word, ...]:
    """Return the words of what was said before that hold for a clause too, which names `topic`, if any."""
    words = (*said.speaker, *(said.owner if topic else said.topic), *(() if topic or has_subject else said.subject))
    if any(this.tag in ("MM", "NP") and this.form in _POINTING for this in segment):
        return (*words, *said.before)
    if topic and all(word.form in GENERAL for word in topic):
        # "과장은 이경림이며, 전화번호는 …" is about the person, "… 접수하고, 결과는 …" about what was spoken of.
        return (*words, *(said.before if clauses and clauses[-1].is_copula else said.topic))
    return words


def _segments(morphemes: Sequence[Morpheme]) -> Iterator[Sequence[Morpheme]]:
    """Yield the morphemes of each clause."""
    start = 0
    for at, (this, following) in enumerate(pairwise([*morphemes, _NOTHING]), start=1):
        is_linked = this.tag == "EC" and this.form not in _MANNER and following.tag != "VX"
        is_new = this.tag == "SP" and _begins_anew(morphemes[start:at], morphemes[at:])
        if this.tag in ("EF", "SF") or is_linked or is_new or _is_exception(morphemes[max(0, at - 3) : at]):
            yield morphemes[start:at]
            start = at
    if start < len(morphemes):
        yield morphemes[start:]


def _is_exception(last: Sequence[Morpheme]) -> bool:
    """Whether what stands before the last of some morphemes is said not to be meant: "외국인이 아닌 주민은"."""
    return last[-1].tag == "ETM" and any(m.tag == "VCN" or m.form in ("제외", "빼") for m in last)


def _begins_anew(segment: Sequence[Morpheme], following: Sequence[Morpheme]) -> bool:
    """Whether what stands after a comma speaks of something else: "위원장은 장관이, 부위원장은 …"."""
    end = next((at for at, morpheme in enumerate(following) if morpheme.tag in ("SP", "EC", "EF")), len(following))
    return all(_before_last(part, _is_topic) or _before_last(part, _is_subject) for part in (segment, following[:end]))


def _is_topic(before: Morpheme, this: Morpheme) -> bool:
    return this.tag == "JX" and this.form in TOPIC_PARTICLES and not before.tag.startswith("JK")


def _is_subject(_before: Morpheme, this: Morpheme) -> bool:
    return this.tag == "JKS"


def _is_owner(_before: Morpheme, this: Morpheme) -> bool:
    return this.tag == "JKG"


def _is_speaker(before: Morpheme, this: Morpheme) -> bool:
    return before.tag == "JX" and before.form in TOPIC_PARTICLES and this.tag == "SSO"


def _is_copula(before: Morpheme, this: Morpheme) -> bool:
    is_thing = before.tag in _NOUNS or before.tag in ("NNB", "SSC", "JX")
    return this.tag in _COPULAS and is_thing and before.form not in _ASPECTS


def _before_first(segment: Sequence[Morpheme], is_wanted: Callable[[Morpheme, Morpheme], bool]) -> int:
    """Return how many words stand before the first particle that is wanted, 0 if there is none."""
    return next(_counts(segment, is_wanted), 0)


def _before_last(segment: Sequence[Morpheme], is_wanted: Callable[[Morpheme, Morpheme], bool]) -> int:
    """Return how many words stand before the last particle that is wanted, 0 if there is none."""
    return max(_counts(segment, is_wanted), default=0)


def _counts(segment: Sequence[Morpheme], is_wanted: Callable[[Morpheme, Morpheme], bool]) -> Iterator[int]:
    words = 0
    for before, this in pairwise([_NOTHING, *segment]):
        if is_wanted(before, this):
            yield words
        words += _is_word(this)


def _is_word(morpheme: Morpheme) -> bool:
    return (morpheme.tag in _NOUNS and morpheme.form not in _ASPECTS) or morpheme.tag in _VERBS


def _words(segment: Sequence[Morpheme], text: str) -> tuple[tuple[Word, ...], frozenset[int]]:
    """Return the words of a clause, and the places of its joints among them."""
    words: list[Word] = []
    joints = set()
    prefix = ""
    for this, following in pairwise([*segment, _NOTHING]):
        if _is_word(this):
            surface = squeeze(prefix + text[this.start : this.end])
            is_predicate = this.tag in _VERBS or following.tag in _VERB_ENDINGS
            particle = _PARTS.get(following.form, "") if following.tag in ("JKB", "JKO", "JC", "JX") else ""
            form = this.form if this.tag in _VERBS else surface.lstrip("0") or "0" if surface.isdigit() else surface
            words.append(Word(form, this.tag, surface, is_predicate, particle))
        elif this.tag == "JC" or (this.tag in ("SP", "SO") and this.form not in ":："):
            joints.add(len(words))
        prefix = text[this.start : this.end] if this.tag == "XPN" else ""
    return tuple(words), frozenset(joints)
