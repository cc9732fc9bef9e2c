import pytest

from server.answerers.polarity import is_turned_round, predicates

DENIED = "외국인은 청년 수당을 신청할 수 없다."
FREE_ON_SUNDAY = "일요일에는 주차 요금을 받지 않는다."
BOTH = "청년은 수당을 신청할 수 있으나 외국인은 신청할 수 없다."
PASSPORT = "긴급여권의 수수료는 53달러이며, 유효기간은 1년 이내이고 전자칩이 들어 있지 않다."
MEDICINE = "남은 알약은 보건소의 수거함에 버려야 하며, 하수구에 버리면 안 된다."


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (DENIED, "외국인은 청년 수당을 신청할 수 있습니다."),
        (DENIED, "외국인은 청년 수당을 받을 수 있습니다."),
        (DENIED, "Foreigners can apply for the youth allowance."),
        (DENIED, "外国人可以申请青年津贴。"),
        (DENIED, "外国人は青年手当を申請できます。"),
        (DENIED, "Người nước ngoài có thể xin trợ cấp thanh niên."),
        (FREE_ON_SUNDAY, "일요일에는 주차 요금을 받습니다."),
        (FREE_ON_SUNDAY, "일요일에는 주차 요금이 부과됩니다."),
        (FREE_ON_SUNDAY, "일요일에는 주차 요금이 부과된다고 합니다."),
        (FREE_ON_SUNDAY, "Parking fees are charged on Sundays."),
        (BOTH, "외국인은 수당을 신청할 수 있습니다."),
        (BOTH, "청년은 수당을 신청할 수 없습니다."),
        (MEDICINE, "남은 알약은 하수구에 버려도 됩니다."),
        (MEDICINE, "남은 알약은 수거함에 버리면 안 됩니다."),
        ("입산을 금지한다.", "입산을 허용합니다."),
        ("입산을 허용한다.", "입산을 금지합니다."),
        ("신청이 불가능하다.", "신청이 가능합니다."),
        ("여권에 전자칩이 들어 있지 않다.", "여권에는 전자칩이 들어 있습니다."),
        ("APEC은 경제협력체이다.", "APEC은 경제협력체가 아닙니다."),
        ("Dogs are not allowed.", "Dogs are allowed."),
        ("Dogs are allowed.", "Dogs are not allowed."),
        ("犬は入れません。", "犬は入れます。"),
        ("狗不能进入。", "狗能进入。"),
        ("Chó không được vào.", "Chó được vào."),
        ("접종은 무료이다.", "접종은 유료입니다."),
        ("접종은 무료이다.", "A paid vaccination is offered."),
        ("접종은 무료이다.", "接種は有料です。"),
        ("접종은 무료이다.", "接种收费。"),
        ("접종은 무료이다.", "Tiêm chủng có phí."),
        ("요금이 3% 올랐다.", "요금이 3% 내렸습니다."),
        ("요금이 3% 올랐다.", "The fee fell by 3%."),
        ("요금이 3% 올랐다.", "料金は3%下がりました。"),
        ("요금이 3% 올랐다.", "费用下降3%。"),
        ("요금이 3% 올랐다.", "Phí giảm 3%."),
        ("The fee rose.", "The fee fell."),
        (PASSPORT, "An emergency passport contains a chip."),
        ("회의를 8월에 개최할 예정이다.", "회의를 8월에 개최하였습니다."),
        ("회의를 8월에 개최할 계획이다.", "회의를 8월에 개최했습니다."),
        ("회의를 8월에 개최하였다.", "회의를 8월에 개최할 예정입니다."),
        ("회의를 8월에 개최하였다.", "회의를 8월에 개최하겠습니다."),
        ("회의가 8월에 열렸다.", "회의가 8월에 열릴 것입니다."),
        ("접종을 받을 수 있다.", "접종을 받아야 합니다."),
        ("접종을 받아야 한다.", "접종을 받을 수 있습니다."),
        ("기한 안에 신청하지 못하였다.", "기한 안에 신청하였습니다."),
        ("비회원은 자료를 빌릴 수 있다.", "회원은 자료를 빌릴 수 있습니다."),
        ("회원은 자료를 빌릴 수 있다.", "비회원은 자료를 빌릴 수 있습니다."),
        ("미신고 시 과태료를 낸다.", "신고 시 과태료를 냅니다."),
        ("승객은 요금을 카드로 낼 수 있지만 현금으로는 낼 수 없다.", "승객은 현금으로 요금을 낼 수 있습니다."),
        ("17개에 합의하였으나 분쟁 조항에는 합의하지 못하였다.", "분쟁 조항에 합의하였습니다."),
        ("판사는 조정을 권할 수 있으나 강요할 수는 없다.", "판사는 조정을 강요할 수 있습니다."),
        ("시는 노선 12개를 개편할 예정이다.", "The city has reorganised 12 routes."),
        ("시는 노선 12개를 개편하기로 했다.", "市は路線12本をすでに改編しました。"),
        ("세 번 넘게 빠지면 제외될 수 있다.", "Those who miss three classes must be excluded."),
        ("아파트 주민 대부분은 요금을 낸다.", "All residents pay the fee."),
        ("아파트 주민 대부분은 요금을 낸다.", "所有居民都缴纳费用。"),
        ("서부도서관은 동부도서관보다 좌석이 40석 적다.", "The west library has 40 more seats."),
        ("서부도서관은 동부도서관보다 좌석이 40석 적다.", "西部图书馆多40个座位。"),
    ],
)
def test_a_sentence_that_turns_its_source_round_is_found(source, claim):
    assert is_turned_round(claim, [source])


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (DENIED, "외국인은 청년 수당을 신청할 수 없습니다."),
        ("무주택 청년에게 월세를 12개월 동안 지원한다.", "지원 기간은 12개월입니다."),
        ("신청하지 못하였다면 사유가 끝난 날부터 신청할 수 있다.", "사유가 끝난 날부터 신청할 수 있습니다."),
        ("심화 재료비는 120,000원이고 기초는 없다.", "심화 재료비는 120,000원입니다."),
        ("무주택 청년에게 월세를 12개월 동안 지원한다.", "무주택 청년은 월세를 지원받습니다."),
        ("비회원은 자료를 빌릴 수 있다.", "비회원은 자료를 빌릴 수 있습니다."),
        (DENIED, "Foreigners can't apply for the youth allowance."),
        (DENIED, "外国人不可以申请青年津贴。"),
        (DENIED, "外国人は青年手当を申請できません。"),
        (DENIED, "Người nước ngoài không thể xin trợ cấp thanh niên."),
        (FREE_ON_SUNDAY, "주차 요금은 일요일에는 받지 않습니다."),
        (FREE_ON_SUNDAY, "일요일에는 주차 요금이 부과되지 않습니다."),
        (BOTH, "청년은 수당을 신청할 수 있습니다."),
        (BOTH, "외국인은 수당을 신청할 수 없습니다."),
        (MEDICINE, "남은 알약은 보건소의 수거함에 버려야 합니다."),
        (MEDICINE, "남은 알약을 하수구에 버려서는 안 됩니다."),
        ("입산을 금지한다.", "입산이 금지됩니다."),
        ("접종은 무료이다.", "접종은 무료로 받을 수 있습니다."),
        ("접종은 무료이다.", "The vaccination is free of charge."),
        ("요금이 3% 올랐다.", "The fee rose by 3%."),
        ("서류를 내야 한다.", "書類を提出しなければなりません。"),
        ("Dogs are allowed.", "Dogs are allowed in it."),
        (PASSPORT, "The fee is 53 dollars."),
        (PASSPORT, "手数料は53ドルです。"),
        ("회의를 8월에 개최할 예정이다.", "회의를 8월에 개최합니다."),
        ("접종을 무료로 받을 수 있다.", "접종을 무료로 받습니다."),
        ("승객은 요금을 카드로 낼 수 있지만 현금으로는 낼 수 없다.", "승객은 현금으로는 요금을 낼 수 없습니다."),
        ("승객은 요금을 카드로 낼 수 있지만 현금으로는 낼 수 없다.", "승객은 카드로 요금을 낼 수 있습니다."),
        ("17개에 합의하였으나 분쟁 조항에는 합의하지 못하였다.", "분쟁 조항에는 합의하지 못하였습니다."),
        ("판사는 조정을 권할 수 있으나 강요할 수는 없다.", "판사는 조정을 강요할 수 없습니다."),
        ("시는 노선 12개를 개편하였다.", "The city has reorganised 12 routes."),
        ("시는 노선 12개를 개편할 예정이다.", "The city will reorganise 12 routes."),
        ("모든 주민은 요금을 낸다.", "All residents pay the fee."),
        ("아파트 주민 대부분은 요금을 낸다.", "Most of the residents pay the fee."),
        ("성인은 300명을 넘는다.", "There are more than 300 adults."),
    ],
)
def test_one_that_says_the_same_is_not(source, claim):
    assert not is_turned_round(claim, [source])


def test_a_predicate_goes_with_its_denial_and_the_nouns_of_its_clause():
    assert [(p.lemma, p.is_denied) for p in predicates(BOTH)] == [
        ("신청", False), ("신청 수", False), ("신청", True), ("신청 수", True),
    ]  # fmt: skip
    assert "외국인" in predicates(BOTH)[2].words
    assert "외국인" not in predicates(BOTH)[0].words
