import pytest

from server.answerers.labels import is_misplaced, is_misplaced_between_languages

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


# Korean sources, and claims in English, Japanese, Chinese and Vietnamese about them, with places for their two figures.
BETWEEN_LANGUAGES = [
    (
        "요금은 성인 4,000원, 어린이 2,000원이다.",
        [
            ("The fee is {0} won for adults and {1} won for children.", ["4,000", "2,000"]),
            ("料金は大人{0}ウォン、子ども{1}ウォンです。", ["4,000", "2,000"]),
            ("费用为成人{0}韩元，儿童{1}韩元。", ["4,000", "2,000"]),
            ("Phí là {0} won cho người lớn và {1} won cho trẻ em.", ["4.000", "2.000"]),
        ],
    ),
    (
        "본선 진출팀에는 상금 500만 원을, 우승팀에는 3,000만 원을 준다.",
        [
            ("Finalists receive {0} won and the winning team receives {1} won.", ["5 million", "30 million"]),
            ("本選進出チームには{0}ウォン、優勝チームには{1}ウォンが贈られます。", ["500万", "3,000万"]),
            ("进入决赛的队伍获得{0}韩元，冠军队获得{1}韩元。", ["500万", "3000万"]),
            ("Đội vào vòng chung kết nhận {0} won, đội vô địch nhận {1} won.", ["5 triệu", "30 triệu"]),
        ],
    ),
    (
        "접수는 3월 4일부터 시작하고 결과는 4월 20일에 발표한다.",
        [
            ("Applications open on {0} and the results are announced on {1}.", ["March 4", "April 20"]),
            ("受付は{0}から始まり、結果は{1}に発表されます。", ["3月4日", "4月20日"]),
            ("{0}开始受理，{1}公布结果。", ["3月4日", "4月20日"]),
            ("Nhận hồ sơ từ {0} và công bố kết quả vào {1}.", ["ngày 4 tháng 3", "ngày 20 tháng 4"]),
        ],
    ),
    (
        "서울센터는 120명, 부산센터는 80명을 모집한다.",
        [
            ("The Seoul centre recruits {0} people and the Busan centre {1} people.", ["120", "80"]),
            ("ソウルセンターは{0}人、釜山センターは{1}人を募集します。", ["120", "80"]),
            ("首尔中心招募{0}人，釜山中心招募{1}人。", ["120", "80"]),
            ("Trung tâm Seoul tuyển {0} người và trung tâm Busan tuyển {1} người.", ["120", "80"]),
        ],
    ),
    (
        "수출은 12% 늘었고 수입은 7% 늘었다.",
        [
            ("Exports rose by {0} and imports rose by {1}.", ["12%", "7%"]),
            ("輸出は{0}増加し、輸入は{1}増加しました。", ["12%", "7%"]),
            ("出口增长{0}，进口增长{1}。", ["12%", "7%"]),
            ("Xuất khẩu tăng {0} và nhập khẩu tăng {1}.", ["12%", "7%"]),
        ],
    ),
    (
        "주차 요금은 승용차 1,000원, 버스 3,000원이다.",
        [
            ("Parking costs {0} won for cars and {1} won for buses.", ["1,000", "3,000"]),
            ("駐車料金は乗用車{0}ウォン、バス{1}ウォンです。", ["1,000", "3,000"]),
            ("停车费为轿车{0}韩元，巴士{1}韩元。", ["1,000", "3,000"]),
            ("Phí đỗ xe là {0} won cho ô tô con và {1} won cho xe buýt.", ["1.000", "3.000"]),
        ],
    ),
    (
        "신규 가입자는 30일, 기존 가입자는 60일 동안 이용할 수 있다.",
        [
            ("New subscribers can use it for {0} days, existing subscribers for {1} days.", ["30", "60"]),
            ("新規加入者は{0}日間、既存加入者は{1}日間利用できます。", ["30", "60"]),
            ("新用户可使用{0}天，老用户可使用{1}天。", ["30", "60"]),
            ("Người đăng ký mới dùng được {0} ngày, người đăng ký cũ {1} ngày.", ["30", "60"]),
        ],
    ),
    (
        "예산은 연구개발에 50억 원, 홍보에 3억 원을 쓴다.",
        [
            (
                "The budget spends {0} won on research and development and {1} won on publicity.",
                ["5 billion", "300 million"],
            ),
            ("予算は研究開発に{0}ウォン、広報に{1}ウォンを使います。", ["50億", "3億"]),
            ("预算中研发{0}韩元，宣传{1}韩元。", ["50亿", "3亿"]),
            ("Ngân sách dành {0} won cho nghiên cứu phát triển và {1} won cho quảng bá.", ["5 tỷ", "300 triệu"]),
        ],
    ),
    (
        "단독주택은 화요일, 아파트는 목요일에 수거하며, 과태료는 단독주택 10만 원, 아파트 20만 원이다.",
        [
            ("The fine is {0} won for detached houses and {1} won for apartments.", ["100,000", "200,000"]),
            ("過料は戸建て住宅{0}ウォン、アパート{1}ウォンです。", ["100,000", "200,000"]),
            ("罚款为独栋住宅{0}韩元，公寓{1}韩元。", ["100,000", "200,000"]),
            ("Mức phạt là {0} won cho nhà riêng và {1} won cho chung cư.", ["100.000", "200.000"]),
        ],
    ),
    (
        "박사과정생은 월 110만 원, 석사과정생은 월 80만 원을 받는다.",
        [
            (
                "Doctoral students receive {0} won a month and master's students {1} won a month.",
                ["1.1 million", "800,000"],
            ),
            ("博士課程の学生は月{0}ウォン、修士課程の学生は月{1}ウォンを受け取ります。", ["110万", "800,000"]),
            ("博士生每月领取{0}韩元，硕士生每月领取{1}韩元。", ["110万", "800,000"]),
            (
                "Nghiên cứu sinh tiến sĩ nhận {0} won mỗi tháng, học viên thạc sĩ nhận {1} won mỗi tháng.",
                ["1,1 triệu", "800.000"],
            ),
        ],
    ),
    (
        "여권 발급 수수료는 10년 복수여권이 53,000원, 단수여권이 20,000원이다.",
        [
            (
                "A multiple-entry passport costs {0} won and a single-entry passport {1} won.",
                ["53,000", "20,000"],
            ),
            ("旅券の発給手数料は10年の複数旅券が{0}ウォン、単数旅券が{1}ウォンです。", ["53,000", "20,000"]),
            ("护照工本费：十年多次护照{0}韩元，一次性护照{1}韩元。", ["53,000", "20,000"]),
            (
                "Lệ phí hộ chiếu là {0} won với hộ chiếu 10 năm nhiều lần và {1} won với hộ chiếu một lần.",
                ["53.000", "20.000"],
            ),
        ],
    ),
    (
        "야간 진료는 월요일과 수요일에 하고, 응급실은 24시간, 외래는 8시간 연다.",
        [
            ("The emergency room is open {0} hours and the outpatient clinic {1} hours.", ["24", "8"]),
            ("救急室は{0}時間、外来は{1}時間開いています。", ["24", "8"]),
            ("急诊室开放{0}小时，门诊开放{1}小时。", ["24", "8"]),
            ("Phòng cấp cứu mở {0} giờ và phòng khám ngoại trú mở {1} giờ.", ["24", "8"]),
        ],
    ),
]


def test_figures_that_change_places_between_languages_are_found(embedder):
    misplaced = {True: [], False: []}
    for source, claims in BETWEEN_LANGUAGES:
        read = [embedder.embed_tokens(source)]
        for claim, figures in claims:
            for is_right in misplaced:
                told = claim.format(*(figures if is_right else reversed(figures)))
                found = is_misplaced_between_languages(told, embedder.embed_tokens(told), [source], read)
                misplaced[is_right].append(found)
    assert len(misplaced[False]) == 48
    assert all(misplaced[False])
    # What can't be told for certain is held back.
    assert sum(misplaced[True]) <= 24
