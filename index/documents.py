"""What is indexed: documents, the blocks that they are made of, and the passages that search finds.

All offsets are Unicode code points into `Document.text`, which is never changed after loading.
"""

import hashlib
import re
from collections.abc import Sequence
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

    `date` (ISO 8601) and `department` say when it was published and who answers for it; "" where it doesn't say.
    """

    doc_id: str
    title: str
    text: str
    blocks: tuple[Block, ...]
    date: str = ""
    department: str = ""

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


def is_next_row(text: str, before: Block, block: Block) -> bool:
    """Whether two adjacent blocks are rows of one table: no blank line is between them."""
    rows = before.kind is BlockKind.TABLE_ROW is block.kind
    return rows and len(_LINE_END.findall(text, before.end, block.start)) <= 1


def reads_as_header(cells: Sequence[str]) -> bool:
    """Whether the first row of a table is its header as far as its words tell: it has no figure."""
    return not any(character.isdigit() for cell in cells for character in cell)


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
