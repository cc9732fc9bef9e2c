"""Markup, links and tricks of Unicode in documents, file names, questions and histories are text; nothing runs."""

import json
from urllib.parse import quote

import pytest

from index.build import build_index
from index.publication import Publication
from index.retriever import Retriever
from server.app import create_app
from server.chat import Chat
from tests.e2e.conftest import running
from tests.e2e.test_chat import ask, open_source

PAYLOADS = [
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "<ScRiPt>window.hit=1</sCrIpT>",
    "<script/src=data:,window.hit=1></script>",
    "<script>window.hit=1//",
    "<img src=x onerror=window.hit=1>",
    "<img/src/onerror=window.hit=1>",
    '"><img src=x onerror=window.hit=1>',
    "'><img src=x onerror=window.hit=1>",
    "<img src=`x`onerror=window.hit=1>",
    "<svg onload=window.hit=1>",
    "<svg/onload=window.hit=1//",
    "<svg><script>window.hit=1</script></svg>",
    "<svg><animate onbegin=window.hit=1 attributeName=x dur=1s>",
    "<math><mi//xlink:href='data:x,<script>window.hit=1</script>'>",
    "<body onload=window.hit=1>",
    "<iframe src=javascript:parent.hit=1></iframe>",
    "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "<object data=javascript:window.hit=1></object>",
    "<embed src=javascript:window.hit=1>",
    "<a href=javascript:window.hit=1>click</a>",
    "[click](javascript:window.hit=1)",
    '![x](x"onerror=window.hit=1)',
    "<a href='jav&#x09;ascript:window.hit=1'>click</a>",
    "<form action=javascript:window.hit=1><button>go</button></form>",
    "<input autofocus onfocus=window.hit=1>",
    "<details open ontoggle=window.hit=1>",
    "<video><source onerror=window.hit=1>",
    "<style>@import 'javascript:window.hit=1';</style>",
    "<link rel=stylesheet href=javascript:window.hit=1>",
    "<base href=//attacker.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:window.hit=1'>",
    "<template><script>window.hit=1</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=window.hit=1>'>",
    "<!--><img src=x onerror=window.hit=1>-->",
    "<![CDATA[<img src=x onerror=window.hit=1>]]>",
    "{{constructor.constructor('window.hit=1')()}}",
    "{% raw %}{{ config }}{% endraw %}${window.hit=1}",
    '" autofocus onfocus=window.hit=1 x="',
    "' onmouseover=window.hit=1 x='",
    "\\u003cscript\\u003ewindow.hit=1\\u003c/script\\u003e",
    "&lt;script&gt;window.hit=1&lt;/script&gt;",
    "%3Cscript%3Ewindow.hit=1%3C/script%3E",
    "＜script＞window.hit=1＜/script＞",
    "\u202e>tpircs/<1=tih.wodniw>tpircs<\u202c",
    "<scr\u200bipt>window.hit=1</scr\u200bipt>",
    "javascript:window.hit=1",
    "data:text/html,<script>parent.hit=1</script>",
    "\u2028<script>window.hit=1</script>\u2029",
    "</textarea><script>window.hit=1</script>",
    "</title><script>window.hit=1</script>",
    "]]></p><script>window.hit=1</script>",
]


def word(number):
    """A word that only one document has."""
    return f"zebra{number:03d}"


def file_name(number, payload):
    return f"{number:03d} {payload.replace('/', '∕')[:60]}.txt"


@pytest.fixture(scope="module")
def hostile_chat(fake_embedder, tmp_path_factory):
    """A chat over a document for each payload: in its name, its title, its text, a list item and a table."""
    folder = tmp_path_factory.mktemp("hostile")
    for number, payload in enumerate(PAYLOADS):
        text = f"{word(number)} {payload}\n\n{word(number)} is said of {payload} here.\n\n- {payload}\n\na\t{payload}\n"
        (folder / file_name(number, payload)).write_text(text, encoding="utf-8")
    publication = Publication(tmp_path_factory.mktemp("hostile-data"))
    report = build_index(folder, publication, fake_embedder)
    assert len(report.added) == len(PAYLOADS)
    return Chat(Retriever(publication.open(fake_embedder), fake_embedder))


def assert_nothing_ran(page):
    for frame in page.frames:
        assert frame.evaluate("window.hit") is None
    assert (
        page.locator("main script, main iframe, main object, main embed, main img:not([alt='']), main style").count()
        == 0
    )


def test_at_least_forty_are_tried():
    assert len(set(PAYLOADS)) >= 40


def test_documents_and_their_names(open_page, settings, hostile_chat, answer_anything, monkeypatch):
    answer_anything(monkeypatch)
    with running(create_app(settings, hostile_chat)) as site:
        page = open_page(site)
        page.on("dialog", lambda dialog: page.problems.append(f"dialog: {dialog.message}"))
        for number, payload in enumerate(PAYLOADS):
            ask(page, f"What is said of {word(number)}?")
            reply = page.locator(".turn:last-child .reply")
            assert reply.get_attribute("data-status") == "answered"
            assert word(number) in reply.inner_text()
            if "\u2028" not in payload:
                assert payload in page.locator(".turn:last-child").text_content()
            assert_nothing_ran(page)
            if number % 10 == 0:
                open_source(page)
                assert_nothing_ran(page)
                page.locator("#panel-close").click()
        page.reload()
        assert page.locator(".turn").count() == len(PAYLOADS)
        assert_nothing_ran(page)


def test_source_pages(open_page, settings, hostile_chat):
    with running(create_app(settings, hostile_chat)) as site:
        page = open_page(site)
        page.on("dialog", lambda dialog: page.problems.append(f"dialog: {dialog.message}"))
        for number, payload in enumerate(PAYLOADS):
            page.goto(f"{site}/documents/{quote(file_name(number, payload), safe='')}?start=0&end=8")
            assert page.locator("article mark").first.inner_text() == word(number)
            if "\u2028" not in payload:
                assert page.locator("article").text_content().count(payload) >= 4
            assert_nothing_ran(page)


def test_questions_histories_and_addresses(open_page, site):
    page = open_page(site)
    page.on("dialog", lambda dialog: page.problems.append(f"dialog: {dialog.message}"))
    for payload in PAYLOADS:
        ask(page, payload)
        assert_nothing_ran(page)
    stored = [{"question": payload, "reply": hostile_reply(payload)} for payload in PAYLOADS]
    page.evaluate("turns => sessionStorage.setItem('mundap.turns.3', JSON.stringify(turns))", stored)
    page.reload()
    assert page.locator(".turn").count() == len(PAYLOADS)
    assert page.locator("main a[href^='javascript:'], main a[href^='data:'], main a[href^='//']").count() == 0
    assert_nothing_ran(page)
    for payload in PAYLOADS:
        page.goto(f"{site}/?lang={quote(payload)}&question={quote(payload)}#{quote(payload)}")
        assert_nothing_ran(page)


def test_the_plain_form(open_page, site):
    page = open_page(site)
    page.on("dialog", lambda dialog: page.problems.append(f"dialog: {dialog.message}"))
    for payload in PAYLOADS:
        history = json.dumps([{"role": "user", "content": payload}, {"role": "assistant", "content": payload}])
        with page.expect_navigation():
            page.evaluate(SEND_PLAINLY, {"question": payload, "history": history})
        assert_nothing_ran(page)


SEND_PLAINLY = """fields => {
    const form = document.createElement("form");
    form.method = "post";
    form.action = "/";
    for (const [name, value] of Object.entries(fields)) {
        form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
    document.body.append(form);
    form.submit();
}"""


def hostile_reply(payload):
    """What a browser might have kept of a server that was not ours."""
    place = {"doc_id": payload, "title": payload, "passage_id": payload, "start": 0, "end": 1, "url": payload}
    return {
        "id": payload, "status": "answered", "lang": "ko", "mode": payload, "answer": payload,
        "sentences": [{"text": payload, "citations": [1]}],
        "citations": [{"n": 1, "quote": payload, "focus": [0, 3], "date": "", "department": payload, **place}],
        "related": [{"text": payload, **place}], "suggestions": [payload], "confidence": 1, "masked": [payload],
        "index_version": payload, "timings_ms": {},
    }  # fmt: skip
