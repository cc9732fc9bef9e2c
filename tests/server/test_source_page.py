from hypothesis import given
from hypothesis import strategies as st

from index.documents import Block, BlockKind, Document
from index.loaders.markdown import load_markdown
from index.loaders.text import load_text
from server.source_page import shown_blocks

TEXT = (
    "# 제목\n\n첫 문단. 둘째 문장\n\n- 항목 하나\n* 주석이다\n\n가\t나\t다\n\t라\t마\n\n"
    "| 바 | 사 |\n|---|---|\n| 아 |  |\n\n끝이다. 😀 e\u0301\n"
)
DOCUMENTS = st.sampled_from([load("doc", TEXT.encode()) for load in (load_text, load_markdown)])
OFFSETS = st.integers(0, len(TEXT) + 5)


def pieces_in(blocks):
    for block in blocks:
        yield from block.pieces
        for row in block.rows:
            for cell in row:
                yield from cell


def joined(pieces):
    return "".join(piece.text for piece in pieces).replace("\t", "")


@given(DOCUMENTS, OFFSETS, OFFSETS)
def test_pieces_join_to_the_text_of_the_blocks_and_marked_ones_to_the_span(document, start, end):
    pieces = list(pieces_in(shown_blocks(document, start, end)))
    shown = [at for block in document.blocks for at in range(block.start, block.end) if document.text[at] != "\t"]
    assert joined(pieces) == "".join(document.text[at] for at in shown)
    marked = joined(piece for piece in pieces if piece.marked)
    assert marked == "".join(document.text[at] for at in shown if start <= at < end)
    assert sum(piece.first for piece in pieces) == bool(marked)


@given(DOCUMENTS, OFFSETS, OFFSETS)
def test_a_mark_changes_nothing_of_the_blocks_but_the_marks(document, start, end):
    plain, marked = shown_blocks(document, 0, 0), shown_blocks(document, start, end)
    assert [(block.kind, block.level) for block in marked] == [(block.kind, block.level) for block in plain]
    assert [[len(row) for row in block.rows] for block in marked] == [
        [len(row) for row in block.rows] for block in plain
    ]


def test_the_rows_of_one_table_are_one_block_with_equally_many_cells_each():
    document = load_text("doc.txt", "가\t나\t다\n\t라\t마\n끝이다.\n".encode())
    table, paragraph = shown_blocks(document, 0, 0)
    assert table.kind == "table"
    assert [len(row) for row in table.rows] == [3, 3]
    assert paragraph.kind == BlockKind.PARAGRAPH


def test_each_place_is_said_once_at_the_first_block_there():
    places = ["p. 1", "p. 1", "p. 2", "p. 1", ""]
    starts = [TEXT.index(word) for word in ("제목", "첫", "항목", "주석", "끝")]
    document = Document(
        "doc",
        "title",
        TEXT,
        tuple(Block(BlockKind.PARAGRAPH, at, at + 1, 0, p) for at, p in zip(starts, places, strict=True)),
    )
    assert [block.place for block in shown_blocks(document, 0, 0)] == ["p. 1", "", "p. 2", "", ""]


def test_tables_with_a_blank_line_between_are_two():
    document = load_text("doc.txt", "가\t나\n다\t라\n\n마\t바\n".encode())
    assert [len(table.rows) for table in shown_blocks(document, 0, 0)] == [2, 1]
