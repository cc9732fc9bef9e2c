"""What is indexed: documents, the blocks that they are made of, and the passages that search finds.

All offsets are Unicode code points into `Document.text`, which is never changed after loading.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

_LINE_END = re.compile(r"\r\n|[\r\n]")


class BlockKind(StrEnum):
    """What a stretch of a document is; it decides how the stretch is cut and cited."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE_ROW = "table_row"
    FOOTNOTE = "footnote"


@dataclass(frozen=True, slots=True)
class Block:
    """One structural unit of a document, found by its loader.

    `level` is the depth of a heading (1 is the highest) and 0 for every other kind. `place` is where the file has it,
    in the words of its format: "p. 3" in a PDF, "¶ 12" or "table 2, row 3" in a word processor's file, "Sheet1, row 3"
    in a workbook, "#contact" below that anchor of a web page; "" in text, where the offsets say it. `is_header` is of a
    table row: whether its cells head the columns, or None where the file doesn't say so of any row of its table.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    place: str = ""
    is_header: bool | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One loaded file. `doc_id` is its path relative to the source directory, with POSIX separators.

    `date` (ISO 8601), `department` and `contact` say when it was published, who answers for it, and whom to call or
    write to; "" where it doesn't say.
    """

    doc_id: str
    title: str
    text: str
    blocks: tuple[Block, ...]
    date: str = ""
    department: str = ""
    contact: str = ""

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Sentence:
    """The smallest thing that is cited: a sentence, a whole list item or a whole table row.

    `about` is what it stands for without saying so: the word that a footnote explains, the header and the cells above
    of a table row. It is embedded and searched with the sentence, never quoted.
    """

    start: int
    end: int
    kind: BlockKind
    about: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A contiguous piece of one document: `text == document.text[start:end]`.

    `context` (the title and the headings above) is embedded and searched with the text, never quoted.
    Offsets of `sentences` are those of the document.
    """

    passage_id: str
    doc_id: str
    start: int
    end: int
    text: str
    context: tuple[str, ...] = ()
    sentences: tuple[Sentence, ...] = field(default=())

    def quote(self, sentence: Sentence) -> str:
        """Return the verbatim text of one of this passage's sentences."""
        return self.text[sentence.start - self.start : sentence.end - self.start]


def tables(document: Document) -> Iterator[list[Block]]:
    """Yield the blocks in order: the rows of one table together, each other block alone."""
    table: list[Block] = []
    for block in document.blocks:
        if table and not _is_next_row(document.text, table[-1], block):
            yield table
            table = []
        table.append(block)
    if table:
        yield table


def _is_next_row(text: str, before: Block, block: Block) -> bool:
    """Whether two adjacent blocks are rows of one table: no blank line is between them."""
    rows = before.kind is BlockKind.TABLE_ROW is block.kind
    return rows and len(_LINE_END.findall(text, before.end, block.start)) <= 1


def header_rows(text: str, table: list[Block]) -> range:
    """Return which rows of a table head its columns: as its file says, or else as the words read.

    Above them may be rows of one cell, which name the whole table. Where the file says nothing, a header names two
    columns or more and has no figure but those of years and the like, which the row below has not in their place; a
    second row of it fills what the first one leaves empty. A table without other rows has none.
    """
    rows = [[text[start:end].strip() for start, end in row_cells(text, row)] for row in table]
    start = next((at for at, row in enumerate(rows) if sum(map(bool, row)) > 1), len(rows))
    if any(row.is_header is not None for row in table):
        start = next((at for at in range(min(start + 1, len(table))) if table[at].is_header), 0)
        end = next((at for at in range(start, len(table)) if not table[at].is_header), len(table))
    else:
        end = start
        if start + 1 < len(rows) and _reads_as_header(rows[start], rows[start + 1]):
            end = start + 1
            if end + 1 < len(rows) and _completes_header(rows[start], rows[end]):
                end += 1
    return range(start, end) if end < len(table) else range(0)


# Years, quarters, months and half-years, as columns are named by them: "2024년", "'24.3분기", "2023 (A)", "FY2024".
_PERIOD = re.compile(
    r"(?:FY)?(?:(?:19|20|')\d\d)(?:년도?)?(?:[\s./-]*(?:Q?[1-4]|1[0-2]|0?[5-9])(?:월|분기|/4)?)?(?:\s*\([^()\d]{1,10}\))?"
    r"|(?:[1-9]|1[0-2])(?:월|분기|/4)|Q[1-4]|(?:19|20)\d\d년?\s*[상하]반기",
)


def _reads_as_header(row: list[str], below: list[str]) -> bool:
    if len(row) != len(below):
        return False
    figures = [at for at, cell in enumerate(row) if any(character.isdigit() for character in cell)]
    return all(_PERIOD.fullmatch(row[at]) and not _PERIOD.fullmatch(below[at]) for at in figures)


def _completes_header(first: list[str], second: list[str]) -> bool:
    """Whether the second row names the columns that a cell of the first one reaches over, and no others."""
    above_merged = [bool(cell) for cell, above in zip(second[1:], first[1:], strict=True) if not above]
    has_figure = any(character.isdigit() for cell in second for character in cell)
    return not second[0] and bool(above_merged) and all(above_merged) and not has_figure


def row_cells(text: str, row: Block) -> list[tuple[int, int]]:
    """Return the spans of a table row's cells, with the empty ones at both ends, which its block leaves out."""
    start, end = row.start, row.end
    while start and text[start - 1] in " \t":
        start -= 1
    while end < len(text) and text[end] in " \t":
        end += 1
    cells = []
    for cell in text[start:end].split("\t"):
        cells.append((start, start + len(cell)))
        start += len(cell) + 1
    return cells
