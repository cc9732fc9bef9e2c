"""What the library dochan finds in a file, as parts of a document; of HWP, HWPX and PDF files."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from dochan.model.document import Paragraph as FoundParagraph
from dochan.model.equation import Equation
from dochan.model.header_footer import Footnote
from dochan.model.image import Image
from dochan.model.table import Cell
from dochan.model.table import Table as FoundTable

from index.documents import BlockKind
from index.errors import InputError
from index.loaders.superscripts import joined_runs
from index.loaders.writer import MAX_DEPTH, Paragraph, Part, Row, Table

_BOOKMARK = re.compile(r"\[bookmark: .*\] ?", re.DOTALL)
_NOTES = ("footnote", "endnote")


def check_errors(errors: list[str]) -> None:
    """Refuse a file that dochan could not read as a whole; it never raises, but lists what went wrong.

    Raises:
        InputError: with the reason.
    """
    fatal = [error for error in errors if error.startswith("ERR")]
    if any("암호" in error or "DRM" in error for error in fatal):
        raise InputError("the file is protected by a password: save it without one")
    if any("초과" in error or "exceed" in error or "limit" in error for error in fatal):
        raise InputError("the file holds too much to be read: split it")
    if any("revision" in error for error in fatal):
        raise InputError("the file has changes that can't be told from its text: accept or refuse them and save it")
    if fatal:
        raise InputError("the file is damaged or cut off: open it in its word processor and save it anew")


class PartFinder:
    """Walks over what dochan found in one document, and counts its paragraphs and tables."""

    def __init__(self) -> None:
        self._paragraphs = 0
        self._tables = 0

    def parts(self, elements: Iterable[Any], place: str = "", depth: int = 0) -> Iterator[Part]:
        """Yield the parts of `elements` in order, each note after the paragraph with its mark.

        Everything is at `place` where that is given, else at the paragraph or table row that is counted.
        """
        if depth > MAX_DEPTH:
            return
        elements = list(elements)
        notes = {note.number: note for note in elements if isinstance(note, Footnote) and note.type in _NOTES}
        for element in elements:
            if isinstance(element, FoundParagraph):
                self._paragraphs += 1
                here = place or f"¶ {self._paragraphs}"
                kind = BlockKind.HEADING if element.heading_level else None
                yield Paragraph(_text(element), kind, element.heading_level, here)
                for number in [run.note_ref for run in element.runs if run.note_ref in notes]:
                    yield _note(notes.pop(number), here)
            elif isinstance(element, Footnote) and notes.pop(element.number, None):
                yield _note(element, place or f"¶ {self._paragraphs}")
            elif isinstance(element, FoundTable):
                yield from self._table(element, place, depth)
            elif isinstance(element, Image):
                yield from self.parts(element.caption, place, depth + 1)
            elif isinstance(element, Equation):
                yield Paragraph(element.latex or element.script, BlockKind.PARAGRAPH, 0, place)

    def _table(self, table: FoundTable, place: str, depth: int) -> Iterator[Part]:
        # One column is a box that lays out what is in it, as titles have it.
        is_box = max(map(len, table.rows), default=0) == 1
        self._tables += not is_box
        number = self._tables
        caption = list(self.parts(table.caption, place, depth + 1))
        is_above = str(table.caption_side).upper() in ("TOP", "LEFT")
        if is_above:
            yield from caption
        rows = []
        for at, row in enumerate(table.rows, 1):
            # A table that goes on over pages is found on its first.
            page = max((getattr(cell.provenance, "page", None) or 0 for cell in row), default=0)
            here = f"p. {page}" if page else place or ("" if is_box else f"table {number}, row {at}")
            if any(not cell.is_merged_away for cell in row):
                rows.append(Row(tuple(self._cell(cell, here, depth) for cell in row), here))
        yield Table(tuple(rows))
        if not is_above:
            yield from caption

    def _cell(self, cell: Cell, place: str, depth: int) -> tuple[Part, ...]:
        return () if cell.is_merged_away else tuple(self.parts(cell.paragraphs, place, depth + 1))


def _text(paragraph: FoundParagraph) -> str:
    return joined_runs(
        (f"[^{run.note_ref}]", False) if run.note_ref else (run.text, run.superscript and run.equation is None)
        for run in paragraph.runs
        if not _BOOKMARK.fullmatch(run.text)
    )


def _note(note: Footnote, place: str) -> Paragraph:
    return Paragraph(f"[^{note.number}]: {note.text}".replace("\n", " "), BlockKind.FOOTNOTE, 0, place)
