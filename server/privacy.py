"""Personal data in what people write: found and masked before any of it is stored or leaves this machine."""

import re
from dataclasses import dataclass

from ko_pii import detect_all

# What ko-pii finds, by its label: what Mundap calls it, and what stands in its place. Left out is what questions to an
# agency are full of and what identifies nobody by itself, such as a name of an office, a date or an address of one.
KINDS = {
    "RRN": ("resident_number", "주민등록번호"),
    "FRN": ("foreigner_number", "외국인등록번호"),
    "PASSPORT": ("passport", "여권번호"),
    "DRIVER_LICENSE": ("driver_licence", "운전면허번호"),
    "MEDICAL_INSURANCE": ("health_insurance", "건강보험증번호"),
    "CARD": ("card", "카드번호"),
    "ACCOUNT": ("account", "계좌번호"),
    "PHONE": ("phone", "전화번호"),
    "FAX": ("phone", "팩스번호"),
    "EMAIL": ("email", "이메일"),
    "VEHICLE": ("vehicle", "차량번호"),
    "IP": ("ip_address", "IP"),
}

# What people write and ko-pii doesn't find: addresses in other letters than ours, separators and small letters of their
# own, numbers that they have masked in part or name, licences by region, and cards of fifteen digits in their groups.
_MORE = re.compile(
    r"""
    (?P<EMAIL> (?<![\w.+-]) [\w.+-]++ @ (?:[\w-]+\.)+ (?:[a-z]{2,} | [^\W\d_a-z]{2,}) )
    | (?P<PHONE> (?<!\d) 01[016-9] [\s_/·.~)-]{1,3} \d{3,4} [\s_/·.~-]{1,3} \d{4} (?!\d) )
    | (?P<PASSPORT> (?<![a-z0-9]) [mrsgd] (?:\d{8} | \d{3}[a-z]\d{4}) (?![a-z0-9])
        | (?:여권 | passport) \D{0,12} (?<![a-z0-9]) [a-z]{2} \d{7} (?!\d) )
    | (?P<DRIVER_LICENSE>
        (?:서울|부산|경기|강원|충북|충남|전북|전남|경북|경남|제주|대구|인천|광주|대전|울산)
        \s? \d{2} [\s-] \d{6} [\s-] \d{2} (?!\d) )
    | (?P<CARD> (?<!\d) 3[47]\d{2} [\s-] \d{6} [\s-] \d{5} (?!\d) )
    | (?P<RRN> (?<!\d) \d{6} \s?-\s? [1-8] \d{0,5} [*●x]{1,6} )
    """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with a word in brackets in the place of all personal data, and the kinds that were found, sorted."""

    text: str
    kinds: tuple[str, ...] = ()


def mask(text: str) -> Masked:
    """Return `text` with its personal data masked: numbers by check digit, form or context."""
    found = sorted(detect_all(text, include=KINDS), key=lambda one: one.start)
    kinds = {KINDS[one.label][0] for one in found}

    def in_place_of(match: re.Match[str]) -> str:
        kind, word = KINDS[str(match.lastgroup)]
        kinds.add(kind)
        return f"[{word}]"

    parts: list[str] = []
    end = 0
    for one in found:
        if one.start < end:
            continue
        parts += (_MORE.sub(in_place_of, text[end : one.start]), f"[{KINDS[one.label][1]}]")
        end = one.end
    parts.append(_MORE.sub(in_place_of, text[end:]))
    return Masked("".join(parts), tuple(sorted(kinds)))
