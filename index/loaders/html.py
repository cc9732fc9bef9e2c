"""Web pages: the text without what surrounds it on every page of a site."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from index.documents import BlockKind, Document
from index.errors import InputError
from index.loaders.superscripts import superscript
from index.loaders.text import decode
from index.loaders.writer import DocumentWriter, Paragraph, Part, Row, Table

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
# A page that was cut off or pasted together has a few bytes that are no text.
_MAX_BROKEN = 0.001

_NEVER_SHOWN = (
    "head, script, style, template, noscript, svg, math annotation, iframe, object, canvas, audio, video, map, nav, "
    "select, textarea, datalist, dialog, aside, [hidden], [aria-hidden=true], [style*='display:none'], "
    "[style*='display: none'], [role=navigation], [role=search], [role=complementary], [role=dialog], "
    "[role=alertdialog], [role=menu], [role=menubar], [role=contentinfo]"
)
# Outside of what a page is about these are the site's, inside they may be its own.
_SITE_PARTS = "header, footer, [role=banner]"
# The names that templates of Korean portals and consent banners give to what is not text.
_SITE_NAMES = re.compile(
    r"(?:^|[\s_-])(?:cookies?|gdpr|gnb|lnb|snb|tnb|breadcrumbs?|skip\w*|u_skip|sns|paging|pagination|pager|satisfaction|"
    r"satisfy|footer|comment-form|btn\w*|prev_?next|view_?nav)(?:$|[\s_-])",
    re.IGNORECASE,
)
# The same, but for that these are also what a text may be about.
_AMBIGUOUS_NAMES = re.compile(
    r"(?:^|[\s_-])(?:consent|share|socials?|quick\w*|copyright|location|popup|banner|ad|ads)(?:$|[\s_-])", re.IGNORECASE
)
# In characters that link to nothing. Within what a page is about, longer ones than these are text by whatever name.
_NAMED_FOR_THE_SITE = 200
_NAMED_AMBIGUOUSLY = 30
# A form with as much text is the page, or a good part of it; a shorter one asks for something.
_FORM_TEXT = 200
_MAIN = ("main", "[role=main]", "article", "#contents", "#content", "#container", ".contents", ".content")
_MAIN_PARTS = ", ".join(_MAIN)
# A region holds the page's matter when it has as large a part of its text; a smaller one is a teaser.
_MAIN_SHARE = 0.4
_LINKED = 0.8
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HEADS = ", ".join(_HEADINGS)
_INLINE = {
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "ins", "kbd",
    "label", "mark", "q", "rp", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt",
    "u", "var", "wbr", "-text", "br", "input", "button",
}  # fmt: skip
_RAISED = re.compile(r"vertical-align\s*:\s*super")
_NOTE_MARK = re.compile(r"\[\^\d+\]")
# Before the text of a note, where nothing links back from it.
_FIRST_MARK = re.compile(r"^(?:(?:주|note)?\s*(?:\(?\d{1,3}\)|\[\d{1,3}\])|[↑^]|\d{1,3}\.(?!\d))\s*")
_MAX_SPAN = 100
_SPACES = re.compile(r"\s+")


def load_html(doc_id: str, data: bytes) -> Document:
    """Load a web page. Menus, heads and feet of the site, short forms, notices and hidden text are left out.

    Raises:
        InputError: the bytes are not text.
    """
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(_decode(data))
    body = tree.body
    if body is None:
        raise InputError("the page has no body: save it anew")
    _drop(body.css(_NEVER_SHOWN))
    _drop([button for button in body.css("button") if not _heads_text(button)])
    _drop([node for node in body.css("[id], [class]") if _is_named_for_the_site(node)])
    whole = _length(body)
    _drop([form for form in body.css("form") if _length(form) < min(_FORM_TEXT, _MAIN_SHARE * whole)])
    main = _main(body)
    _drop([node for node in main.css(_SITE_PARTS) if main.tag == "body" or node.tag == "footer"])
    writer = DocumentWriter(doc_id)
    page = _Page(main.tag == "body", _take_notes(main))
    writer.write(page.parts(main))
    writer.write(page.notes_left())
    return writer.document(trust_headings=True)


def _decode(data: bytes) -> str:
    declared = _CHARSET.search(data[:4096])
    for encoding in (declared[1].decode("ascii") if declared else "", "utf-8"):
        # Pages say EUC-KR and mean its superset.
        name = "cp949" if encoding.lower() in ("euc-kr", "ks_c_5601-1987") else encoding
        try:
            text = data.decode(name, "replace")
        except (LookupError, UnicodeError):
            continue
        if text.count("\ufffd") <= _MAX_BROKEN * len(text) + 1 and "\0" not in text:
            return text.removeprefix("\ufeff")
    return decode(data)


def _drop(nodes: list["LexborNode"]) -> None:
    # Each once, and none after what it stands in: it would be gone already.
    for node in reversed({node.mem_id: node for node in nodes}.values()):
        node.decompose()


def _heads_text(button: "LexborNode") -> bool:
    """Whether a button opens and closes the text below, and is its heading."""
    return button.css_first(_HEADS) is not None or any(node.tag in (*_HEADINGS, "dt") for node in _around(button))


def _around(node: "LexborNode") -> Iterator["LexborNode"]:
    while (parent := node.parent) is not None:
        yield parent
        node = parent


def _length(node: "LexborNode") -> int:
    return len(_SPACES.sub("", node.text()))


def _is_named_for_the_site(node: "LexborNode") -> bool:
    if node.tag in ("body", "main", "article", "table", "tr", "td", "th", "form", "button") or node.tag in _HEADINGS:
        return False
    names = f"{node.attributes.get('id') or ''} {node.attributes.get('class') or ''}"
    is_clear = bool(_SITE_NAMES.search(names))
    if not is_clear and not _AMBIGUOUS_NAMES.search(names):
        return False
    if not any(around.css_matches(_MAIN_PARTS) for around in _around(node)):
        return True
    unlinked = _length(node) - sum(map(_length, node.css("a")))
    if is_clear:
        return unlinked < _NAMED_FOR_THE_SITE
    return unlinked < _NAMED_AMBIGUOUSLY and node.css_first(f"{_HEADS}, table") is None


def _main(body: "LexborNode") -> "LexborNode":
    """Return the part of the page that it is about, or all of it."""
    whole = len(body.text())
    for selector in _MAIN:
        largest = max(body.css(selector), key=lambda node: len(node.text()), default=None)
        if largest is not None and len(largest.text()) > _MAIN_SHARE * whole:
            return largest
    return body


def _take_notes(main: "LexborNode") -> dict[str, str]:
    """Take the notes out of the page that its superscripts lead to; return the mark and the text of each."""
    anchors = {node.attributes.get("id") or node.attributes.get("name"): node for node in main.css("[id], a[name]")}
    notes: dict[str, LexborNode] = {}
    taken: set[int] = set()
    around_taken: set[int] = set()
    for raised in filter(_is_raised, main.css("sup, [style*=super]")):
        anchor = anchors.get(_note_link(raised) or "")
        candidates = (anchor, *_around(anchor)) if anchor is not None else ()
        note = next((node for node in candidates if node.tag in ("li", "p", "dd")), None)
        marks = _NOTE_MARK.findall(_inline_text(raised))
        if note is None or len(marks) != 1 or marks[0] in notes or note.css_first(f"{_HEADS}, table") is not None:
            continue
        around_note = {node.mem_id for node in _around(note)}
        around_mark = {node.mem_id for node in _around(raised)}
        # Links back from the notes to their marks are superscripts too, and lists of notes may stand in each other.
        if taken.isdisjoint(around_note | around_mark) and note.mem_id not in around_mark | around_taken:
            notes[marks[0]] = note
            taken.add(note.mem_id)
            around_taken |= around_note
    for note in notes.values():
        _drop(note.css("a[href^='#']"))
    texts = {mark: _FIRST_MARK.sub("", _SPACES.sub(" ", note.text()).strip()) for mark, note in notes.items()}
    _drop(list(notes.values()))
    return texts


class _Page:
    """Walks over a page's elements; knows the anchor that the reader would have passed last.

    Each of the `notes`, mark → text, comes after the paragraph with its mark.
    """

    def __init__(self, drop_menus: bool, notes: dict[str, str]) -> None:
        self._drop_menus = drop_menus
        self._notes = notes
        self._anchor = ""

    def parts(self, node: "LexborNode", kind: BlockKind | None = None, level: int = 0) -> Iterator[Part]:
        """Yield the parts of `node` in order; text that stands in it directly is of `kind` and `level`."""
        inline: list[str] = []
        for child in _children(node):
            if child.tag in _INLINE and not _holds_blocks(child):
                inline.append(_inline_text(child))
                continue
            yield from self._paragraphs(inline, kind, level)
            inline = []
            yield from self._block(child, kind)
        yield from self._paragraphs(inline, kind, level)

    def _paragraphs(self, inline: list[str], kind: BlockKind | None, level: int) -> Iterator[Part]:
        # Two line breaks are how many editors write a new paragraph.
        for text in re.split(r"\n\s*\n", "".join(inline)):
            if text.strip():
                yield Paragraph(text, kind, level, self._anchor)
                yield from self._taken(_NOTE_MARK.findall(text))

    def _taken(self, marks: list[str]) -> Iterator[Part]:
        for mark in marks:
            if note := self._notes.pop(mark, None):
                yield Paragraph(f"{mark}: {note}", BlockKind.FOOTNOTE, 0, self._anchor)

    def notes_left(self) -> Iterator[Part]:
        """Yield the notes whose marks stand where nothing is read."""
        yield from self._taken(list(self._notes))

    def _block(self, node: "LexborNode", kind: BlockKind | None) -> Iterator[Part]:
        tag = node.tag or ""
        anchor = node.attributes.get("id") or (node.attributes.get("name") if tag == "a" else None)
        if anchor and (tag in _HEADINGS or tag in ("section", "article", "a", "dt")):
            self._anchor = f"#{anchor}"
        if tag in _HEADINGS:
            inner = node.css_first("[id], a[name]")
            if inner is not None and not node.attributes.get("id"):
                self._anchor = f"#{inner.attributes.get('id') or inner.attributes.get('name')}"
            yield from self.parts(node, BlockKind.HEADING, _HEADINGS[tag])
        elif tag == "table":
            yield from self._table(node)
        elif tag == "pre":
            yield Paragraph(node.text(), kind, 0, self._anchor)
        elif tag in ("ul", "ol", "menu") and self._drop_menus and _is_menu(node):
            return
        elif tag == "li":
            yield from self.parts(node, BlockKind.LIST_ITEM)
        elif tag not in ("_comment", "-comment", "!doctype"):
            yield from self.parts(node, kind)

    def _table(self, table: "LexborNode") -> Iterator[Part]:
        for caption in (child for child in _children(table) if child.tag == "caption"):
            yield from self.parts(caption)
        rows: list[Row] = []
        # For each column how many rows a cell from above still covers.
        covered: list[int] = []
        for row in _rows(table):
            cells: list[tuple[Part, ...]] = []
            for cell in (child for child in _children(row) if child.tag in ("td", "th")):
                _cover(cells, covered)
                height, width = _span(cell, "rowspan"), _span(cell, "colspan")
                content = tuple(self.parts(cell))
                covered += [0] * (len(cells) + width - len(covered))
                covered[len(cells) : len(cells) + width] = [height - 1] * width
                cells += [content, *([()] * (width - 1))]
            _cover(cells, covered)
            covered[len(cells) :] = [max(left - 1, 0) for left in covered[len(cells) :]]
            rows.append(Row(tuple(cells), self._anchor, _heads_columns(row)))
        says = any(cell.tag == "th" for row in _rows(table) for cell in _children(row))
        yield Table(tuple(rows) if says else tuple(replace(row, is_header=None) for row in rows))


def _heads_columns(row: "LexborNode") -> bool:
    return {cell.tag for cell in _children(row) if cell.tag in ("td", "th")} == {"th"}


def _cover(cells: list[tuple[Part, ...]], covered: list[int]) -> None:
    """Put empty cells where cells of the rows above reach down."""
    while len(cells) < len(covered) and covered[len(cells)]:
        covered[len(cells)] -= 1
        cells.append(())


def _rows(table: "LexborNode") -> Iterator["LexborNode"]:
    for child in _children(table):
        if child.tag == "tr":
            yield child
        elif child.tag in ("thead", "tbody", "tfoot"):
            yield from _rows(child)


def _span(cell: "LexborNode", name: str) -> int:
    value = (cell.attributes.get(name) or "1").strip()
    return min(max(int(value), 1), _MAX_SPAN) if value.isascii() and value.isdigit() else 1


def _children(node: "LexborNode") -> Iterator["LexborNode"]:
    child = node.child
    while child is not None:
        yield child
        child = child.next


def _holds_blocks(node: "LexborNode") -> bool:
    return any(child.tag not in _INLINE or _holds_blocks(child) for child in _children(node) if child.tag != "-text")


def _inline_text(node: "LexborNode") -> str:
    if node.tag == "-text":
        return _SPACES.sub(" ", node.text_content or "")
    if node.tag == "br":
        return "\n"
    # The reading of a character, shown above it.
    text = "" if node.tag in ("rp", "rt") else "".join(map(_inline_text, _children(node)))
    return superscript(text, _note_link(node) is not None) if _is_raised(node) else text


def _is_raised(node: "LexborNode") -> bool:
    return node.tag == "sup" or bool(_RAISED.search(node.attributes.get("style") or ""))


def _note_link(raised: "LexborNode") -> str | None:
    """Return the anchor of the same page that a superscript leads to: by a link in it, or round it."""
    around = (node for node in _around(raised) if node.tag == "a")
    links = (link.attributes.get("href") or "" for link in (*raised.css("a"), *around))
    return next((link[1:] for link in links if link.startswith("#")), None)


def _is_menu(node: "LexborNode") -> bool:
    links = node.css("a")
    linked = sum(len(link.text().strip()) for link in links)
    return len(links) > 1 and linked > _LINKED * _length(node)
