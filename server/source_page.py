"""A document as people read it: its blocks, with one span of it marked."""

from dataclasses import dataclass
from itertools import pairwise

from index.documents import BlockKind, Document, header_rows, row_cells, tables


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text, marked or not; `first` is true of the first that is marked."""

    text: str
    marked: bool
    first: bool = False


@dataclass(frozen=True, slots=True)
class ShownBlock:
    """One block: its pieces, or for a table its rows of cells of pieces, of which `headers` head the columns.

    `place` is where the file has it, when it is the first block there.
    """

    kind: str
    level: int
    place: str = ""
    pieces: tuple[Piece, ...] = ()
    rows: tuple[tuple[tuple[Piece, ...], ...], ...] = ()
    headers: range = range(0)

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
    for table in tables(document):
        first = table[0]
        place = "" if first.place in places else first.place
        places.add(place)
        if first.kind is BlockKind.TABLE_ROW:
            rows = tuple(tuple(marker.pieces(*cell) for cell in row_cells(document.text, row)) for row in table)
            blocks.append(ShownBlock("table", 0, place, rows=rows, headers=header_rows(document.text, table)))
        else:
            blocks.append(ShownBlock(first.kind, first.level, place, marker.pieces(first.start, first.end)))
    return blocks


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
