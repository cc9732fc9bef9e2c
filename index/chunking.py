"""A document into passages: contiguous, whole sentences, with exact offsets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from index.documents import Block, BlockKind, Document, Passage, Sentence, header_rows, row_cells, tables
from index.morphemes import sentence_spans


@dataclass(frozen=True, slots=True)
class Chunking:
    """Sizes in characters. Blocks are joined up to `target`; a longer block is cut between sentences."""

    target: int = 500
    version: int = 7


def split_into_passages(document: Document, chunking: Chunking) -> list[Passage]:
    """Cut `document` into passages that satisfy `passage.text == document.text[passage.start:passage.end]`.

    A passage never cuts a sentence, starts anew at each heading and at each table, and keeps a footnote with the
    text it explains. The title is no heading here: whether a file marks it or not changes no passage.
    """
    passages = []
    headings: list[tuple[int, str]] = []
    for group in _groups(_sentences_by_block(document), document, chunking):
        first = group[0][0]
        if first.kind is BlockKind.HEADING:
            headings = [heading for heading in headings if heading[0] < first.level]
        context = (document.title, *(heading for _, heading in headings if heading != document.title))
        sentences = tuple(sentence for _, block_sentences in group for sentence in block_sentences)
        start, end = sentences[0].start, sentences[-1].end
        passage_id = f"{document.doc_id}#{start}"
        passages.append(Passage(passage_id, document.doc_id, start, end, document.text[start:end], context, sentences))
        if first.kind is BlockKind.HEADING:
            headings.append((first.level, document.text[first.start : first.end]))
    return passages


Piece = tuple[Block, tuple[Sentence, ...]]


def _sentences_by_block(document: Document) -> Iterator[Piece]:
    noted: list[str] = []
    for table in tables(document):
        block = table[0]
        content = document.text[block.start : block.end]
        match block.kind:
            case BlockKind.TABLE_ROW:
                for row, about in zip(table, _about_rows(document.text, table), strict=True):
                    yield row, (Sentence(row.start, row.end, row.kind, about),)
            case BlockKind.HEADING:
                yield block, (Sentence(block.start, block.end, block.kind),)
            case BlockKind.FOOTNOTE:
                yield block, _sentences(block, content, noted.pop(0) if noted else "")
            case _:
                yield block, _sentences(block, content)
                noted = [word.replace("(", " ") for word in _NOTED_WORD.findall(content)]


# The word before a note's mark, and where it stands in brackets the two words that they explain: "GDP[1]",
# "아시아태평양 경제협력체(APEC*)".
# Without the look-behind each letter of a word would be tried as its start: quadratic in the length of a word.
_NOTED_WORD = re.compile(r"(?<![\w-])((?:(?:[\w-]+ )?[\w-]+\()?[\w-]+)\)?(?:\*{1,3}|†|‡|\[\^?\d+\])")


def _sentences(block: Block, content: str, about: str = "") -> tuple[Sentence, ...]:
    spans = sentence_spans(content)
    return tuple(Sentence(block.start + start, block.start + end, block.kind, about) for start, end in spans)


def _about_rows(text: str, table: list[Block]) -> Iterator[str]:
    """Yield what each row takes over from those above: title, header, and the cells that it leaves empty at first."""
    rows = [[text[start:end] for start, end in row_cells(text, row)] for row in table]
    headers = header_rows(text, table)
    title = [cell for row in rows[: headers.start] for cell in row]
    header = _column_names([rows[at] for at in headers])
    above: list[str] = []
    for at, cells in enumerate(rows):
        if at < headers.stop:
            yield ""
            continue
        empty = next((i for i, cell in enumerate(cells) if cell.strip()), 0)
        spanned = above[:empty]
        above = [*spanned, *cells[len(spanned) :]]
        heads = [*title, *header] if len(rows[headers.stop - 1]) == len(cells) and headers else []
        yield " ".join(part for part in [*heads, *spanned] if part.strip())


def _column_names(header: list[list[str]]) -> list[str]:
    """Return the name of each column: the cells above each other, also those that reach over from the left."""
    names = [""] * len(header[0]) if header else []
    for at, row in enumerate(header):
        below = header[at + 1 :]
        reaching = ""
        for column, cell in enumerate(row[: len(names)]):
            reaching = cell if cell.strip() else reaching
            is_covered = any(column < len(cells) and cells[column].strip() for cells in below)
            part = reaching if is_covered else cell
            names[column] = f"{names[column]} {part}".strip()
    return names


def _groups(pieces: Iterator[Piece], document: Document, chunking: Chunking) -> Iterator[list[Piece]]:
    """Join pieces to groups of at most `target` characters; what is longer alone is cut between its sentences."""

    def heads(block: Block) -> bool:
        return block.kind is BlockKind.HEADING and document.text[block.start : block.end] != document.title

    group: list[Piece] = []
    for block, sentences in pieces:
        for part in _parts(sentences, chunking.target):
            fits = group and part[-1].end - group[0][1][0].start <= chunking.target
            belongs = block.kind is BlockKind.FOOTNOTE or (group and heads(group[-1][0]) and not heads(block))
            starts_anew = heads(block) or (group and _is_row(block) != _is_row(group[-1][0]))
            if group and not belongs and (starts_anew or not fits):
                yield group
                group = []
            group.append((block, part))
    if group:
        yield group


def _is_row(block: Block) -> bool:
    return block.kind is BlockKind.TABLE_ROW


def _parts(sentences: tuple[Sentence, ...], target: int) -> Iterator[tuple[Sentence, ...]]:
    part: list[Sentence] = []
    for sentence in sentences:
        if part and sentence.end - part[0].start > target:
            yield tuple(part)
            part = []
        part.append(sentence)
    if part:
        yield tuple(part)
