import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.imprint import Imprint, find_imprint
from index.loaders.html import load_html
from index.loaders.text import load_text

BODY = "위원회는 2023년 3월 4일에 회의를 열어 지원 대상을 넓히고 신청 기간을 늘리기로 하였다고 밝혔다."


def imprint_of(text):
    return find_imprint(load_text("a.txt", text.encode()))


@pytest.mark.parametrize(
    ("lines", "date"),
    [
        ("보도시점\n배포시점\n배포\n2025.10.29.(수)", "2025-10-29"),
        ("배포일시: 2024년 3월 5일(화) 09:00", "2024-03-05"),
        ("공고 제2024-12호\n2024. 1. 5.", "2024-01-05"),
        ("등록일\t2024-02-29\t조회\t12", "2024-02-29"),
        ("Published: 5 March 2024", "2024-03-05"),
        ("Press release\nMarch 5th, 2024", "2024-03-05"),
        ("令和の知らせ\n公開日 2024年3月5日", "2024-03-05"),
        ("发布日期：2024年3月5日 来源：办公厅", "2024-03-05"),
        ("Hà Nội, ngày 5 tháng 3 năm 2024", "2024-03-05"),
        ("배포일: 2024. 13. 45.", ""),
        ("보도시점\t배포 시\t배포\t2024. 3. 5.(화)", "2024-03-05"),
        ("번호\t등록일\t조회\n12\t2024-03-05\t345", "2024-03-05"),
        ("번호\t제목\t등록일\n1\t공고\t2024-03-05\n2\t안내\t2024-03-06", ""),
        ("구분\t2024. 3. 5.\t2024. 3. 6.\n접수\t10\t20", ""),
        ("접수 시작\t2024. 3. 5.\n접수 마감\t2024. 3. 6.", ""),
        ("제목\t휴가 규정\n등록일\t2024-03-05", "2024-03-05"),
        ("제목뿐이다", ""),
    ],
)
def test_the_date_is_taken_from_the_top_where_it_is_labelled_or_alone(lines, date):
    assert imprint_of(f"{lines}\n\n{BODY}").date == date


def test_a_long_run_of_letters_is_read_in_one_pass():
    # Tried anew from each letter it would take hours.
    assert imprint_of("a" * 2_000_000) == Imprint()


def test_a_date_in_prose_is_not_the_documents_own():
    assert imprint_of(BODY).date == ""


@pytest.mark.parametrize(
    ("line", "department"),
    [
        ("담당 부서\t국제협력관 미주아시아협력담당관\t책임자\t과 장", "국제협력관 미주아시아협력담당관"),
        ("담당부서: 인공지능정책과", "인공지능정책과"),
        ("□ 소관 부서 : 기획조정실", "기획조정실"),
        ("Responsible department: Office of AI", "Office of AI"),
        ("担当課：総務課", "総務課"),
        ("主管部门：科技司", "科技司"),
        ("Cơ quan ban hành: Bộ Khoa học và Công nghệ", "Bộ Khoa học và Công nghệ"),
        ("담당 부서는 다음과 같이 정한다.", ""),
        ("담당부서\t담당자\t연락처\n총무과\t김\t044-202-1111", "총무과"),
        ("담당부서\t인원\n총무과\t3\n기획과\t4", ""),
        ("부서\t전화번호\t비고", ""),
        ("담당부서\t총무과\n담당자\t김", "총무과"),
        ("담당부서\t총무과\n전화\t044-202-1111", "총무과"),
        ("담당 부서: " + "가" * 200, ""),
    ],
)
def test_the_department_is_what_stands_beside_its_label(line, department):
    assert imprint_of(f"{BODY}\n\n{line}").department == department


def test_what_a_page_calls_the_columns_of_its_table_is_no_department():
    head = "<tr><th>담당부서<th>하는 일</tr>"
    rows = "<tr><td>총무과<td>인사</tr>", "<tr><td>기획과<td>예산</tr>"
    for count, department in ((1, "총무과"), (2, "")):
        page = f"<h1>안내</h1><p>{BODY}</p><table>{head}{''.join(rows[:count])}</table>"
        assert find_imprint(load_html("a.html", page.encode())).department == department


@pytest.mark.parametrize(
    ("lines", "contact"),
    [
        (
            "담당 부서\t총무과\t책임자\t과 장\t김철수 (044-202-1111)\n\t\t담당자\t주무관\t이 (044-202-1112)",
            "김철수 (044-202-1111)",
        ),
        ("담당부서\t담당자\t연락처\n총무과\t김\t02) 123-4567", "02) 123-4567"),
        ("문의: 총무과 김철수(044-202-1111)", "총무과 김철수(044-202-1111)"),
        ("○ 문의처 : help@example.go.kr", "help@example.go.kr"),
        ("□ 문의처 총무과 ☎ 044-202-1111", "044-202-1111"),
        ("Contact: Office of AI, +82 44-202-1111", "Office of AI, +82 44-202-1111"),
        ("お問い合わせ：総務課 03-1234-5678", "総務課 03-1234-5678"),
        ("문의: " + "가" * 100 + " 044-202-1111", "044-202-1111"),
        ("계좌\t국민 044-202-1111", ""),
        ("문의: 담당자에게", ""),
        ("예산\t1,234-5678-1234", ""),
    ],
)
def test_the_contact_is_the_first_number_or_address_that_is_announced(lines, contact):
    assert imprint_of(f"{BODY}\n\n{lines}").contact == contact


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]), max_size=300))
def test_no_text_breaks_it(text):
    assert isinstance(imprint_of(f"가 {text}"), Imprint)
