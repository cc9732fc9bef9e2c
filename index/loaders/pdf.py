"""PDF files with text: structure as dochan finds it, spaces and lost text by PDFium's reading of the same pages."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from statistics import median
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from index.documents import BlockKind, Document
from index.errors import InputError
from index.loaders.line_breaks import LineBreaks
from index.loaders.running_lines import running_lines
from index.loaders.text import column_width, ends_sentence, is_wide, prose_kind
from index.loaders.writer import DocumentWriter, Paragraph, Part, Row, Table

if TYPE_CHECKING:
    import pypdfium2

# A scanned page has none, or the few of a stamp or a page number.
_MIN_CHARACTERS_A_PAGE = 10
# Of the letters and digits that PDFium reads on a page; page numbers and running heads are about one.
_MAX_LOST = 0.05
# Running heads that are left out of PDFium's text are less; text that is printed twice to look bold is twice.
_MAX_SURPLUS = 1.5
# One of the first or last lines that stands on as large a part of the pages belongs to the paper, not to the text.
_REPEATED = 0.5
_MIN_REPEATED_PAGES = 2
_EDGE_LINES = 3
# In heights of the lines of its page; headings are higher.
_MAX_HEAD = 1.05
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
# Of the usual distance of lines: a paragraph is set apart by more.
_MAX_PITCH = 1.25
# How many lines show where the edge of a text is, and how far from it they end, in heights of a line.
_MIN_FULL_LINES = 3
_RAGGED = 2
# Of the width of the page. A line that is shorter was not full, unless there are three columns.
_SHORT = 0.3
# In columns, of which East Asian characters take two. What is set as a line of its own and is shorter heads a text.
_HEADING_WIDTH = 40
# Words after which no English line ends on its own.
_LEADS_ON = re.compile(
    r"\b(?:a|an|and|as|at|but|by|for|from|in|into|is|are|its|of|on|or|our|that|the|their|this|to|was|were|which|with)$"
)
# Particles and endings after which no Korean line ends on its own, and that no noun ends with.
_GOES_ON = (",", "은", "는", "을", "를", "에", "며")
# What PDFium writes for a hyphen that ends a line.
_HYPHENS = re.compile("[\x02\ufffe]")
_PAGE_NUMBER = re.compile(
    r"[-–—<\[(]?\s*(?:p(?:age|\.)?\s*)?\d{1,4}(?:\s*[/]\s*\d{1,4})?\s*(?:쪽|페이지)?\s*[-–—>\])]?", re.I
)


def load_pdf(doc_id: str, data: bytes) -> Document:
    """Load a PDF file; running heads, page numbers, bookmarks and notes of reviewers are left out.

    Raises:
        InputError: the file is damaged or protected, or its pages are pictures.
    """
    from index.loaders.dochan_parts import PartFinder, check_errors

    lines = _pages(data)
    running = _running(lines)
    pages = _texts(lines, running)
    characters = sum(character.isalnum() for page in pages for character in page)
    if characters < _MIN_CHARACTERS_A_PAGE * max(len(pages), 1):
        raise InputError("the pages are pictures without text: run text recognition on the file and save it anew")
    found = _structure(data)
    check_errors(found.errors)
    breaks = LineBreaks(pages)
    by_page: list[list[Part]] = [[] for _ in pages]
    finder = PartFinder()
    for section in found.sections:
        page = section.provenance.page
        if page and section.provenance.path != "outline":
            elements = [element for element in section.elements if not _is_link(element)]
            parts = _without_page_number(list(finder.parts(elements, f"p. {page}")))
            by_page[page - 1] = _without_running(parts, running[page - 1])
    _replace_misread(by_page, pages, breaks)
    writer = DocumentWriter(doc_id)
    writer.write(_joined(_repaired((part for parts in by_page for part in parts), breaks), breaks))
    return writer.document()


def _replace_misread(by_page: list[list[Part]], pages: list[str], breaks: LineBreaks) -> None:
    """Take PDFium's text of the pages of which dochan has too little, or much more than is to be seen."""
    found: dict[str, Counter[str]] = {}
    for paragraph in _paragraphs(part for parts in by_page for part in parts):
        counts = found.setdefault(paragraph.place, Counter())
        counts.update(filter(str.isalnum, paragraph.text.translate(_LIGATURES)))
    for number, text in enumerate(pages, 1):
        place = f"p. {number}"
        wanted, there = Counter(filter(str.isalnum, text)), found.get(place, Counter())
        lost = (wanted - there).total() > _MAX_LOST * wanted.total()
        if lost or there.total() > _MAX_SURPLUS * wanted.total():
            paragraphs = (reduce(breaks.join, lines.split("\n")) for lines in text.strip().split("\n\n"))
            by_page[number - 1] = [Paragraph(paragraph, place=place) for paragraph in paragraphs if paragraph.strip()]


def _pages(data: bytes) -> list[list["_Line"]]:
    """Return the lines of each page as PDFium reads them."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise InputError("the file is protected by a password: save it without one") from error
        raise InputError("the file is damaged or cut off: copy it here once more") from error
    try:
        return [_lines(page) for page in document]
    finally:
        document.close()


def _running(pages: list[list["_Line"]]) -> list[set[str]]:
    """Return for each page its heads and feet that carry its number. They are set no larger than the text."""
    heights = [median(line.height for line in page) if page else 0.0 for page in pages]
    return running_lines(
        [
            [line.text for line in _edge(page) if line.height <= _MAX_HEAD * height]
            for page, height in zip(pages, heights, strict=True)
        ]
    )


def _edge(page: list["_Line"]) -> list["_Line"]:
    return [*page[:_EDGE_LINES], *page[-_EDGE_LINES:]]


def _texts(pages: list[list["_Line"]], running: list[set[str]]) -> list[str]:
    """Return each page's text, line by line, without its running lines and those that most pages repeat."""
    edges = [_edge(page) for page in pages]
    counts = Counter(key for page in edges for key in {_key(line.text) for line in page})
    repeated = {key for key, n in counts.items() if n >= max(_MIN_REPEATED_PAGES, _REPEATED * len(pages))}
    pages = [
        [line for line in page if line not in edge or not (line.text in left_out or _key(line.text) in repeated)]
        for page, edge, left_out in zip(pages, edges, running, strict=True)
    ]
    return [_joined_lines(page, following[:1]) for page, following in zip(pages, [*pages[1:], []], strict=True)]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as it is set. Lengths are points; `first_word` is the width of its first word."""

    text: str
    left: float
    right: float
    bottom: float
    height: float
    first_word: float
    page_width: float


def _lines(page: "pypdfium2.PdfPage") -> list[_Line]:
    from pypdfium2 import raw

    text_page = page.get_textpage()
    lines: list[_Line] = []
    characters: list[tuple[str, int]] = []
    for at in range(text_page.count_chars()):
        character = chr(raw.FPDFText_GetUnicode(text_page, at))
        if character == "\n":
            lines += _line(text_page, characters, page.get_width())
            characters = []
        elif character not in "\r\0" and not "\ud800" <= character <= "\udfff":
            characters.append((_HYPHENS.sub("-", character).translate(_LIGATURES), at))
    return lines + _line(text_page, characters, page.get_width())


def _line(text_page: "pypdfium2.PdfTextPage", characters: list[tuple[str, int]], page_width: float) -> list[_Line]:
    text = "".join(character for character, _ in characters)
    visible = [at for character, at in characters if not character.isspace()]
    if not visible:
        return []
    first_word = next((n for n, (character, _) in enumerate(characters) if n and character.isspace()), len(characters))
    left, bottom, _, top = text_page.get_charbox(visible[0], loose=True)
    first_end = text_page.get_charbox(characters[first_word - 1][1], loose=True)[2]
    right = text_page.get_charbox(visible[-1], loose=True)[2]
    return [_Line(text.strip(), left, right, bottom, top - bottom, first_end - left, page_width)]


def _joined_lines(lines: list[_Line], following: list[_Line]) -> str:
    """Return the text with a blank line after each line that had room for the next word, or is set apart.

    `following` is the first line of the next page: the text ends with a line break when the last has no room for it.
    """
    pitches = [before.bottom - line.bottom for before, line in pairwise(lines) if before.bottom > line.bottom]
    pitch = median(pitches) if pitches else 0.0
    parts = [lines[0].text] if lines else []
    for before, line in pairwise(lines):
        is_apart = not 0 < before.bottom - line.bottom <= _MAX_PITCH * pitch
        parts.append(f"\n\n{line.text}" if is_apart or _has_room(lines, before, line) else f"\n{line.text}")
    if lines and following and not _has_room(lines, lines[-1], following[0]):
        parts.append("\n")
    return "".join(parts)


def _has_room(lines: list[_Line], before: _Line, after: _Line) -> bool:
    """Whether the first word of `after` would have fit behind `before`, or is of another size.

    Where few lines come near the edge that they have, the text has none: its lines end where they were made to.
    """
    beside = [one.right for one in lines if one.left < before.right and one.right > before.left]
    edge = max(beside)
    is_other = abs(before.height - after.height) > before.height / 5
    has_edge = sum(right > edge - _RAGGED * before.height for right in beside) >= _MIN_FULL_LINES
    is_short = before.right - before.left < _SHORT * before.page_width
    return is_other or is_short or not has_edge or before.right + after.first_word + before.height / 4 < edge


def _key(line: str) -> str:
    """Return what is the same of a line on every page: a page number counts as one whatever it is."""
    return "#" if _PAGE_NUMBER.fullmatch(line) else line


def _structure(data: bytes) -> Any:
    from dochan import Dochan

    with NamedTemporaryFile(suffix=".pdf") as file:
        file.write(data)
        file.flush()
        return Dochan(file.name).doc


def _is_link(element: Any) -> bool:
    """Whether dochan made it of an address behind the text, or of a bookmark."""
    provenance = getattr(element, "provenance", None)
    return getattr(provenance, "path", None) in ("annots", "destination")


def _without_page_number(parts: list[Part]) -> list[Part]:
    """Leave out the number that dochan leaves at an edge of a page: of a single one it can't tell that it changes."""
    edges = {0, len(parts) - 1}
    return [part for at, part in enumerate(parts) if at not in edges or not _is_page_number(part)]


def _without_running(parts: list[Part], lines: set[str]) -> list[Part]:
    """Leave out the page's running lines, also where dochan took one for the beginning or the end of a paragraph."""
    left: list[Part] = []
    for at, part in enumerate(parts):
        if isinstance(part, Paragraph) and (at < _EDGE_LINES or at >= len(parts) - _EDGE_LINES):
            for line in lines:
                # The two need not agree about spaces.
                pattern = r"\s*".join(map(re.escape, re.sub(r"\s", "", line)))
                part = replace(part, text=re.sub(rf"^\s*{pattern}(?!\S)|(?<!\S){pattern}\s*$", "", part.text))
            if not part.text.strip():
                continue
        left.append(part)
    return left


def _is_page_number(part: Part) -> bool:
    return isinstance(part, Paragraph) and bool(_PAGE_NUMBER.fullmatch(part.text.strip()))


def _paragraphs(parts: Iterable[Part]) -> Iterator[Paragraph]:
    for part in parts:
        if isinstance(part, Paragraph):
            yield part
        else:
            for row in part.rows:
                for cell in row.cells:
                    yield from _paragraphs(cell)


def _joined(parts: Iterable[Part], breaks: LineBreaks) -> Iterator[Part]:
    """Join paragraphs that go on in the next: after a line that is not quite full, and over the end of a page."""
    before: Paragraph | None = None
    for part in parts:
        if isinstance(part, Paragraph) and not part.text.strip():
            continue
        if before and isinstance(part, Paragraph) and _goes_on(before, part, breaks):
            before = replace(before, text=breaks.join(before.text, part.text))
            continue
        if before:
            yield before
        before = part if isinstance(part, Paragraph) else None
        if not before:
            yield part
    if before:
        yield before


def _goes_on(before: Paragraph, paragraph: Paragraph, breaks: LineBreaks) -> bool:
    """Whether a sentence or a word surely goes on: Korean headings and items end without a full stop too."""
    if before.kind or paragraph.kind or ends_sentence(before.text):
        return False
    is_item = prose_kind(paragraph.text, False) is not BlockKind.PARAGRAPH
    if not is_item and before.text.count("(") > before.text.count(")"):
        return True
    if not is_item and (paragraph.text[:1].islower() or _LEADS_ON.search(before.text)):
        return True
    is_long = column_width(before.text) >= _HEADING_WIDTH
    is_full = is_long and breaks.goes_on(before.text, paragraph.text, _page(before))
    if not is_full and not is_wide(before.text):
        return False
    if is_item:
        # The last syllable of most sentences looks like the third item of a list.
        return paragraph.text.startswith("다.") and not before.text.startswith("나.")
    return is_full or before.text.endswith(_GOES_ON) or breaks.cuts_word(before.text, paragraph.text)


def _repaired(parts: Iterable[Part], breaks: LineBreaks) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, Paragraph):
            whole = part.text.translate(_LIGATURES)
            # The lines of a heading are further apart than those of text.
            for text in [whole] if part.kind else _apart(whole, _page(part), breaks):
                yield replace(part, text=breaks.repair(text, _page(part)))
        else:
            yield Table(tuple(_repaired_row(row, breaks) for row in part.rows))


def _apart(text: str, page: int, breaks: LineBreaks) -> Iterator[str]:
    """Cut where a line that heads the text, or ends a sentence, had room for the next word."""
    start = 0
    for at in breaks.ends_of_lines(text, page):
        line = text[start:at].strip()
        if ends_sentence(line) or (not start and column_width(line) < _HEADING_WIDTH and not _LEADS_ON.search(line)):
            yield line
            start = at
    yield text[start:]


def _page(paragraph: Paragraph) -> int:
    return int(paragraph.place.removeprefix("p. "))


def _repaired_row(row: Row, breaks: LineBreaks) -> Row:
    return replace(row, cells=tuple(tuple(_joined(_repaired(cell, breaks), breaks)) for cell in row.cells))
