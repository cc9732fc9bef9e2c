import pytest

from server.answerers.labels import is_misplaced

FEES = (
    "요금은 성인 4,000원, 어린이 2,000원이다.",
    "요금은 성인 4,000원 어린이 2,000원이다.",
    "성인은 4,000원이고 어린이는 2,000원이다.",
    "성인: 4,000원 / 어린이: 2,000원",
    "4,000원(성인), 2,000원(어린이)",
    "| 성인 | 4,000원 |\n| 어린이 | 2,000원 |",
)


@pytest.mark.parametrize("source", FEES)
@pytest.mark.parametrize("adults", [True, False])
def test_a_figure_belongs_to_its_label(source, adults):
    label = "성인" if adults else "어린이"
    right, wrong = ("4,000원", "2,000원") if adults else ("2,000원", "4,000원")
    assert not is_misplaced(f"{label} 요금은 {right}입니다.", [source])
    assert is_misplaced(f"{label} 요금은 {wrong}입니다.", [source])


@pytest.mark.parametrize(
    ("source", "right", "wrong"),
    [
        (FEES[0], "성인은 4,000원, 어린이는 2,000원입니다.", "성인은 2,000원, 어린이는 4,000원입니다."),
        (
            "The fee is 4,000 won for adults and 2,000 won for children.",
            "Children pay 2,000 won and adults 4,000 won.",
            "Children pay 4,000 won and adults 2,000 won.",
        ),
        ("大人は4000円、子供は2000円です。", "子供は2000円です。", "子供は4000円です。"),
        ("成人4000元，儿童2000元。", "儿童票2000元。", "儿童票4000元。"),
        ("Người lớn 4.000 won, trẻ em 2.000 won.", "Trẻ em trả 2.000 won.", "Trẻ em trả 4.000 won."),
        ("접수는 10월 1일, 발표는 10월 29일이다.", "발표는 10월 29일입니다.", "발표는 10월 1일입니다."),
    ],
)
def test_figures_that_change_places_are_found(source, right, wrong):
    assert not is_misplaced(right, [source])
    assert is_misplaced(wrong, [source])
