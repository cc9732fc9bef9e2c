import pytest

from server.answerers.relations import joins_what_is_apart

SIGNED = (
    "이번 양해각서는 정상회담의 성과로 한-미 정부 간 체결(양국 정부대표로 과기정통부 배경훈 부총리와 백악관 마이클 "
    "크라치오스 과학기술정책실장 서명)한다."
)
CONTACTS = "담당 부서는 국제협력관이고 책임자는 과장 이경림, 담당자는 사무관 이차연과 주무관 추은경이다."
ROW = "담당 부서\t국제협력관\t책임자\t과 장\t이경림 (044-202-4340)"
HARBOUR = (
    "해양수산부와 부산항만공사는 부산항에서 안전 협약을 맺고, 해양경찰청은 감시 선박을, 부산항만공사는 훈련 장소를 "
    "제공한다."
)
LIBRARY = "시립도서관은 평일 운영 시간을 오후 10시까지 연장하고, 매월 둘째 주 월요일에 휴관한다."
PASSPORT = "긴급여권의 수수료는 53달러이며, 유효기간은 1년 이내이고 전자칩이 들어 있지 않다."
BUSES = "101번 버스는 시청 앞에서 출발해 중앙시장을 거쳐 대학병원까지 가고, 102번 버스는 터미널에서 출발한다."
SPEECH = (
    "하정우 수석은 “이번 양해각서는 포용을 바탕으로 하며, 연구개발 협력은 우리나라가 도약할 발판이 될 것”이라고 밝혔다."
)
SEASON = "산림청은 5월 15일까지를 조심 기간으로 정하고, 이 기간에는 입산 통제 구역의 출입을 금지한다."


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (SIGNED, "배경훈은 백악관 과학기술정책실장입니다."),
        (SIGNED, "과기정통부 부총리는 마이클 크라치오스입니다."),
        (SIGNED, "백악관 부총리는 배경훈입니다."),
        (CONTACTS, "담당 사무관은 추은경입니다."),
        (CONTACTS, "주무관은 이차연입니다."),
        (CONTACTS, "과장은 이차연입니다."),
        (HARBOUR, "감시 선박은 부산항만공사가 제공합니다."),
        (HARBOUR, "해양경찰청은 안전 협약을 맺었습니다."),
        (HARBOUR, "해양수산부는 훈련 장소를 제공합니다."),
        (HARBOUR, "해양수산부는 감시 선박입니다."),
        (LIBRARY, "시립도서관은 평일에 휴관합니다."),
        (LIBRARY, "매월 둘째 주 월요일에는 오후 10시까지 운영합니다."),
        (PASSPORT, "전자칩의 수수료는 53달러입니다."),
        (BUSES, "101번 버스는 터미널에서 출발합니다."),
        (BUSES, "101번 버스는 중앙시장에서 출발합니다."),
        (BUSES, "101번 버스는 시청 앞까지 갑니다."),
        (SPEECH, "연구개발 협력은 포용을 바탕으로 합니다."),
        (SEASON, "입산 통제 구역은 5월 15일까지입니다."),
        ("민원은 방문으로 접수하고 결과는 온라인으로 통지한다.", "민원은 온라인으로 접수합니다."),
        ("민원은 방문으로 접수하고 결과는 온라인으로 통지한다.", "결과는 방문으로 접수합니다."),
        ("외국인이 아닌 주민은 재산세를 면제받는다.", "외국인은 재산세를 면제받습니다."),
        ("물을 제외한 음식물은 공연장에 반입할 수 없다.", "물은 공연장에 반입할 수 없습니다."),
        # It says nothing without its question.
        (BUSES, "대학병원입니다."),
    ],
)
def test_words_that_are_kept_apart_and_put_together_are_found(source, claim):
    assert joins_what_is_apart(claim, [[source]])
    assert joins_what_is_apart(claim, [["이 안내는 누구나 볼 수 있다."], ["문의가 있을 수 있다.", source]])


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (SIGNED, "배경훈 부총리와 마이클 크라치오스 과학기술정책실장이 서명합니다."),
        (SIGNED, "마이클 크라치오스는 백악관 과학기술정책실장입니다."),
        (SIGNED, "양해각서는 정상회담의 성과입니다."),
        (CONTACTS, "담당 사무관은 이차연입니다."),
        (CONTACTS, "책임자는 이경림 과장입니다."),
        (CONTACTS, "담당자는 사무관 이차연과 주무관 추은경입니다."),
        (ROW, "책임자는 이경림 과장입니다."),
        (ROW, "과장은 이경림이며, 전화번호는 044-202-4340입니다."),
        (HARBOUR, "감시 선박은 해양경찰청이 제공합니다."),
        (HARBOUR, "훈련 장소를 제공하는 곳은 부산항만공사입니다."),
        (HARBOUR, "해양수산부와 부산항만공사가 부산항에서 협약을 맺었습니다."),
        (LIBRARY, "시립도서관은 매월 둘째 주 월요일에 휴관합니다."),
        (LIBRARY, "휴관일은 매월 둘째 주 월요일입니다."),
        (PASSPORT, "긴급여권의 유효기간은 1년 이내입니다."),
        (BUSES, "102번 버스는 터미널에서 출발할 예정입니다."),
        (BUSES, "101번 버스는 중앙시장을 거칩니다."),
        (SPEECH, "하정우 수석은 연구개발 협력이 우리나라가 도약할 발판이 될 것이라고 밝혔습니다."),
        (SEASON, "조심 기간에는 입산 통제 구역의 출입을 금지합니다."),
        (
            "APEC: 1989년 창설된 역내 경제협력체로, 회원국 간 경제성장과 상호 협력 증진을 목표로 함.",
            "APEC은 1989년 창설된 역내 경제협력체로, 회원국의 경제성장과 상호 협력 증진이 목표입니다.",
        ),
        ("중앙도서관 운영시간: 09:00~18:00", "중앙도서관의 운영 시간은 9시부터 18시까지입니다."),
    ],
)
def test_words_that_belong_together_are_left_alone(source, claim):
    assert not joins_what_is_apart(claim, [[source]])
    assert not joins_what_is_apart(claim, [["이 안내는 누구나 볼 수 있다."], [source]])


@pytest.mark.parametrize(
    "text",
    [
        CONTACTS, BUSES, SIGNED,
        "한 개에 3,000원이고 한 사람이 두 개까지 살 수 있습니다.",
        "방패매는 고도 15~40km로 날아드는 탄도탄과 항공기를 맞혀 떨어뜨리는 무기이다.",
        "해마다 6월 1일에 집, 땅, 건물, 배, 항공기를 가지고 있는 사람입니다.",
    ],
)  # fmt: skip
def test_a_sentence_as_it_stands_is_left_alone(text):
    assert not joins_what_is_apart(text, [["이 안내는 누구나 볼 수 있다.", text]])


def test_what_a_passage_speaks_of_holds_until_it_names_something_else():
    passage = ["산림청은 조심 기간을 정한다.", "입산 통제 구역의 출입을 금지한다.", "시청은 등산로를 닫는다."]
    assert not joins_what_is_apart("산림청은 입산 통제 구역의 출입을 금지합니다.", [passage])
    assert joins_what_is_apart("산림청은 등산로를 닫습니다.", [passage])
    assert joins_what_is_apart("산림청은 입산 통제 구역의 출입을 금지합니다.", [[passage[0]], [passage[1]]])


def test_what_the_whole_document_is_about_needs_no_place_in_each_sentence():
    passage = ["올해 보조금을 늘린다.", "차량을 2년간 운행해야 한다."]
    claim = "보조금은 차량을 2년간 운행해야 합니다."
    assert joins_what_is_apart(claim, [passage])
    assert not joins_what_is_apart(claim, [passage], {"보조금"})
    named = ["올해 보조금을 늘린다.", "주민은 차량을 2년간 운행해야 한다."]
    assert joins_what_is_apart(claim, [named], {"보조금"})


@pytest.mark.parametrize("claim", ["", " ", "[1]", "그렇습니다.", "a" * 5_000, "은는이가" * 300, "\x00\ufeff과 장"])
def test_text_without_words_of_the_sources_is_no_relation(claim):
    assert not joins_what_is_apart(claim, [[BUSES], []])
    assert not joins_what_is_apart(claim, [])
