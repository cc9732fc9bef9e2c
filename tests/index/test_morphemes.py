import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.morphemes import MAX_SENTENCE_CHARACTERS, bare_phrase, search_terms, sentence_spans

LETTERS = '가나다한국은는요 \n\t.?!,"“”‘’()「」。、！？…·-abcDr3.5日本中国のです😀👨‍👩\u0301ẹㅋ①²\u3000\xa0\U00020000'
MIXED = st.text(alphabet=LETTERS, max_size=80)


def sentences(text):
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("양국은 체결했다. 장관은 기뻐했다.", ["양국은 체결했다.", "장관은 기뻐했다."]),
        ("It rained. We left.", ["It rained.", "We left."]),
        ("今日は晴れです。明日は雨です。", ["今日は晴れです。", "明日は雨です。"]),
        ("今天是晴天。明天会下雨。", ["今天是晴天。", "明天会下雨。"]),
        ("Hôm nay trời nắng. Ngày mai trời mưa.", ["Hôm nay trời nắng.", "Ngày mai trời mưa."]),
        ("🎉🎉 한국은 크다. 😀미국도 크다.", ["🎉🎉 한국은 크다.", "😀미국도 크다."]),
        ("비율은 3.5배로 늘었다. Dr. Kim이 밝혔다.", ["비율은 3.5배로 늘었다.", "Dr. Kim이 밝혔다."]),
        ("Dr. Smith has 3.5 litres. He left.", ["Dr. Smith has 3.5 litres.", "He left."]),
        ("그는 “기쁘다. 정말 그렇다.”라고 말했다. 끝났다.", ["그는 “기쁘다. 정말 그렇다.”라고 말했다.", "끝났다."]),
        ("\n  첫째이다.\n  둘째이다.  ", ["첫째이다.", "둘째이다."]),
        ("", []),
        (" \n…!? ", []),
    ],
)
def test_text_is_split_into_its_sentences(text, expected):
    assert sentences(text) == expected


@given(MIXED)
def test_spans_are_ordered_stripped_and_lose_no_letter_or_digit(text):
    spans = sentence_spans(text)
    bounds = [bound for span in spans for bound in span]
    assert bounds == sorted(bounds)
    assert all(start < end and text[start:end] == text[start:end].strip() for start, end in spans)
    covered = {at for start, end in spans for at in range(start, end)}
    assert all(at in covered for at, character in enumerate(text) if character.isalnum())


@pytest.mark.parametrize("unit", ["한국어 문장 ", "word ", "a", "中", "Hello there. ", "그는 갔다. "])
def test_a_line_of_100_000_characters_is_cut_into_bounded_sentences(unit):
    line = unit * (100_000 // len(unit))
    found = sentences(line)
    assert "".join(found).replace(" ", "") == line.replace(" ", "")
    assert max(len(sentence) for sentence in found) <= MAX_SENTENCE_CHARACTERS


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("양국은 협력을 강화했다", ["양국", "협력", "강화"]),
        ("APEC 정상회담의 성과", ["apec", "정상", "회담", "성과"]),
        ("Running technologies, AGREEMENTS", ["run", "technolog", "agreement"]),
        ("日本の首都", ["日本", "本の", "の首", "首都"]),
        ("中国", ["中国"]),
        ("中", ["中"]),
        ("hợp tác", ["hợp", "tác"]),
        ("3.5 and 1,992 and ２０２５", ["3.5", "and", "1,992", "and", "2025"]),
        ("3 of 7", ["of"]),
        ("", []),
        ("?! — …", []),
    ],
)
def test_search_terms_by_language(text, terms):
    assert search_terms(text) == terms


@pytest.mark.parametrize("joined", ["한-미", "한·미", "한‧미", "한・미", "한ㆍ미", "한미"])
def test_joined_hangul_gives_the_same_term_however_it_is_joined(joined):
    assert search_terms(joined) == ["한미"]


def test_full_width_and_upper_case_make_no_difference():
    assert search_terms("ＡＰＥＣ 회의") == search_terms("apec 회의")


@given(MIXED)
def test_a_term_holds_no_white_space_and_is_no_single_digit(text):
    for term in search_terms(text):
        assert term.split() == [term]
        assert len(term) > 1 or not term.isdigit()


@pytest.mark.parametrize(
    ("text", "phrase", "bare"),
    [
        ("협력체는 1989년에 창설되었다.", "1989년에", "1989년"),
        ("최고봉은 백운대이다.", "백운대이다.", "백운대"),
        ("'한강'에서 열린다.", "'한강'에서", "'한강'"),
        ("(서울)에서 열린다.", "(서울)에서", "(서울)"),
        ("(서울에서) 열린다.", "(서울에서", "서울"),
        ("It was founded in 1989, in Canberra.", "1989,", "1989"),
        ("本部はシンガポールにある。", "シンガポール", "シンガポール"),
        ("그는 '한강에서 살았다.", "'한강에서", "한강"),
        ("에서", "에서", "에서"),
        ("...", "...", "..."),
        ("내년 워싱턴 D.C.에서 연다.", "워싱턴 D.C.에서", "워싱턴 D.C."),
        (
            "* Asia-Pacific Economic Cooperation: 협력체",
            "Pacific Economic Cooperation",
            "Asia-Pacific Economic Cooperation",
        ),
        ("미국 오픈AI와 체결한", "AI와", "AI"),
    ],
)
def test_a_phrase_is_left_without_particles_and_loose_punctuation(text, phrase, bare):
    start = text.index(phrase)
    found, end = bare_phrase(text, start, start + len(phrase))
    assert text[found:end] == bare
