"""DOCX, Word's files: what a reader sees of the text, in its order."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from index.documents import BlockKind, Document
from index.loaders.archive import open_archive
from index.loaders.superscripts import joined_runs
from index.loaders.writer import DocumentWriter, Paragraph, Part, Row, Table

if TYPE_CHECKING:
    from docx.document import Document as Package
    from lxml.etree import _Element

_NOTES_PART = re.compile(r"/(footnotes|endnotes)$")
_HEADING_STYLE = re.compile(r"(?:heading|제목|개요)\s*([1-9])", re.IGNORECASE)
_TITLE_STYLES = {"title": 1, "제목": 1, "subtitle": 2, "부제": 2}
_CONTENTS_STYLE = re.compile(r"(?:toc|목차)\s*\d", re.IGNORECASE)
# What is deleted, moved away, said of the text instead of in it, or shown once more in another form.
_UNSEEN = {"del", "moveFrom", "instrText", "delText", "pPr", "rPr", "tblPr", "trPr", "tcPr", "sdtPr", "Fallback", "rt"}
_TEXT = {"tab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": " "}


def load_docx(doc_id: str, data: bytes) -> Document:
    """Load a DOCX file. Deleted and hidden text, comments, headers, footers and tables of contents are left out.

    Numbers that Word puts before items and headings are not part of the text.

    Raises:
        InputError: the file is damaged or protected.
    """
    import docx

    open_archive(data).close()
    package = docx.Document(io.BytesIO(data))
    writer = DocumentWriter(doc_id)
    writer.write(_Body(package).parts(package.element.body))
    return writer.document(trust_headings=True)


class _Body:
    """Walks over the elements of one document, and counts its paragraphs and tables."""

    def __init__(self, package: "Package") -> None:
        self._styles = {style.style_id: style for style in package.styles}
        self._notes = _notes(package)
        self._note_numbers: dict[tuple[str, str], int] = {}
        self._paragraphs = 0
        self._tables = 0

    def parts(self, container: "_Element", place: str = "") -> Iterator[Part]:
        """Yield the parts of `container` in order, each note and text box after the paragraph that holds it."""
        for child in container:
            match _name(child):
                case "p":
                    yield from self._paragraph(child, place)
                case "tbl":
                    yield self._table(child, place)
                case _ if not _is_unseen(child):
                    # Content controls, insertions and other wrappers.
                    yield from self.parts(child, place)

    def _paragraph(self, element: "_Element", place: str) -> Iterator[Part]:
        self._paragraphs += 1
        place = place or f"¶ {self._paragraphs}"
        text = _Text()
        self._read(element, text)
        kind, level = self._kind(element)
        content = joined_runs(text.runs)
        if kind is not None or level >= 0:
            yield Paragraph(content, kind, max(level, 0), place)
        for key in text.notes:
            note = " ".join(part.text for part in self.parts(self._notes[key], place) if isinstance(part, Paragraph))
            yield Paragraph(f"[^{self._note_numbers[key]}]: {note.strip()}", BlockKind.FOOTNOTE, 0, place)
        for box in text.boxes:
            yield from self.parts(box, place)

    def _read(self, element: "_Element", text: "_Text", is_raised: bool = False) -> None:
        for child in element:
            name = _name(child)
            if _is_unseen(child) or (name == "r" and _is_on(self._setting(child, "vanish"))):
                continue
            if name == "t":
                text.runs.append((child.text or "", is_raised))
            elif name in _TEXT:
                text.runs.append((_TEXT[name], is_raised))
            elif name == "txbxContent":
                text.boxes.append(child)
            elif name in ("footnoteReference", "endnoteReference"):
                key = (name.removesuffix("Reference"), _value(child, "id"))
                if key in self._notes:
                    number = self._note_numbers.setdefault(key, len(self._note_numbers) + 1)
                    text.runs.append((f"[^{number}]", False))
                    text.notes.append(key)
            else:
                is_raised_run = name == "r" and _value(self._setting(child, "vertAlign"), "val") == "superscript"
                self._read(child, text, is_raised or is_raised_run)

    def _table(self, element: "_Element", place: str) -> Table:
        # One column is a box that lays out what is in it.
        is_box = max(map(_width, _inside(element, "tr")), default=0) == 1
        self._tables += not is_box
        number = self._tables
        rows = []
        for at, row in enumerate(_inside(element, "tr"), 1):
            here = place or ("" if is_box else f"table {number}, row {at}")
            cells: list[tuple[Part, ...]] = [()] * _number(row.find("{*}trPr/{*}gridBefore"), 0)
            for cell in _inside(row, "tc"):
                merge = cell.find("{*}tcPr/{*}vMerge")
                goes_on = merge is not None and _value(merge, "val") != "restart"
                cells.append(() if goes_on else tuple(self.parts(cell, here)))
                cells += [()] * (_number(cell.find("{*}tcPr/{*}gridSpan"), 1) - 1)
            if row.find("{*}trPr/{*}del") is None:
                # Word knows of no other header than the rows that it repeats at the top of each page.
                rows.append(Row(tuple(cells), here, _is_on(row.find("{*}trPr/{*}tblHeader"))))
        says = any(row.is_header for row in rows)
        return Table(tuple(rows) if says else tuple(replace(row, is_header=None) for row in rows))

    def _kind(self, paragraph: "_Element") -> tuple[BlockKind | None, int]:
        """Return the kind and the level of a paragraph; the level is -1 for a line of a table of contents."""
        style_id = _value(paragraph.find("{*}pPr/{*}pStyle"), "val")
        settings = [paragraph.find("{*}pPr")]
        style = self._styles.get(style_id)
        seen = set()
        while style is not None and style.style_id not in seen:
            seen.add(style.style_id)
            name = (style.name or "").lower()
            if _CONTENTS_STYLE.match(name):
                return None, -1
            if heading := _HEADING_STYLE.match(name):
                return BlockKind.HEADING, int(heading[1])
            if name in _TITLE_STYLES:
                return BlockKind.HEADING, _TITLE_STYLES[name]
            settings.append(style.element.find("{*}pPr"))
            style = getattr(style, "base_style", None)
        outline = _first(settings, "{*}outlineLvl")
        if outline is not None and 0 <= _number(outline, 9) < 9:
            return BlockKind.HEADING, _number(outline, 9) + 1
        numbering = _first(settings, "{*}numPr/{*}numId")
        return (BlockKind.LIST_ITEM if numbering is not None and _number(numbering, 0) else None), 0

    def _setting(self, run: "_Element", name: str) -> "_Element | None":
        """Return a setting of a run, its own or that of its style."""
        setting = run.find(f"{{*}}rPr/{{*}}{name}")
        if setting is None:
            style = self._styles.get(_value(run.find("{*}rPr/{*}rStyle"), "val"))
            setting = style.element.find(f"{{*}}rPr/{{*}}{name}") if style is not None else None
        return setting


class _Text:
    """What is in one paragraph: its runs, the notes that it marks, and the text boxes that hang on it.

    Of each run it has the text, and whether that stands above the line.
    """

    def __init__(self) -> None:
        self.runs: list[tuple[str, bool]] = []
        self.notes: list[tuple[str, str]] = []
        self.boxes: list[_Element] = []


def _notes(package: "Package") -> dict[tuple[str, str], "_Element"]:
    """Return the elements of all footnotes and endnotes by their kind and number."""
    from docx.oxml import parse_xml

    notes: dict[tuple[str, str], Any] = {}
    for relation in package.part.rels.values():
        found = _NOTES_PART.search(relation.reltype)
        if not found or relation.is_external:
            continue
        kind = found[1].removesuffix("s")
        for note in parse_xml(relation.target_part.blob):
            if _value(note, "type") not in ("separator", "continuationSeparator"):
                notes[kind, _value(note, "id")] = note
    return notes


def _inside(element: "_Element", name: str) -> Iterator["_Element"]:
    """Yield the rows of a table or the cells of a row, also those inside content controls and insertions."""
    for child in element:
        if _name(child) == name:
            yield child
        elif _name(child) in ("sdt", "sdtContent", "ins", "smartTag", "customXml", "AlternateContent", "Choice"):
            yield from _inside(child, name)


def _width(row: "_Element") -> int:
    """Return how many columns of the table a row has."""
    spans = (_number(cell.find("{*}tcPr/{*}gridSpan"), 1) for cell in _inside(row, "tc"))
    return _number(row.find("{*}trPr/{*}gridBefore"), 0) + sum(spans)


def _is_unseen(element: "_Element") -> bool:
    # A content control that nobody has filled in shows what to fill in.
    return _name(element) in _UNSEEN or element.find("{*}sdtPr/{*}showingPlcHdr") is not None


def _first(settings: list["_Element | None"], path: str) -> "_Element | None":
    found = (element.find(path) for element in settings if element is not None)
    return next((one for one in found if one is not None), None)


def _is_on(switch: "_Element | None") -> bool:
    return switch is not None and _value(switch, "val") not in ("0", "false", "off")


def _name(element: "_Element") -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else "pPr"


def _value(element: "_Element | None", name: str) -> str:
    """Return an attribute of whatever namespace: there is the usual one, and the one of strict files."""
    if element is None:
        return ""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def _number(element: "_Element | None", default: int) -> int:
    value = _value(element, "val")
    # Word's tables have at most 63 columns.
    return min(int(value), 100) if value.isascii() and value.isdigit() else default
