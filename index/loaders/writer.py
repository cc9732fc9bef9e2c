"""What a loader finds in a file, part by part, into the text of a document with its blocks."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from index.documents import Block, BlockKind, Document
from index.errors import InputError
from index.loaders.text import check_length, prose_kind, title_of

# A longer cell holds prose: the table lays out a page, and a citation of its row would be a citation of the page.
MAX_CELL_CHARACTERS = 400
# A table in a cell of a table in a cell: files nest them by mistake or on purpose.
MAX_DEPTH = 50

_SPACES = re.compile(r"[^\S\n]+")
# Of no width, or for the eye alone: they would split words for the search, and nobody can type them.
_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff\ufffc]")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some lines of text. Where a format doesn't say what they are, `kind` is None, and their first sign decides."""

    text: str
    kind: BlockKind | None = None
    level: int = 0
    place: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of cells, each with what is in it; the places that a merged cell covers are empty cells.

    `is_header`: whether they head the columns, or None where the file says it of no row of the table.
    """

    cells: tuple[tuple["Part", ...], ...]
    place: str = ""
    is_header: bool | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of rows, or the frame that a word processor or a web page puts round a title or columns of text."""

    rows: tuple[Row, ...]


Part = Paragraph | Table


class DocumentWriter:
    """Writes parts one after the other and says what came of them."""

    def __init__(self, doc_id: str) -> None:
        self._doc_id = doc_id
        self._blocks: list[Block] = []
        self._parts: list[str] = []
        self._length = 0
        self._follows_note_mark = False

    def write(self, parts: Iterable[Part]) -> None:
        """Write paragraphs and tables in their order.

        Raises:
            InputError: they are too many, too long or too deep in each other.
        """
        self._write(parts, 0)

    def block(
        self,
        content: str,
        kind: BlockKind,
        level: int = 0,
        place: str = "",
        new_table: bool = False,
        is_header: bool | None = None,
    ) -> None:
        """Write one block as it stands; what has neither letter nor digit is left out.

        Raises:
            InputError: the document gets too long.
        """
        if not any(character.isalnum() for character in content):
            return
        check_length(len(self._blocks) + 1, self._length + len(content))
        if self._blocks:
            goes_on = kind is BlockKind.TABLE_ROW is self._blocks[-1].kind and not new_table
            self._append("\n" if goes_on else "\n\n")
        # Outside its block, so that the empty cells at the ends of a row stay in the text.
        start = self._length + len(content) - len(content.lstrip())
        self._append(content)
        self._blocks.append(Block(kind, start, start + len(content.strip()), level, place, is_header))
        if kind is not BlockKind.FOOTNOTE:
            self._follows_note_mark = "*" in content or "†" in content or "[" in content

    def prose(self, content: str, kind: BlockKind | None = None, level: int = 0, place: str = "") -> None:
        """Write one block outside of tables as it stands. Where `kind` is None, its first sign decides."""
        self.block(content, kind or prose_kind(content, self._follows_note_mark), level, place)

    def document(self, trust_headings: bool = False) -> Document:
        """Return the document, named by what stands at its top, or by its file.

        `trust_headings`: the file says which its headings are, so that the highest is the title, however short.
        """
        text, blocks = "".join(self._parts), tuple(self._blocks)
        headings = [block for block in blocks if block.kind is BlockKind.HEADING and trust_headings]
        top = min(headings, key=lambda block: block.level, default=None)
        title = text[top.start : top.end].replace("\n", " ") if top else title_of(text, blocks)
        return Document(self._doc_id, title or PurePosixPath(self._doc_id).stem, text, blocks)

    def _append(self, part: str) -> None:
        self._parts.append(part)
        self._length += len(part)

    def _write(self, parts: Iterable[Part], depth: int) -> None:
        if depth > MAX_DEPTH:
            raise InputError(f"nests tables more than {MAX_DEPTH} deep: save it anew with simpler tables")
        for part in parts:
            if isinstance(part, Table):
                self._table(part, depth)
            else:
                self._paragraph(part)

    def _paragraph(self, paragraph: Paragraph) -> None:
        content = clean(paragraph.text)
        lines = [content] if paragraph.kind else self._lines_of_a_kind(content)
        for some in lines:
            self.prose(some, paragraph.kind, paragraph.level, paragraph.place)

    def _lines_of_a_kind(self, content: str) -> Iterator[str]:
        """Cut where a line break is followed by the sign of a list item or a note."""
        lines = content.split("\n")
        start = 0
        for at in range(1, len(lines)):
            if prose_kind(lines[at], "*" in content) is not BlockKind.PARAGRAPH:
                yield "\n".join(lines[start:at])
                start = at
        yield "\n".join(lines[start:])

    def _table(self, table: Table, depth: int) -> None:
        # A frame of one column lays out what is in it.
        frames = max((len(row.cells) for row in table.rows), default=0) == 1
        new_table = True
        for row in _without_empty_columns(table.rows):
            texts = [_cell_text(cell) for cell in row.cells]
            if frames or _holds_tables(row) or any(len(text) > MAX_CELL_CHARACTERS for text in texts):
                for cell in row.cells:
                    self._write(cell, depth + 1)
                new_table = True
                continue
            self.block("\t".join(texts), BlockKind.TABLE_ROW, 0, row.place, new_table, row.is_header)
            new_table = False
            for cell in row.cells:
                self._write([part for part in cell if _is_note(part)], depth + 1)


def clean(text: str) -> str:
    """Return `text` with runs of spaces and tabs as one space each, without spaces at the ends of lines."""
    lines = (_SPACES.sub(" ", line).strip() for line in _INVISIBLE.sub("", text).splitlines())
    return "\n".join(line for line in lines if line)


def _cell_text(cell: tuple[Part, ...]) -> str:
    paragraphs = [part for part in cell if isinstance(part, Paragraph) and not _is_note(part)]
    return " ".join(filter(None, (clean(paragraph.text).replace("\n", " ") for paragraph in paragraphs)))


def _without_empty_columns(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Leave out the columns that no row has anything in, as page layouts have them, and make all rows as long."""
    width = max((len(row.cells) for row in rows), default=0)
    full = [(*row.cells, *[()] * (width - len(row.cells))) for row in rows]
    kept = [at for at in range(width) if any(cells[at] for cells in full)]
    return tuple(replace(row, cells=tuple(cells[at] for at in kept)) for row, cells in zip(rows, full, strict=True))


def _holds_tables(row: Row) -> bool:
    return any(isinstance(part, Table) for cell in row.cells for part in cell)


def _is_note(part: Part) -> bool:
    return isinstance(part, Paragraph) and part.kind is BlockKind.FOOTNOTE
