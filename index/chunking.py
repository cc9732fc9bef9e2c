"""A document into passages: contiguous, whole sentences, with exact offsets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from index.documents import Block, BlockKind, Document, Passage, Sentence, is_next_row, reads_as_header, row_cells
from index.morphemes import sentence_spans


@dataclass(frozen=True, slots=True)
class Chunking:
    """Sizes in characters. Blocks are joined up to `target`; a longer block is cut between sentences."""

    target: int = 500
    version: int = 5


def split_into_passages(document: Document, chunking: Chunking) -> list[Passage]:
    """Cut `document` into passages that satisfy `passage.text == document.text[passage.start:passage.end]`.

    A passage never cuts a sentence, starts anew at each heading and at each table, and keeps a footnote with the
    text it explains.
    """
    passages = []
    headings: list[tuple[int, str]] = []
    for group in _groups(_sentences_by_block(document), chunking):
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
    rows: list[list[str]] = []
    before: Block | None = None
    for block in document.blocks:
        content = document.text[block.start : block.end]
        if not before or not is_next_row(document.text, before, block):
            rows = []
        before = block
        match block.kind:
            case BlockKind.TABLE_ROW:
                about = _cells_above(rows, [document.text[start:end] for start, end in row_cells(document.text, block)])
                yield block, (Sentence(block.start, block.end, block.kind, about),)
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


def _cells_above(rows: list[list[str]], cells: list[str]) -> str:
    """Return what a row takes over from those above it: the header, and the cells that it leaves empty at its start.

    A first row without a figure, of as many cells, is a header. `rows`, the rows of this table so far, gets this one.
    """
    empty = next((i for i, cell in enumerate(cells) if cell.strip()), 0)
    spanned = rows[-1][:empty] if rows else []
    header = []
    if rows and len(rows[0]) == len(cells) and reads_as_header(rows[0]):
        header = rows[0]
    rows.append([*spanned, *cells[len(spanned) :]])
    return " ".join(part for part in [*header, *spanned] if part.strip())


def _groups(pieces: Iterator[Piece], chunking: Chunking) -> Iterator[list[Piece]]:
    """Join pieces to groups of at most `target` characters; what is longer alone is cut between its sentences."""
    group: list[Piece] = []
    for block, sentences in pieces:
        for part in _parts(sentences, chunking.target):
            fits = group and part[-1].end - group[0][1][0].start <= chunking.target
            belongs = block.kind is BlockKind.FOOTNOTE or (
                group and group[-1][0].kind is BlockKind.HEADING and block.kind is not BlockKind.HEADING
            )
            starts_anew = block.kind is BlockKind.HEADING or (group and _is_row(block) != _is_row(group[-1][0]))
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
