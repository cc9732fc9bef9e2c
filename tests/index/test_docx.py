import io
import re
import zipfile

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from index.loaders import SourceFile, load_document
from tests.formats import blocks

W = nsdecls("w")
NOTES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"


@pytest.fixture
def document():
    return docx.Document()


def read(document):
    return blocks("a.docx", saved(document))


def saved(document):
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def append(document, xml):
    document.element.body.insert(-1, parse_xml(re.sub(r"(<w:\w+)", rf"\1 {W}", xml, count=1)))


def test_headings_are_told_by_style_in_english_and_in_korean_and_by_outline(document):
    document.styles.add_style("제목 2", WD_STYLE_TYPE.PARAGRAPH)
    document.styles.add_style("장 제목", WD_STYLE_TYPE.PARAGRAPH).base_style = document.styles["Heading 3"]
    for text, style in [("표제", "Title"), ("큰 장", "Heading 1"), ("작은 장", "제목 2"), ("더 작은 장", "장 제목")]:
        document.add_paragraph(text, style=style)
    append(document, '<w:p><w:pPr><w:outlineLvl w:val="3"/></w:pPr><w:r><w:t>개요 수준</w:t></w:r></w:p>')
    loaded = load_document(SourceFile("a.docx", saved(document)))
    assert {block.kind.value for block in loaded.blocks} == {"heading"}
    assert [block.level for block in loaded.blocks] == [1, 1, 2, 3, 4]
    assert loaded.title == "표제"


def test_numbered_and_styled_items_are_list_items(document):
    document.add_paragraph("글머리", style="List Bullet")
    document.add_paragraph("- 손으로 쓴 글머리")
    assert read(document) == [("list_item", "글머리"), ("list_item", "- 손으로 쓴 글머리")]


def test_deleted_hidden_and_foreign_text_is_left_out_and_inserted_text_is_not(document):
    append(
        document,
        """<w:p><w:r><w:t xml:space="preserve">남은 </w:t></w:r>
        <w:del w:id="1" w:author="a"><w:r><w:delText>지운 글</w:delText></w:r></w:del>
        <w:ins w:id="2" w:author="a"><w:r><w:t>넣은 글</w:t></w:r></w:ins>
        <w:r><w:rPr><w:vanish/></w:rPr><w:t>숨은 글</w:t></w:r>
        <w:moveFrom w:id="3" w:author="a"><w:r><w:t>옮긴 글</w:t></w:r></w:moveFrom>
        <w:bookmarkStart w:id="4" w:name="표식"/><w:bookmarkEnd w:id="4"/>
        <w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>HYPERLINK "x"</w:instrText></w:r>
        <w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>이다.</w:t></w:r></w:p>""",
    )
    document.styles.add_style("toc 1", WD_STYLE_TYPE.PARAGRAPH)
    document.add_paragraph("1. 목차의 줄 3", style="toc 1")
    document.core_properties.author, document.core_properties.title = "지은이", "문서 속성의 제목"
    document.sections[0].header.paragraphs[0].text = "머리말"
    comment = document.add_paragraph("의견을 단 문장이다.")
    document.add_comment(comment.runs, "검토 의견", author="검토자")
    assert read(document) == [("paragraph", "남은 넣은 글이다."), ("paragraph", "의견을 단 문장이다.")]


def test_content_controls_links_and_text_boxes_are_read_where_they_stand(document):
    append(
        document,
        """<w:sdt><w:sdtPr/><w:sdtContent><w:p><w:r><w:t>칸 안의 글</w:t></w:r></w:p></w:sdtContent></w:sdt>""",
    )
    append(
        document,
        """<w:p><w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent><w:r><w:t>여기를 누르세요</w:t></w:r>
        </w:sdtContent></w:sdt><w:hyperlink w:anchor="x"><w:r><w:t>이어진 글</w:t></w:r></w:hyperlink></w:p>""",
    )
    box = "<w:txbxContent><w:p><w:r><w:t>글상자 문장이다.</w:t></w:r></w:p></w:txbxContent>"
    append(
        document,
        f"""<w:p><w:r><w:t>바깥 문장이다.</w:t></w:r><w:r>
        <mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">
        <mc:Choice Requires="wps"><w:drawing><a:x xmlns:a="x">{box}</a:x></w:drawing></mc:Choice>
        <mc:Fallback><w:pict>{box}</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>""",
    )
    assert [text for _, text in read(document)] == ["칸 안의 글", "이어진 글", "바깥 문장이다.", "글상자 문장이다."]


def test_a_footnote_follows_its_paragraph(document):
    append(
        document,
        """<w:p><w:r><w:t>협력체(APEC</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r>
        <w:r><w:t>)가 열렸다.</w:t></w:r></w:p>""",
    )
    document.add_paragraph("끝이다.")
    line = '<w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>선</w:t></w:r></w:p></w:footnote>'
    note = '<w:footnote w:id="2"><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t>1989년 창설</w:t></w:r></w:p></w:footnote>'
    notes = f"<w:footnotes {W}>{line}{note}</w:footnotes>"
    data = with_part(saved(document), "word/footnotes.xml", notes, NOTES)
    assert blocks("a.docx", data) == [
        ("paragraph", "협력체(APEC[^1])가 열렸다."),
        ("footnote", "[^1]: 1989년 창설"),
        ("paragraph", "끝이다."),
    ]


def test_what_is_set_above_the_line_changes_no_figure(document):
    style = document.styles.add_style("주석 표시", WD_STYLE_TYPE.CHARACTER)
    style.font.superscript = True
    paragraph = document.add_paragraph("회원국은 21")
    # As Word cuts them.
    for text in ("1", ")"):
        paragraph.add_run(text).font.superscript = True
    paragraph.add_run("개국, 10")
    paragraph.add_run("2").font.superscript = True
    paragraph.add_run("억, 1989년")
    paragraph.add_run("*", style="주석 표시")
    paragraph.add_run("이다. H")
    paragraph.add_run("2").font.subscript = True
    paragraph.add_run("O")
    assert read(document) == [("paragraph", "회원국은 21[^1]개국, 10²억, 1989년*이다. H2O")]


def test_captions_of_tables_and_figures_stay_where_they_are_read(document):
    document.add_paragraph("앞 문장이다.")
    document.add_paragraph("표 1. 연락처", style="Caption")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "홍보과", "02-123-4567"
    document.add_paragraph("자료: 총무과", style="Caption")
    append(
        document,
        """<w:p><w:pPr><w:pStyle w:val="Caption"/></w:pPr><w:r><w:t xml:space="preserve">그림 </w:t></w:r>
        <w:fldSimple w:instr="SEQ 그림"><w:r><w:t>1</w:t></w:r></w:fldSimple><w:r><w:t>. 조직도</w:t></w:r></w:p>""",
    )
    document.add_paragraph("끝 문장이다.")
    assert read(document) == [
        ("paragraph", "앞 문장이다."), ("paragraph", "표 1. 연락처"), ("table_row", "홍보과\t02-123-4567"),
        ("paragraph", "자료: 총무과"), ("paragraph", "그림 1. 조직도"), ("paragraph", "끝 문장이다."),
    ]  # fmt: skip


def test_a_box_round_a_title_is_not_counted_as_a_table(document):
    document.add_table(1, 1).cell(0, 0).text = "제목 상자"
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "홍보과", "02-123-4567"
    loaded = load_document(SourceFile("a.docx", saved(document)))
    assert [block.place for block in loaded.blocks] == ["¶ 1", "table 1, row 1"]


def test_merged_cells_are_empty_but_the_first_and_deleted_rows_are_gone(document):
    table = document.add_table(3, 3)
    for at, row in enumerate([["부서", "이름", "전화"], ["홍보", "김", "010"], ["", "이", "011"]]):
        for column, text in enumerate(row):
            table.cell(at, column).text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    table.cell(0, 1).merge(table.cell(0, 2))
    deleted = table.add_row()
    deleted.cells[0].text = "지운 줄"
    deleted._tr.get_or_add_trPr().append(parse_xml(f'<w:del {W} w:id="1" w:author="a"/>'))
    loaded = load_document(SourceFile("a.docx", saved(document)))
    assert loaded.text == "부서\t이름 전화\t\n홍보\t김\t010\n\t이\t011"
    assert [block.place for block in loaded.blocks] == ["table 1, row 1", "table 1, row 2", "table 1, row 3"]


def with_part(data, name, content, relation):
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            text = old.read(entry)
            if entry == "word/_rels/document.xml.rels":
                link = f'<Relationship Id="rIdN" Type="{relation}" Target="{name.removeprefix("word/")}"/>'
                text = text.replace(b"</Relationships>", link.encode() + b"</Relationships>")
            if entry == "[Content_Types].xml":
                kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
                override = f'<Override PartName="/{name}" ContentType="{kind}"/>'
                text = text.replace(b"</Types>", override.encode() + b"</Types>")
            new.writestr(entry, text)
        new.writestr(name, content)
    return file.getvalue()
