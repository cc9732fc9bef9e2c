import pytest

from server.answerers.territories import asks_of_another_territory

AGREEMENT = "한-미 과학기술공동위원회를 내년 워싱턴 D.C.에서 개최한다."
VISITORS = "필리핀과 베트남 국민은 사증 없이 30일까지 머물 수 있다."
HOLIDAY = "도서관은 설날에 휴관한다."


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("한-중 과학기술공동위원회는 어디에서 열리나요?", AGREEMENT),
        ("일본과의 공동위원회는 언제 열리나요?", AGREEMENT),
        ("When does the joint committee with Japan meet?", AGREEMENT),
        ("日本との共同委員会はいつですか？", AGREEMENT),
        ("与法国的联合委员会何时召开？", AGREEMENT),
        ("Ủy ban chung với Nhật Bản họp khi nào?", AGREEMENT),
        ("태국은 며칠까지 되나요?", VISITORS),
    ],
)
def test_a_question_about_another_country_than_those_of_the_passage_is_found(question, passage):
    assert asks_of_another_territory(question, passage)


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("한-미 공동위원회는 어디에서 열리나요?", AGREEMENT),
        ("미국에서 언제 열리나요?", AGREEMENT),
        ("한국은 누가 나오나요?", AGREEMENT),
        ("Where will the committee meet in the USA?", AGREEMENT),
        # Who asks is from there.
        ("태국 사람도 되나요?", VISITORS),
        ("태국인인데 며칠까지 되나요?", VISITORS),
        ("I am from Thailand. How long may I stay?", VISITORS),
        ("Can Chinese citizens stay too?", VISITORS),
        # Words that are names elsewhere.
        ("사증이란 무엇인가요?", VISITORS),
        ("어떤 수단으로 가나요?", VISITORS),
        # A passage that names none may be about any.
        ("베트남 설날에 쉬나요?", HOLIDAY),
        ("", AGREEMENT),
        ("언제 열리나요?", ""),
    ],
)
def test_one_that_may_be_about_it_is_not(question, passage):
    assert not asks_of_another_territory(question, passage)
