"""The widget on pages of another origin, as portals have them."""

import gzip
import html
import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Frame, Page, expect

from server.app import create_app
from server.messages import LANGUAGES
from tests.conftest import REPO
from tests.e2e.conftest import running

APEC = "APEC은 언제 창설되었나요?"
SIGNED = "양해각서에 누가 서명하나요?"
EVENTS = ["ready", "open", "close", "answer", "error", "destroy"]
MARKUP = "\"'><img src=x onerror=hacked=1><script>hacked=1</script>javascript:hacked=1//"

# The one thing in a test's browser that isn't in a visitor's: it sees into the widget.
OPEN_SHADOW_ROOTS = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (options) { return attach.call(this, {...options, mode: "open"}); };
"""
LISTEN = f"""
window.heard = [];
for (const type of {EVENTS}) {{
  document.addEventListener("mundap:" + type, ({{detail}}) => heard.push([type, detail]));
}}
"""


class Portal:
    """A site of its own with the pages that tests give it."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, str]] = {}

    def add(self, page: str, policy: str = "") -> str:
        path = f"/{len(self.pages)}"
        self.pages[path] = (page, policy)
        return path

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        assert scope["type"] == "http"
        page, policy = self.pages.get(scope["path"], ("", ""))
        headers = [(b"content-type", b"text/html; charset=utf-8")]
        if policy:
            headers.append((b"content-security-policy", policy.encode()))
        await send({"type": "http.response.start", "status": 200 if page else 404, "headers": headers})
        await send({"type": "http.response.body", "body": page.encode()})


@pytest.fixture(scope="module")
def portal_app() -> Portal:
    return Portal()


@pytest.fixture(scope="module")
def portal(portal_app) -> Iterator[str]:
    """The origin that may frame the chat. The same under 127.0.0.1 may not."""
    with running(portal_app) as address:
        yield address.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def server(portal, settings, chat) -> Iterator[str]:
    with running(create_app(settings.model_copy(update={"embed_origins": portal}), chat)) as address:
        yield address


def tag(server, defer=True, **data):
    attributes = "".join(f' data-{name}="{html.escape(value)}"' for name, value in data.items())
    return f'<script src="{server}/widget.js"{attributes}{" defer" if defer else ""}></script>'


@pytest.fixture
def visit(open_page, portal_app, portal, server) -> Callable[..., Page]:
    """Open a page of the portal with the widget on it, and wait for the launcher."""

    def visit(
        *,
        head="",
        body="<main><h1>정부 포털</h1><p><a href='#'>공지</a></p></main>",
        tags=None,
        policy="",
        origin=portal,
        see=True,
        **options,
    ) -> Page:
        page = open_page(**options)
        if see:
            page.add_init_script(OPEN_SHADOW_ROOTS)
        page.add_init_script(LISTEN)
        page.requested = []
        page.on("request", lambda request: page.requested.append(request.url))
        tags = tag(server) if tags is None else tags
        document = (
            '<!doctype html><html lang="ko"><head><meta charset="utf-8"><title>포털</title>'
            '<link rel="icon" href="data:,"><meta name="viewport" content="width=device-width">'
            f"{head}{tags}</head><body>{body}</body></html>"
        )
        page.goto(origin + portal_app.add(document, policy))
        page.wait_for_function("() => window.Mundap?.destroy && document.querySelector('mundap-widget')")
        return page

    return visit


def launcher(page):
    return page.locator("mundap-widget .launcher")


def chat_in(page):
    return page.frame_locator("mundap-widget iframe")


def frame_of(page) -> Frame:
    return page.locator("mundap-widget iframe").element_handle().content_frame()


def open_chat(page) -> Frame:
    launcher(page).click()
    wait_until_ready(page)
    return frame_of(page)


def wait_until_ready(page):
    expect(page.locator("mundap-widget .notice")).to_be_hidden()
    # The panel rises to its place, on a busy machine for longer than the chat takes to come.
    page.locator("mundap-widget dialog").evaluate(
        "panel => Promise.all(panel.getAnimations().map(animation => animation.finished))"
    )


def heard(page, type_):
    return [detail for heard_type, detail in page.evaluate("heard") if heard_type == type_]


def wait_for(page, type_, times=1):
    page.wait_for_function(
        "([type, times]) => heard.filter(([heard]) => heard === type).length >= times", arg=[type_, times]
    )
    return heard(page, type_)


def focused(page):
    """What has the focus: in the page, or else in the widget."""
    return page.evaluate(
        """() => {
          const outer = document.activeElement;
          return (outer.shadowRoot?.activeElement ?? outer).outerHTML.slice(0, 40);
        }"""
    )


# ----- before and after the first opening


def test_before_it_is_opened_the_widget_loads_stores_and_moves_nothing(visit, server):
    page = visit()
    page.wait_for_timeout(300)
    assert [url for url in page.requested if url.startswith(server)] == [f"{server}/widget.js"]
    assert page.locator("iframe").count() == 0
    assert page.context.cookies() == []
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    shifts = page.evaluate(
        """new Promise(done => {
          const observer = new PerformanceObserver(list => done(list.getEntries().length));
          observer.observe({type: "layout-shift", buffered: true});
          setTimeout(() => done(0), 300);
        })"""
    )
    assert shifts == 0
    assert launcher(page).get_attribute("aria-expanded") == "false"


def test_the_loader_is_below_six_kilobytes():
    assert len(gzip.compress((REPO / "web" / "static" / "widget.js").read_bytes(), 9)) < 6_000


def test_a_question_is_answered_in_the_frame_and_its_source_opens_there(visit, server, portal):
    page = visit()
    open_chat(page)
    chat = chat_in(page)
    assert launcher(page).get_attribute("aria-expanded") == "true"
    assert page.locator("mundap-widget iframe").get_attribute("title") == "질문하기"
    chat.get_by_role("textbox").fill(APEC)
    page.keyboard.press("Enter")
    chat.locator(".cite").first.click()
    source = chat.frame_locator("#panel iframe")
    assert "1989년 창설된 역내 경제협력체" in source.locator("mark").all_inner_texts()[0]
    assert chat.locator("#panel-open").get_attribute("target") == "_blank"
    # What the chat asks for, it asks its own server; the portal's page loads itself and the loader alone.
    assert {re.match(r"\w+://[^/]+|data:", url)[0] for url in page.requested} == {portal, server}
    assert page.context.cookies() == []


def test_the_conversation_works_where_the_browser_gives_the_frame_no_storage(visit):
    page = visit()
    page.add_init_script(
        "if (parent !== window) for (const name of ['sessionStorage', 'localStorage'])"
        " Object.defineProperty(window, name, {get() { throw new DOMException('blocked', 'SecurityError') }})"
    )
    open_chat(page)
    page.evaluate("Mundap.ask('APEC은 언제 창설되었나요?')")
    assert wait_for(page, "answer")[0]["status"] == "answered"
    with pytest.raises(Error, match="SecurityError"):
        frame_of(page).evaluate("sessionStorage.length")


# ----- on hostile and strict pages


HOSTILE = [
    "* { all: unset; display: none !important }",
    "* { all: unset !important; display: none !important; visibility: hidden !important; opacity: 0 !important }",
    "html, body { display: block !important } body *, html > * { position: static !important; width: 1px !important; "
    "transform: scale(0) !important; clip-path: circle(0) !important; pointer-events: none !important; "
    "z-index: -1 !important }",
    "html { font-size: 3px; line-height: 9; letter-spacing: 1em; text-transform: uppercase; direction: rtl; "
    "color: red; cursor: none; pointer-events: none; visibility: hidden; display: grid; gap: 99px } "
    "*::before, *::after { content: 'X' !important; display: block !important; position: fixed !important; "
    "inset: 0 !important } button, iframe, dialog, section, :not(:defined) { display: none !important }",
]  # fmt: skip


@pytest.mark.parametrize("css", HOSTILE)
def test_no_style_of_the_page_reaches_the_launcher_or_the_chat(visit, css):
    plain = visit(body="", viewport={"width": 900, "height": 700})
    hostile = visit(
        body="",
        head=f"<style>{css} html, body {{ background: none !important }}</style>",
        viewport={"width": 900, "height": 700},
    )
    looks = []
    for page in (plain, hostile):
        box = launcher(page).bounding_box()
        # The page's own generated content may lie beside the launcher, but the launcher looks as everywhere.
        inner = {"x": box["x"] + 24, "y": box["y"] + 8, "width": box["width"] - 48, "height": box["height"] - 16}
        looks.append((box, page.screenshot(clip=inner)))
    assert looks[0] == looks[1]
    box = looks[1][0]
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert hostile.evaluate("([x, y]) => document.elementFromPoint(x, y).localName", middle) == "mundap-widget"
    hostile.mouse.click(*middle)
    wait_until_ready(hostile)
    assert hostile.locator("mundap-widget iframe").bounding_box()["height"] > 500
    expect(chat_in(hostile).locator("#question")).to_be_focused()
    hostile.keyboard.type("안녕하세요")
    hostile.keyboard.press("Enter")
    assert wait_for(hostile, "answer")[0]["status"] == "smalltalk"


def test_a_page_that_hides_everything_stays_hidden_but_for_the_widget(visit):
    page = visit(head="<style>* { display: none !important }</style>")
    assert launcher(page).is_visible()
    assert not page.locator("h1").is_visible()
    page.evaluate("Mundap.destroy()")
    assert page.evaluate("getComputedStyle(document.documentElement).display") == "none"


def test_a_page_that_hides_itself_for_a_moment_is_not_shown_by_the_widget(visit):
    page = visit(head="<style>html { display: none }</style>")
    assert page.evaluate(
        "[getComputedStyle(document.documentElement).display, document.adoptedStyleSheets.length]"
    ) == ["none", 0]


def test_a_strict_policy_needs_no_more_than_the_server_for_scripts_and_frames(visit, server):
    policy = (
        f"default-src 'none'; img-src data:; script-src {server}; frame-src {server}; style-src 'self'; "
        "base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    page = visit(policy=policy)
    open_chat(page)
    assert launcher(page).evaluate("node => getComputedStyle(node).position") == "fixed"
    page.evaluate("Mundap.ask('APEC은 언제 창설되었나요?')")
    assert wait_for(page, "answer")[0]["status"] == "answered"
    assert page.problems == []
    page.evaluate("document.head.append(Object.assign(document.createElement('style'), {textContent: '*{}'}))")
    assert "style-src" in page.problems.pop()


def test_a_pinned_tag_from_the_staff_page_runs_only_the_bytes_it_names(visit, open_page, server):
    staff = open_page(f"{server}/widget?pinned=1")
    pinned = staff.locator("#tag").text_content()
    assert "integrity=" in pinned
    page = visit(tags=pinned)
    assert launcher(page).is_visible()
    broken = re.sub(r"sha384-.{8}", "sha384-AAAAAAAA", pinned)
    page.set_content(f"<!doctype html><title>x</title>{broken}")
    page.wait_for_timeout(500)
    assert page.evaluate("document.querySelectorAll('mundap-widget').length") == 0
    assert all("integrity" in problem for problem in page.problems)
    assert page.problems
    page.problems.clear()


def test_an_origin_that_is_not_on_the_list_is_refused_and_told(visit, portal, server):
    page = visit(origin=portal.replace("localhost", "127.0.0.1"))
    launcher(page).click()
    link = page.locator("mundap-widget .notice a")
    expect(link).to_have_text("새 탭에서 열기")
    assert "이 페이지에서는 열 수 없습니다." in page.locator("mundap-widget .notice").inner_text()
    assert violations(page) == []
    assert link.get_attribute("href") == f"{server}/?lang=ko"
    assert heard(page, "error") == [{"reason": "frame"}]
    assert not [frame for frame in page.frames if frame.url.startswith(server)]
    assert any("frame-ancestors" in problem for problem in page.problems)
    page.problems.clear()
    page.keyboard.press("Escape")
    assert not page.locator("mundap-widget dialog").is_visible()


# ----- its life in a page


def test_the_tag_may_be_there_more_than_once(visit, server):
    page = visit(tags=tag(server) + tag(server, defer=False, lang="en") + tag(server, title="셋째"))
    page.evaluate(
        "src => document.body.append(Object.assign(document.createElement('script'), {src}))", f"{server}/widget.js"
    )
    page.wait_for_timeout(300)
    assert page.locator("mundap-widget").count() == 1
    assert page.locator("mundap-widget button.launcher").count() == 1
    open_chat(page)
    assert len([frame for frame in page.frames if "/embed" in frame.url]) == 1


def test_a_page_element_named_like_the_interface_is_no_obstacle(visit):
    page = visit(body="<div id='Mundap'></div>")
    assert page.evaluate("typeof Mundap.open") == "function"


@pytest.mark.parametrize(
    "render",
    [
        "document.body.innerHTML = '<main>새 화면</main>'",
        "document.body.replaceWith(document.createElement('body'))",
        "document.querySelectorAll('script').forEach(node => node.remove()); document.body.textContent = ''",
        "document.querySelector('mundap-widget').remove()",
        "document.documentElement.replaceChildren(document.createElement('head'), document.createElement('body'))",
    ],
)
def test_an_application_that_renders_its_page_anew_keeps_the_widget(visit, render):
    page = visit()
    open_chat(page)
    page.evaluate(render)
    page.wait_for_timeout(200)
    assert page.locator("mundap-widget").count() == 1
    wait_until_ready(page)
    assert page.locator("mundap-widget iframe").is_visible()
    page.evaluate("Mundap.ask('안녕하세요')")
    assert wait_for(page, "answer")[0]["status"] == "smalltalk"


def test_replacing_the_body_does_not_even_reload_the_chat(visit):
    page = visit()
    open_chat(page).evaluate("window.same = true")
    page.evaluate("document.body.replaceWith(document.createElement('body'))")
    page.wait_for_timeout(200)
    assert frame_of(page).evaluate("window.same")


def test_a_page_that_always_takes_it_away_does_not_hang(visit):
    page = visit()
    page.evaluate(
        """{
          const take = () => document.querySelector("mundap-widget")?.remove();
          new MutationObserver(take).observe(document.documentElement, {childList: true});
        }"""
    )
    page.evaluate("document.querySelector('mundap-widget').remove()")
    page.wait_for_timeout(300)
    assert page.evaluate("1 + 1") == 2


def test_destroyed_it_leaves_nothing_and_can_be_loaded_anew(visit, server):
    page = visit()
    page.evaluate("window.old = Mundap")
    open_chat(page)
    page.evaluate("Mundap.destroy()")
    page.evaluate("document.body.innerHTML = ''")
    page.wait_for_timeout(200)
    assert page.locator("mundap-widget, iframe").count() == 0
    assert page.evaluate("[window.Mundap ?? null, document.adoptedStyleSheets.length]") == [None, 0]
    page.evaluate("old.open(); old.ask('안녕하세요'); old.close(); old.destroy()")
    assert [type_ for type_, _ in page.evaluate("heard")] == ["ready", "open", "close", "destroy"]
    page.evaluate(
        "src => document.body.append(Object.assign(document.createElement('script'), {src}))", f"{server}/widget.js"
    )
    page.wait_for_function("() => window.Mundap")
    open_chat(page)


# ----- the page's interface


def test_the_page_opens_asks_closes_and_hears_of_it(visit):
    page = visit()
    page.evaluate(
        """() => {
          window.told = [];
          const listen = type => Mundap.on(type, detail => told.push([type, detail]));
          window.offs = ["open", "close", "answer"].map(listen);
        }"""
    )
    page.evaluate("Mundap.open(); Mundap.open(); Mundap.ask('APEC은 언제 창설되었나요?')")
    [answer] = wait_for(page, "answer")
    assert sorted(answer) == ["id", "lang", "sources", "status"]
    assert answer["status"] == "answered"
    assert answer["lang"] == "ko"
    assert answer["sources"] >= 1
    page.evaluate("Mundap.close(); Mundap.close()")
    assert [type_ for type_, _ in page.evaluate("heard")] == ["ready", "open", "answer", "close"]
    assert page.evaluate("told") == [["open", {}], ["answer", answer], ["close", {}]]
    page.evaluate("offs.forEach(off => off()); Mundap.open()")
    assert len(page.evaluate("told")) == 3
    assert "1989년 창설된" in chat_in(page).locator(".turn .sentence").first.inner_text()


def test_who_listens_late_still_hears_that_it_is_ready(visit):
    page = visit()
    assert heard(page, "ready") == [{}]
    assert page.evaluate("new Promise(done => Mundap.on('ready', done))") == {}


def test_questions_wait_for_each_other_and_leave_what_is_being_typed(visit):
    page = visit()
    frame = open_chat(page)
    chat_in(page).get_by_role("textbox").fill("쓰던 질문")
    questions = [APEC, SIGNED, "안녕하세요", "고맙습니다"]
    page.evaluate("questions => questions.forEach(question => Mundap.ask(question))", questions)
    wait_for(page, "answer", 4)
    asked = frame.locator(".question").evaluate_all("nodes => nodes.map(node => node.lastChild.data)")
    assert asked == questions
    assert chat_in(page).get_by_role("textbox").input_value() == "쓰던 질문"


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_empty_question_only_opens_the_chat(visit, text):
    page = visit()
    page.evaluate("text => Mundap.ask(text)", text)
    wait_until_ready(page)
    page.wait_for_timeout(200)
    assert frame_of(page).locator(".turn").count() == 0


def test_a_question_that_is_no_string_or_too_long_is_asked_as_text(visit):
    page = visit()
    page.evaluate("Mundap.ask({toString: () => '가'.repeat(900)})")
    wait_for(page, "answer")
    assert frame_of(page).evaluate("document.querySelector('.question').lastChild.data") == "가" * 500


def test_wrong_use_is_told_to_the_developer(visit):
    page = visit()
    for wrong in ("Mundap.on('opened', () => {})", "Mundap.on('open')"):
        with pytest.raises(Error, match=r"Mundap.on takes one of ready,open,close,answer,error,destroy and a function"):
            page.evaluate(wrong)
    assert page.evaluate("Object.isFrozen(Mundap)")


def test_a_lost_server_is_told_to_the_page_and_to_the_person(visit):
    page = visit()
    open_chat(page)
    page.route("**/api/chat", lambda route: route.abort())
    page.evaluate("Mundap.ask('APEC은 언제 창설되었나요?')")
    assert wait_for(page, "error") == [{"reason": "answer"}]
    assert "연결하지 못했습니다" in chat_in(page).locator(".reply").inner_text()
    page.problems.clear()


# ----- isolation


def test_the_page_reaches_neither_the_widget_nor_the_frame(visit):
    page = visit(see=False)
    page.evaluate("Mundap.open()")
    page.wait_for_timeout(1_000)
    assert len(page.frames) == 2
    assert page.evaluate("[document.querySelector('mundap-widget').shadowRoot, window.length]") == [None, 0]
    assert page.locator("iframe").count() == 0
    page.evaluate("Mundap.close()")


def test_the_frame_reaches_neither_the_page_nor_its_address(visit):
    page = visit()
    frame = open_chat(page)
    with pytest.raises(Error, match=r"SecurityError|cross-origin"):
        frame.evaluate("parent.document.title")
    address = page.url
    with pytest.raises(Error, match=r"SecurityError|sandbox|navigate"):
        frame.evaluate("top.location.href = 'about:blank'")
    page.wait_for_timeout(200)
    assert page.url == address
    page.problems.clear()


def test_messages_from_any_other_window_or_origin_are_ignored(visit, portal_app, portal):
    forger = portal_app.add(
        """<script>
          for (const mundap of ["close", "answer", "error", "ready"]) parent.postMessage({mundap, id: "forged"}, "*");
          for (let n = 0; n < top.length; n++) top[n].postMessage({mundap: "ask", text: "안녕하세요"}, "*");
        </script>"""
    )
    page = visit()
    frame = open_chat(page)
    for origin in (portal, portal.replace("localhost", "127.0.0.1")):
        page.evaluate(
            "src => document.body.append(Object.assign(document.createElement('iframe'), {src}))", origin + forger
        )
    page.evaluate(
        """() => {
          const data = {mundap: "close"};
          postMessage(data, "*");
          dispatchEvent(new MessageEvent("message", {data, source: null}));
        }"""
    )
    frame.evaluate(
        """() => {
          const data = {mundap: 'ask', text: '안녕하세요'};
          postMessage(data, '*');
          dispatchEvent(new MessageEvent('message', {data, origin: location.origin, source: window}));
          dispatchEvent(new MessageEvent('message', {data, origin: 'https://evil.example', source: parent}));
        }"""
    )
    page.wait_for_timeout(500)
    assert page.locator("mundap-widget dialog").is_visible()
    assert frame.locator(".turn").count() == 0
    assert [type_ for type_, _ in page.evaluate("heard")] == ["ready", "open"]


@pytest.mark.parametrize(
    "data",
    [
        "null",
        "'close'",
        "[]",
        "{mundap: {}}",
        "{mundap: 'ask'}",
        "{mundap: 'ask', text: {}}",
        "{mundap: 'constructor'}",
    ],
)
def test_messages_of_any_form_do_no_harm(visit, data):
    page = visit()
    frame = open_chat(page)
    frame.evaluate(f"parent.postMessage({data}, '*')")
    page.locator("mundap-widget iframe").evaluate(f"frame => frame.contentWindow.postMessage({data}, '*')")
    page.wait_for_timeout(200)
    assert page.locator("mundap-widget dialog").is_visible()
    assert frame.locator(".turn").count() == 0


# ----- what the tag says


def test_markup_in_the_tag_is_text_everywhere(visit, server):
    page = visit(
        tags=tag(
            server,
            title=MARKUP,
            greeting=MARKUP,
            questions=f"{MARKUP}|{MARKUP}",
            lang=MARKUP,
            accent="red;}" + MARKUP,
            theme=MARKUP,
            position=MARKUP,
        )
    )
    assert launcher(page).inner_text() == MARKUP[:40].strip()
    frame = open_chat(page)
    assert frame.locator(".brand-name").inner_text() == MARKUP[:40].strip()
    assert frame.locator("h1").inner_text() == MARKUP
    assert frame.locator(".suggestion").all_inner_texts() == [MARKUP, MARKUP]
    page.wait_for_timeout(200)
    assert [where.evaluate("typeof hacked") for where in (page, frame)] == ["undefined"] * 2
    frame.locator(".suggestion").first.click()
    wait_for(page, "answer")
    assert frame.evaluate("typeof hacked") == "undefined"


@pytest.mark.parametrize(
    ("accent", "background", "ink"),
    [
        ("#fc0", "rgb(255, 204, 0)", "rgb(0, 0, 0)"),
        ("#00695c", "rgb(0, 105, 92)", "rgb(255, 255, 255)"),
        ("red", "rgb(11, 80, 208)", "rgb(255, 255, 255)"),
    ],
)
def test_the_accent_colours_launcher_and_chat_with_readable_text(visit, server, accent, background, ink):
    page = visit(tags=tag(server, accent=accent))
    frame = open_chat(page)
    colours = "node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).color]"
    assert launcher(page).evaluate(colours) == [background, ink]
    assert frame.locator(".site-header").evaluate(colours) == [background, ink]


@pytest.mark.parametrize(
    ("theme", "scheme", "dark"),
    [("dark", "light", True), ("light", "dark", False), ("auto", "dark", True), ("auto", "light", False)],
)
def test_the_theme_is_as_the_portal_or_the_person_wants_it_in_the_sources_too(visit, server, theme, scheme, dark):
    page = visit(tags=tag(server, theme=theme), color_scheme=scheme)
    frame = open_chat(page)
    page.evaluate("Mundap.ask('APEC은 언제 창설되었나요?')")
    frame.locator(".cite").first.click()
    source = frame.locator("#panel iframe").element_handle().content_frame()
    source.wait_for_selector("mark")
    expected = "rgb(30, 33, 36)" if dark else "rgb(255, 255, 255)"
    assert page.locator("mundap-widget dialog").evaluate("node => getComputedStyle(node).backgroundColor") == expected
    assert source.evaluate("getComputedStyle(document.body).backgroundColor") == expected
    assert frame.locator(".composer").evaluate("node => getComputedStyle(node).backgroundColor") == expected


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_more_contrast_is_given_in_every_theme(open_page, server, theme):
    page = open_page(f"{server}/embed?theme={theme}", color_scheme="dark", contrast="more")
    colour = "selector => getComputedStyle(document.querySelector(selector)).color"
    assert page.evaluate(colour, ".lead") == page.evaluate(colour, "h1")


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_launcher_stands_on_the_wanted_side(visit, server, side):
    page = visit(tags=tag(server, position=side))
    open_chat(page)
    for box in (launcher(page).bounding_box(), page.locator("mundap-widget dialog").bounding_box()):
        assert (box["x"] + box["width"] / 2 < 640) == (side == "left")
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 1280


@pytest.mark.parametrize("language", LANGUAGES)
def test_launcher_and_chat_speak_the_language_of_the_tag(visit, server, language):
    page = visit(tags=tag(server, lang=language))
    names = {
        "ko": "질문하기 – 열기",
        "en": "Ask a question – open",
        "ja": "質問する – 開く",
        "zh": "提问 – 打开",
        "vi": "Đặt câu hỏi – mở",
    }
    assert launcher(page).get_attribute("aria-label") == names[language]
    frame = open_chat(page)
    assert frame.evaluate("document.documentElement.lang") == language
    assert launcher(page).get_attribute("aria-label") != names[language]
    assert page.context.cookies() == []


def test_without_a_language_the_widget_speaks_that_of_the_page(visit, server):
    page = visit(tags="<script>document.documentElement.lang = 'ja-JP'</script>" + tag(server))
    assert launcher(page).inner_text() == "質問する"


@pytest.fixture
def server_with_storage(server):
    """The server under the portal's own host: a fresh Chromium gives a frame of another site no storage."""
    return server.replace("127.0.0.1", "localhost")


def test_the_language_chosen_in_the_frame_is_still_there_on_the_next_page(visit, server_with_storage):
    page = visit(tags=tag(server_with_storage, lang="ko", title="문답"))
    frame = open_chat(page)
    choose_language(frame, "ja")
    page.reload()
    page.wait_for_function("() => window.Mundap?.destroy")
    page.evaluate("Mundap.ask('안녕하세요')")
    assert wait_for(page, "answer")[0]["status"] == "smalltalk"
    assert wait_for(page, "answer")[0]["lang"] == "ja"
    frame = frame_of(page)
    assert frame.evaluate("document.documentElement.lang") == "ja"
    assert frame.locator(".brand-name").inner_text() == "문답"
    assert page.context.cookies() == []
    assert page.evaluate("localStorage.length") == 0
    choose_language(frame, "ko")
    page.reload()
    page.wait_for_function("() => window.Mundap?.destroy")
    assert open_chat(page).evaluate("document.documentElement.lang") == "ko"


def test_a_remembered_language_that_there_is_not_leaves_the_tags(visit, server_with_storage):
    page = visit(tags=tag(server_with_storage, lang="vi"))
    open_chat(page).evaluate("localStorage.setItem('mundap.lang', 'xx')")
    page.reload()
    page.wait_for_function("() => window.Mundap?.destroy")
    assert open_chat(page).evaluate("document.documentElement.lang") == "vi"


def test_the_language_is_chosen_where_the_browser_gives_the_frame_no_storage(visit, server):
    page = visit(tags=tag(server, lang="ko"))
    page.add_init_script(
        "if (parent !== window) Object.defineProperty(window, 'localStorage',"
        " {get() { throw new DOMException('blocked', 'SecurityError') }})"
    )
    page.reload()
    page.wait_for_function("() => window.Mundap?.destroy")
    choose_language(open_chat(page), "en")


def choose_language(frame, language):
    frame.locator(".languages summary").click()
    frame.locator(f".languages a[lang={language}]").click()
    frame.wait_for_selector(f"html[lang={language}]")


# ----- by keyboard, on a phone, for everyone


def test_escape_closes_from_inside_the_frame_and_the_focus_returns_to_the_launcher(visit):
    page = visit()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert 'class="launcher"' in focused(page)
    page.keyboard.press("Enter")
    wait_until_ready(page)
    assert "<iframe" in focused(page)
    assert frame_of(page).evaluate("document.activeElement.id") == "question"
    page.keyboard.press("Escape")
    page.wait_for_function("() => heard.some(([type]) => type === 'close')")
    assert 'class="launcher"' in focused(page)
    assert launcher(page).get_attribute("aria-expanded") == "false"
    page.keyboard.press("Enter")
    expect(page.locator("mundap-widget dialog")).to_be_visible()
    page.wait_for_function("() => document.activeElement.shadowRoot.activeElement.localName === 'iframe'")
    page.keyboard.press("Escape")
    page.wait_for_function("() => heard.filter(([type]) => type === 'close').length === 2")


def test_escape_closes_what_is_open_inside_the_chat_first(visit):
    page = visit()
    frame = open_chat(page)
    frame.locator(".languages summary").click()
    page.keyboard.press("Escape")
    expect(chat_in(page).locator(".languages")).not_to_have_attribute("open", "")
    page.evaluate("Mundap.ask('APEC은 언제 창설되었나요?')")
    frame.locator(".cite").first.click()
    expect(chat_in(page).locator("#panel")).to_be_visible()
    page.keyboard.press("Escape")
    expect(chat_in(page).locator("#panel")).to_be_hidden()
    page.wait_for_timeout(200)
    assert page.locator("mundap-widget dialog").is_visible()
    page.keyboard.press("Escape")
    expect(page.locator("mundap-widget dialog")).to_be_hidden()


def test_the_close_button_in_the_chat_closes_it(visit):
    page = visit()
    open_chat(page)
    chat_in(page).get_by_role("button", name="닫기").click()
    expect(page.locator("mundap-widget dialog")).to_be_hidden()
    assert 'class="launcher"' in focused(page)


def test_the_focus_returns_to_the_button_of_the_page_that_opened_the_chat(visit):
    page = visit(body="<button id='own' onclick='Mundap.open()'>챗봇에 묻기</button>")
    page.locator("#own").click()
    wait_until_ready(page)
    page.keyboard.press("Escape")
    expect(page.locator("mundap-widget dialog")).to_be_hidden()
    assert 'id="own"' in focused(page)


def test_closing_leaves_the_focus_where_a_person_has_put_it_meanwhile(visit):
    page = visit(body="<input id='search' aria-label='검색'>")
    open_chat(page)
    page.locator("#search").click()
    page.evaluate("Mundap.close()")
    assert 'id="search"' in focused(page)


PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def test_on_a_phone_the_chat_is_a_modal_dialog_over_the_whole_screen(visit):
    page = visit(**PHONE)
    frame = open_chat(page)
    panel = page.locator("mundap-widget dialog")
    assert panel.evaluate("node => [node.matches(':modal'), node.ariaModal]") == [True, "true"]
    assert panel.bounding_box() == {"x": 0, "y": 0, "width": 360, "height": 740}
    assert page.get_by_role("dialog", name="질문하기").count() == 1
    assert frame.evaluate("document.activeElement.id") == "main"
    assert (
        page.evaluate("() => { document.querySelector('a').focus(); return document.activeElement.localName }")
        == "mundap-widget"
    )
    assert frame.evaluate("document.documentElement.scrollWidth") == 360
    chat_in(page).get_by_role("button", name="닫기").tap()
    expect(panel).to_be_hidden()
    assert (
        page.evaluate("() => { document.querySelector('a').focus(); return document.activeElement.localName }") == "a"
    )


def test_turning_the_screen_changes_the_panel_but_not_the_chat(visit):
    page = visit(viewport={"width": 360, "height": 740})
    open_chat(page).evaluate("window.same = true")
    panel = page.locator("mundap-widget dialog")
    for width, modal in ((1200, False), (360, True)):
        page.set_viewport_size({"width": width, "height": 740})
        page.wait_for_timeout(200)
        assert panel.evaluate("node => node.matches(':modal')") is modal
        assert panel.is_visible()
    assert frame_of(page).evaluate("window.same")
    assert heard(page, "close") == []


def test_nothing_moves_for_those_who_want_no_motion(visit):
    animation = "node => getComputedStyle(node).animationName"
    for motion, name in (("reduce", "none"), ("no-preference", "rise")):
        page = visit(reduced_motion=motion)
        open_chat(page)
        assert page.locator("mundap-widget dialog").evaluate(animation) == name


def test_the_launcher_has_its_edge_in_forced_colours(visit):
    page = visit(forced_colors="active")
    assert launcher(page).evaluate("node => getComputedStyle(node).borderTopWidth") == "2px"
    launcher(page).focus()
    open_chat(page)
    assert page.locator("mundap-widget dialog").evaluate("node => getComputedStyle(node).borderTopStyle") == "solid"


def violations(page):
    found = Axe().run(page).response["violations"]
    return [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_launcher_and_the_open_panel_have_no_barrier(visit, scheme):
    page = visit(body="<main><h1>포털</h1></main>", color_scheme=scheme)
    assert violations(page) == []
    open_chat(page)
    page.wait_for_timeout(300)
    assert violations(page) == []


EMBED = urlencode({"title": "과학기술 문답", "greeting": "무엇이든 물어보세요", "questions": f"{APEC}|{SIGNED}"})


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("accent", ["", "#ffb114"])
def test_the_embedded_chat_has_no_barrier(open_page, server, theme, accent):
    page = open_page(
        f"{server}/embed?{EMBED}&{urlencode({'theme': theme, 'accent': accent})}",
        viewport={"width": 400, "height": 640},
    )
    assert violations(page) == []
    page.locator(".suggestion").first.click()
    page.wait_for_selector(".sources")
    page.wait_for_timeout(400)
    assert violations(page) == []
    page.locator(".cite").first.click()
    page.wait_for_selector("#panel[open]")
    assert violations(page) == []


# ----- the page for staff


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_staff_page_has_no_barrier(open_page, server, scheme, width):
    page = open_page(
        f"{server}/widget?origin=evil.example.com&data-accent=x",
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
    )
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_staff_page_has_no_barrier_in_any_language(open_page, server, language):
    page = open_page(f"{server}/widget?lang={language}&origin={server}")
    assert violations(page) == []


def test_what_staff_choose_is_in_the_tag_and_in_the_preview_at_once(open_page, server):
    page = open_page(f"{server}/widget")
    page.add_init_script(OPEN_SHADOW_ROOTS)
    page.reload()
    steps = page.evaluate("history.length")
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    page.get_by_label("이름").fill('민원 "문답"')
    page.get_by_label("예시 질문").fill(f"{APEC}\n{SIGNED}")
    page.locator("#accent").fill("#fc0")
    page.get_by_label("왼쪽").check()
    expect(page.locator("#tag")).to_contain_text('data-position="left"')
    page.locator("#preview").scroll_into_view_if_needed()
    preview = page.frame_locator("#preview iframe")
    button = preview.get_by_role("button", name='민원 "문답" – 열기')
    button.click()
    expect(preview.frame_locator("iframe").locator(".suggestion")).to_have_text([APEC, SIGNED])
    assert preview.locator(".launcher").evaluate("node => getComputedStyle(node).backgroundColor") == "rgb(255, 204, 0)"
    assert page.locator("#accent-picker").input_value() == "#0b50d0"
    assert all(url.startswith(f"{server}/") for url in requested)
    assert page.evaluate("history.length") == steps
    before = page.locator("#tag").text_content()
    page.reload()
    assert page.locator("#tag").text_content() == before


def test_the_tag_that_is_copied_works_on_the_portal(visit, open_page, server):
    staff = open_page(
        f"{server}/widget?{urlencode({'data-title': MARKUP, 'data-questions': APEC})}",
        permissions=["clipboard-read", "clipboard-write"],
    )
    staff.locator("[data-copies=tag]").click()
    expect(staff.locator("[data-copies=tag]")).to_have_text("복사했습니다")
    page = visit(tags=staff.evaluate("navigator.clipboard.readText()"))
    assert launcher(page).inner_text() == MARKUP[:40].strip()
    assert open_chat(page).locator(".suggestion").all_inner_texts() == [APEC]


def test_staff_see_that_their_site_is_not_on_the_list(open_page, server, portal):
    page = open_page(f"{server}/widget")
    page.get_by_label("사이트 주소").fill("www.example.go.kr/main")
    page.get_by_role("button", name="확인").click()
    verdict = page.locator("[data-live=verdict]")
    expect(verdict).to_contain_text("https://www.example.go.kr: 허용 목록에 없습니다.")
    expect(verdict).to_contain_text(f'MUNDAP_EMBED_ORIGINS="{portal} https://www.example.go.kr"')
    page.get_by_label("사이트 주소").fill(portal)
    page.keyboard.press("Enter")
    expect(verdict).to_contain_text(f"{portal}: 허용 목록에 있습니다.")


def test_the_staff_page_works_without_javascript(open_page, server):
    page = open_page(f"{server}/widget", java_script_enabled=False)
    page.get_by_label("이름").fill("민원 문답")
    page.get_by_role("button", name="적용").click()
    assert 'data-title="민원 문답"' in page.locator("#tag").text_content()
    assert json.dumps(page.locator("#title").input_value(), ensure_ascii=False) == '"민원 문답"'
