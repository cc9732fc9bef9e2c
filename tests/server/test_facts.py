import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answerers.facts import Date, Quantity, facts, unsupported_facts
from server.answerers.sounds import sounds_alike

SIGNED = (
    "이번 양해각서(MOU)는 2025 아시아태평양 경제협력체(APEC*) 주간에 개최된 한-미 정상회담의 성과로 "
    "한-미 정부 간 체결(양국 정부대표로 "
    "과기정통부 배경훈 부총리와 백악관 마이클 크라치오스 과학기술 정책실장 서명)한다."
)
SUBSIDY = (
    "2025.10.29.(수)부터 만 65세 이상 3만 2천 명에게 두 번에 나누어 1조 2천억 원을 지급하며 "
    "문의는 044-202-4342, help@msit.go.kr로 한다."
)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("3,200만 원", 32_000_000, "won"),
        ("3천2백만 원", 32_000_000, "won"),
        ("삼천이백만 원", 32_000_000, "won"),
        ("32,000,000 won", 32_000_000, "won"),
        ("32 million won", 32_000_000, "won"),
        ("3200万ウォン", 32_000_000, "won"),
        ("三千二百万韩元", 32_000_000, "won"),
        ("32 triệu won", 32_000_000, "won"),
        ("5,8 triệu won của Hàn Quốc được cấp", 5_800_000, "won"),
        ("1조 2천억 원", 1.2e12, "won"),
        ("1.2 trillion won", 1.2e12, "won"),
        ("2.5억 달러", 2.5e8, "dollar"),
        ("$53", 53, "dollar"),
        ("서른 명", 30, "people"),
        ("30人", 30, "people"),
        ("열두 개", 12, "개"),
        ("twenty-five percent", 25, "%"),
        ("0.5퍼센트", 0.5, "%"),
        ("3년간", 3, "year"),
        ("6개월", 6, "month"),
        ("하루", 1, "day"),
        ("보름", 15, "day"),
    ],
)
def test_a_number_is_one_however_it_is_written(text, value, unit):
    assert facts(text).quantities == {Quantity(value, unit)}


@pytest.mark.parametrize(
    "text", ["이번 분야", "만일 그렇다면", "일본의 사례", "조사 결과", "삼성과 오픈AI", "十分な", "一方"]
)
def test_syllables_that_numerals_are_made_of_are_no_numbers(text):
    assert facts(text).quantities == frozenset()


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2025년 10월 29일", Date(2025, 10, 29)),
        ("2025.10.29.", Date(2025, 10, 29)),
        ("2025. 10. 29.", Date(2025, 10, 29)),
        ("2025-10-29", Date(2025, 10, 29)),
        ("October 29, 2025", Date(2025, 10, 29)),
        ("29th of October 2025", Date(2025, 10, 29)),
        ("2025年10月29日", Date(2025, 10, 29)),
        ("ngày 29 tháng 10 năm 2025", Date(2025, 10, 29)),
        ("29/10/2025 là ngày được chọn", Date(2025, 10, 29)),
        ("10/29/2025", Date(2025, 10, 29)),
        ("10월 29일", Date(0, 10, 29)),
        ("Oct. 29", Date(0, 10, 29)),
        ("2025년 10월", Date(2025, 10)),
        ("1989년에", Date(1989)),
        ("一九八九年", Date(1989)),
        ("in 1989", Date(1989)),
    ],
)
def test_a_date_is_one_however_it_is_written(text, date):
    assert facts(text).dates == {date}


@pytest.mark.parametrize(
    "claim",
    [
        "지급액은 1.2조 원이고 10월 29일 수요일부터 65세 이상 32,000명이 2번에 나누어 받습니다.",
        "The payment of 1.2 trillion won starts on Wednesday, October 29, 2025 for 32,000 people aged 65 and over.",
        "10月29日から65歳以上の3万2千人に2回に分けて支給されます。",
        "从2025年10月29日起向65岁以上的32000人发放1.2万亿韩元。",
        "Từ ngày 29 tháng 10 năm 2025, 32.000 người được nhận 1,2 nghìn tỷ won.",
        "문의는 (044)202-4342 또는 help@msit.go.kr로 하십시오.",
    ],
)
def test_what_the_documents_say_is_found_in_other_words(claim):
    assert unsupported_facts(claim, [SUBSIDY]) == []


@pytest.mark.parametrize(
    ("claim", "missing"),
    [
        ("지급액은 1.3조 원입니다.", "number"),
        ("10월 28일부터 지급합니다.", "date"),
        ("2026년 10월 29일부터 지급합니다.", "date"),
        ("목요일부터 지급합니다.", "date"),
        ("65세 이상 3만 3천 명이 받습니다.", "number"),
        ("세 번에 나누어 지급합니다.", "number"),
        ("1조 2천억 달러를 지급합니다.", "number"),
        ("The payment of 12 trillion won starts in October.", "number"),
        ("문의는 044-202-4343으로 하십시오.", "code"),
        ("문의는 help@msit.com으로 하십시오.", "code"),
        ("https://msit.example/pay에서 신청하세요.", "code"),
        ("‘평생 지급’이라고 밝혔습니다.", "quotation"),
        ("배경훈 부총리가 지급합니다.", "name"),
        ("Elon Musk pays it.", "name"),
        ("Japan pays it.", "name"),
    ],
)
def test_what_the_documents_do_not_say_is_named(claim, missing):
    [problem, *_] = unsupported_facts(claim, [SUBSIDY])
    assert problem.startswith(missing)


def test_a_date_must_stand_in_one_sentence_as_a_whole():
    assert unsupported_facts("1992년 10월 29일에 체결했습니다.", ["1992년 과학기술협정", "10월 29일(수) 체결한다"])


@pytest.mark.parametrize(
    "claim",
    [
        "배경훈 부총리와 마이클 크라치오스 실장이 한국과 미국을 대표해 서명합니다.",
        "Deputy Prime Minister Bae Kyung-hoon and Michael Kratsios of the White House sign for South Korea and the US.",
        "Kyung-hoon Bae signs it for the Republic of Korea.",
        "ペ・ギョンフン副首相とマイケル・クラツィオス室長が署名します。",
        "배경훈 và 마이클 크라치오스 ký biên bản ghi nhớ giữa Hàn Quốc và Hoa Kỳ.",
        "The two countries sign it at APEC 2025.",
        "과기정통부가 체결합니다.",
        "クラツィオス室長が署名します。",
    ],
)
def test_names_are_known_by_their_sound_in_other_letters(claim):
    assert unsupported_facts(claim, [SIGNED]) == []


@pytest.mark.parametrize(
    "claim",
    [
        "김민수 부총리가 서명합니다.",
        "Donald Trump signs it.",
        "Musk signs it.",
        "Bae Min-su signs it.",
        "Michael Jackson signs it.",
        "China signs it.",
        "ジョン・スミス室長が署名します。",
        "李明博总统签署了谅解备忘录。",
        "Nguyễn Văn Minh đã ký biên bản.",
        "세 나라가 서명합니다.",
        "李在明签署了谅解备忘录。",
        "石破茂が署名します。",
        "签署仪式在釜山举行。",
        "釜山で署名します。",
        "トランプ大統領が署名します。",
        "교육부가 서명합니다.",
        "Ken signs it.",
        "Pak signs it.",
        "Boeing signs it.",
    ],
)
def test_other_names_are_not(claim):
    assert unsupported_facts(claim, [SIGNED])


@pytest.mark.parametrize(
    "claim",
    ["Haedam City pays 200,000 won a month.", "Haedam-si pays it.", "Thành phố Haedam chi trả.", "Haedam pays it."],
)
def test_a_name_may_be_written_letter_by_letter(claim):
    source = "해담시는 주민에게 매월 20만 원을 지급한다."
    assert not unsupported_facts(claim, [source])
    assert unsupported_facts(claim.replace("Haedam", "Hadaam"), [source])


def test_in_one_script_names_that_differ_are_different():
    assert sounds_alike("Kratsios", "크라치오스")
    assert not sounds_alike("크라치우스", "크라치오스")


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("예순 명", 60, "people"),
        ("스물여섯 명", 26, "people"),
        ("여든다섯 살", 85, "year"),
        ("아흔아홉 개", 99, "개"),
        ("twenty-one days", 21, "day"),
        ("the thirty-first meeting", 31, ""),
        ("hai mươi lăm ngày", 25, "day"),
        ("3円", 3, "yen"),
        ("¥3", 3, "yen"),
        ("3 yen", 3, "yen"),
        ("3 euros", 3, "euro"),
        ("3파운드", 3, "pound"),
        ("5元", 5, "yuan"),
        ("500MB", 500, "MB"),
        ("3km", 3, "km"),
        ("3킬로미터", 3, "km"),
        ("3m", 3, "m"),
        ("3%p", 3, "%p"),
        ("3 percentage points", 3, "%p"),
        ("영하 5도", -5, "degree"),
        ("-5도", -5, "degree"),
        ("minus 5 degrees", -5, "degree"),
        ("零下5度", -5, "degree"),
        ("오후 2시", 14, "clock"),
        ("午後2時", 14, "clock"),
        ("下午2点", 14, "clock"),
        ("2 p.m.", 14, "clock"),
        ("2 giờ chiều", 14, "clock"),
        ("14:00", 14, "clock"),
        ("밤 12시 30분", 12.5, "clock"),
        ("2시", 2, "o'clock"),
        ("2시간", 2, "hour"),
    ],
)
def test_units_signs_and_times_belong_to_a_number(text, value, unit):
    assert facts(text).quantities == {Quantity(value, unit)}


@pytest.mark.parametrize(
    ("evidence", "claim"),
    [
        ("제17조에 따른다.", "제7조에 따릅니다."),
        ("제17조에 따른다.", "It follows Article 7."),
        ("문의는 044-202-4342로 한다.", "문의는 202-4342로 하십시오."),
        ("서식은 A45이다.", "서식은 A4입니다."),
        ("안내는 www.msit.go.kr에 있다.", "안내는 msit.go에 있습니다."),
        ("60명이 참석했다.", "수백 명이 참석했습니다."),
        ("60명이 참석했다.", "절반이 참석했습니다."),
        ("60명이 참석했다.", "A hundred people attended."),
        ("60명이 참석했다.", "A dozen attended."),
        ("60명이 참석했다.", "Một trăm người đã tham dự."),
        ("60명이 참석했다.", "数百人が参加しました。"),
        ("60명이 참석했다.", "예순한 명이 참석했습니다."),
        ("10월 29일부터 한다.", "29일간 합니다."),
        ("10월 29일부터 한다.", "It lasts for 10 months."),
        ("10월 29일부터 한다.", "29日間行われます。"),
        ("2025년에 한다.", "2,025년간 합니다."),
        ("2. 계약은 3년간 유효하다.", "계약은 2년간 유효합니다."),
        ("② 계약은 3년간 유효하다.", "계약은 2년간 유효합니다."),
        ("수수료는 53달러이다.", "수수료는 53엔입니다."),
        ("수수료는 53달러이다.", "手数料は53円です。"),
        ("수수료는 53달러이다.", "The fee is 53 euros."),
        ("수수료는 53달러이다.", "The fee is £53."),
        ("용량은 500MB이다.", "용량은 500GB입니다."),
        ("거리는 3km이다.", "거리는 3m입니다."),
        ("3%p 올랐다.", "3% 올랐습니다."),
        ("It rose by 3%.", "It rose by 3 percentage points."),
        ("기온은 영하 5도이다.", "기온은 5도입니다."),
        ("기온은 5도이다.", "기온은 -5도입니다."),
        ("기온은 5도이다.", "- 5도입니다."),
        ("65세 이상에게 준다.", "65세 미만에게 줍니다."),
        ("65세 이상에게 준다.", "65세 이하에게 줍니다."),
        ("65세 이상에게 준다.", "It goes to people under 65."),
        ("65세 이상에게 준다.", "65歳未満に支給します。"),
        ("65세 이상에게 준다.", "发给65岁以下的人。"),
        ("65세 이상에게 준다.", "Dành cho người dưới 65 tuổi."),
        ("10월 29일부터 받는다.", "10월 29일까지 받습니다."),
        ("10월 29일부터 받는다.", "It is taken until October 29."),
        ("10월 29일부터 받는다.", "10月29日まで受け付けます。"),
        ("10월 29일부터 받는다.", "受理至10月29日。"),
        ("10월 29일부터 받는다.", "Nhận đến ngày 29 tháng 10."),
        ("2025. 10. 29. ~ 11. 5.", "2025년 10월 29일까지 합니다."),
        ("1989년 이후 이어졌다.", "1989년 이전에 이어졌습니다."),
        ("1989년 이후 이어졌다.", "It went on before 1989."),
        ("밤 8시 이후에 내놓는다.", "밤 8시 이전에 내놓습니다."),
        ("오전 9시에 연다.", "오후 9시에 엽니다."),
        ("오전 9시에 연다.", "It opens at 9 p.m."),
        ("오전 9시에 연다.", "午後9時に開きます。"),
        ("오전 9시에 연다.", "晚上9点开门。"),
        ("오전 9시에 연다.", "Mở cửa lúc 9 giờ tối."),
        ("최대 20만 원을 준다.", "20만 원 이상을 줍니다."),
        ("20만 원을 준다.", "20만 원 이상을 줍니다."),
        ("65세 이상에게 준다.", "65세에게 줍니다."),
        ("65세 이상에게 준다.", "It goes to people aged 65."),
        ("최대 20만 원을 준다.", "20万ウォンを支給します。"),
        ("5권까지 빌린다.", "5권을 빌립니다."),
        ("내년에 열린다.", "올해 열린다."),
        ("내년에 열린다.", "매년 열린다."),
        ("매년 지급한다.", "매월 지급한다."),
        ("월 20만 원을 지급한다.", "연 20만 원을 지급한다."),
        ("상반기에 시작한다.", "하반기에 시작한다."),
        ("다음 달에 발표한다.", "다음 주에 발표한다."),
        ("평일에 문을 연다.", "주말에 문을 연다."),
        ("내년에 열린다.", "It will be held this year."),
        ("매년 지급한다.", "It is paid every month."),
    ],
)
def test_a_small_change_of_a_figure_or_time_is_another(evidence, claim):
    assert unsupported_facts(claim, [evidence])


@pytest.mark.parametrize(
    ("evidence", "claim"),
    [
        ("제17조에 따른다.", "It follows Article 17."),
        ("제17조에 따른다.", "Theo Điều 17."),
        ("문의는 044-202-4342로 한다.", "문의는 (044) 202-4342로 하십시오."),
        ("안내는 https://www.msit.go.kr/ 에 있다.", "안내는 msit.go.kr에 있습니다."),
        ("절반이 참석했다.", "Half of them attended."),
        ("60명이 참석했다.", "예순 명이 참석했습니다."),
        ("60명이 참석했다.", "Sixty people attended."),
        ("26일 동안 한다.", "It lasts for twenty-six days."),
        ("10월 29일부터 한다.", "29일부터 합니다."),
        ("매월 25일에 한다.", "It is done on the 25th of every month."),
        ("65세 이상에게 준다.", "It goes to people aged 65 and over."),
        ("65세 이상에게 준다.", "It goes to people who are at least 65."),
        ("65세 이상에게 준다.", "65歳以上に支給します。"),
        ("65세 이상에게 준다.", "发给65岁以上的人。"),
        ("65세 이상에게 준다.", "Dành cho người từ 65 tuổi trở lên."),
        ("최대 20만 원을 준다.", "It is up to 200,000 won."),
        ("5권까지 빌린다.", "최대 5권을 빌립니다."),
        ("5~10명을 뽑는다.", "뽑는 인원은 5명에서 10명입니다."),
        ("5~10명을 뽑는다.", "Five to ten people are chosen."),
        ("18시까지 받는다.", "마감은 18시입니다."),
        ("10월 29일(수)부터 받는다.", "It is taken from Wednesday, October 29."),
        ("10월 29일부터 받는다.", "10月29日から受け付けます。"),
        ("10월 29일부터 받는다.", "Nhận từ ngày 29 tháng 10."),
        ("2025. 10. 29. ~ 11. 5.", "2025년 10월 29일부터 11월 5일까지 합니다."),
        ("09:00~18:00", "오전 9시부터 오후 6시까지 엽니다."),
        ("오전 9시에 연다.", "It opens at 9 a.m."),
        ("오전 9시에 연다.", "9시에 엽니다."),
        ("밤 8시 이후에 내놓는다.", "It is put out after 8 p.m."),
        ("기온은 영하 5도이다.", "It is minus 5 degrees."),
        ("- 5개 기관이 한다.", "5개 기관이 합니다."),
        ("내년에 열린다.", "It will be held next year."),
        ("매년 열린다.", "해마다 열린다."),
        ("하반기에 시작한다.", "It starts in the second half of the year."),
        ("19세부터 34세까지 신청할 수 있다.", "People aged 19 to 34 may apply."),
        ("150% 이하 가구가 신청할 수 있다.", "Households at or below 150% may apply."),
        ("기간은 2025년 3월 4일부터 3월 21일까지이다.", "The period is March 4 to March 21, 2025."),
        ("기간은 2025. 3. 4. ~ 3. 21.까지이다.", "기간은 2025년 3월 21일까지이다."),
        ("서울시에서 열린다.", "It will be held in Seoul."),
        ("부산시에서 열린다.", "It will be held in Busan."),
    ],
)
def test_the_same_figure_or_time_in_other_words_is_the_same(evidence, claim):
    assert unsupported_facts(claim, [evidence]) == []


@pytest.mark.parametrize("text", ["1.2.3 million", "2025.10.29 million", "1.5.0 hundred", "9" * 400 + "일"])
def test_figures_that_are_none_break_nothing(text):
    facts(text)
    facts(text, as_evidence=True)


@given(st.text(st.sampled_from("0123456789.,조억만천백십년월일시~-%$ amilonhudretCD가이상월one\n"), max_size=60))
def test_no_text_breaks_the_facts(text):
    facts(text)
    facts(text, as_evidence=True)
    unsupported_facts(text, [text])


@pytest.mark.parametrize(
    ("claim", "evidence", "is_held"),
    [
        ("보상금은 월 72만 1천 원입니다.", "보상금 (단위: 천 원) 2026년 655, 2027년 721", True),
        ("임대료는 22만 원입니다.", "단지 임대료(만 원) 한빛 22", True),
        ("보상금은 50만 원입니다.", "전화 500, 보상금(만 원) 72", False),
        ("예산은 2,027만 원입니다.", "예산 (단위: 만 원) 2027년 2027, 721", False),
        ("3분의 2 이상이 찬성하면 통과합니다.", "3분의 2 이상이 찬성하여야 한다.", True),
        ("3분의 2가 찬성하면 통과합니다.", "3분의 2 이상이 찬성하여야 한다.", False),
        ("과태료가 3분의 1 줄었습니다.", "3분의 1을 줄인다.", True),
        ("포장 구역에 한해 해제했습니다.", "포장 구역에 한하여 해제한다.", True),
        ("조사원 보수는 9만 2천 원입니다.", "조사원의 보수는 92,000원이다.", True),
        ("심사 기간은 2주입니다.", "심사에는 약 2주가 걸린다.", True),
    ],
)
def test_figures_of_tables_fractions_and_words_that_look_like_figures(claim, evidence, is_held):
    assert (not unsupported_facts(claim, [evidence])) is is_held
