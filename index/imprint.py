"""What a document says of itself near its top and its end: when it was published, and which department answers for it.

Only what stands there in a usual form is taken; a document without it has an empty imprint.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from index.documents import Block, BlockKind, Document, row_cells

_LINES_AT_TOP = 20
_LINES_AT_END = 40
_MAX_NAME_CHARACTERS = 60

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
# Year first as in Korea, Japan and China; then as in Vietnam; then the two English orders.
_DATES = (
    re.compile(r"(?P<y>(?:19|20)\d\d)\s*(?:[.년年/-])\s*(?P<m>\d{1,2})\s*(?:[.월月/-])\s*(?P<d>\d{1,2})(?!\d)"),
    re.compile(r"ngày\s+(?P<d>\d{1,2})(?:\s+tháng\s+|[/-])(?P<m>\d{1,2})(?:\s+năm\s+|[/-])(?P<y>(?:19|20)\d\d)", re.I),
    re.compile(r"(?P<d>\d{1,2})(?:st|nd|rd|th)?\s+(?P<m>[A-Za-z]{3})[a-z]{0,6}\.?,?\s+(?P<y>(?:19|20)\d\d)"),
    re.compile(r"\b(?P<m>[A-Za-z]{3})[a-z]{0,6}\.?\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<y>(?:19|20)\d\d)"),
)
_DATE_LABEL = re.compile(
    r"(?:보도|배포|등록|작성|게시|공고|발행|시행|제정|개정|공포)\s*(?:시점|일시|일자|일)"
    r"|発表日|公開日|掲載日|作成日|更新日|发布(?:日期|时间)|公布日期|成文日期"
    r"|\b(?:published|issued|released?|date|updated)\b|ngày (?:đăng|ban hành)",
    re.I,
)
# A date that is alone on its line, but for the day of the week, a label or a place, is the document's own.
_OTHER_CHARACTERS_IN_A_DATE_LINE = 24
_DEPARTMENT = re.compile(
    r"(?:담당|소관|주관|작성|책임)\s*(?:부서|과)|부서(?:명)?|担当(?:部署|部局|課|部門)|所管(?:課|部署)"
    r"|主管部门|责任部门|发布机构|发文机关|(?:responsible |lead )?(?:department|division|office)"
    r"|(?:đơn vị|cơ quan)(?: phụ trách| ban hành)?",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Imprint:
    """`date` is ISO 8601 (YYYY-MM-DD), `department` a name as the document has it; each is "" where it has none."""

    date: str = ""
    department: str = ""


def find_imprint(document: Document) -> Imprint:
    """Return what `document` says of its own publication."""
    return Imprint(_date(document), _department(document))


def _date(document: Document) -> str:
    for line in _lines(document, document.blocks[:_LINES_AT_TOP]):
        found = next((found for pattern in _DATES if (found := pattern.search(line))), None)
        if found is None:
            continue
        is_alone = len(line) - len(found.group()) <= _OTHER_CHARACTERS_IN_A_DATE_LINE
        if (is_alone or _DATE_LABEL.search(line, 0, found.start())) and (day := _iso(found)):
            return day
    return ""


def _iso(found: re.Match[str]) -> str:
    month = found["m"]
    number = int(month) if month.isdecimal() else _MONTHS.get(month.lower(), 0)
    try:
        return date(int(found["y"]), number, int(found["d"])).isoformat()
    except ValueError:
        return ""


def _department(document: Document) -> str:
    ends = document.blocks[:_LINES_AT_TOP] + document.blocks[_LINES_AT_TOP:][-_LINES_AT_END:]
    for block in ends:
        cells = (
            [document.text[start:end].strip() for start, end in row_cells(document.text, block)]
            if block.kind is BlockKind.TABLE_ROW
            else [part.strip() for part in re.split(r"[:：]", document.text[block.start : block.end], maxsplit=1)]
        )
        for label, value in pairwise(cells):
            bare_label = label.lstrip("-–—•·※○●■□▪[(<【 ").rstrip("])>】 ")
            if _DEPARTMENT.fullmatch(bare_label) and 0 < len(value) <= _MAX_NAME_CHARACTERS:
                return " ".join(value.split())
    return ""


def _lines(document: Document, blocks: tuple[Block, ...]) -> Iterator[str]:
    for block in blocks:
        yield from document.text[block.start : block.end].splitlines()
