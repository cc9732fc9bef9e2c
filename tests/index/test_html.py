import pytest

from index.loaders import SourceFile, load_document
from tests.formats import blocks

PROSE = "긴 본문 문장이다. " * 20


def read(page):
    return blocks("a.html", page.encode() if isinstance(page, str) else page)


def texts(page):
    return [text for _, text in read(page)]


def test_a_page_gives_its_structure():
    page = """<html><head><title>사이트 | 제목</title></head><body><h1>휴가 규정</h1><h2>연차</h2>
    <p>직원은 <b>굵은</b>&nbsp;글과 <a href="x">이은 글</a>을&amp; 읽는다.<br>둘째 줄</p>
    <div>바로 놓인 글<p>문단</p>남은 글</div>
    <ul><li>하나</li><li><p>둘</p><ol><li>안쪽</li></ol></li></ul>
    <dl><dt>용어</dt><dd>뜻</dd></dl><blockquote>인용</blockquote><pre>x = 1
y = 2</pre><table><caption>표 1. 연락처</caption><thead><tr><th>이름</th><th>전화</th></tr></thead>
    <tbody><tr><td>김<br>과장</td><td>010</td></tr></tbody></table><p>* 주석 한 줄</p></body></html>"""
    assert read(page) == [
        ("heading", "휴가 규정"), ("heading", "연차"), ("paragraph", "직원은 굵은 글과 이은 글을& 읽는다.\n둘째 줄"),
        ("paragraph", "바로 놓인 글"), ("paragraph", "문단"), ("paragraph", "남은 글"), ("list_item", "하나"),
        ("list_item", "둘"), ("list_item", "안쪽"), ("paragraph", "용어"), ("paragraph", "뜻"), ("paragraph", "인용"),
        ("paragraph", "x = 1\ny = 2"), ("paragraph", "표 1. 연락처"), ("table_row", "이름\t전화"),
        ("table_row", "김 과장\t010"), ("list_item", "* 주석 한 줄"),
    ]  # fmt: skip


def test_what_a_portal_puts_round_its_text_is_left_out():
    page = f"""<!DOCTYPE html><html><body><!-- 주석 --><noscript>스크립트를 켜세요</noscript>
    <div id="u_skip"><a href="#c">본문 바로가기</a></div><div class="cookie_banner">쿠키 동의</div>
    <header><h1><a href="/">누리집 이름</a></h1><div class="search-box"><form><input value="찾기"></form></div></header>
    <div id="gnb"><ul><li><a href="/a">부처소개</a></li></ul></div><aside>최근 글</aside>
    <div id="container"><div class="lnb">왼쪽 메뉴</div><div class="location">홈 &gt; 소식</div>
    <article><header><h2>보도자료 제목</h2></header><p>{PROSE}</p><p hidden>숨은 글</p>
    <p style="display: none">안 보이는 글</p><p aria-hidden="true">꾸밈 글</p></article>
    <ul class="paging"><li><a>1</a></li></ul><div class="sns_share">공유</div></div>
    <footer><p>주소와 저작권</p></footer><div class="satisfaction">만족하십니까?</div></body></html>"""
    assert texts(page) == ["보도자료 제목", PROSE.strip()]


def test_a_page_that_is_one_form_is_read_and_what_is_filled_in_is_not():
    page = f"""<html><body><form id="aspnetForm" method="post"><input type="hidden" value="dDwtMTA">
    <div id="gnb">메뉴</div><div><form><label>통합검색</label><input><button>검색</button></form></div>
    <h1>과제 공고</h1><p>{PROSE}</p><select><option>2025년</option></select><textarea>쓰는 곳</textarea>
    <table><tr><td>접수</td><td>10월</td></tr></table><button type="submit">목록</button></form></body></html>"""
    assert texts(page) == ["과제 공고", PROSE.strip(), "접수\t10월"]


def test_a_short_page_that_is_one_form_is_read_and_short_forms_beside_the_text_are_not():
    asked = (
        "<form><fieldset><legend>만족도</legend><p>이 페이지에 만족하십니까?</p><input type=radio></fieldset></form>"
    )
    notice = "<h1>휴가 안내</h1><p>직원은 금요일에 쉰다. 문의는 총무과로 한다.</p>"
    assert texts(f"<body><form>{notice}</form></body>") == ["휴가 안내", "직원은 금요일에 쉰다. 문의는 총무과로 한다."]
    assert texts(f"<body><main>{notice}<p>{PROSE}</p>{asked}</main></body>")[2:] == [PROSE.strip()]


def test_a_heading_that_opens_what_it_heads_is_read():
    page = f"""<h1>자주 묻는 질문</h1><h3><button class="btn-toggle" aria-expanded="false">언제 쉬나요?</button></h3>
    <p>{PROSE}</p><button type="button"><h3>어디서 쉬나요?</h3></button><p>집에서.</p><button>더보기</button>
    <dl><dt><button>누가 쉬나요?</button></dt><dd>모두.</dd></dl>"""
    assert read(page) == [
        ("heading", "자주 묻는 질문"), ("heading", "언제 쉬나요?"), ("paragraph", PROSE.strip()),
        ("heading", "어디서 쉬나요?"), ("paragraph", "집에서."), ("paragraph", "누가 쉬나요?"), ("paragraph", "모두."),
    ]  # fmt: skip


@pytest.mark.parametrize("main", ["main", "article", 'div id="contents"'])
def test_a_part_of_the_text_is_read_whatever_it_is_called(main):
    page = f"""<body><div class="location">홈 &gt; 기관</div><div id="quick_menu">빠른 메뉴</div><{main}>
    <div class="location"><a>홈</a> &gt; 기관 &gt; 오시는 길</div><div class="share"><a>공유</a></div>
    <section class="location"><h2>오시는 길</h2><p>가름로 194</p></section><p>{PROSE}</p>
    <div id="social"><table><tr><td>사회</td><td>복지</td></tr></table></div>
    <div class="popup">이 문단은 상자 안에 있지만 본문의 일부이므로 읽어야 하고, 빠지면 안 되는 글이다.</div>
    <div class="satisfaction"><h3>만족도</h3>만족하십니까?</div><div class="sns-share">{PROSE[:60]}</div>
    <section id="cookies">{PROSE * 2}</section></{main.split()[0]}></body>"""
    assert texts(page) == [
        "오시는 길", "가름로 194", PROSE.strip(), "사회\t복지",
        "이 문단은 상자 안에 있지만 본문의 일부이므로 읽어야 하고, 빠지면 안 되는 글이다.", (PROSE * 2).strip(),
    ]  # fmt: skip


def test_menus_of_links_are_left_out_of_a_page_without_a_main_part_and_lists_with_links_are_not():
    page = f"""<body><div><ul><li><a>알림</a></li><li><a>소식</a></li></ul></div><p>{PROSE}</p>
    <ul><li><a>첫 항목</a>은 이렇게 길게 설명한다.</li><li>둘째 항목은 링크가 없다.</li></ul></body>"""
    assert texts(page) == [PROSE.strip(), "첫 항목은 이렇게 길게 설명한다.", "둘째 항목은 링크가 없다."]


def test_spanning_cells_are_empty_but_the_first():
    page = """<table><tr><th rowspan="3">부서</th><th colspan="2">사람</th></tr>
    <tr><td rowspan="2">김</td><td>010</td></tr><tr><td>011</td></tr><tr><td>a</td><td>b</td><td>c</td></tr></table>"""
    assert load_document(SourceFile("a.html", page.encode())).text == "부서\t사람\t\n\t김\t010\n\t\t011\na\tb\tc"


def test_spans_that_are_none_or_too_large_do_no_harm():
    page = '<table><tr><td rowspan="x" colspan="99999999">a</td><td rowspan="-3">b</td></tr><tr><td>c</td></tr></table>'
    assert texts(page) == ["a\tb", "c"]


def test_layout_by_tables_gives_paragraphs():
    inner = "<table><tr><td>a</td><td>b</td></tr></table>"
    page = f"<table><tr><td>메뉴</td><td><h1>제목</h1><p>{PROSE * 2}</p>{inner}</td></tr></table>"
    assert read(page) == [
        ("paragraph", "메뉴"), ("heading", "제목"), ("paragraph", (PROSE * 2).strip()), ("table_row", "a\tb"),
    ]  # fmt: skip


def test_paragraphs_are_at_the_anchor_before_them():
    page = """<h1>제목</h1><p>앞</p><h2 id="leave">연차</h2><p>가운데</p>
    <section id="sick"><h2>병가</h2><p>뒤</p></section><h2><a name="old"></a>옛 표식</h2><p>끝</p>"""
    document = load_document(SourceFile("a.html", page.encode()))
    assert [block.place for block in document.blocks] == ["", "", "#leave", "#leave", "#sick", "#sick", "#old", "#old"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("declared", ['<meta charset="{}">', "<!-- -->"])
def test_the_encoding_is_the_one_that_fits(encoding, declared):
    name = "euc-kr" if encoding == "cp949" else encoding
    head = f"<head>{declared.format(name)}</head>"
    page = f"<!doctype html><html>{head}<body><p>똠방각하는 휴가이다. {PROSE}</p></body></html>"
    assert texts(page.encode(encoding)) == [f"똠방각하는 휴가이다. {PROSE}".strip()]


def test_a_page_that_was_cut_off_inside_a_character_is_read():
    whole = f"<html><body><p>{PROSE}이다"
    assert texts(whole.encode()[:-1]) == [f"{PROSE}이\ufffd"]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("회원국은 21<sup>1)</sup>개국이다", "회원국은 21[^1]개국이다"),
        ("회원국은 21<sup>주1)</sup>개국이다", "회원국은 21[^1]개국이다"),
        ("회원국은 21<sup>1),\n 2)</sup>개국이다", "회원국은 21[^1][^2]개국이다"),
        ("회원국은 21<span style='vertical-align: super'>[3]</span>개국이다", "회원국은 21[^3]개국이다"),
        ("회원국은 21<sup><a href='#n4'>4</a></sup>개국이다", "회원국은 21[^4]개국이다"),
        ("회원국은 21<a href='#n5'><sup>5</sup></a>개국이다", "회원국은 21[^5]개국이다"),
        ("APEC<sup>*</sup>이다", "APEC*이다"),
        ("10<sup>2</sup>억이다", "10²억이다"),
        ("10<sup>-3</sup>m<sup>2</sup>이다", "10⁻³m²이다"),
        ("the 21<sup>st</sup> day", "the 21ˢᵗ day"),
        ("2<sup>n/2</sup>이다", "2^(n/2)이다"),
        ("3<sup>가</sup>이다", "3^가이다"),
        ("상표<sup>®</sup>이다", "상표®이다"),
        (
            "가격<sup>작게 쓴 긴 글이 여기에 있다고 한다 2025</sup>이다",
            "가격작게 쓴 긴 글이 여기에 있다고 한다 2025이다",
        ),
    ],
)
def test_what_is_set_above_the_line_changes_no_figure(written, read_as):
    assert texts(f"<p>{written}</p>") == [read_as]


def test_a_note_that_a_mark_leads_to_follows_its_paragraph_and_every_other_one_stays():
    page = """<p id=p1>회원국<sup><a href="#n1">1)</a></sup>과 APEC<sup><a href='#n2'>2</a></sup>이다.</p>
    <p>다음이다.</p><table><tr><td>가<a href=#n3><sup>3)</sup></a><td>나</table>
    <pre>x<sup><a href="#n4">4</a></sup></pre>
    <p>장을 보라<sup><a href="#s1">5</a></sup>.</p><section id=s1><h2>장</h2><p>본문이다.</p></section>
    <ol><li id=n1><p>스물하나 <a href='#p1'>↩</a></p></li></ol>
    <p><a name="n2"></a><sup><a href="#p1">2</a></sup> 1989년 창설</p><p id=n3>3) 3.5% 증가</p><p id=n4>넷째 주석</p>
    <p>6) 아무도 가리키지 않는 주석</p>"""
    assert read(page) == [
        ("paragraph", "회원국[^1]과 APEC[^2]이다."), ("footnote", "[^1]: 스물하나"), ("footnote", "[^2]: 1989년 창설"),
        ("paragraph", "다음이다."), ("table_row", "가[^3]\t나"), ("footnote", "[^3]: 3.5% 증가"), ("paragraph", "x4"),
        ("paragraph", "장을 보라[^5]."), ("heading", "장"), ("paragraph", "본문이다."),
        ("list_item", "6) 아무도 가리키지 않는 주석"), ("footnote", "[^4]: 넷째 주석"),
    ]  # fmt: skip


def test_notes_in_each_other_are_read_once():
    page = """<p>하나<sup><a href="#n2">2</a></sup>이고 둘<sup><a href="#n1">1</a></sup>이다.</p>
    <ul><li id=n1>바깥 주석<ul><li id=n2>안쪽 주석</li></ul></li></ul>"""
    assert sorted(texts(page)) == ["[^2]: 안쪽 주석", "바깥 주석", "하나[^2]이고 둘[^1]이다."]
