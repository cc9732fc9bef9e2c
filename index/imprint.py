"""What a document says of itself near its top and its end: when it was published, who answers for it, and where to ask.

Only what stands there in a usual form is taken; a document without it has an empty imprint.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

from index.documents import Block, BlockKind, Document, header_rows, row_cells, tables

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
    r"(?:보도|배포|등록|작성|게시|공고|발행|시행|제정|개정|공포)\s*(?:시점|일시|일자|일)|(?:배포|보도)(?=\t)"
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
_REACHED_BY = re.compile(
    r"(?<![\d-])(?:\+\d{1,3}[ -]?)?\(?\d{2,4}\)?[ .-]\d{3,4}[ .-]\d{4}(?![\d-])"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]+\.[\w.]+"
)
_CONTACT = re.compile(
    r"(?:담당|책임|문의|연락|전화|이메일|전자\s*우편)|連絡先|(?:お)?問い?合わせ|担当|電話|联系|电话|contact|enquir|inquir|phone|tel\b|e-?mail|"
    r"liên hệ|điện thoại",
    re.I,
)
# What else stands in the first column of a table that says one thing of the document in each row.
_OTHER_LABEL = re.compile(
    r"(?:담당|책임|문의|작성|연락)\s*(?:자|처|전화)|(?:전화|팩스|연락처?)\s*(?:번호)?|(?:전자\s*)?(?:우편|메일)|이메일|e-?mail|tel|"
    r"contact|제목|문서\s*번호|직위|성명|이름|첨부(?:파일)?|조회수?",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Imprint:
    """What a document says of itself; each is "" where it doesn't.

    `date` is ISO 8601 (YYYY-MM-DD); `department`, a name, and `contact`, with a number or an address for mail, are as
    the document has them.
    """

    date: str = ""
    department: str = ""
    contact: str = ""


def find_imprint(document: Document) -> Imprint:
    """Return what `document` says of its own publication."""
    top, rest = document.blocks[:_LINES_AT_TOP], document.blocks[_LINES_AT_TOP:]
    ends = _parts(document, top + rest[-_LINES_AT_END:])
    return Imprint(_date(_parts(document, top)), _department(ends), _contact(ends))


@dataclass(frozen=True, slots=True)
class _Part:
    """A line, or a row of a table: its cells. Under a header, `names` are those of the columns."""

    cells: tuple[str, ...]
    names: tuple[str, ...] = ()


def _parts(document: Document, blocks: tuple[Block, ...]) -> list[_Part]:
    """Return the lines and rows of some blocks in order; rows of a table that lists many things are left out."""
    parts: list[_Part] = []
    for table in tables(replace(document, blocks=blocks)):
        if table[0].kind is not BlockKind.TABLE_ROW:
            lines = document.text[table[0].start : table[0].end].splitlines()
            parts += [_Part((line.strip(),)) for line in lines]
            continue
        rows = [
            tuple(document.text[start:end].strip() for start, end in row_cells(document.text, row)) for row in table
        ]
        headers = header_rows(document.text, table)
        is_said = any(row.is_header is not None for row in table)
        # Markdown knows no table without a header, whatever its first row holds.
        has_figure = any(character.isdigit() for at in headers for cell in rows[at] for character in cell)
        if not headers or has_figure or (not is_said and any(_is_label(row[0]) for row in rows[1:])):
            parts += map(_Part, rows)
        elif len(rows) == headers.stop + 1:
            parts.append(_Part(rows[-1], rows[headers.stop - 1]))
    return parts


def _is_label(cell: str) -> bool:
    label = _bare(cell)
    return any(pattern.fullmatch(label) for pattern in (_OTHER_LABEL, _DEPARTMENT, _DATE_LABEL))


def _bare(label: str) -> str:
    return label.lstrip("-–—•·※○●■□▪[(<【 ").rstrip("])>】:： ")


def _labelled(parts: list[_Part]) -> Iterator[tuple[str, str]]:
    """Yield each label with what stands beside it or, in a table with a header, below it."""
    for part in parts:
        if part.names:
            yield from zip(part.names, part.cells, strict=False)
        elif len(part.cells) > 1:
            yield from pairwise(part.cells)
        else:
            label, _, value = part.cells[0].replace("：", ":").partition(":")
            yield label, value.strip()


def _date(parts: list[_Part]) -> str:
    for part in parts:
        # The label of a cell stands anywhere before it in its row, or above it.
        named = ["\t".join(pair) for pair in zip(part.names, part.cells, strict=False)]
        for line in named or ["\t".join(part.cells)]:
            found = next((found for pattern in _DATES if (found := pattern.search(line))), None)
            if found is None:
                continue
            others = len(line) - len(found.group())
            is_alone = others <= _OTHER_CHARACTERS_IN_A_DATE_LINE and sum(map(bool, part.cells)) == 1
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


def _department(parts: list[_Part]) -> str:
    for label, value in _labelled(parts):
        if _DEPARTMENT.fullmatch(_bare(label)) and 0 < len(value) <= _MAX_NAME_CHARACTERS and not _is_label(value):
            return " ".join(value.split())
    return ""


def _contact(parts: list[_Part]) -> str:
    """Return the first cell or rest of a line with a number or an address for mail that a label before it announces."""
    for part in parts:
        for at, cell in enumerate(part.cells):
            found = _REACHED_BY.search(cell)
            if not found:
                continue
            label, colon, value = cell.replace("：", ":").partition(":")
            if part.names:
                labels, value = list(part.names[at : at + 1]), cell
            elif at:
                labels, value = list(part.cells[:at]), cell
            else:
                labels, value = [label if colon else cell], value if colon else found.group()
            fits = found.group() in value and len(value) <= _MAX_NAME_CHARACTERS
            if any(_CONTACT.match(_bare(label)) for label in labels):
                return " ".join((value if fits else found.group()).split())
    return ""
