"""Markdown: the text that a reader sees, without the marks, with headings, lists and tables as blocks."""

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from index.documents import BlockKind, Document
from index.loaders.superscripts import superscript
from index.loaders.text import check_length, decode
from index.loaders.writer import DocumentWriter

_PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")
# CommonMark knows no footnotes: it would take a note of one word for the target of a link, and lose it.
_NOTE_MARK = re.compile(r"\[(?=\^[\w-]+\])")
_NOTE_START = re.compile(r"\n(?=\[\^[\w-]+\]:)")
_NOTE = re.compile(r"\[\^[\w-]+\]:")
# The one element of HTML without which a text says something else.
_SUPERSCRIPT = re.compile(r"<sup>([^<]*)</sup>", re.IGNORECASE)
# Two of them would be taken for the marks of an emphasis.
_RAISED_STARS = re.compile(r"(?<=<sup>)\*+(?=</sup>)", re.IGNORECASE)


def load_markdown(doc_id: str, data: bytes) -> Document:
    """Load a CommonMark file with tables; rows become one line of cells with tabs between them.

    Raises:
        InputError: the bytes are not text, or too long.
    """
    writer = DocumentWriter(doc_id)
    list_depth = 0
    in_head = False
    opened: list[str] = []
    cells: list[str] = []
    text = decode(data)
    check_length(0, len(text))
    text = _RAISED_STARS.sub(lambda stars: r"\*" * len(stars[0]), _NOTE_MARK.sub(r"\\[", text))
    for token in _PARSER.parse(text):
        match token.type:
            case "thead_open" | "thead_close":
                in_head = token.type == "thead_open"
            case "list_item_open":
                list_depth += 1
            case "list_item_close":
                list_depth -= 1
            case "heading_open" | "paragraph_open" | "tr_open":
                opened.append(token.tag)
                cells = []
            case "heading_close" | "paragraph_close":
                opened.pop()
            case "tr_close":
                opened.pop()
                writer.block("\t".join(cells), BlockKind.TABLE_ROW, new_table=in_head, is_header=in_head)
            case "fence" | "code_block":
                for line in token.content.replace(r"\[^", "[^").splitlines():
                    writer.block(line, BlockKind.PARAGRAPH)
            case "inline" if opened and opened[-1] == "tr":
                cells.append(_visible(token).replace("\n", " "))
            case "inline" if opened and opened[-1].startswith("h"):
                writer.block(_visible(token), BlockKind.HEADING, int(opened[-1][1:]))
            case "inline":
                for part in _NOTE_START.split(_visible(token)):
                    writer.prose(part, BlockKind.LIST_ITEM if list_depth and not _NOTE.match(part) else None)
    return writer.document(trust_headings=True)


def _visible(token: Token) -> str:
    parts = []
    for child in token.children or []:
        if child.type == "code_inline":
            parts.append(child.content.replace(r"\[^", "[^"))
        elif child.type in ("text", "text_special"):
            parts.append(_SUPERSCRIPT.sub(lambda raised: superscript(raised[1]), child.content))
        elif child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif child.type == "image":
            parts.append(child.content)
    return "".join(parts)
