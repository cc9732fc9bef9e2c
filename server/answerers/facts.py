"""What can be checked word for word in a sentence: its numbers, dates, codes, names and quotations.

Each is brought to one form whatever the language and way of writing: "1조 2천억 원", "1.2 trillion won"; "10. 29.",
"10월 29일", "October 29"; "두 가지", "two". What can't be told for certain is taken for a fact: a sentence that is wrongly
held back costs less than a wrong one that is shown.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple

from babel import Locale
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from index.morphemes import proper_nouns
from index.scripts import HAN, HANGUL, KANA, VIETNAMESE
from server.answerers.sounds import sounds_alike
from server.answerers.title_words import TITLE_WORDS
from server.messages import LANGUAGES
from server.phrases import phrase


class Quantity(NamedTuple):
    """A number and what it counts: one of `_UNITS`, or "" where that isn't known."""

    value: float
    unit: str = ""


class Date(NamedTuple):
    """A day, a month or a year; what isn't told is 0. `weekday` is 1 for Monday."""

    year: int = 0
    month: int = 0
    day: int = 0
    weekday: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What a text states in figures, codes and quotations."""

    quantities: frozenset[Quantity]
    dates: frozenset[Date]
    codes: frozenset[str]
    quotations: tuple[str, ...]


def unsupported_facts(claim: str, evidence: Sequence[str]) -> list[str]:
    """Return what `claim` states and none of the texts in `evidence` holds, in words for the log; empty: all is there.

    A date must stand as a whole in one of the texts.
    """
    stated = facts(claim)
    held = [facts(text, as_evidence=True) for text in evidence]
    squeezed = squeeze(" ".join(evidence))
    missing = [f"number {q.value:g} {q.unit}".strip() for q in stated.quantities if not _holds_quantity(held, q)]
    missing += [f"date {tuple(date)}" for date in stated.dates if not _holds_date(held, date)]
    codes = frozenset[str]().union(*(one.codes for one in held))
    missing += [f"code {code}" for code in stated.codes if code not in codes and code not in squeezed]
    missing += [f"quotation {quotation}" for quotation in stated.quotations if squeeze(quotation) not in squeezed]
    return [*missing, *(f"name {name}" for name in _unknown_names(claim, evidence, squeezed))]


def _holds_quantity(held: Iterable[Facts], wanted: Quantity) -> bool:
    return any(
        found.value == wanted.value and (found.unit == wanted.unit or "" in (found.unit, wanted.unit))
        for one in held
        for found in one.quantities
    )


def _holds_date(held: Iterable[Facts], wanted: Date) -> bool:
    return any(
        all(not part or part == other for part, other in zip(wanted, found, strict=True))
        for one in held
        for found in one.dates
    )


@lru_cache(maxsize=2_000)
def facts(text: str, as_evidence: bool = False) -> Facts:
    """Return the facts of `text`. As evidence it holds also what it only implies: "양국" are two."""
    text = unicodedata.normalize("NFKC", text)
    quotations = tuple(found[1] or found[2] for found in _QUOTED.finditer(text))
    codes: set[str] = set()
    dates: set[Date] = set()
    if VIETNAMESE.search(text):
        text = _VIETNAMESE_NUMBER.sub(lambda found: found.group().replace(".", "").replace(",", "."), text)
    text = _take(text, _ADDRESS, lambda found: codes.add(found.group().rstrip("./").casefold()))
    text = _take(text, _ARTICLE, lambda found: codes.add(squeeze(found.group(1))))
    text = _digits_for_words(text)
    dates |= {Date(weekday=day) for day in _weekdays(text)}
    day_first = bool(VIETNAMESE.search(text))
    for pattern in _DATES:
        text = _take(text, pattern, lambda found: dates.add(_date(found, day_first)))
    text = _take(text, _PHONE, lambda found: codes.add(_phone_digits(found.group())))
    text = _take(text, _CODE, lambda found: codes.add(squeeze(found.group())))
    quantities = set(_quantities(text))
    if as_evidence:
        # A weekday or a year may stand beside the day that it belongs to.
        dates |= {b._replace(weekday=a.weekday) for a in dates for b in dates if a.weekday and b.day}
        parts = ("year", "month", "day")
        quantities |= {Quantity(float(d), part) for date in dates for d, part in zip(date, parts, strict=False) if d}
        if phrase("both").search(text) or len(_joined_territories(text)) == 2:
            quantities.add(Quantity(2.0))
    return Facts(frozenset(quantities), frozenset(dates), frozenset(codes), quotations)


def squeeze(text: str) -> str:
    """Return the letters and digits of `text` alone, in NFKC and without case."""
    return _NOT_WORD.sub("", unicodedata.normalize("NFKC", text).casefold())


_NOT_WORD = re.compile(r"[\W_]+")
_QUOTED = re.compile(r"""["“„«「『《〈‘](.{2,}?)["”»」』》〉’]|(?<!\w)'([^']{2,})'(?!\w)""")
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[^\s<>()]+|[\w.+-]+@[\w-]+\.[\w.-]+|\b[\w-]+(?:\.[\w-]+)*\.(?:kr|com|net|org|io|gov|vn|jp|cn)\b\S*",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?:\+\d{1,3}[-. ]?)?\(?(?<!\d)\d{2,4}\)?[-. )]\s?\d{3,4}[-. ]\d{4}(?!\d)|(?<!\d)1\d{3}-\d{4}(?!\d)"
)
# Letters and digits that name one thing: "5G", "COVID-19", "2025-15", "A4".
# Before numbers are read: 조 is a trillion too.
_ARTICLE = re.compile(r"(?:제|第|\bArticle|\bĐiều)\s?(\d+)\s?(?:조|条|條)?", re.IGNORECASE)
_CODE = re.compile(r"(?<![A-Za-z])[A-Za-z]+-?\d[A-Za-z\d-]*|(?<!\d)\d+[A-Za-z](?![A-Za-z\d])|(?<!\d)\d+(?:-\d+)+(?!\d)")


def _take(text: str, pattern: re.Pattern[str], keep: Callable[[re.Match[str]], object]) -> str:
    """Return `text` without what `pattern` finds, each of which goes to `keep`: a figure counts once."""

    def taken(found: re.Match[str]) -> str:
        keep(found)
        return " · "

    return pattern.sub(taken, text)


def _phone_digits(text: str) -> str:
    digits = re.sub(r"\D", "", text)
    return f"0{digits[2:].lstrip('0')}" if text.lstrip("(").startswith("+82") else digits


# ----- numbers -------------------------------------------------------------------------------------------------------

_SCALES = {
    **dict(zip("십백천만억조", (1e1, 1e2, 1e3, 1e4, 1e8, 1e12), strict=True)),
    **dict(zip("十百千万萬億亿兆", (1e1, 1e2, 1e3, 1e4, 1e4, 1e8, 1e8, 1e12), strict=True)),
}
_ONES = {
    **{sign: value for value, sign in enumerate("영일이삼사오육칠팔구")},
    **{sign: value for value, sign in enumerate("零一二三四五六七八九")},
    "〇": 0, "공": 0, "两": 2, "兩": 2, "륙": 6,
}  # fmt: skip
_SIGNS = "".join([*_SCALES, *_ONES])
_LATIN_NUMBERS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18,
    "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "twice": 2, "double": 2, "half": 0.5,
    "hai": 2, "ba": 3, "bốn": 4, "sáu": 6, "bảy": 7, "tám": 8, "chín": 9, "mười": 10,
}  # fmt: skip
_LATIN_SCALES = {
    "hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12,
    "trăm": 1e2, "nghìn": 1e3, "ngàn": 1e3, "triệu": 1e6, "tỷ": 1e9, "tỉ": 1e9,
}  # fmt: skip
_NATIVE_KOREAN = {
    "한": 1, "두": 2, "세": 3, "네": 4, "다섯": 5, "여섯": 6, "일곱": 7, "여덟": 8, "아홉": 9, "열": 10, "열한": 11,
    "열두": 12, "스무": 20, "스물": 20, "서른": 30, "마흔": 40, "쉰": 50, "첫": 1,
}  # fmt: skip
_COUNTERS = "명|개국|개월|개|가지|번째|번|차례|곳|분야|건|시간|시|달|살|대|배|해|권|장|나라|사람|회|국가|단계|째|차|년|월|일|주|세|인|원|위|층|호|조|항|퍼센트|%"
_NATIVE = re.compile(rf"(?<![가-힣])({'|'.join(sorted(_NATIVE_KOREAN, key=len, reverse=True))})\s?(?={_COUNTERS})")
# Korean and Chinese numerals are syllables of other words too: two of them with a scale among them, or a counter behind.
_WRITTEN = re.compile(
    rf"(?<![가-힣])(?!만일)[{_SIGNS}]*[{''.join(_SCALES)}][{_SIGNS}]*(?=\s?(?:{_COUNTERS}|韩元|韓元|元|ウォン|ドル|美元|人))"
    rf"|(?<![가-힣])[삼사오육칠팔구](?=(?:{_COUNTERS})(?![가-힣]))"
    r"|[〇零一二三四五六七八九]{4}(?=年)"
    r"|[二三四五六七八九两兩十百千万億亿]+(?=[年月日号个個つ人名国國项項大次回倍歳岁%])"
)
_MIXED = re.compile(
    rf"\d[\d,]*(?:\.\d+)?\s?[{''.join(_SCALES)}](?:\s?[\d,.]*\s?[{''.join(_SCALES)}])*(?:\s?\d+(?![\d.,]))?"
)
# Points part thousands, a comma the decimals.
_VIETNAMESE_NUMBER = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3})+(?:,\d+)?(?![\d.,]*\d)|(?<![\d.,])\d+,\d{1,2}(?!\d)")
_DAYS = {"하루": 1, "이틀": 2, "사흘": 3, "나흘": 4, "닷새": 5, "열흘": 10, "보름": 15}
_PLAIN = re.compile(r"(?<![\d.])\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_WORD_NUMBER = re.compile(
    rf"\b(?:(\d[\d,.]*)\s?|(?:(?P<word>{'|'.join(_LATIN_NUMBERS)})[\s-]))(?P<scale>{'|'.join(_LATIN_SCALES)})\b(?:\s(?P<more>tỷ|tỉ)\b)?"
    rf"|\b(?P<tens>twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)[\s-](?P<ones>two|three|four|five|six|seven|eight|nine)\b"
    rf"|\b(?P<alone>{'|'.join(_LATIN_NUMBERS)})\b",
    re.IGNORECASE,
)
_UNITS = {
    "%": r"%|퍼센트|프로(?![가-힣])|percent|パーセント|phần trăm",
    "won": r"원|won\b|ウォン|韩元|韓元",
    "dollar": r"달러|(?:US )?dollars?\b|ドル|美元|đô la",
    "year": r"년|年|years?\b|năm\b",
    "month": r"개월|달(?!러)|か月|ヶ月|カ月|个月|個月|months?\b|tháng\b",
    "week": r"주(?![가-힣])|주(?:일|간|[가를는에로뒤후내])|週間?|周|weeks?\b|tuần\b",
    "day": r"일|日|天|days?\b|ngày\b",
    "hour": r"시간|時間|小时|小時|hours?\b|giờ\b|시(?![가-힣])",
    "minute": r"분(?!야|의|기)|分钟?|minutes?\b|phút\b",
    "people": r"명|인(?![가-힣])|사람|人|名|people\b|persons?\b|người\b",
}
# Any other word that Korean counts by: the same in both texts, or unknown in another language.
_COUNTER = re.compile(r"\s?([가-힣])")
_UNIT = re.compile(
    rf"\s?-?(?:{'|'.join(f'(?P<u{at}>{pattern})' for at, pattern in enumerate(_UNITS.values()))})", re.IGNORECASE
)


def _digits_for_words(text: str) -> str:
    """Return `text` with the numbers that it writes in words, in any of the languages, in digits."""
    for word, days in _DAYS.items():
        text = text.replace(word, f"{days}일")
    text = _NATIVE.sub(lambda found: f"{_NATIVE_KOREAN[found.group(1)]} ", text)
    text = _MIXED.sub(lambda found: _plain(_value(found.group())), text)
    text = _WRITTEN.sub(lambda found: _plain(_value(found.group())), text)
    return _WORD_NUMBER.sub(_latin_value, text)


def _value(text: str) -> float:
    """Return the value of a number of digits, numerals and scales in any mixture: "3천2백만", "一九八九", "1조 2천억"."""
    total = section = 0.0
    current: float | None = None
    for token in re.findall(rf"\d[\d,]*(?:\.\d+)?|[{_SIGNS}]", text):
        scale = _SCALES.get(token)
        if scale is None:
            digit = _ONES[token] if token in _ONES else float(token.replace(",", ""))
            current = digit if current is None or token not in _ONES else current * 10 + digit
        elif scale < 1e4:
            section += (1 if current is None else current) * scale
            current = None
        elif total and not section and current is None:
            total *= scale  # "万亿" is one scale
        else:
            total += (section + (current or 0) or 1) * scale
            section, current = 0.0, None
    return total + section + (current or 0)


def _latin_value(found: re.Match[str]) -> str:
    if found["scale"]:
        number = (
            _LATIN_NUMBERS[found["word"].lower()] if found["word"] else float(found[1].strip(",.").replace(",", ""))
        )
        more = _LATIN_SCALES[found["more"].lower()] if found["more"] else 1.0
        return _plain(number * _LATIN_SCALES[found["scale"].lower()] * more)
    if found["tens"]:
        return _plain(_LATIN_NUMBERS[found["tens"].lower()] + _LATIN_NUMBERS[found["ones"].lower()])
    return _plain(_LATIN_NUMBERS[found["alone"].lower()])


def _plain(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")


def _quantities(text: str) -> Iterator[Quantity]:
    for found in _PLAIN.finditer(text):
        unit = _UNIT.match(text, found.end())
        name = list(_UNITS)[int(unit.lastgroup[1:])] if unit and unit.lastgroup else ""
        if not name and text[: found.start()].rstrip().endswith("$"):
            name = "dollar"
        if not name and (counter := _COUNTER.match(text, found.end())):
            name = counter.group(1)
        yield Quantity(float(found.group().replace(",", "")), name)


# ----- dates ---------------------------------------------------------------------------------------------------------

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
_NTH = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\b"
_YEAR = r"(?P<year>(?:1[5-9]|20)\d\d)"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![\d.])(?P<year>\d{4})\s?[.\-/]\s?(?P<month>\d{1,2})\s?[.\-/]\s?(?P<day>\d{1,2})(?!\d)\.?",
        r"(?:(?P<year>\d{4})\s?[년年]\s?)?(?<!\d)(?P<month>\d{1,2})\s?[월月]\s?(?P<day>\d{1,2})\s?[일日号]",
        rf"{_YEAR}\s?[년年]\s?(?P<month>\d{{1,2}})\s?[월月]",
        r"(?<!\d)(?P<month>\d{1,2})\s?[월月](?!간)",
        rf"\b{_MONTH}\s{_NTH}(?:,?\s{_YEAR})?(?!\d)",
        rf"\b{_NTH}\s(?:of\s)?{_MONTH}(?:,?\s{_YEAR})?(?!\d)",
        rf"\b{_MONTH}\s{_YEAR}(?!\d)",
        rf"(?:ngày\s)?(?P<day>\d{{1,2}})\stháng\s(?P<month>\d{{1,2}})(?:,?\s(?:năm\s)?{_YEAR})?(?!\d)",
        rf"tháng\s(?P<month>\d{{1,2}})(?:[/,]?\s?(?:năm\s)?{_YEAR})?(?!\d)",
        rf"(?<![\d/])(?P<first>\d{{1,2}})/(?P<second>\d{{1,2}})/{_YEAR}(?!\d)",
        r"(?<![\d.])(?P<month>\d{1,2})\.\s?(?P<day>\d{1,2})\.(?=\s|\(|\)|,|$|~)",
        rf"(?<![\d.,$]){_YEAR}\s?(?:[년年](?!\s?(?:간|동안|째))|(?![\d.,]?\d)(?!\s?(?:명|개|원|건|곳|km|people|won|dollar|%)))",
    )
)  # fmt: skip
_WEEKDAYS = (
    ("월", "mon", "月", "一", "hai"), ("화", "tue", "火", "二", "ba"), ("수", "wed", "水", "三", "tư"),
    ("목", "thu", "木", "四", "năm"), ("금", "fri", "金", "五", "sáu"), ("토", "sat", "土", "六", "bảy"),
    ("일", "sun", "日", "日", "nhật"),
)  # fmt: skip
_WEEKDAY = tuple(
    re.compile(
        rf"{ko}요일|\({ko}\)|\b{en}(?:day|sday|nesday|rsday|urday)\b|{ja}曜|\({ja}\)|(?:星期|周){zh}|thứ {vi}\b|chủ {vi}\b",
        re.IGNORECASE,
    )
    for ko, en, ja, zh, vi in _WEEKDAYS
)


def _weekdays(text: str) -> Iterator[int]:
    return (day for day, pattern in enumerate(_WEEKDAY, 1) if pattern.search(text))


def _date(found: re.Match[str], day_first: bool) -> Date:
    parts = found.groupdict()
    if parts.get("first"):
        first, second = int(parts["first"]), int(parts["second"])
        month, day = (second, first) if day_first or first > 12 else (first, second)
    else:
        month, day = int(parts.get("month") or 0), int(parts.get("day") or 0)
    if parts.get("name"):
        month = _MONTHS.index(parts["name"][:3].lower()) + 1
    return Date(int(parts.get("year") or 0), month, day)


# ----- names ---------------------------------------------------------------------------------------------------------

_LATIN_WORD = re.compile(r"(?:\b[A-Z]\.){2,}|\b[A-Za-zÀ-ỹ]+(?:[’'-][A-Za-zÀ-ỹ]+)*")
_KATAKANA = re.compile(r"[ァ-ヴー]{2,}(?:[・=][ァ-ヴー]{2,})+")
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
    "한국": "KR", "우리나라": "KR", "남한": "KR", "south korea": "KR", "korea": "KR", "korean": "KR", "republic of korea": "KR",
    "rok": "KR", "us": "US", "u.s": "US", "usa": "US", "america": "US", "american": "US", "アメリカ": "US", "米国": "US",
    "japanese": "JP", "chinese": "CN", "vietnamese": "VN", "mỹ": "US", "大韓民国": "KR", "大韩民国": "KR",
}  # fmt: skip


def _unknown_names(claim: str, evidence: Sequence[str], squeezed: str) -> Iterator[str]:
    """Yield the names in `claim` that `evidence` doesn't hold, as they are or by how they sound."""
    claim = unicodedata.normalize("NFKC", claim)
    plain = _ADDRESS.sub(" ", claim)
    known = frozenset[str]().union(*map(_territories, evidence))
    for name, code in _territory_names(plain):
        if code not in known:
            yield name
    plain = _territory_pattern().sub(lambda found: found.group() if found.group()[0].islower() else " ", plain)
    heard = [name for text in evidence for name in _names_to_hear(text)]
    for name in _names(plain):
        if squeeze(name) not in squeezed and not any(sounds_alike(name, other) for other in heard):
            yield name


@lru_cache(maxsize=2_000)
def _names(text: str) -> tuple[str, ...]:
    """Return what may name a person, a place or a body. Ordinary words of titles, capitalised, are left out."""
    names = [noun for noun in proper_nouns(text) if len(noun) > 1] if HANGUL.search(text) else []
    names += [" ".join(words) for words in _latin_names(text)]
    names += [found.group() for found in _KATAKANA.finditer(text)]
    if HAN.search(text) and not HANGUL.search(text):
        names += [next(filter(None, found.groups())) for found in phrase("titled_name").finditer(text)]
    return tuple(names)


def _latin_names(text: str) -> Iterator[list[str]]:
    """Yield the capitalised words that are no ordinary ones, those that stand together in one list."""
    run: list[str] = []
    end = 0
    # Vietnamese names have two syllables at least, so a single one with a capital begins a sentence.
    least = 2 if VIETNAMESE.search(text) else 1
    for found in (*_LATIN_WORD.finditer(text), None):
        word = re.sub(r"['’]s$", "", found.group()) if found else ""
        is_capitalised = any(map(str.isupper, word))
        if run and not (found and is_capitalised and text[end : found.start()].isspace()):
            name = [one for one in run if not all(map(_is_ordinary, re.split(r"[-’']", one)))]
            if name and (len(run) >= least or name[0].isascii()):
                yield name
            run = []
        if found and is_capitalised:
            run.append(word)
            end = found.end()


@lru_cache(maxsize=2_000)
def _names_to_hear(text: str) -> tuple[str, ...]:
    """Return the names of `text` as another language may spell them: alone, and two that follow each other as one."""
    nouns = [noun for noun in proper_nouns(text) if noun.isalpha()] if HANGUL.search(text) else []
    names = [*nouns, *(" ".join(pair) for pair in pairwise(nouns))]
    names += [" ".join(words) for words in _latin_names(text)]
    names += [found.group() for found in re.finditer(r"[ァ-ヴー]{2,}(?:[・=][ァ-ヴー]{2,})*", text)]
    return tuple(names)


def _is_ordinary(word: str) -> bool:
    bare = word.casefold().rstrip(".")
    return bare in ENGLISH_STOP_WORDS or bare in TITLE_WORDS or len(bare) == 1


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
def _territory_pattern() -> re.Pattern[str]:
    names = sorted(_territory_codes(), key=len, reverse=True)
    spaced = [rf"\b{re.escape(name)}\b" for name in names if _LATIN_WORD.match(name)]
    others = [re.escape(name) for name in names if not _LATIN_WORD.match(name)]
    return re.compile("|".join([*spaced, *others]), re.IGNORECASE)


def _territory_names(text: str) -> Iterator[tuple[str, str]]:
    for found in _territory_pattern().finditer(text):
        # "us" is America in capitals alone, "áo" Austria.
        if not found.group()[0].islower():
            yield found.group(), _territory_codes()[found.group().casefold()]


def _joined_territories(text: str) -> set[str]:
    return {_SHORT[sign] for found in _JOINED.finditer(text) for sign in found.group() if sign in _SHORT}


@lru_cache(maxsize=2_000)
def _territories(text: str) -> frozenset[str]:
    text = unicodedata.normalize("NFKC", text)
    return frozenset({code for _, code in _territory_names(text)} | _joined_territories(text))
