"""Which countries a text names, in any of the languages, and whether a question is about another one than a passage."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache

from babel import Locale

from index.scripts import KANA
from server.messages import LANGUAGES

# As they are shortened where several stand together.
_SHORT = {
    "한": "KR",
    "미": "US",
    "일": "JP",
    "중": "CN",
    "북": "KP",
    "韓": "KR",
    "米": "US",
    "美": "US",
    "韩": "KR",
    "日": "JP",
    "中": "CN",
}
_JOINED = re.compile(
    r"(?<![가-힣])[한미일중북](?:[-·‧・ㆍ][한미일중북])+|(?<![가-힣])한미|(?<![가-힣])미중|[韓韩][米美国]|[美米][韓韩]"
)
_MORE_TERRITORIES = {
    "한국": "KR", "우리나라": "KR", "남한": "KR", "south korea": "KR", "korea": "KR", "korean": "KR",
    "republic of korea": "KR", "rok": "KR", "us": "US", "u.s": "US", "usa": "US", "america": "US", "american": "US",
    "アメリカ": "US", "米国": "US", "japanese": "JP", "chinese": "CN", "vietnamese": "VN", "mỹ": "US",
    "大韓民国": "KR", "大韩民国": "KR",
}  # fmt: skip
_LATIN = re.compile(r"[A-Za-zÀ-ỹ]")
# Passages at home there seldom name it.
_AT_HOME = "KR"
# Other words, too: "수단" is a means, "이란" what something is called; or what people are.
_WORDS = frozenset({"가나", "말리", "수단", "오만", "이란", "인도", "american", "chinese", "japanese", "vietnamese"})
# Whoever comes from there asks about something else: "일본인도", "베트남에서 왔는데".
_ASKERS = re.compile(r"\s?(?:인|사람|국적|국민|어|에서|출신|여권|학생|人|语|語|から|国籍|籍)")
_ASKERS_BEFORE = re.compile(r"(?:\bfrom|\btừ|người|来自)\s*$", re.IGNORECASE)


def asks_of_another_territory(question: str, passage: str) -> bool:
    """Whether `question` names a country that `passage` doesn't, which names others.

    A passage that names none may be about any.
    """
    asked = _asked_about(question) - {_AT_HOME}
    # Most questions name none, and then the passage, which is longer, need not be searched.
    told = territories(passage) - {_AT_HOME} if asked else frozenset()
    return bool(told) and not asked <= told


def _asked_about(question: str) -> set[str]:
    question = unicodedata.normalize("NFKC", question)
    codes = joined_territories(question)
    for found in territory_pattern().finditer(question):
        before, name, after = question[: found.start()], found.group(), question[found.end() :]
        is_asker = _ASKERS.match(after) or _ASKERS_BEFORE.search(before)
        if not name[0].islower() and name.casefold() not in _WORDS and not is_asker:
            codes.add(_territory_codes()[name.casefold()])
    return codes


@cache
def _territory_codes() -> dict[str, str]:
    names: dict[str, str] = {}
    for language in LANGUAGES:
        for code, name in Locale(language).territories.items():
            # Short names in scripts without spaces would be found within other words.
            if len(code) == 2 and code.isalpha() and len(name) > (2 if KANA.search(name) else 1):
                names.setdefault(name.casefold(), code)
    return names | _MORE_TERRITORIES


@cache
def territory_pattern() -> re.Pattern[str]:
    """Return what finds the name of a territory, in any of the languages."""
    names = sorted(_territory_codes(), key=len, reverse=True)
    spaced = [rf"\b{re.escape(name)}\b" for name in names if _LATIN.match(name)]
    others = [re.escape(name) for name in names if not _LATIN.match(name)]
    return re.compile("|".join([*spaced, *others]), re.IGNORECASE)


def territory_names(text: str) -> Iterator[tuple[str, str]]:
    """Yield the names of territories in `text` with their codes (ISO 3166-1)."""
    for found in territory_pattern().finditer(text):
        # "us" is America in capitals alone, "áo" Austria.
        if not found.group()[0].islower():
            yield found.group(), _territory_codes()[found.group().casefold()]


def joined_territories(text: str) -> set[str]:
    """Return the codes of countries that are named by a syllable each: "한-미"."""
    return {_SHORT[sign] for found in _JOINED.finditer(text) for sign in found.group() if sign in _SHORT}


@lru_cache(maxsize=2_000)
def territories(text: str) -> frozenset[str]:
    """Return the codes of all territories that `text` names."""
    text = unicodedata.normalize("NFKC", text)
    return frozenset({code for _, code in territory_names(text)} | joined_territories(text))
