import io

import docx
import pytest
from docx.oxml import OxmlElement
from hypothesis import given
from hypothesis import strategies as st

from index.build import build_index
from index.documents import Block, BlockKind, Document
from index.loaders.docx import load_docx
from index.loaders.html import load_html
from index.loaders.markdown import load_markdown
from index.loaders.tables import load_csv
from index.loaders.text import load_text
from index.publication import Publication
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


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("이름\t전화\n김\t010\n", 1),
        ("이름\t전화 1\n김\t010\n", 0),
        ("이름\t전화\n", 0),
        ("이름\t전화\n김\t010\t서울\n", 0),
    ],
)
def test_where_the_file_says_nothing_a_first_row_of_words_heads_the_columns(text, headers):
    [table] = shown_blocks(load_text("doc.txt", text.encode()), 0, 0)
    assert table.headers == range(headers)


def test_a_title_over_a_whole_sheet_heads_no_column_and_the_row_below_does():
    [table] = shown_blocks(load_csv("a.csv", "연락처,\n이름,전화\n김,010\n".encode()), 0, 0)
    assert [len(row) for row in table.rows] == [2, 2, 2]
    assert table.headers == range(1, 2)


def test_a_markdown_table_says_its_header_whatever_is_in_it():
    text = "| 2024 | 2025 |\n|---|---|\n| 가 | 나 |\n\n| 3 | 4 |\n|---|---|\n"
    assert [len(table.headers) for table in shown_blocks(load_markdown("doc.md", text.encode()), 0, 0)] == [1, 0]


@pytest.mark.parametrize(
    ("rows", "headers"),
    [
        ("<thead><tr><th>연도</th><th>2025</th></tr></thead><tr><td>가</td><td>나</td></tr>", 1),
        ("<tr><th></th><th>예산</th></tr><tr><th>계</th><th>억 원</th></tr><tr><th>가</th><td>1</td></tr>", 2),
        ("<tr><th>신청</th><td>온라인</td></tr><tr><th>문의</th><td>전화</td></tr>", 0),
        ("<tr><td>이름</td><td>전화</td></tr><tr><td>김</td><td>010</td></tr>", 1),
    ],
)
def test_a_web_page_says_its_header_cells_or_nothing(rows, headers):
    [table] = shown_blocks(load_html("a.html", f"<main><table>{rows}</table></main>".encode()), 0, 0)
    assert table.headers == range(headers)


def test_word_says_its_header_by_repeating_it():
    document = docx.Document()
    table = document.add_table(3, 2)
    for cell, text in zip((cell for row in table.rows for cell in row.cells), "가나다라마바", strict=True):
        cell.text = text
    shown = []
    for repeated in (0, 2):
        for row in table.rows[:repeated]:
            row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
        file = io.BytesIO()
        document.save(file)
        shown += shown_blocks(load_docx("a.docx", file.getvalue()), 0, 0)
    assert [len(block.headers) for block in shown] == [1, 2]


def test_what_a_file_says_of_its_headers_is_kept_in_the_index(fake_embedder, source, tmp_path):
    publication = Publication(tmp_path)
    files = {
        "a.md": "| 2024 | 2025 |\n|---|---|\n| 가 | 나 |\n",
        "b.html": "<table><tr><th>1</th><th>2</th></tr><tr><td>가</td></tr></table>",
    }
    build_index(source(files), publication, fake_embedder)
    corpus = publication.open(fake_embedder).corpus
    for name in files:
        assert [block.is_header for block in corpus.document(name).blocks] == [True, False]


def test_tables_with_a_blank_line_between_are_two():
    document = load_text("doc.txt", "가\t나\n다\t라\n\n마\t바\n".encode())
    assert [len(table.rows) for table in shown_blocks(document, 0, 0)] == [2, 1]
