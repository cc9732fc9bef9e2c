"""A document as people read it: its blocks, with one span of it marked."""

from dataclasses import dataclass
from itertools import pairwise

from index.documents import Block, BlockKind, Document, is_next_row, reads_as_header, row_cells


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text, marked or not; `first` is true of the first that is marked."""

    text: str
    marked: bool
    first: bool = False


@dataclass(frozen=True, slots=True)
class ShownBlock:
    """One block: its pieces, or for a table its rows of cells of pieces, of which the first `headers` head the columns.

    `place` is where the file has it, when it is the first block there.
    """

    kind: str
    level: int
    place: str = ""
    pieces: tuple[Piece, ...] = ()
    rows: tuple[tuple[tuple[Piece, ...], ...], ...] = ()
    headers: int = 0

    @property
    def is_marked(self) -> bool:
        """Whether any of its text is marked."""
        cells = [self.pieces, *(cell for row in self.rows for cell in row)]
        return any(piece.marked for cell in cells for piece in cell)


def shown_blocks(document: Document, start: int, end: int) -> list[ShownBlock]:
    """Return the blocks of `document` with `[start, end)` marked; adjacent table rows make one table."""
    marker = _Marker(document.text, start, end)
    blocks: list[ShownBlock] = []
    places = {""}
    for table in _tables(document):
        first = table[0]
        place = "" if first.place in places else first.place
        places.add(place)
        if first.kind is BlockKind.TABLE_ROW:
            rows = tuple(tuple(marker.pieces(*cell) for cell in row_cells(document.text, row)) for row in table)
            blocks.append(ShownBlock("table", 0, place, rows=rows, headers=_header_rows(document.text, table)))
        else:
            blocks.append(ShownBlock(first.kind, first.level, place, marker.pieces(first.start, first.end)))
    return blocks


def _tables(document: Document) -> list[list[Block]]:
    """Return the blocks, those that are rows of one table together and every other one alone."""
    tables: list[list[Block]] = []
    for block in document.blocks:
        if tables and is_next_row(document.text, tables[-1][-1], block):
            tables[-1].append(block)
        else:
            tables.append([block])
    return tables


def _header_rows(text: str, table: list[Block]) -> int:
    """Return how many of the first rows of a table head its columns: as its file says, or else as the first one reads.

    Where the file says nothing, a row alone heads nothing, nor does one that names fewer than two columns.
    """
    if any(row.is_header is not None for row in table):
        headers = next((at for at, row in enumerate(table) if not row.is_header), len(table))
        return headers if headers < len(table) else 0
    first, *others = [[text[start:end] for start, end in row_cells(text, row)] for row in table]
    names_columns = sum(bool(cell.strip()) for cell in first) > 1 and len(first) == len(others[0]) if others else False
    return int(names_columns and reads_as_header(first))


class _Marker:
    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text
        self.start = start
        self.end = end
        self.seen = False

    def pieces(self, start: int, end: int) -> tuple[Piece, ...]:
        """Cut `[start, end)` at the edges of the marked span."""
        edges = sorted({start, end, *(edge for edge in (self.start, self.end) if start < edge < end)})
        pieces = []
        for left, right in pairwise(edges):
            marked = self.start <= left and right <= self.end
            pieces.append(Piece(self.text[left:right], marked, marked and not self.seen))
            self.seen |= marked
        return tuple(pieces)
