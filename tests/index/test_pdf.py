import pytest

from index.errors import InputError
from index.loaders import SourceFile, load_document
from index.loaders.line_breaks import LineBreaks
from index.loaders.running_lines import running_lines
from tests.formats import HEAD, PAGE_STYLE, pdf_of, seed_parts
from tests.hostile import pdf_of_objects, pdf_with_content


def page(body, style=""):
    return f'<body lang="ko" style="{PAGE_STYLE}{style}">{body}</body>'


def load(data):
    return load_document(SourceFile("a.pdf", data))


@pytest.fixture(scope="module")
def report():
    """Four pages of numbered paragraphs under a running head of two lines, which a page break may cut anywhere."""
    prose = [part for part in seed_parts() if isinstance(part, str) and len(part) > 150]
    body = "".join(f"<h2>{n}. 장 제목</h2><p>{n}번째 글이다. {prose[n % len(prose)]}</p>" for n in range(1, 21))
    return load(pdf_of(page(f"<h1>긴 보고서의 제목</h1>{body}", "word-break: keep-all"), f"{HEAD}<br>2025년 둘째 줄"))


def test_pages_are_said_and_what_each_repeats_is_left_out(report):
    places = [block.place for block in report.blocks]
    assert places == sorted(places, key=lambda place: int(place.removeprefix("p. ")))
    assert places[-1] in ("p. 4", "p. 5")
    assert HEAD not in report.text
    assert "둘째 줄" not in report.text
    assert "- 2 -" not in report.text
    assert report.title == "긴 보고서의 제목"


@pytest.mark.parametrize(
    "head",
    [
        "과학기술정보통신부 연차보고서 {page}",
        "연차보고서 | {page} / <span class=totalPages></span>",
        "<div style='display: flex; justify-content: space-between; width: 9cm'><b>{page}</b>연차보고서 2025</div>",
    ],
)
def test_a_printed_head_with_its_page_number_is_left_out(head):
    prose = [part for part in seed_parts() if isinstance(part, str) and len(part) > 150]
    body = "".join(f"<p>{n}번째 글이다. {prose[n % len(prose)]}</p>" for n in range(1, 16))
    document = load(pdf_of(page(body, "word-break: keep-all"), head.format(page="<span class=pageNumber></span>")))
    assert document.blocks[-1].place in ("p. 3", "p. 4")
    assert "연차보고서" not in document.text
    assert len(document.blocks) == 15


def test_a_paragraph_that_a_page_break_cuts_is_one(report):
    prose = [block for block in report.blocks if block.kind == "paragraph"]
    assert len(prose) == 20
    assert all(report.text[block.start : block.end].endswith((".", ".”")) for block in prose)


def test_an_image_of_a_page_without_text_is_refused():
    picture = "<svg width=400 height=400><rect width=400 height=400 fill=grey /></svg>"
    with pytest.raises(InputError, match="run text recognition"):
        load(pdf_of(picture, "<i></i>"))


def test_a_table_with_lines_has_a_row_for_each_of_its_own():
    rows = [["부서", "담당", "전화"], ["홍보과", "김", "02-1234-5678"], ["", "이", "02-1234-5679"]]
    cells = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    document = load(pdf_of(page(f"<p>연락처는 다음과 같다.</p><table>{cells}</table><p>이상이다.</p>"), "<i></i>"))
    assert document.text == (
        "연락처는 다음과 같다.\n\n부서\t담당\t전화\n홍보과\t김\t02-1234-5678\n\t이\t02-1234-5679\n\n이상이다."
    )


def test_captions_of_tables_and_figures_stay_where_they_are_read():
    rows = "<tr><td>부서</td><td>전화</td></tr><tr><td>홍보과</td><td>02-123-4567</td></tr>"
    figure = "<svg width=200 height=100><rect width=200 height=100 fill=grey /></svg>"
    body = f"""<p>앞 문장이다.</p><table><caption>표 1. 연락처</caption>{rows}</table><p>사이 문장이다.</p>
    <figure>{figure}<figcaption>그림 1. 조직도</figcaption></figure><p>끝 문장이다.</p>"""
    document = load(pdf_of(page(body), "<i></i>"))
    assert blocks_of(document) == [
        "앞 문장이다.", "표 1. 연락처", "부서\t전화", "홍보과\t02-123-4567", "사이 문장이다.",
        "그림 1. 조직도", "끝 문장이다.",
    ]  # fmt: skip


def blocks_of(document):
    return [document.text[block.start : block.end] for block in document.blocks]


@pytest.mark.parametrize("tag", ["div", "p", "h3"])
@pytest.mark.parametrize(
    "lines",
    [
        ["휴가 안내", "직원은 20일을 쉰다.", "신청 방법", "총무과에 낸다."],
        ["Leave", "Staff have 20 days.", "How to apply", "Ask the office."],
    ],
)
def test_short_headings_stay_apart_from_the_text_around_them(tag, lines):
    body = "".join(
        f"<{tag if at % 2 == 0 else 'div'}>{line}</{tag if at % 2 == 0 else 'div'}>" for at, line in enumerate(lines)
    )
    assert blocks_of(load(pdf_of(page(body), "<i></i>"))) == lines


def text_of_lines(*lines):
    """Return a PDF file of lines that end where its writer wanted it."""
    content = b"".join(
        b"BT /F 12 Tf 1 0 0 1 50 %d Tm (%s) Tj ET\n" % (750 - 14 * at, line.encode()) for at, line in enumerate(lines)
    )
    return pdf_with_content(content)


def test_lines_that_end_anywhere_are_one_paragraph_and_headings_between_them_are_not():
    lines = [
        "The ministry announced on Wednesday that the memorandum of understanding",
        "had been signed by both governments, and that it covers artificial",
        "intelligence, quantum science, biotechnology and",
        "space, among others. It will be published in",
        "October.",
    ]
    headings = ["Background", "Main contents", "Next steps"]
    document = load(text_of_lines(*(line for heading in headings for line in (heading, *lines))))
    assert blocks_of(document) == [text for heading in headings for text in (heading, " ".join(lines))]


def test_short_lines_of_a_short_page_are_as_they_are():
    lines = ["Leave", "Staff have 20 days.", "How to apply", "Ask the office.", "It opens at nine."]
    assert blocks_of(load(text_of_lines(*lines))) == lines


def test_a_paragraph_in_a_narrow_column_is_one():
    prose = next(part for part in seed_parts() if isinstance(part, str) and len(part) > 200)
    columns = f'<div style="column-count: 2"><b>추진 배경</b><div>{prose}</div><b>향후 계획</b><div>{prose}</div></div>'
    document = load(pdf_of(page(columns), "<i></i>"))
    found = [text.replace(" ", "") for text in blocks_of(document)]
    assert found == [text.replace(" ", "") for text in ("추진 배경", prose, "향후 계획", prose)]


def test_words_of_the_document_say_whether_a_line_ended_between_words():
    lines = "우리 과학기술 정책은\n과학\n기술 정책은 좋다 과학기술 정책은 참 좋다"
    breaks = LineBreaks([lines])
    assert breaks.repair("과학 기술 정책은 좋다", 1) == "과학기술 정책은 좋다"
    assert breaks.repair("다른 쪽에 있는 글", 1) == "다른 쪽에 있는 글"


def test_a_hyphen_at_the_end_of_a_line_goes_unless_the_word_has_it():
    breaks = LineBreaks(["the infor-\nmation of well-\nknown and a well-known one"])
    assert breaks.repair("the infor- mation of well- known and", 1) == "the information of well-known and"


def test_a_table_over_pages_is_one_and_each_row_is_at_its_page():
    rows = "".join(f"<tr><td>{n}</td><td>과 {n}</td><td>02-123-{n:04d}</td></tr>" for n in range(1, 81))
    head = "<thead><tr><th>번호</th><th>부서</th><th>전화</th></tr></thead>"
    document = load(pdf_of(page(f"<h1>긴 표</h1><table>{head}{rows}</table><p>이상이다.</p>")))
    table = [block for block in document.blocks if block.kind == "table_row"]
    assert [document.text[block.start : block.end].split("\t")[0] for block in table] == [
        "번호",
        *map(str, range(1, 81)),
    ]
    assert [table[0].place, table[-1].place] == ["p. 1", document.blocks[-1].place]
    assert len({block.place for block in table}) > 2


def test_text_that_is_printed_twice_to_look_bold_is_read_once():
    line = b"BT /F 12 Tf 1 0 0 1 50 %d Tm (The minister signs the memorandum.) Tj ET\n"
    assert load(pdf_with_content(line % 700 + line % 700 + line % 700)).text == "The minister signs the memorandum."


def pdf_of_pages(pages):
    """Return a PDF file of pages of lines, each with its height on the page and its size."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * at) for at in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for at, lines in enumerate(pages):
        content = b"".join(
            b"BT /F %d Tf 1 0 0 1 50 %d Tm (%s) Tj ET\n" % (size, height, line.encode()) for height, size, line in lines
        )
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F 3 0 R >> >> >>" % (5 + 2 * at),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        ]
    return pdf_of_objects(*objects)


WORDS = "the ministry of science and the people of this region have signed a report on"


def pages_with(head, foot, count, size=9):
    """Pages of full lines, in one sentence that goes on over all of them, between a line above and one below."""
    return [
        [
            (800, size, head(page)),
            *((760 - 16 * at, 11, f"{WORDS} {'abcdefghij'[page]}{'abcdefghijklmnopqrst'[at]}") for at in range(20)),
            (40, size, foot(page)),
        ]
        for page in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("line", "count"),
    [
        (lambda page: f"Ministry Annual Report {page}", 5),
        (lambda page: f"{page + 10} | Annual Report 2025", 3),
        (lambda page: f"Annual Report | {page} of 5", 5),
        (lambda page: f"Annual Report {page} of 2", 2),
        (lambda page: f"Annual Report - Page {page}", 4),
        (lambda page: f"- {page} / 5 -", 5),
        (lambda page: f"Annual Report {page}" if page % 2 else f"{page} Health Policy", 5),
        (lambda page: f"Chapter {(page + 2) // 3} | {page}", 6),
    ],
)
@pytest.mark.parametrize("is_head", [True, False])
def test_a_running_line_with_its_page_number_is_left_out(line, count, is_head):
    pages = pages_with(line if is_head else lambda page: "", lambda page: "" if is_head else line(page), count)
    text = load(pdf_of_pages(pages)).text
    assert text == " ".join(line for page in pages for _, _, line in page if line.startswith(WORDS))


@pytest.mark.parametrize(
    ("head", "size"),
    [
        (lambda page: f"Chapter {page}", 11),
        (lambda page: f"Good Practice Case {page}", 9),
        (lambda page: f"Good Practice {page}", 16),
        (lambda page: f"Topic {page}", 9),
        (lambda page: f"Kim Lee 100 {page + 3}", 9),
        (lambda page: f"{page}. {['', 'Aim', 'Scope', 'Duties', 'Terms', 'Costs'][page]}", 11),
        (lambda page: f"Annual Report {[0, 5, 3, 9, 1, 2][page]}", 9),
    ],
)
def test_a_line_of_the_text_with_a_number_that_counts_stays_at_the_edge_of_a_page(head, size):
    document = load(pdf_of_pages(pages_with(head, lambda page: "", 5, size)))
    assert [head(page) in document.text for page in range(1, 6)] == [True] * 5


def test_which_lines_count_with_the_pages():
    def running(line, count=4):
        return [bool(lines) for lines in running_lines([[line(page)] for page in range(1, count + 1)])]

    assert running(lambda page: f"과학기술 연차보고서 {page}쪽") == [True] * 4
    assert running(lambda page: f"보도자료 {page}") == [False] * 4
    assert running(lambda page: f"제{page}장 총칙") == [False] * 4
    assert running(lambda page: f"[붙임 {page}]") == [False] * 4
    assert running(lambda page: f"홍보 담당관 02-123-{page:04d}") == [False] * 4
    assert running(lambda page: f"{page} 과학 기술 정책 {page * 7}") == [False] * 4
    # Of two pages nothing can be told, unless each says so.
    assert running(lambda page: f"Annual Report {page}", 2) == [False] * 2
    assert running(lambda page: f"Annual Report {page}/2", 2) == [True] * 2
