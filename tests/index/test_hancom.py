from pathlib import Path

import jakal_hwpx
import pytest
from jakal_hwpx import HancomDocument

from index.chunking import Chunking, split_into_passages
from index.errors import InputError
from index.loaders import SourceFile, load_document
from tests.formats import (
    blocks,
    hwpx_package,
    hwpx_paragraph,
    hwpx_section,
    hwpx_table,
    seed_parts,
    write_captioned_hwp,
    write_distributed_hwp,
    write_hwp,
)

CHANGES = (
    '<hh:trackChanges><hh:trackChange id="1" type="Delete"/><hh:trackChange id="2" type="Insert"/></hh:trackChanges>'
)


def paragraph(run):
    return f"<hp:p><hp:run>{run}</hp:run></hp:p>"


def boxed(rows):
    return f"<hp:p>{hwpx_table([[hwpx_paragraph(cell) for cell in row] for row in rows])}</hp:p>"


def read(*body, head=""):
    return blocks("a.hwpx", hwpx_package(hwpx_section("".join(body)), head))


def test_a_footnote_follows_its_paragraph_and_is_about_the_word_that_it_notes():
    inside = f"<hp:subList>{hwpx_paragraph('1989년 창설')}</hp:subList>"
    note = f'<hp:ctrl><hp:footNote number="1">{inside}</hp:footNote></hp:ctrl>'
    body = paragraph(f"<hp:t>경제협력체(APEC</hp:t>{note}<hp:t>)가 열렸다.</hp:t>") + hwpx_paragraph("끝이다.")
    document = load_document(SourceFile("a.hwpx", hwpx_package(hwpx_section(body))))
    assert document.text == "경제협력체(APEC[^1])가 열렸다.\n\n[^1]: 1989년 창설\n\n끝이다."
    [passage] = split_into_passages(document, Chunking())
    assert [sentence.about for sentence in passage.sentences] == ["", "경제협력체 APEC", ""]


def test_what_is_set_above_the_line_changes_no_figure():
    shapes = '<hh:charPr id="1"/><hh:charPr id="2"><hh:supscript/></hh:charPr>'
    runs = [("회원국은 21", 1), ("1", 2), (")", 2), ("개국, 10", 1), ("2", 2), ("억이다.", 1)]
    body = "".join(f'<hp:run charPrIDRef="{shape}"><hp:t>{text}</hp:t></hp:run>' for text, shape in runs)
    assert read(f"<hp:p>{body}</hp:p>", head=shapes) == [("paragraph", "회원국은 21[^1]개국, 10²억이다.")]


def test_deleted_text_heads_bookmarks_and_memos_are_left_out():
    change = (
        '<hp:t>남은 <hp:deleteBegin Id="1" TcId="1"/>지운 글<hp:deleteEnd Id="1" TcId="1" paraend="0"/>'
        '<hp:insertBegin Id="2" TcId="2"/>넣은 글<hp:insertEnd Id="2" TcId="2" paraend="0"/>이다.</hp:t>'
    )
    head = f"<hp:ctrl><hp:header><hp:subList>{hwpx_paragraph('머리말')}</hp:subList></hp:header></hp:ctrl>"
    hidden = f"<hp:subList>{hwpx_paragraph('숨은 설명')}</hp:subList>"
    memo = f"<hp:ctrl><hp:hiddenComment>{hidden}</hp:hiddenComment></hp:ctrl>"
    bookmark = '<hp:ctrl><hp:bookmark name="표식"/></hp:ctrl><hp:t>둘째 문장이다.</hp:t>'
    assert read(paragraph(head + change), paragraph(memo + bookmark), head=CHANGES) == [
        ("paragraph", "남은 넣은 글이다."),
        ("paragraph", "둘째 문장이다."),
    ]


def test_changes_that_the_file_does_not_explain_are_refused():
    with pytest.raises(InputError, match="accept or refuse them"):
        read(paragraph('<hp:t><hp:deleteBegin Id="1" TcId="9"/>지운 글<hp:deleteEnd Id="1" TcId="9"/></hp:t>'))


def test_a_box_round_text_is_no_table_and_a_table_in_a_cell_is_one_of_its_own():
    prose = "긴 문장이다. " * 60
    nested = f"{hwpx_paragraph('겉')}<hp:p>{hwpx_table([[hwpx_paragraph('속'), hwpx_paragraph('값')]])}</hp:p>"
    rows = [[nested, hwpx_paragraph("옆")]]
    assert read(
        boxed([["제목 상자"]]), boxed([["구분", prose], ["이름", "전화"]]), f"<hp:p>{hwpx_table(rows)}</hp:p>"
    ) == [
        ("paragraph", "제목 상자"),
        ("paragraph", "구분"),
        ("paragraph", prose.strip()),
        ("table_row", "이름\t전화"),
        ("paragraph", "겉"),
        ("table_row", "속\t값"),
        ("paragraph", "옆"),
    ]


def captioned(rows, caption, side):
    table = hwpx_table([[hwpx_paragraph(cell) for cell in row] for row in rows])
    inside = f'<hp:caption side="{side}"><hp:subList>{hwpx_paragraph(caption)}</hp:subList></hp:caption>'
    return f"<hp:p>{table.replace('<hp:tr>', f'{inside}<hp:tr>', 1)}</hp:p>"


def test_captions_of_tables_and_figures_stay_where_they_are_read():
    rows = [["부서", "전화"], ["홍보과", "02-123-4567"]]
    inside = f"<hp:subList>{hwpx_paragraph('그림 1. 조직도')}</hp:subList>"
    figure = f'<hp:run><hp:pic><hp:caption side="BOTTOM">{inside}</hp:caption></hp:pic></hp:run>'
    assert read(
        hwpx_paragraph("앞 문장이다."), captioned(rows, "표 1. 연락처", "TOP"), hwpx_paragraph("사이 문장이다."),
        captioned(rows, "자료: 총무과", "BOTTOM"), f"<hp:p>{figure}</hp:p>", hwpx_paragraph("끝 문장이다."),
    ) == [
        ("paragraph", "앞 문장이다."), ("paragraph", "표 1. 연락처"), ("table_row", "부서\t전화"),
        ("table_row", "홍보과\t02-123-4567"), ("paragraph", "사이 문장이다."), ("table_row", "부서\t전화"),
        ("table_row", "홍보과\t02-123-4567"), ("paragraph", "자료: 총무과"), ("paragraph", "그림 1. 조직도"),
        ("paragraph", "끝 문장이다."),
    ]  # fmt: skip


def test_a_caption_in_a_hwp_file_stays_above_its_table():
    assert blocks("a.hwp", write_captioned_hwp("표 1. 연락처", [["홍보과", "02-123-4567"]])) == [
        ("paragraph", "앞 문장이다."),
        ("paragraph", "표 1. 연락처"),
        ("table_row", "홍보과\t02-123-4567"),
        ("paragraph", "끝 문장이다."),
    ]


def test_a_box_round_a_title_is_not_counted_as_a_table():
    body = boxed([["제목 상자"], ["둘째 줄"]]) + hwpx_paragraph("글이다.") + boxed([["이름", "전화"], ["김", "010"]])
    document = load_document(SourceFile("a.hwpx", hwpx_package(hwpx_section(body))))
    places = [block.place for block in document.blocks]
    assert places == ["¶ 1", "¶ 2", "¶ 3", "table 1, row 1", "table 1, row 2"]


def test_spaces_in_cells_are_one_and_line_breaks_before_signs_start_new_items():
    lines = paragraph("<hp:t>개요<hp:tab/>표<hp:lineBreak/>이어진 줄<hp:lineBreak/>- 항목<hp:lineBreak/>○ 둘째</hp:t>")
    assert read(lines, boxed([["가\t나\n다", "라"]])) == [
        ("paragraph", "개요 표\n이어진 줄"),
        ("list_item", "- 항목"),
        ("list_item", "○ 둘째"),
        ("table_row", "가 나 다\t라"),
    ]


def test_adjacent_tables_are_two_and_their_headers_stay_apart():
    first, second = [["이름", "전화"], ["김", "010"]], [["부서", "위치"], ["홍보과", "3층"]]
    body = boxed(first) + boxed(second)
    document = load_document(SourceFile("a.hwpx", hwpx_package(hwpx_section(body))))
    assert document.text == "이름\t전화\n김\t010\n\n부서\t위치\n홍보과\t3층"
    passages = split_into_passages(document, Chunking())
    about = [sentence.about for passage in passages for sentence in passage.sentences]
    assert about == ["", "이름 전화", "", "부서 위치"]


def test_a_document_for_distribution_only_is_read_like_any_other():
    data = write_distributed_hwp()
    assert seed_parts()[-2].encode("utf-16-le") not in data
    assert load_document(SourceFile("a.hwp", data)) == load_document(SourceFile("a.hwp", write_hwp()))


@pytest.mark.parametrize("at", [0.3, 0.6])
def test_a_document_for_distribution_only_that_was_damaged_is_refused(at):
    data = write_distributed_hwp()
    start = data.index((28 | 256 << 20).to_bytes(4, "little"))
    place = start + 260 + int(at * 1_000)
    with pytest.raises(InputError, match="damaged or cut off"):
        load_document(SourceFile("a.hwp", data[:place] + bytes(32) + data[place + 32 :]))


@pytest.mark.parametrize(
    ("name", "found"),
    [("hyperlink.hwp", [("paragraph", "Example")]), ("table.hwp", [("table_row", "Jakal")]), ("base.hwp", None),
     ("picture.hwp", None)],
)  # fmt: skip
def test_what_hancoms_own_program_wrote_is_read(name, found):
    data = Path(jakal_hwpx.__file__).with_name("bundled_hwp_profile").joinpath(name).read_bytes()
    if found is None:
        with pytest.raises(InputError, match="the file holds no text"):
            blocks(name, data)
    else:
        assert blocks(name, data) == found


@pytest.mark.parametrize("suffix", [".hwp", ".hwpx"])
def test_what_another_program_writes_is_read_without_its_head_and_memo(suffix, tmp_path):
    document = HancomDocument.blank()
    document.append_paragraph("첫 문장이다.")
    document.append_header("머리말")
    document.append_footer("꼬리말")
    document.append_memo("메모")
    document.append_table(rows=2, cols=2, cell_texts=[["항목", "값"], ["비율", "3"]])
    path = tmp_path / f"a{suffix}"
    document.write_to_hwp(path) if suffix == ".hwp" else document.write_to_hwpx(path)
    assert blocks(path.name, path.read_bytes()) == [
        ("paragraph", "첫 문장이다."),
        ("table_row", "항목\t값"),
        ("table_row", "비율\t3"),
    ]
