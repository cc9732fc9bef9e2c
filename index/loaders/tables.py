"""XLSX workbooks and CSV files: rows of cells."""

import csv
import datetime
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from index.documents import BlockKind, Document
from index.loaders.archive import open_archive
from index.loaders.text import decode
from index.loaders.writer import DocumentWriter, Paragraph, Row, Table

if TYPE_CHECKING:
    import _csv

_SAMPLE = 20_000
_DELIMITERS = ",;\t|"
_DEFAULT_SHEET = re.compile(r"(?:Sheet|시트)\d*", re.IGNORECASE)
_DECIMALS = re.compile(r"0\.(0+)")


def load_csv(doc_id: str, data: bytes) -> Document:
    """Load a table of any common encoding with commas, semicolons, tabs or bars between its cells.

    Raises:
        InputError: the bytes are not text.
    """
    text = decode(data)
    rows = _rows(text, max(_DELIMITERS, key=lambda delimiter: _fit(text[:_SAMPLE], delimiter)))
    writer = DocumentWriter(doc_id)
    writer.write(_tables((f"row {rows.line_num}", row) for row in rows))
    return writer.document()


def load_xlsx(doc_id: str, data: bytes) -> Document:
    """Load the visible sheets of a workbook with the values that its formulas had when it was saved.

    Raises:
        InputError: the file is damaged or protected.
    """
    from openpyxl import load_workbook

    open_archive(data).close()
    workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    sheets = [sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible"]
    writer = DocumentWriter(doc_id)
    for sheet in sheets:
        # What a file says of its size may be wrong in both directions.
        sheet.reset_dimensions()
        if not _DEFAULT_SHEET.fullmatch(sheet.title):
            writer.write([Paragraph(sheet.title, BlockKind.HEADING, 1, sheet.title)])
        rows = ([_shown(cell) for cell in row] for row in sheet.iter_rows())
        writer.write(_tables((f"{sheet.title}, row {number}", row) for number, row in enumerate(rows, 1)))
    return writer.document()


def _rows(text: str, delimiter: str) -> "_csv.Reader":
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _fit(sample: str, delimiter: str) -> int:
    """Return how many rows are of the width that most have, if that is more than one cell."""
    widths = Counter(len(row) for row in _rows(sample, delimiter) if len(row) > 1)
    return max(widths.values(), default=0)


def _tables(rows: Iterable[tuple[str, list[str]]]) -> Iterator[Table]:
    """Yield the tables that empty rows are between."""
    table: list[Row] = []
    for place, cells in rows:
        if any(cell.strip() for cell in cells):
            contents = (Paragraph(cell, BlockKind.PARAGRAPH, 0, place) for cell in cells)
            table.append(Row(tuple((cell,) if cell.text.strip() else () for cell in contents), place))
        elif table:
            yield Table(tuple(table))
            table = []
    if table:
        yield Table(tuple(table))


def _shown(cell: Any) -> str:
    """Return a cell's value nearly as the workbook shows it."""
    value, form = cell.value, str(getattr(cell, "number_format", None) or "")
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "minutes") if value.time() != datetime.time() else value.date().isoformat()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    decimals = _DECIMALS.search(form)
    separator = "," if "#,#" in form else ""
    if "%" in form:
        return f"{value:.{len(decimals[1]) if decimals else 0}%}"
    if decimals:
        return f"{value:{separator}.{len(decimals[1])}f}"
    return f"{int(value):{separator}}" if float(value).is_integer() else f"{value:{separator}.10g}"
