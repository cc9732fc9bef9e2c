import pytest

from index.morphemes import noun_terms, search_terms
from server.answerers.wording import has_exchanged_nouns, is_strengthened, unknown_words

SIGNED = "배경훈 부총리와 마이클 국장은 경주에서 양해각서에 서명하였다."
FILED = "외국인은 체류지 관서에 신청서를 제출하고 수수료 6만 원을 납부한다."
OIL = "반도체는 서버용 메모리 가격이 올라 가장 큰 액수를 기록했다."


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (SIGNED, "배경훈 부총리와 마이클 국장은 부산에서 양해각서에 서명하였습니다."),
        (SIGNED, "배경훈 국장과 마이클 부총리는 경주에서 양해각서에 서명하였습니다."),
        (SIGNED, "배경훈 부총리와 마이클 국장은 경주에서 협정에 서명하였습니다."),
        (FILED, "외국인은 체류지 관서에 여권을 제출하고 수수료 6만 원을 납부합니다."),
        (FILED, "외국인은 체류지 관서에 수수료를 제출하고 신청서 6만 원을 납부합니다."),
        (FILED, "외국인은 체류지 관서에 신청서를 제출하고 수수료 8만 원을 납부합니다."),
        (OIL, "가격은 서버용 메모리 반도체가 올라 가장 큰 액수를 기록했습니다."),
    ],
)
def test_a_word_in_the_place_of_another_is_found(source, claim):
    assert has_exchanged_nouns(claim, [source])
    assert has_exchanged_nouns(claim, ["이 안내는 누구나 볼 수 있다.", source])


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (SIGNED, "배경훈 부총리와 마이클 국장은 경주에서 양해각서에 서명하였습니다."),
        (SIGNED, "양해각서에는 마이클 국장과 배경훈 부총리가 경주에서 서명하였습니다."),
        (SIGNED, "배경훈 부총리가 양해각서에 서명하였습니다."),
        (SIGNED, "마이클 국장과 부총리 배경훈은 경주에서 양해각서에 서명하였습니다."),
        (FILED, "수수료 6만 원은 외국인이 납부합니다."),
        (FILED, "신청서는 체류지 관서에 제출하고, 수수료는 6만 원입니다."),
        (FILED, "신청서를 제출하는 사람은 외국인입니다."),
        (OIL, "메모리 가격이 올라 반도체는 가장 큰 액수를 기록했습니다."),
    ],
)
def test_words_in_another_order_are_the_same_words(source, claim):
    assert not has_exchanged_nouns(claim, [source])


@pytest.mark.parametrize(
    ("source", "claim", "unknown"),
    [
        ("도서관은 9시에 문을 연다.", "도서관은 9시에 문을 닫습니다.", ["닫"]),
        ("교육청은 예산을 크게 늘렸다.", "교육청은 예산을 크게 깎았습니다.", ["깎"]),
        ("요금을 낸다.", "요금을 내립니다.", ["내리"]),
        ("신분증은 생략한다.", "신분증이 필요합니다.", ["필요"]),
        ("박물관은 문을 연다.", "박물관은 오전에 문을 엽니다.", ["오전"]),
        ("도서관은 월요일에 휴관한다.", "도서관은 월요일에 쉽니다.", []),
        ("차량을 구매하는 개인에게 지급한다.", "차량을 사는 개인에게 줍니다.", []),
        ("여권을 제출하여야 한다.", "여권이 필요합니다.", []),
        ("박물관은 09:00에 문을 연다.", "박물관은 오전 9시에 문이 열립니다.", []),
    ],
)
def test_a_verb_must_be_told_by_the_sources_in_this_form_or_another(source, claim, unknown):
    assert unknown_words(claim, frozenset(search_terms(source)), [source]) == unknown


def test_adverbs_that_nothing_holds_are_named_and_linking_ones_are_not():
    known = frozenset({"부모", "청년", "살"})
    assert unknown_words("부모와 함께 사는 청년입니다.", known, ["부모와 따로 사는 청년이다."]) == ["함께"]
    assert unknown_words("또한 부모와 따로 사는 청년입니다.", known, ["부모와 따로 사는 청년이다."]) == []


def test_nouns_that_nothing_holds_are_named_and_general_ones_are_not():
    known = frozenset({"차량", "운행"})
    assert unknown_words("차량은 2년 동안 운행하고 보험에 든다.", known, ["차량을 2년간 운행한다."]) == ["보험"]
    # "과기정통부" is taken apart in one sentence and whole in another.
    assert unknown_words("정통부 차량", known, ["과기정통부의 차량"]) == []


def test_countries_that_are_shortened_are_known_by_their_names():
    source = "이번 양해각서는 한-미 정상회담의 성과이다."
    known = frozenset(noun_terms(source))
    assert unknown_words("한국과 미국의 정상회담 성과입니다.", known, [source]) == []
    assert unknown_words("한국과 중국의 정상회담 성과입니다.", known, [source]) == ["중국"]
    assert not has_exchanged_nouns("이번 양해각서는 한국과 미국 정상회담의 성과입니다.", [source])
    assert has_exchanged_nouns("이번 양해각서는 한국과 중국 정상회담의 성과입니다.", [source])
    # A syllable alone, or among others, shortens none.
    assert unknown_words("일본은 미국이다.", frozenset({"일", "미술"}), ["미술 일"]) == ["일본", "미국"]


def test_what_only_names_the_kind_of_an_answer_needs_no_source():
    assert unknown_words("담당자의 이름과 전화번호입니다.", frozenset({"담당자"}), ["담당자"]) == []


@pytest.mark.parametrize(
    ("claim", "is_stronger"),
    [
        ("반드시 받아야 합니다.", True), ("어린이만 받을 수 있습니다.", True), ("모든 사람이 받을 수 있습니다.", True),
        ("어린이 외에는 받을 수 있습니다.", True), ("받을 수 있습니다.", False),
    ],
)  # fmt: skip
def test_what_is_always_or_only_so_must_be_said_to_be(claim, is_stronger):
    assert is_strengthened(claim, ["예방접종을 받을 수 있다."]) is is_stronger
    assert not is_strengthened(claim, ["모든 사람이 반드시 예방접종을 받아야 하며, 어린이만, 그 외에는 제외."])
