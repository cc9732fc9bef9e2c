from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.chunking import Chunking, split_into_passages
from index.documents import BlockKind
from index.loaders.markdown import load_markdown
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
    ],
)
def test_a_table_row_is_about_its_header_and_the_cells_that_span_it(text, about):
    _, found = passages(text)
    assert [sentence.about for passage in found for sentence in passage.sentences] == about


def test_a_markdown_row_with_empty_cells_is_about_its_header():
    _, [passage] = passages("| 이름 | 전화 | 비고 |\n|--|--|--|\n| 김 | 4340 | |\n| | 4342 | |\n", load_markdown)
    assert [sentence.about for sentence in passage.sentences] == ["", "이름 전화 비고", "이름 전화 비고 김"]
    assert quotes(passage) == ["이름\t전화\t비고", "김\t4340", "4342"]


def test_a_word_of_100_000_letters_is_split_like_any_text():
    _, found = passages("a" * 100_000)
    assert "".join(passage.text for passage in found) == "a" * 100_000
