"""What kind of thing a question asks for, and whether a sentence holds one: a date, a count, a phone number."""

import re
from dataclasses import dataclass
from functools import lru_cache

from server.phrases import phrase

KINDS = ("date", "count", "counter", "phone", "online", "reason")
# A reason can be told in any words; a sentence without any of the others can't answer a question for it.
_RECOGNISABLE = frozenset(KINDS) - {"reason"}

_ASKED_BY = {
    "date": "asks_when",
    "count": "asks_count",
    "phone": "asks_phone",
    "online": "asks_online",
    "reason": "asks_reason",
}
# A particle may stand right behind either: "044-202-4340으로", "국번 없이 110번".
_PHONE = re.compile(
    r"\(?(?<!\d)0\d{1,3}\)?[-. ]\d{3,4}[-. ]\d{4}(?!\d)|(?<!\d)1\d{3}-\d{4}(?!\d)|\+\d{1,3}[\d -]{7,}"
    r"|(?:국번\s?없이|☎|☏)\s?\d{3,4}(?!\d)"
)
_ONLINE = re.compile(r"\w@\w|https?://|www\.|\b\w+\.(?:go|or|co)\.kr(?![a-z])", re.IGNORECASE)
# "몇 개국", "몇 차례": what is counted is named by the syllable after "몇", and stands behind the number in an answer.
_COUNTER = re.compile(r"몇\s?(년도|[가-힣])")
# People ask "몇 살", documents say "34세". Only behind digits: "이 세계" counts nothing.
_SAME_COUNTERS = {"살": "살세", "명": "명인", "번": "번회차", "회": "회번차", "차": "차회번"}
_KOREAN_NUMERAL = "일이삼사오육칠팔구십백천만억한두세네섯곱덟홉열"


@dataclass(frozen=True, slots=True)
class AskedKind:
    """The kinds of `KINDS` that a question asks for, and the Korean counter behind its "몇"."""

    kinds: frozenset[str]
    counter: str = ""


def asked_kind(question: str) -> AskedKind:
    """Return what kinds of things `question` asks for; most ask for none of `KINDS`."""
    kinds = {kind for kind, asked_by in _ASKED_BY.items() if phrase(asked_by).search(question)}
    counter = _COUNTER.search(question)
    if counter:
        kinds.add("counter")
    return AskedKind(frozenset(kinds), counter.group(1) if counter else "")


def missing_kinds(asked: AskedKind, sentence: str) -> list[float]:
    """Return for each of `KINDS` 1.0 when it is asked for and `sentence` holds none, else 0.0."""
    if not asked.kinds:
        return [0.0] * len(KINDS)
    held = _held_kinds(sentence)
    if asked.counter and _counted_by(asked.counter).search(sentence):
        held |= {"counter"}
    return [float(kind in asked.kinds and kind not in held) for kind in KINDS]


@lru_cache(maxsize=256)
def _counted_by(counter: str) -> re.Pattern[str]:
    """Return what finds a number of that counter, or "몇" before it, which asks nothing where a sentence has it too."""
    if counter == "년도":
        # Which year it was is told without a counter too: "2025 아시아태평양 경제협력체".
        return re.compile(r"\d\s?년|(?<!\d)(?:1[89]|20)\d\d(?!\d)")
    return re.compile(rf"[\d{_KOREAN_NUMERAL}몇]\s?{counter}|\d\s?[{_SAME_COUNTERS.get(counter, counter)}]")


def lacks_what_is_asked(question: str, sentence: str) -> bool:
    """Whether `question` asks for a date, a count, a phone number or an address and `sentence` holds none."""
    asked = asked_kind(question)
    # "몇 년도", "몇 개": the counter says more exactly than a count what would answer.
    decisive = _RECOGNISABLE - {"count"} if asked.counter else _RECOGNISABLE
    missing = zip(KINDS, missing_kinds(asked, sentence), strict=True)
    return any(is_missing and kind in decisive for kind, is_missing in missing)


@lru_cache(maxsize=20_000)
def _held_kinds(sentence: str) -> frozenset[str]:
    without_phones = _PHONE.sub(" ", sentence)
    found = {
        "date": phrase("date").search(without_phones),
        # A figure that is part of a date or a phone number counts nothing.
        "count": phrase("number").search(phrase("date").sub(" ", without_phones)),
        "phone": _PHONE.search(sentence),
        "online": _ONLINE.search(sentence),
        "reason": phrase("reason").search(sentence),
    }
    return frozenset(kind for kind, match in found.items() if match)
