from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.chunking import Chunking, split_into_passages
from index.documents import BlockKind
from index.loaders.html import load_html
from index.loaders.markdown import load_markdown
from index.loaders.tables import load_csv
from index.loaders.text import load_text

VOCABULARY = """
양국은 협력을 체결했다. 3.5배 한·미 APEC* GDP[1] Dr. Smith said “Yes.” left! 日本は晴れです。 今天是晴天。
Hôm nay trời nắng. 🎉 👨‍👩‍👧 ㅋㅋ x́ ((( ①
"""
WORDS = st.sampled_from(VOCABULARY.split())
LINE = st.builds(
    lambda mark, words, repeat: mark + " ".join(words * repeat),
    st.sampled_from(["", "", "", "- ", "* ", "[1] ", "1. ", "\t\t", "# ", "## ", "  ", "| "]),
    st.lists(WORDS, max_size=12),
    st.sampled_from([1, 1, 1, 1, 30]),
)
ROW = st.lists(st.sampled_from(["", "이름", "a b", "044-202", "日本"]), min_size=2, max_size=4).map("\t".join)
TEXT = st.lists(st.tuples(LINE | ROW, st.sampled_from(["\n", "\n\n", "\r\n", "\r\n\r\n"])), max_size=25).map(
    lambda lines: "".join(line + end for line, end in lines)
)


def passages(text, load=load_text, target=500):
    document = load("doc", text.encode())
    return document, split_into_passages(document, Chunking(target))


def quotes(passage):
    return [passage.quote(sentence) for sentence in passage.sentences]


@given(TEXT, st.sampled_from([load_text, load_markdown]), st.sampled_from([40, 500]))
def test_passages_and_sentences_are_exact_ordered_and_complete(text, load, target):
    document, found = passages(text, load, target)
    bounds = [bound for passage in found for bound in (passage.start, passage.end)]
    assert bounds == sorted(bounds)
    assert len({passage.passage_id for passage in found}) == len(found)
    covered = set()
    for passage in found:
        assert passage.text == document.text[passage.start : passage.end]
        assert (passage.sentences[0].start, passage.sentences[-1].end) == (passage.start, passage.end)
        for sentence in passage.sentences:
            assert passage.quote(sentence) == document.text[sentence.start : sentence.end]
            covered |= set(range(sentence.start, sentence.end))
    sentences = [sentence for passage in found for sentence in passage.sentences]
    assert all(one.end <= following.start for one, following in pairwise(sentences))
    inside_blocks = {at for block in document.blocks for at in range(block.start, block.end)}
    letters = {at for at in inside_blocks if document.text[at].isalnum()}
    assert letters <= covered <= inside_blocks


@given(TEXT, st.sampled_from([load_text, load_markdown]))
def test_rows_and_headings_are_one_sentence_and_headings_start_passages(text, load):
    document, found = passages(text, load)
    whole = {(s.start, s.end) for p in found for s in p.sentences}
    starts = {passage.start for passage in found}
    for block in document.blocks:
        if block.kind in (BlockKind.TABLE_ROW, BlockKind.HEADING):
            assert (block.start, block.end) in whole
        if block.kind is BlockKind.HEADING:
            assert block.start in starts


@given(TEXT)
def test_a_footnote_is_in_the_passage_of_what_stands_before_it(text):
    document, found = passages(text, target=40)
    starts = {passage.start for passage in found}
    assert not any(block.start in starts for block in document.blocks if block.kind is BlockKind.FOOTNOTE)


@given(TEXT)
def test_a_passage_is_longer_than_the_target_only_for_one_sentence_a_footnote_or_a_heading(text):
    _, found = passages(text, load_markdown)
    for passage in found:
        body = [s for s in passage.sentences if s.kind is not BlockKind.HEADING]
        assert len(body) <= 1 or body[-1].end - body[0].start <= 500


def test_short_paragraphs_are_joined_up_to_the_target():
    _, found = passages("One is here.\n\nTwo is here.\n\nThree is here.\n", target=30)
    assert [passage.text for passage in found] == ["One is here.\n\nTwo is here.", "Three is here."]


def test_a_long_paragraph_is_cut_between_its_sentences():
    _, found = passages("One is here. Two is here. Three is here.", target=30)
    assert [quotes(passage) for passage in found] == [["One is here.", "Two is here."], ["Three is here."]]


def test_headings_above_are_the_context_of_what_follows():
    text = "# Guide\n\nIntro.\n\n## Leave\n\nRules.\n\n### Sick\n\nCall.\n\n## Travel\n\nAsk.\n"
    _, found = passages(text, load_markdown)
    assert [(passage.text, passage.context) for passage in found] == [
        ("Guide\n\nIntro.", ("Guide",)),
        ("Leave\n\nRules.", ("Guide",)),
        ("Sick\n\nCall.", ("Guide", "Leave")),
        ("Travel\n\nAsk.", ("Guide",)),
    ]


def test_each_part_of_a_long_section_has_its_heading_as_context():
    _, found = passages("# Guide\n\n## Leave\n\n" + "Staff may rest. " * 60, load_markdown)
    assert [passage.context for passage in found] == [("Guide",), ("Guide",), ("Guide", "Leave")]


def test_a_table_is_a_passage_of_its_own():
    _, found = passages("Before.\nname\tphone\nkim\t010\nAfter.\n")
    assert [passage.text for passage in found] == ["Before.", "name\tphone\nkim\t010", "After."]


def test_a_footnote_is_about_the_words_that_it_notes():
    text = "경제협력체(APEC*) 주간에 GDP**가 올랐다.\n\n* 1989년 창설된 협력체\n** 국내총생산을 말함\n"
    _, [passage] = passages(text)
    assert [(sentence.kind.value, sentence.about) for sentence in passage.sentences] == [
        ("paragraph", ""),
        ("footnote", "경제협력체 APEC"),
        ("footnote", "GDP"),
    ]


@pytest.mark.parametrize(
    ("text", "about"),
    [
        (
            "부서\t직위\t전화\n협력과\t과장\t4340\n\t사무관\t4342\n\t\t4348\n",
            ["", "부서 직위 전화", "부서 직위 전화 협력과", "부서 직위 전화 협력과 사무관"],
        ),
        ("부서\t전화 1\n협력과\t4340\n\t4342\n", ["", "", "협력과"]),
        ("이름\t전화\t비고\n김\t4340\t\n이\t\t휴직\n", ["", "이름 전화 비고", "이름 전화 비고"]),
        ("a\tb\n1\t2\t3\n", ["", ""]),
        ("a\tb\n\nText.\n\n1\t2\n", ["", "", ""]),
        ("구분\t2023년\t2024년\n예산\t100\t120\n", ["", "구분 2023년 2024년"]),
        ("분기\t1분기\t'24.2분기\tFY2025 (안)\n예산\t1\t2\t3\n", ["", "분기 1분기 '24.2분기 FY2025 (안)"]),
        ("2023\t2024\n10\t12\n", ["", "2023 2024"]),
        ("2023년\t설립\n2024년\t확장\n", ["", ""]),
        ("2021\t2022\n2023\t2024\n", ["", ""]),
        ("구분\t044-202-4340\n예산\t100\n", ["", ""]),
        (
            "구분\t인원\t\t비고\n\t남\t여\t\n본부\t3\t4\t\n지부\t1\t2\t\n",
            ["", "", "구분 인원 남 인원 여 비고", "구분 인원 남 인원 여 비고"],
        ),
        ("구분\t2023년\t\n\t예산\t집행\n본부\t3\t4\n", ["", "", "구분 2023년 예산 2023년 집행"]),
        ("구분\t담당\t전화\n\t김\t없음\n본부\t이\t\n", ["", "구분 담당 전화", "구분 담당 전화"]),
    ],
)
def test_a_table_row_is_about_its_header_and_the_cells_that_span_it(text, about):
    _, found = passages(text)
    assert [sentence.about for passage in found for sentence in passage.sentences] == about


def test_a_markdown_row_with_empty_cells_is_about_its_header():
    _, [passage] = passages("| 이름 | 전화 | 비고 |\n|--|--|--|\n| 김 | 4340 | |\n| | 4342 | |\n", load_markdown)
    assert [sentence.about for sentence in passage.sentences] == ["", "이름 전화 비고", "이름 전화 비고 김"]
    assert quotes(passage) == ["이름\t전화\t비고", "김\t4340", "4342"]


YEARS = "본부<td>100<td>120</table>"


@pytest.mark.parametrize(
    ("load", "text"),
    [
        (load_csv, "연도별 예산,,\n구분,2023년,2024년\n본부,100,120\n"),
        (load_html, f"<table><tr><td colspan=3>연도별 예산<tr><th>구분<th>2023년<th>2024년<tr><td>{YEARS}"),
        (load_html, f"<table><tr><td colspan=3>연도별 예산<tr><td>구분<td>2023년<td>2024년<tr><td>{YEARS}"),
    ],
)
def test_a_row_is_about_the_title_above_its_header_too(load, text):
    _, [passage] = passages(text, load)
    assert [sentence.about for sentence in passage.sentences] == ["", "", "연도별 예산 구분 2023년 2024년"]


def test_a_header_of_two_rows_that_the_file_marks_names_each_column_by_both():
    first = "<tr><th rowspan=2>제품 3<th colspan=2>2023년<th rowspan=2>5급</tr>"
    text = f"<table><thead>{first}<tr><th>1호<th>2호</tr></thead><tr><td>본부<td>3<td>4<td>5</table>"
    _, [passage] = passages(text, load_html)
    assert [sentence.about for sentence in passage.sentences] == ["", "", "제품 3 2023년 1호 2023년 2호 5급"]


def test_cells_that_head_their_row_head_no_column():
    _, [passage] = passages("<table><tr><th>신청<td>온라인<tr><th>문의<td>전화</table>", load_html)
    assert [sentence.about for sentence in passage.sentences] == ["", ""]


def test_a_word_of_100_000_letters_is_split_like_any_text():
    _, found = passages("a" * 100_000)
    assert "".join(passage.text for passage in found) == "a" * 100_000
