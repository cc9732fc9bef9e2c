import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.privacy import mask


@pytest.mark.parametrize(
    ("text", "masked", "kinds"),
    [
        ("주민번호 900101-1234568 입니다", "주민번호 [주민등록번호] 입니다", ("resident_number",)),
        ("외국인등록번호 900101-5234567", "외국인등록번호 [외국인등록번호]", ("foreigner_number",)),
        ("제 번호는 010-1234-5678이에요", "제 번호는 [전화번호]이에요", ("phone",)),
        ("010)1234-5678로 주세요", "[전화번호]로 주세요", ("phone",)),
        ("01012345678로 연락 주세요", "[전화번호]로 연락 주세요", ("phone",)),
        ("여권 M12345678을 잃어버렸어요", "여권 [여권번호]을 잃어버렸어요", ("passport",)),
        ("운전면허 11-12-345678-90 갱신", "운전면허 [운전면허번호] 갱신", ("driver_licence",)),
        ("국민은행 123456-01-123456으로 환급", "국민은행 [계좌번호]으로 환급", ("account",)),
        ("카드 4111-1111-1111-1111 결제", "카드 [카드번호] 결제", ("card",)),
        ("Mail me at a.b+c@example.co.kr please", "Mail me at [이메일] please", ("email",)),
        # Written to get by: full-width digits, and spaces that take no room.
        ("전화 ０１０－１２３４－５６７８", "전화 [전화번호]", ("phone",)),
        ("전화 010-12\u200b34-5678", "전화 [전화번호]", ("phone",)),
        ("홍길동@naver.com으로 주세요", "[이메일]으로 주세요", ("email",)),
        ("hong@예시.한국 으로", "[이메일] 으로", ("email",)),
        ("전화 010_1234_5678", "전화 [전화번호]", ("phone",)),
        ("전화 010/1234/5678번", "전화 [전화번호]번", ("phone",)),
        ("여권 m12345678을 잃어버렸어요", "여권 [여권번호]을 잃어버렸어요", ("passport",)),
        ("전화 010~1234~5678", "전화 [전화번호]", ("phone",)),
        ("여권번호는 PM1234567입니다", "[여권번호]입니다", ("passport",)),
        ("면허증 서울 11-123456-78", "면허증 [운전면허번호]", ("driver_licence",)),
        ("3782-822463-10005 카드", "[카드번호] 카드", ("card",)),
        ("900101-1******입니다", "[주민등록번호]입니다", ("resident_number",)),
        ("900101-1234***, 010_1234_5678", "[주민등록번호], [전화번호]", ("phone", "resident_number")),
        (
            "010-1234-5678 또는 hong@example.com, 카드 4111 1111 1111 1111",
            "[전화번호] 또는 [이메일], 카드 [카드번호]",
            ("card", "email", "phone"),
        ),
    ],
)
def test_personal_data_is_masked(text, masked, kinds):
    found = mask(text)
    assert (found.text, found.kinds) == (masked, kinds)


@pytest.mark.parametrize(
    "text",
    [
        "APEC은 1989년 몇 월에 창설되었나요?",
        "홍길동 사무관은 무슨 일을 하나요?",
        "2025년 10월 29일 회의는 어디에서 열리나요?",
        "제12조 제3항은 무슨 내용인가요?",
        "예산 1,234,567,890원은 어디에 쓰이나요?",
        "카드 4111-1111-1111-1112 결제",  # the check digit is wrong
        "What is the fee for 2025-2026?",
        "@agency 계정은 무엇인가요?",
        "예산은 2025/10/29 기준 010101-1개인가요?",
        "form12345678 서식은 어디에 있나요?",
        "",
    ],
)
def test_what_questions_are_full_of_stays(text):
    assert mask(text).text == text


@given(st.text(alphabet="0123456789- 가@.a\u200b０_/*m", max_size=500))
def test_nothing_is_too_slow_and_what_is_masked_stays_masked(text):
    started = time.perf_counter()
    once = mask(text)
    assert time.perf_counter() - started < 2
    assert bool(once.kinds) == (once.text != text)
