import pytest

from server.answerers.asked_kind import asked_kind, lacks_what_is_asked


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("회원국은 몇 개국인가요?", "1989년 창설된 역내 경제협력체이다."),
        ("장관은 몇 살인가요?", "담당자 이차연 (044-202-4342)"),
        ("짓는 데 몇 년 걸리나요?", "2025 아시아태평양 경제협력체 주간에 시작했다."),
        ("몇 년도에 창설됐나요?", "회원국 2,025곳이 참여한다."),
        ("예산은 얼마인가요?", "2025년 10월 29일에 체결한다."),
        ("언제 체결하나요?", "양국은 협력을 강화한다."),
        ("전화번호가 뭐예요?", "담당 부서는 국제협력관이다."),
        ("담당자 이메일은?", "담당자는 이차연이다."),
        ("물어볼 번호 좀", "담당 부서는 국제협력관이다."),
        ("Which number do I call?", "The office is open on weekdays."),
        ("Cho tôi xin số của phòng phụ trách.", "Phòng làm việc từ thứ Hai."),
        ("How many members are there?", "It was founded on 5 May 1989."),
        ("何人が参加しましたか。", "2025年に始まった。"),
        ("有多少成员？", "成立于1989年。"),
    ],
)
def test_a_sentence_without_what_is_asked_for_can_not_answer(question, sentence):
    assert lacks_what_is_asked(question, sentence)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("회원국은 몇 개국인가요?", "회원국은 21개국이다."),
        ("연구원은 몇 명인가요?", "연구원은 세 명이다."),
        ("몇 살까지 신청하나요?", "만 34세까지 신청할 수 있다."),
        ("몇 년도에 창설됐나요?", "1989년 창설된 협력체이다."),
        ("몇 년도 회의의 성과인가요?", "2025 아시아태평양 경제협력체 주간에 열린 회의의 성과이다."),
        ("예산은 얼마인가요?", "예산은 3조 원이다."),
        ("몇 천 명의 학생이 시위를 벌인 곳은?", "광장에서는 몇 천 명의 학생이 시위를 벌였다."),
        ("대규모 시위가 시작된 날짜는?", "3월 15일 여러 도시에서 시작되었다."),
        ("우편번호가 뭐예요?", "우편번호는 30109이다."),
        ("구별하는 번호대는?", "3000번대로 구별한다."),
        ("What is the number of participants?", "In all 21 bodies took part."),
        ("Số người tham gia là bao nhiêu?", "Có 21 người tham gia."),
        ("登録番号は何ですか。", "登録番号は第12号である。"),
        ("身份证号码要填吗？", "不需要填写。"),
        ("언제 체결하나요?", "2025.10.29.(수)에 체결한다."),
        ("전화번호가 뭐예요?", "이차연 (044-202-4342)"),
        ("전화번호가 뭐예요?", "전화번호는 044-202-4342입니다."),
        ("어디로 전화하나요?", "국번 없이 110번으로 신고한다."),
        ("담당자 이메일은?", "이차연 (lee@example.go.kr)"),
        ("홈페이지 주소는?", "신청은 bokjiro.go.kr에서 한다."),
        ("How many members are there?", "It has 21 members since 1989."),
        ("왜 만들었나요?", "협력 증진을 목표로 한다."),
        ("누가 서명하나요?", "배경훈 부총리가 서명한다."),
    ],
)
def test_a_sentence_with_what_is_asked_for_may_answer(question, sentence):
    assert not lacks_what_is_asked(question, sentence)


def test_most_questions_ask_for_no_kind_that_is_told_apart():
    assert asked_kind("누가 서명하나요?").kinds == frozenset()
