import base64
import dataclasses
import gzip
import hashlib
import html
import re

import pytest
from fastapi.testclient import TestClient

from server.app import CONTENT_SECURITY_POLICY, create_app
from server.messages import LANGUAGES, catalogue
from server.settings import Settings
from server.widget import Appearance, LoaderArchive, ink_on, load_loader
from tests.server.pages import visible_text

PORTALS = "https://www.example.go.kr https://*.agency.go.kr"
MARKUP = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}"


@pytest.fixture(scope="module")
def widget_client(settings, chat):
    allowing = settings.model_copy(update={"embed_origins": PORTALS})
    with TestClient(create_app(allowing, chat), headers={"Accept": "text/html"}) as client:
        yield client


def frame_ancestors(response):
    return re.search(r"frame-ancestors ([^;]*)", response.headers["content-security-policy"])[1]


def tag_on(page):
    return html.unescape(re.sub(r"<[^>]+>", "", re.search(r'<code id="tag"[^>]*>(.*?)</code>', page, re.DOTALL)[1]))


# ----- who may frame what


@pytest.mark.parametrize("path", ["/embed", "/embed?lang=en", "/documents/{doc_id}", "/documents/none?embed=1"])
def test_the_portals_may_frame_the_chat_and_its_sources(widget_client, doc_id, path):
    response = widget_client.get(path.format(doc_id=doc_id))
    assert frame_ancestors(response) == f"'self' {PORTALS}"
    assert response.headers["content-security-policy"].replace(f" {PORTALS}", "") == CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("path", ["/", "/widget", "/widget/sample", "/api/documents", "/none", "/embedded"])
def test_nobody_else_frames_anything_else(widget_client, path):
    assert frame_ancestors(widget_client.get(path)) == "'self'"


@pytest.mark.parametrize("path", ["/embed", "/documents/none"])
def test_an_empty_list_frames_nowhere_but_the_server_itself(client, path):
    assert frame_ancestors(client.get(path)) == "'self'"


def test_a_wrong_origin_stops_the_start_with_a_sentence(mundap, monkeypatch):
    monkeypatch.setenv("MUNDAP_EMBED_ORIGINS", "https://www.example.go.kr www.agency.go.kr")
    run = mundap("settings")
    assert run.returncode == 2
    assert "MUNDAP_EMBED_ORIGINS: 'www.agency.go.kr' is not an origin; write scheme and host alone" in run.stderr


def test_no_response_lets_another_origin_read_it_but_the_loader(widget_client):
    for path in ("/", "/embed", "/widget", "/api/documents", "/static/chat.js", "/static/widget.js"):
        answered = widget_client.get(path, headers={"Origin": "https://www.example.go.kr"})
        assert not [name for name in answered.headers if name.startswith("access-control-")]
    preflight = {"Origin": "https://www.example.go.kr", "Access-Control-Request-Method": "POST"}
    assert widget_client.options("/api/chat", headers=preflight).status_code == 405


# ----- the loader


def test_the_loader_is_public_cached_and_compressed(widget_client):
    response = widget_client.get("/widget.js")
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert response.headers["content-encoding"] == "gzip"
    assert "set-cookie" not in response.headers
    plain = widget_client.get("/widget.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == response.content
    assert plain.headers["etag"].startswith("W/")
    assert len(gzip.compress(plain.content, 9)) < 6_000


def test_the_loader_is_not_sent_again_to_who_has_it(widget_client):
    etag = widget_client.get("/widget.js").headers["etag"]
    again = widget_client.get("/widget.js", headers={"If-None-Match": f'"other", {etag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert widget_client.get("/widget.js", headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_pinned_tag_names_the_very_bytes(widget_client):
    tag = tag_on(widget_client.get("/widget?pinned=1").text)
    path = re.search(r'src="http://testserver(/widget-[0-9a-f]{16}\.js)"', tag)[1]
    response = widget_client.get(path)
    assert "immutable" in response.headers["cache-control"]
    digest = base64.b64encode(hashlib.sha384(response.content).digest()).decode()
    assert f'integrity="sha384-{digest}"' in tag
    assert 'crossorigin="anonymous"' in tag


@pytest.mark.parametrize("version", ["0" * 16, "x", "../widget"])
def test_another_version_of_the_loader_is_not_there(widget_client, version):
    assert widget_client.get(f"/widget-{version}.js").status_code == 404


def test_a_tag_that_pins_a_version_outlives_an_update(settings, chat, widget_client, monkeypatch):
    old = load_loader()
    newer = dataclasses.replace(old, content=old.content + b"// newer\n", version="f" * 16)
    monkeypatch.setattr("server.app.load_loader", lambda: newer)
    monkeypatch.setattr("server.routes.widget.load_loader", lambda: newer)
    with TestClient(create_app(settings, chat)) as updated:
        assert updated.get("/widget.js").content == newer.content
        kept = updated.get(f"/widget-{old.version}.js")
    assert kept.content == old.content
    assert "immutable" in kept.headers["cache-control"]


def test_a_kept_loader_that_was_changed_is_not_served(tmp_path):
    archive, loader = LoaderArchive(tmp_path), load_loader()
    archive.keep(loader)
    assert archive.find(loader.version) == loader
    [kept] = (tmp_path / "loaders").iterdir()
    kept.write_bytes(b"alert(1)")
    assert archive.find(loader.version) is None
    archive.keep(loader)
    assert archive.find(loader.version) == loader
    assert list((tmp_path / "loaders").iterdir()) == [kept]


def test_where_no_loader_can_be_kept_the_chat_starts_and_the_log_says_so(settings, chat, tmp_path, caplog):
    (tmp_path / "loaders").write_text("a file in the way")
    with TestClient(create_app(settings.model_copy(update={"data_dir": tmp_path}), chat)) as client:
        assert client.get("/widget.js").status_code == 200
    assert "can't be kept for tags that pin it" in caplog.text


# ----- how the portal wants it


def test_what_is_wrong_in_the_tag_is_as_if_it_were_not_there():
    given = {"lang": "fr", "theme": "pink", "position": "top", "accent": "red;}", "title": " \n ", "questions": "| \n|"}
    assert Appearance.read(given) == Appearance()


def test_texts_are_cut_cleaned_and_counted():
    given = {
        "title": "가\u202e나\x00다\ud800 " + "제" * 99,
        "greeting": "※ “안녕”\n\n하세요",
        "questions": "|".join(f"질문 {n}" + "?" * 200 for n in range(9)),
        "accent": " #AbC ",
    }
    appearance = Appearance.read(given)
    assert appearance.title == "가나 다 " + "제" * 35
    assert appearance.greeting == "※ “안녕” 하세요"
    assert [len(question) for question in appearance.questions] == [100] * 5
    assert appearance.accent == "#aabbcc"


@pytest.mark.parametrize(
    "colour", ["#000000", "#ffffff", "#0b50d0", "#ffb114", "#757575", "#777777", "#ff0000", "#00ff00"]
)
def test_text_on_the_accent_has_enough_contrast(colour):
    def luminance(of):
        channels = [int(of[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(colour), luminance(ink_on(colour))))
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_the_embedded_chat_shows_what_the_portal_gave_as_text(widget_client):
    given = {
        "title": MARKUP[:40],
        "greeting": MARKUP,
        "questions": f"{MARKUP}|둘째 질문?",
        "host": f"https://a.kr{MARKUP}",
    }
    page = widget_client.get("/embed", params=given).text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "{{7*7}}" in visible_text(page)
    assert 'value="둘째 질문?"' in page
    assert "data-host" not in page


def test_the_embedded_chat_has_its_language_and_theme_and_no_cookie(widget_client):
    response = widget_client.get("/embed?lang=vi&theme=dark&accent=%23fc0&host=https://www.example.go.kr")
    assert (
        '<html lang="vi" data-languages="ko en ja zh vi" data-theme="dark" data-accent="#ffcc00" data-ink="#000000" '
        'data-host="https://www.example.go.kr">' in response.text
    )
    assert '<link rel="stylesheet" href="/static/dark.css" media="screen">' in response.text
    assert "set-cookie" not in response.headers
    assert "dark.css" not in widget_client.get("/embed?theme=light").text
    assert 'media="(prefers-color-scheme: dark)"' in widget_client.get("/embed").text
    assert widget_client.get("/embed").text.count('class="site-header"') == 1


@pytest.mark.parametrize(
    "query", ["lang=%00", "accent=%23zzz", "host=null", "host=javascript:1", "theme=" + "x" * 9_000]
)
def test_the_embedded_chat_survives_any_parameters(widget_client, query):
    assert widget_client.get(f"/embed?{query}").status_code == 200


# ----- the page for staff


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_staff_page_speaks_every_language(widget_client, language):
    page = widget_client.get(f"/widget?lang={language}").text
    assert f'<html lang="{language}">' in page
    assert html.escape(catalogue(language)["widget.csp_note"], quote=False) in html.unescape(page).replace("&", "&amp;")


def test_the_tag_holds_what_was_chosen_and_nothing_that_is_the_default(widget_client):
    assert tag_on(widget_client.get("/widget").text).split() == [
        "<script",
        'src="http://testserver/widget.js"',
        "defer></script>",
    ]
    chosen = {
        "data-lang": "en", "data-position": "left", "data-theme": "dark", "data-accent": "#FC0",
        "data-title": "Ask us", "data-greeting": 'Say "hi" & <b>go</b>', "data-questions": "When?\r\nWho?\r\n\r\n",
    }  # fmt: skip
    page = widget_client.get("/widget", params=chosen).text
    tag = re.sub(r"\s+", " ", tag_on(page))
    assert tag == (
        '<script src="http://testserver/widget.js" data-lang="en" data-position="left" data-theme="dark" '
        'data-accent="#ffcc00" data-title="Ask us" data-greeting="Say &quot;hi&quot; &amp; &lt;b&gt;go&lt;/b&gt;" '
        'data-questions="When?|Who?" defer></script>'
    )
    sample = html.unescape(re.search(r'data-sample="([^"]*)"', page)[1])
    assert 'data-greeting="Say &#34;hi&#34; &amp; &lt;b&gt;go&lt;/b&gt;"' in widget_client.get(sample).text


def test_the_language_switch_keeps_what_staff_chose(widget_client):
    page = widget_client.get("/widget", params={"data-title": 'A "B"', "pinned": "1", "lang": "ko"}).text
    english = html.unescape(re.search(r'<a href="([^"]*)" lang="en"', page)[1])
    switched = widget_client.get(english).text
    assert '<html lang="en">' in switched
    assert 'data-title="A &quot;B&quot;"' in tag_on(switched)
    assert "integrity=" in tag_on(switched)


def test_a_wrong_colour_is_told(widget_client):
    assert catalogue("ko")["widget.accent_wrong"] in widget_client.get("/widget?lang=ko&data-accent=red").text
    assert catalogue("ko")["widget.accent_wrong"] not in widget_client.get("/widget?lang=ko&data-accent=%23f00").text


@pytest.mark.parametrize(
    ("origin", "key"),
    [
        ("www.example.go.kr/main.do", "widget.on_list"),
        ("https://deep.www.agency.go.kr", "widget.on_list"),
        ("http://testserver", "widget.on_list"),
        ("https://agency.go.kr", "widget.not_on_list"),
        ("https://evil.example.com", "widget.not_on_list"),
        (MARKUP, "widget.not_an_origin"),
    ],
)
def test_staff_are_told_whether_their_site_is_on_the_list(widget_client, origin, key):
    page = widget_client.get("/widget", params={"origin": origin, "lang": "ko"}).text
    verdicts = ("widget.on_list", "widget.not_on_list", "widget.not_an_origin")
    ends = {verdict: catalogue("ko")[verdict].split("}")[-1] for verdict in verdicts}
    assert [verdict for verdict in verdicts if ends[verdict] in visible_text(page)] == [key]
    assert "<script>alert" not in page
    if key == "widget.not_on_list":
        assert f'MUNDAP_EMBED_ORIGINS="{PORTALS} {origin}"' in html.unescape(page)


def test_origins_are_kept_in_the_form_of_a_policy():
    assert Settings(_env_file=None, embed_origins=" HTTPS://A.go.kr\n").embed_origins == "https://a.go.kr"
