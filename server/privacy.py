"""Personal data in what people write: found and masked before any of it is stored or leaves this machine."""

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


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with a word in brackets in the place of all personal data, and the kinds that were found, sorted."""

    text: str
    kinds: tuple[str, ...] = ()


def mask(text: str) -> Masked:
    """Return `text` with its personal data masked: numbers by check digit, form or context."""
    found = sorted(detect_all(text, include=KINDS), key=lambda one: one.start)
    parts: list[str] = []
    end = 0
    for one in found:
        if one.start < end:
            continue
        parts += (text[end : one.start], f"[{KINDS[one.label][1]}]")
        end = one.end
    kinds = {KINDS[one.label][0] for one in found}
    return Masked("".join([*parts, text[end:]]), tuple(sorted(kinds)))
