"""What can be checked word for word in a sentence: its numbers, dates, codes, names and quotations.

Each is brought to one form whatever the language and way of writing: "1조 2천억 원", "1.2 trillion won"; "10. 29.",
"10월 29일", "October 29"; "두 가지", "two". What can't be told for certain is taken for a fact: a sentence that is wrongly
held back costs less than a wrong one that is shown.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from index.morphemes import noun_phrases, proper_nouns
from index.scripts import HAN, HANGUL, VIETNAMESE
from server.answerers.sounds import is_romanised, sounds_alike
from server.answerers.territories import joined_territories, territories, territory_names, territory_pattern
from server.answerers.title_words import TITLE_WORDS
from server.phrases import phrase


class Quantity(NamedTuple):
    """A number, what it counts and how far it reaches.

    `unit` is one of `_UNITS`, a Korean counter, or "" where that isn't known; `bound` is "", ">=", ">", "<=" or "<".
    A time of day counts hours: as "clock" from 0 to 24, as "o'clock" from 0 to 12 where the half of the day isn't told.
    """

    value: float
    unit: str = ""
    bound: str = ""


class Date(NamedTuple):
    """A day, a month or a year; what isn't told is 0. `weekday` is 1 for Monday, `bound` ">=" for "from"."""

    year: int = 0
    month: int = 0
    day: int = 0
    weekday: int = 0
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a text states in figures, codes and quotations.

    `vague` are amounts and times without a figure: "half", "hundreds", "next year".
    """

    quantities: frozenset[Quantity]
    dates: frozenset[Date]
    codes: frozenset[str]
    vague: frozenset[str]
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
    missing += [f"code {code}" for code in stated.codes - codes]
    vague = frozenset[str]().union(*(one.vague for one in held))
    missing += [f"amount or time {told}" for told in stated.vague - vague]
    missing += [f"quotation {quotation}" for quotation in stated.quotations if squeeze(quotation) not in squeezed]
    return [*missing, *(f"name {name}" for name in _unknown_names(claim, evidence, squeezed))]


def _holds_quantity(held: Iterable[Facts], wanted: Quantity) -> bool:
    return any(
        found.value == wanted.value
        and (found.unit == wanted.unit or "" in (found.unit, wanted.unit))
        and found.bound == wanted.bound
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
    text = unicodedata.normalize("NFKC", _LIST_MARK.sub(" ", text))
    quotations = tuple(found[1] or found[2] for found in _QUOTED.finditer(text))
    codes: set[str] = set()
    dates: set[Date] = set()
    quantities: set[Quantity] = set()
    if VIETNAMESE.search(text):
        text = _VIETNAMESE_NUMBER.sub(lambda found: found.group().replace(".", "").replace(",", "."), text)
    text = _ONLY.sub(" ", text)
    whole = text
    text = _take(text, _ADDRESS, lambda found: codes.add(_bare_address(found.group())))
    text = _take(text, _ARTICLE, lambda found: codes.add("article " + "-".join(re.findall(r"\d+", found.group()))))
    vague = {name for name, pattern in _TIMES.items() if pattern.search(text)}
    for name in vague:
        # Else the second half would be a number and a half besides.
        text = _TIMES[name].sub(" · ", text)
    for pattern, with_year in _RANGES:
        text = pattern.sub(with_year, text)
    text = _digits_for_words(text)
    codes |= {f"{found[2]} of {found[1]} {found[3] or ''}".strip() for found in _FRACTION.finditer(text)}
    if not as_evidence:
        text = _FRACTION.sub(" · ", text)
    vague |= {name for name, pattern in _VAGUE.items() if pattern.search(text)}
    dates |= {Date(weekday=day) for day in _weekdays(text)}
    day_first = bool(VIETNAMESE.search(text))
    text = _signed(text, as_evidence)
    for pattern in _DATES:
        text = _take(text, pattern, lambda found: dates.add(_date(found, day_first)))
    text = _take(text, _PHONE, lambda found: codes.add(_phone_digits(found.group())))
    text = _take(text, _CODE, lambda found: codes.add(found.group().casefold()))
    for pattern in _CLOCK:
        text = _take(text, pattern, lambda found: quantities.add(_time_of_day(found)))
    quantities |= set(_quantities(text))
    if as_evidence:
        # What is paid "매월" is so much "a month".
        vague |= {f"a {time}" for time in ("year", "month") if f"every {time}" in vague}
        # "18시까지" may be told as "마감 18시", "5~10명" as "five and ten"; but "65세 이상" is not "65세".
        quantities |= {q._replace(bound="") for q in quantities if "clock" in q.unit}
        quantities |= set(_scaled_by_heads(whole))
        quantities |= {q._replace(bound="") for found in _STRETCH.finditer(text) for q in _quantities(found.group())}
        # A weekday or a year may stand beside the day that it belongs to.
        dates |= {b._replace(weekday=a.weekday) for a in dates for b in dates if a.weekday and b.day}
        # "25일" may be a day of a month or a stretch of days, and "the 25th" names none of both.
        quantities |= {Quantity(float(part), "date") for date in dates for part in date[:3] if part}
        quantities |= {Quantity(float(d.day), "day", d.bound) for d in dates if d.day and not d.month}
        dates |= {Date(day=int(q.value), bound=q.bound) for q in quantities if q.unit == "day"}
        quantities |= {Quantity(q.value % 12, "o'clock", q.bound) for q in quantities if q.unit == "clock"}
        if phrase("both").search(text) or len(joined_territories(text)) == 2:
            quantities.add(Quantity(2.0))
    return Facts(frozenset(quantities), frozenset(dates), frozenset(codes), frozenset(vague), quotations)


def _scaled_by_heads(text: str) -> Iterator[Quantity]:
    """Yield what the bare numbers behind the head of a table count: "(단위: 천 원)", "임대료(만 원)"."""
    heads = list(_TABLE_UNIT.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)] * bool(heads)
    for head, end in zip(heads, ends, strict=True):
        scale = math.prod(_SCALES[sign] for sign in head["scale"])
        named = _UNIT.match(head["unit"])
        unit = _unit_name(named) or head["unit"]
        for found in _PLAIN.finditer(text, head.end(), end):
            value = float(found.group().replace(",", ""))
            is_year = value.is_integer() and 1900 <= value <= 2100 and "," not in found.group()
            if not is_year and not _UNIT.match(text, found.end()) and not _COUNTER.match(text, found.end()):
                yield Quantity(value * scale, unit)


def squeeze(text: str) -> str:
    """Return the letters and digits of `text` alone, in NFKC and without case."""
    return _NOT_WORD.sub("", unicodedata.normalize("NFKC", text).casefold())


_NOT_WORD = re.compile(r"[\W_]+")
# "포장 구역에 한해" is no year.
_ONLY = re.compile(r"(?<=에)\s?한(?=해|하|정)")
# English has a word for one of four, which is among the vague amounts.
_FRACTION = re.compile(r"(?<!\d)(?!4분)(\d+)\s?분의\s?(\d+)\s?(이상|이하|초과|미만|까지)?")
_TABLE_UNIT = re.compile(
    r"(?:단위\s?[:：]?\s?|[(（]\s?)(?P<scale>[십백천만억조]{0,2})\s?(?P<unit>원|명|달러|톤|개|건|호|가구|대|곳|㎡|%)\s?[)）,]"
)
_QUOTED = re.compile(r"""["“„«「『《〈‘](.{2,}?)["”»」』》〉’]|(?<!\w)'([^']{2,})'(?!\w)""")
# "2." and "①" at the beginning of a line count nothing.
_LIST_MARK = re.compile(r"^\s*(?:\d{1,2}[.)](?=\s+\D)|\(\d{1,2}\)|[①-⑳])", re.MULTILINE)
_ADDRESS = re.compile(
    r"(?a:https?://[^\s<>()가-힣ぁ-ヿ㐀-鿿]+|www\.[\w./?=&%#~-]+|[\w.+-]+@[\w-]+\.[\w.-]+|(?<![\w.])[\w-]+(?:\.[\w-]+)*\.[a-z]{2,12}"
    r"(?![\w])(?:/[\w./?=&%#~-]*)?)",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?:\+\d{1,3}[-. ]?)?\(?(?<!\d)\d{2,4}\)?[-. )]\s?\d{3,4}[-. ]\d{4}(?!\d)|(?<!\d)1\d{3}-\d{4}(?!\d)"
)
# Before numbers are read: 조 is a trillion too.
_ARTICLE = re.compile(
    r"(?:제\s?\d+\s?조|第\s?\d+\s?[条條]|\bArticle\s\d+|\bĐiều\s\d+)(?:(?:의|之|-)\s?\d+)?", re.IGNORECASE
)
# Letters and digits that name one thing: "5G", "COVID-19", "2025-15", "A4".
_CODE = re.compile(
    r"(?<![A-Za-z])[A-Za-z]+-?\d[A-Za-z\d-]*|(?<!\d)\d+(?![mgth](?![A-Za-z]))[A-Za-z](?![A-Za-z\d])|(?<!\d)\d+(?:-\d+)+(?!\d)"
)


def _bare_address(text: str) -> str:
    return re.sub(r"^(?:https?://)?(?:www\.)?", "", text.casefold()).rstrip("./")


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
    "ninety": 90, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "eleventh": 11, "twelfth": 12, "twentieth": 20, "thirtieth": 30, "twice": 2, "double": 2,
    "hai": 2, "ba": 3, "bốn": 4, "sáu": 6, "bảy": 7, "tám": 8, "chín": 9, "mười": 10,
}  # fmt: skip
# Words that are numbers behind a ten alone: "one" is a pronoun, "năm" a year.
_LATIN_ONES = {
    "one": 1, "first": 1, "một": 1, "mốt": 1, "tư": 4, "năm": 5, "lăm": 5,
    **{word: value for word, value in _LATIN_NUMBERS.items() if value < 10 and word not in ("twice", "double")},
}  # fmt: skip
_LATIN_SCALES = {
    "hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12,
    "trăm": 1e2, "nghìn": 1e3, "ngàn": 1e3, "triệu": 1e6, "tỷ": 1e9, "tỉ": 1e9,
}  # fmt: skip
_KOREAN_TENS = {
    "열": 10,
    "스물": 20,
    "스무": 20,
    "서른": 30,
    "마흔": 40,
    "쉰": 50,
    "예순": 60,
    "일흔": 70,
    "여든": 80,
    "아흔": 90,
}
_KOREAN_ONES = {
    "한": 1, "하나": 1, "두": 2, "둘": 2, "세": 3, "셋": 3, "네": 4, "넷": 4, "다섯": 5, "여섯": 6, "일곱": 7, "여덟": 8,
    "아홉": 9, "첫": 1,
}  # fmt: skip
_COUNTERS = "명|개국|개월|개|가지|번째|번|차례|곳|분야|건|시간|시|달|살|대|배|해|권|장|나라|사람|회|국가|단계|째|차|년|월|일|주|세|인|원|위|층|호|조|항|퍼센트|%"
_TENS, _KOREAN_ONE = "|".join(_KOREAN_TENS), "|".join(sorted(_KOREAN_ONES, key=len, reverse=True))
# Alone a short one is a syllable of other words; a ten with a one behind it is clear.
_NATIVE = re.compile(
    rf"(?<![가-힣])(?:(?P<tens>{_TENS})\s?(?P<ones>{_KOREAN_ONE})(?:\s|(?![가-힣])|(?={_COUNTERS}))|(?P<ten>{_TENS})?(?P<one>{_KOREAN_ONE})?\s?(?={_COUNTERS})"
    r"|(?P<clear>서른|마흔|예순|일흔|여든|아흔)(?:\s|(?![가-힣])))"
)


def _compiled(named: dict[str, str]) -> dict[str, re.Pattern[str]]:
    return {name: re.compile(pattern, re.IGNORECASE) for name, pattern in named.items()}


# Amounts that no figure tells: the same in both texts, or unknown. What is left of scales when numbers are digits.
_VAGUE = _compiled(
    {
        "half": r"절반|\bhal(?:f|ves)\b|半分|半数|一半|\bnửa\b",
        "quarter": r"\bquarters?\b|4분의|분기",
        "dozens": r"수십|몇십|\bdozens?\b|数十|几十|幾十|hàng chục|\btá\b",
        "hundreds": r"수백|몇백|\bhundreds?\b|数百|几百|幾百|hàng trăm|(?<!phần )\btrăm\b",
        "thousands": r"수천|몇천|\bthousands?\b|数千|几千|幾千|hàng (?:nghìn|ngàn)|\b(?:nghìn|ngàn)\b",
        "ten thousands": r"수만|몇만|数万|几万|幾万|hàng vạn",
        "millions": r"수백만|\bmillions?\b|数百万|几百万|\btriệu\b",
        "billions": r"수억|수십억|\b(?:b|tr)illions?\b|数億|数亿|几亿|\bt[ỷỉ]\b",
    }
)
# Times that no figure tells, likewise.
_TIMES = _compiled(
    {
        "last year": r"작년|지난해|昨年|去年|\blast year\b|năm ngoái|năm trước",
        "this year": r"올해|올 한 해|금년|今年|\bthis year\b|năm nay",
        "next year": r"내년|来年|明年|\bnext year\b|năm sau|năm tới",
        "every year": r"매년|해마다|毎年|每年|\b(?:every|each) year\b|\b(?:annual|year)ly\b|h[ằà]ng năm|mỗi năm",
        "every month": r"매월|매달|달마다|毎月|每月|每个月|\b(?:every|each) month\b|\bmonthly\b|h[ằà]ng tháng|mỗi tháng",
        "every week": r"매주|毎週|每周|\b(?:every|each) week\b|\bweekly\b|h[ằà]ng tuần|mỗi tuần",
        "every day": r"매일|날마다|毎日|每天|每日|\b(?:every|each) day\b|\bdaily\b|h[ằà]ng ngày|mỗi ngày",
        "a year": r"(?<![가-힣])연(?:간)?\s?(?=\d)|\bper (?:year|annum)\b|\ba year\b|年間(?=\d)",
        "a month": r"(?<![가-힣\d])월\s?(?=\d[\d,.]*\s?[십백천만억]*\s?원)|\bper month\b|\ba month\b|月額",
        "last month": r"지난달|先月|上个月|\blast month\b|tháng trước",
        "this month": r"이번\s?달|이달|今月|这个月|\bthis month\b|tháng này",
        "next month": r"다음\s?달|내달|来月|下个月|\bnext month\b|tháng sau|tháng tới",
        "next week": r"다음\s?주|来週|下周|\bnext week\b|tuần sau|tuần tới",
        "yesterday": r"어제|昨日|昨天|\byesterday\b|hôm qua",
        "today": r"오늘|今日|今天|\btoday\b|hôm nay",
        "tomorrow": r"(?<![가-힣])내일(?!을|로)|明日|明天|\btomorrow\b|ngày mai",
        "first half": r"상반기|上半期|上半年|\bfirst half\b|nửa đầu",
        "second half": r"하반기|下半期|下半年|\b(?:second|latter) half\b|nửa cuối",
        "weekdays": r"평일|주중|平日|工作日|\bweekdays?\b|ngày thường",
        "weekends": r"주말|週末|周末|\bweekends?\b|cuối tuần",
    }
)
# "2025년 3월 4일부터 3월 21일까지": the year is that of both.
_RANGES = tuple(
    (re.compile(pattern), year)
    for pattern, year in (
        (
            r"(\d{4})(\s?[년年]\s?\d{1,2}\s?[월月]\s?\d{1,2}\s?[일日号]\s?(?:\([^)\d]{1,4}\)\s?)?(?:부터|에서|から|[~∼〜–-]|至|到)\s?)"
            r"(?=\d{1,2}\s?[월月])",
            r"\1\2\1년 ",
        ),
        (
            r"(\d{4})(\.\s?\d{1,2}\.\s?\d{1,2}\.?\s?(?:\([^)\d]{1,4}\)\s?)?(?:부터|[~∼〜–-])\s?)(?=\d{1,2}\.\s?\d{1,2}\b)",
            r"\1\2\1. ",
        ),
    )
)
# Korean and Chinese numerals are syllables of other words too: two of them with a scale among them, or a counter behind.
_WRITTEN = re.compile(
    # "조사원", "한해": nobody counts trillions without saying how many.
    rf"(?<![가-힣])(?!만일|[조억])[{_SIGNS}]*[{''.join(_SCALES)}][{_SIGNS}]*(?=\s?(?:{_COUNTERS}|韩元|韓元|元|ウォン|ドル|美元|人))"
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
    rf"|\b(?P<tens>twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|mười|(?P<times>hai|ba|bốn|năm|sáu|bảy|tám|chín) mươi)"
    rf"(?:[\s-](?P<ones>{'|'.join(_LATIN_ONES)}))?\b"
    rf"|\b(?P<alone>{'|'.join(_LATIN_NUMBERS)})\b",
    re.IGNORECASE,
)
_UNITS = {
    "%p": r"%\s?p\b|%\s?포인트|퍼센트 ?포인트|percentage points?|パーセントポイント|ポイント|个百分点|百分点|điểm phần trăm",
    "%": r"%|퍼센트|프로(?![가-힣])|percent|パーセント|phần trăm",
    "won": r"원|won\b|ウォン|韩元|韓元",
    "dollar": r"달러|(?:US )?dollars?\b|ドル|美元|đô la",
    "yen": r"엔(?![가-힣])|엔(?=[을이은화])|円|日元|yen\b",
    "yuan": r"위안|元|人民币|yuan\b|RMB\b|tệ\b",
    "euro": r"유로|ユーロ|欧元|euros?\b",
    "pound": r"파운드|ポンド|英镑|pounds?\b",
    **{
        name: rf"{letters}(?![A-Za-z])|{others}"
        for name, letters, others in (
            ("KB", "KB", "킬로바이트|kilobytes?"), ("MB", "MB", "메가바이트|megabytes?|メガバイト"),
            ("GB", "GB", "기가바이트|gigabytes?|ギガバイト"), ("TB", "TB", "테라바이트|terabytes?"),
            ("km", "km", "킬로미터|kilomet(?:er|re)s?|キロメートル|公里|千米|ki-lô-mét"), ("cm", "cm", "센티미터|centimet(?:er|re)s?|厘米"),
            ("mm", "mm", "밀리미터|millimet(?:er|re)s?|毫米"), ("m", "m", "미터|met(?:er|re)s?|メートル|米|mét"),
            ("kg", "kg", "킬로그램|kilograms?|キログラム|公斤|千克"), ("g", "g", "그램|grams?|グラム|克"),
            ("t", "t", "톤|tons?|tonnes?|トン|吨|tấn"),
        )
    },
    "degree": r"도(?![가-힣])|도(?=[까로를의가이입였에])|℃|°C?|degrees?\b|度|độ\b",
    "year": r"년|年|years?\b|năm\b|세(?![가-힣])|세(?=[이부까의를는가인로])|살(?![가-힣])|살(?=[이부까의을은인로])|[歳岁歲]|tuổi\b",
    "month": r"개월|달(?!러)|か月|ヶ月|カ月|个月|個月|months?\b|tháng\b",
    "week": r"주(?![가-힣])|주(?:일|간|입니|이[다며고]|[가를는에로뒤후내])|週間?|周|weeks?\b|tuần\b",
    "day": r"일|日|天|days?\b|ngày\b",
    "hour": r"시간|時間|小时|小時|hours?\b|giờ\b",
    "minute": r"분(?!야|의|기)|分钟?|minutes?\b|phút\b",
    "people": r"명|인(?![가-힣])|사람|人|名|people\b|persons?\b|người\b",
}  # fmt: skip
_SIGNS_BEFORE = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "₩": "won"}
# Any other word that Korean counts by: the same in both texts, or unknown in another language.
_COUNTER = re.compile(r"\s?([가-힣])")
_UNIT = re.compile(
    rf"\s?-?(?:{'|'.join(f'(?P<u{at}>{pattern})' for at, pattern in enumerate(_UNITS.values()))})", re.IGNORECASE
)


def _digits_for_words(text: str) -> str:
    """Return `text` with the numbers that it writes in words, in any of the languages, in digits."""
    for word, days in _DAYS.items():
        text = text.replace(word, f"{days}일간")
    text = _NATIVE.sub(_native_value, text)
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


def _native_value(found: re.Match[str]) -> str:
    tens, ones = found["tens"] or found["ten"] or found["clear"], found["ones"] or found["one"]
    if not tens and not ones:
        return found.group()
    return f"{_KOREAN_TENS.get(tens, 0) + _KOREAN_ONES.get(ones, 0)} "


def _latin_value(found: re.Match[str]) -> str:
    if found["scale"]:
        digits = (found[1] or "").strip(",.").replace(",", "")
        if digits.count(".") > 1:
            return found.group()  # a date or a version: no number that a scale could follow
        number = _LATIN_NUMBERS[found["word"].lower()] if found["word"] else float(digits)
        more = _LATIN_SCALES[found["more"].lower()] if found["more"] else 1.0
        return _plain(number * _LATIN_SCALES[found["scale"].lower()] * more)
    if found["tens"]:
        times = found["times"]
        tens = 10 * _LATIN_ONES[times.lower()] if times else _LATIN_NUMBERS[found["tens"].lower()]
        return _plain(tens + (_LATIN_ONES[found["ones"].lower()] if found["ones"] else 0))
    return _plain(_LATIN_NUMBERS[found["alone"].lower()])


def _plain(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")


_MINUS = re.compile(
    r"(?:영하|마이너스|零下|氷点下|マイナス|\bminus|\bâm)\s?(?=\d)|(?<![\w)%])[-−]\s?(?=\d)", re.IGNORECASE
)


def _signed(text: str, as_evidence: bool) -> str:
    """Return `text` with "−" straight before each number below zero, and before no other.

    What may be a mark of a list, "- 5개", is taken for a sign in a claim alone.
    """
    text = text.replace("−", "-")
    return _MINUS.sub(lambda found: found.group() if as_evidence and found.group() == "- " else "−", text)


def _unit_name(found: re.Match[str] | None) -> str:
    """Return which of `_UNITS` `_UNIT` found, "" if none."""
    return list(_UNITS)[int(found.lastgroup[1:])] if found and found.lastgroup else ""


def _quantities(text: str) -> Iterator[Quantity]:
    for found in _PLAIN.finditer(text):
        unit = _UNIT.match(text, found.end())
        name = _unit_name(unit)
        end = unit.end() if unit and name else found.end()
        before = text[: found.start()].rstrip()
        sign = -1.0 if before.endswith("−") else 1.0
        name = name or _SIGNS_BEFORE.get(before.rstrip("−")[-1:], "")
        if not name and (counter := _COUNTER.match(text, found.end())):
            name = counter.group(1)
        value = float(found.group().replace(",", ""))
        if not math.isfinite(value):
            continue
        yield Quantity(sign * value, name, _bound(text, found.start(), end))


# ----- how far a number or a date reaches ----------------------------------------------------------------------------

_BOUND_BEHIND = {
    ">=": r"이상|以上|이후|以降|以[后後]|之[后後]|부터|から|起|より|~|∼|〜|–|\+(?!\d)|or (?:more|older|over|above|later)|and (?:over|older|above|up|later)|onwards?|trở (?:lên|đi)",
    "<=": r"이하|以下|이내|以内|안에|까지|まで|[为為]止|이전|以前|之前|or (?:less|fewer|younger|under|below|earlier)|and (?:under|younger|below)|trở xuống",
    ">": r"초과|넘|を?超",
    "<": r"미만|未[満满]",
}
_BOUND_AHEAD = {
    ">=": r"\bat least|\bat or (?:above|over)|\bequal to or (?:more|greater) than|\bno (?:less|fewer) than|\bminimum(?: of)?|\bfrom|\bsince|\bstarting(?: on)?|최소|적어도|至少|不少于|不低于|从|從|自|少なくとも|最低|ít nhất|tối thiểu|(?:kể )?\btừ",
    "<=": r"\bup to|\bat or (?:below|under)|\bequal to or (?:less|lower) than|\bat most|\b(?:no|not) (?:more|later) than|\bmaximum(?: of)?|\bwithin|\buntil|\btill|\bthrough|최대|최고|不超[过過]|至多|最多|最大|最長|截至|tối đa|không quá|trong vòng|(?:cho )?\bđến|\btới|~|∼|〜|–",
    ">": r"\b(?:more|older) than|\bover|\babove|\bexceed(?:s|ing)?|超[过過]|\bhơn|\btrên",
    "<": r"\b(?:less|fewer|younger) than|\bunder|\bbelow|不到|低于|少于|\bdưới|\bít hơn",
}
# Of times alone: "rose by 5" and "five days after" are no bounds.
_TIME_BOUND_AHEAD = {">=": r"\bafter|\bsau", "<=": r"\bby|\bto|\bbefore|\btrước|至|到"}
# "5~10명": either number may be told without saying that it is an end.
_STRETCH = re.compile(
    r"\d[\d.,]*[^\d.,]{0,8}?(?:[~∼〜–-]|부터|에서|から|\bto\b|\band\b|đến|到|至)[^\d]{0,4}\d[\d.,]*", re.IGNORECASE
)
_AMONG = (
    r"\s?(?:(?:the|an?|ages?|aged|about|(?:mon|tues|wednes|thurs|fri|satur|sun)day,?|ngày|lúc)\s|[만약]\s?|[$€£¥₩−])*$"
)
_BETWEEN = r"(?:\s?(?:years )?of age)?(?:\s?\([^)\d]{1,6}\))?\s?[가-힣㐀-鿿]{0,2}?[을를]?\s?"


def _either(bounds: dict[str, str]) -> str:
    return "|".join(f"(?P<b{'<>'.index(name[0])}{len(name)}>{pattern})" for name, pattern in bounds.items())


_AHEAD = re.compile(rf"(?:{_either(_BOUND_AHEAD)}){_AMONG}", re.IGNORECASE)
_TIME_AHEAD = re.compile(rf"(?:{_either(_TIME_BOUND_AHEAD)}){_AMONG}", re.IGNORECASE)
_BEHIND = re.compile(rf"{_BETWEEN}(?:{_either(_BOUND_BEHIND)})", re.IGNORECASE)


def _bound(text: str, start: int, end: int, is_time: bool = False) -> str:
    """Return the bound that is told before or behind the number at `start` to `end`. Times have no strict ones."""
    before = text[max(0, start - 40) : start]
    found = _BEHIND.match(text, end) or _AHEAD.search(before) or (_TIME_AHEAD.search(before) if is_time else None)
    if not found or not found.lastgroup:
        return ""
    sign = "<>"[int(found.lastgroup[1])]
    return sign if found.lastgroup[2] == "1" and not is_time else f"{sign}="


# ----- times of day --------------------------------------------------------------------------------------------------

_MORNING, _EVENING = "오전|아침|새벽|午前|朝|上午|早上|凌晨", "오후|저녁|밤|午後|夜|下午|晚上|中午|낮"
_CLOCK = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![\d:])(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s?(?:(?P<am>a\.?m\b\.?)|(?P<pm>p\.?m\b\.?))",
        r"(?<![\d:])(?P<hour>\d{1,2}) ?(?:giờ|h)(?: ?(?P<minute>\d\d?))?(?: phút)? (?:(?P<am>sáng)|(?P<pm>chiều|tối|đêm|trưa))\b",
        rf"(?:(?P<am>{_MORNING})|(?P<pm>{_EVENING}))?\s?(?<![\d:])(?P<hour>\d{{1,2}})\s?(?:시(?![간군도])|時(?!間)|时(?!间)|点(?!の)|點)"
        r"(?:\s?(?:(?P<minute>\d\d?)\s?[분分]|(?P<half>반|半)))?",
        rf"(?:(?P<am>{_MORNING})|(?P<pm>{_EVENING}))?\s?(?<![\d:])(?P<hour>[01]?\d|2[0-4])(?P<colon>:)(?P<minute>[0-5]\d)(?![\d:])",
    )
)


def _time_of_day(found: re.Match[str]) -> Quantity:
    told = found.groupdict()
    hour = int(told["hour"]) + int(told["minute"] or 0) / 60 + (0.5 if told.get("half") else 0.0)
    bound = _bound(found.string, *found.span(), is_time=True)
    if told["pm"] or told["am"]:
        return Quantity(hour % 12 + (12 if told["pm"] else 0), "clock", bound)
    if told.get("colon") or hour > 12:
        return Quantity(hour, "clock", bound)
    return Quantity(hour % 12, "o'clock", bound)


# ----- dates ---------------------------------------------------------------------------------------------------------

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|(?-i:May|MAY)|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
_NTH = r"(?P<day>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?\b"
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
        r"(?<!\d)(?<!\d\.)(?P<day>\d{1,2})(?:일|日|号|號)(?!간|間|\s?동안|이상|以|이내|\s?안에|\s?[전후뒤前后後内]|\s?이[내상하])",
        rf"(?<![\d.,$]){_YEAR}\s?(?:[년年](?!\s?(?:간|동안|째))|(?![\d.,]?\d)(?!\s?(?:명|개|원|건|곳|[円元人名件台]|ウォン|ドル|韩元|美元|km|people|won|dollar|yen|euro|người|%)))",
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
    bound = _bound(found.string, *found.span(), is_time=True)
    return Date(int(parts.get("year") or 0), month, day, bound=bound)


# ----- names ---------------------------------------------------------------------------------------------------------

_LATIN_WORD = re.compile(r"(?:\b[A-Z]\.){2,}|\b[A-Za-zÀ-ỹ]+(?:[’'-][A-Za-zÀ-ỹ]+)*")
_KATAKANA = re.compile(r"[ァ-ヴー]{2,}(?:[・=][ァ-ヴー]{2,})+")
# A katakana name in one word is known by the title behind it, a name in Han characters by a surname that begins it.
_TITLED_KATAKANA = re.compile(
    r"(?<![ァ-ヴー・=])([ァ-ヴー]{2,})(?=(?:前)?(?:大統領|首相|副首相|長官|会長|社長|氏|さん|大臣|室長|議長|知事|大使|教授|博士))"
)
_HAN_NAME = re.compile(
    r"(?:^|(?<=[\s、，。,是由和与與及向对對がはのと]))((?:[金李朴崔郑鄭姜赵趙尹张張林韩韓吴吳徐申权權黄黃安宋全洪文裴王刘劉陈陳杨楊周孙孫胡朱高何郭马馬罗羅]|石破|岸田|安倍|菅|高市)"
    r"[一-鿿]{1,2})(?=(?:签|簽|署|表示|说|說|访|訪|出席|宣布|发表|發表|会见|會見|任|与|與|和|が|は|氏|、|，|。))"
)
_HAN_PLACE = re.compile(
    r"釜山|首尔|首爾|ソウル|仁川|大邱|大田|光州|蔚山|济州|済州|庆州|慶州|东京|東京|大阪|北京|上海|华盛顿|ワシントン|纽约|ニューヨーク|河内|ハノイ"
)
# Bodies, which Kiwi takes for ordinary nouns, and ordinary nouns that end as they do.
_BODY = re.compile(r"[가-힣]{2,}(?:부|처|청|원|위원회|공단)$")
_NO_BODY = re.compile(
    r"(?:신청|요청|시청|구청|초청|지원|인원|회원|직원|병원|공원|학원|차원|자원|의원|만원|정원|충원|후원|복원|공무원|구성원|"
    r"일부|전부|여부|내부|외부|본부|납부|기부|첨부|세부|간부|학부|정부|상부|하부|주부|임신부|발급처|연락처|문의처|거래처|조처|근처|거처|출처|접수처|구매처)$"
)


def _unknown_names(claim: str, evidence: Sequence[str], squeezed: str) -> Iterator[str]:
    """Yield the names in `claim` that `evidence` doesn't hold, as they are or by how they sound."""
    claim = unicodedata.normalize("NFKC", claim)
    plain = _ADDRESS.sub(" ", claim)
    known = frozenset[str]().union(*map(territories, evidence))
    for name, code in territory_names(plain):
        if code not in known:
            yield name
    plain = territory_pattern().sub(lambda found: found.group() if found.group()[0].islower() else " ", plain)
    if "서울" in squeezed:
        squeezed += " seoul"  # whose spelling tells another sound
    heard = [name for text in evidence for name in _names_to_hear(text)]
    for name in _names(plain):
        is_heard = any(sounds_alike(name, other) for other in heard)
        if squeeze(name) not in squeezed and not is_heard and not any(is_romanised(name, text) for text in evidence):
            yield name


@lru_cache(maxsize=2_000)
def _names(text: str) -> tuple[str, ...]:
    """Return what may name a person, a place or a body. Ordinary words of titles, capitalised, are left out."""
    names = [noun for noun in proper_nouns(text) if len(noun) > 1] if HANGUL.search(text) else []
    if HANGUL.search(text):
        names += [noun for noun in noun_phrases(text) if _BODY.search(noun) and not _NO_BODY.search(noun)]
    names += [" ".join(words) for words in _latin_names(text)]
    for pattern in (_KATAKANA, _TITLED_KATAKANA, _HAN_PLACE):
        names += [found.group() for found in pattern.finditer(text)]
    if HAN.search(text) and not HANGUL.search(text):
        names += [found.group(1) for found in _HAN_NAME.finditer(text)]
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
    # "서울시" is Seoul.
    nouns += [noun[:-1] for noun in nouns if len(noun) > 2 and noun[-1] in "시도군구"]
    names = [*nouns, *(" ".join(pair) for pair in pairwise(nouns))]
    names += [" ".join(words) for words in _latin_names(text)]
    names += [found.group() for found in re.finditer(r"[ァ-ヴー]{2,}(?:[・=][ァ-ヴー]{2,})*", text)]
    return tuple(names)


def _is_ordinary(word: str) -> bool:
    bare = word.casefold().rstrip(".")
    return bare in ENGLISH_STOP_WORDS or bare in TITLE_WORDS or len(bare) == 1
