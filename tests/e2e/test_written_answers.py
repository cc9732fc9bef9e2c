"""The chat where a language model writes: what the page says of it, and that its sources can be compared."""

from contextlib import closing

import pytest

from server.answerers.generative import Writer
from server.answerers.language_model import LanguageModel
from server.app import create_app
from server.chat import Chat
from server.messages import LANGUAGES, catalogue
from tests.e2e.conftest import running
from tests.e2e.test_accessibility import DESK, PHONE, check
from tests.e2e.test_chat import APEC, FOUNDED, KOREAN, ask, open_source
from tests.server.model_server import ModelServer, in_tokens

WRITTEN = "APEC은 1989년 창설된 역내 경제협력체로, 회원국의 경제성장과 상호 협력 증진이 목표입니다."


@pytest.fixture(scope="module")
def model():
    with ModelServer(lambda messages: in_tokens(f"{WRITTEN} [1]")).running() as model:
        yield model


@pytest.fixture(scope="module")
def writing_site(settings, chat, model):
    with closing(LanguageModel(model.address, "scripted", "", 5.0)) as client:
        writer = Writer(client, chat.retriever.embedder)
        with running(create_app(settings, Chat(chat.retriever, chat.reader, writer))) as address:
            yield address


def check_at_the_end(page):
    """Look where nothing is half behind the field for the next question, as wherever one scrolls something is."""
    page.evaluate('() => scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" })')
    check(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_a_written_answer_says_what_it_is_and_shows_what_it_rests_on(open_page, writing_site, scheme, viewport):
    page = open_page(writing_site, color_scheme=scheme, viewport=viewport, reduced_motion="reduce")
    check(page)
    ask(page, APEC)
    assert page.locator(".sentence bdi").all_inner_texts() == [WRITTEN]
    assert page.locator(".sentence strong").inner_text() == "1989년"
    assert page.locator(".reply .aside").first.inner_text() == KOREAN["chat.written"]
    # Whole, so that it can be compared without leaving the answer.
    assert page.locator(".source-quote").all_inner_texts() == [FOUNDED]
    check_at_the_end(page)
    frame = open_source(page)
    assert "".join(frame.locator("mark").all_inner_texts()) == FOUNDED
    check_at_the_end(page)


def test_without_javascript_it_is_the_same(open_page, writing_site):
    page = open_page(writing_site, java_script_enabled=False)
    page.locator("#question").fill(APEC)
    page.locator("#send").click()
    assert page.locator(".sentence bdi").all_inner_texts() == [WRITTEN]
    assert page.locator(".sentence strong").inner_text() == "1989년"
    assert page.locator(".reply .aside").first.inner_text() == KOREAN["chat.written"]
    assert page.locator(".source-quote").all_inner_texts() == [FOUNDED]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_promises_quotations_only_where_answers_are_quoted(open_page, site, writing_site, language):
    texts = catalogue(language)
    for address, suffix, promise in ((site, "", "verbatim"), (writing_site, "_written", "supported")):
        page = open_page(f"{address}/?lang={language}")
        assert page.title().endswith(texts[f"page.tagline{suffix}"])
        assert page.locator(".tagline").inner_text() == texts[f"page.tagline{suffix}"]
        assert page.locator(".promises li").first.inner_text() == texts[f"page.promise_{promise}"]
        assert page.locator("#notice").inner_text() == texts[f"page.notice{suffix}"]


def test_it_says_itself_whose_words_it_answers_in(open_page, site, writing_site):
    for address, key in ((site, "reply.identity"), (writing_site, "reply.identity_written")):
        page = open_page(address)
        ask(page, "넌 누구야?")
        assert page.locator(".answer-text").inner_text() == KOREAN[key]


def test_what_could_not_be_written_is_quoted_with_a_notice(open_page, writing_site, model, monkeypatch):
    monkeypatch.setattr(model, "script", lambda messages: in_tokens("APEC은 1994년에 창설되었습니다. [1]"))
    page = open_page(writing_site, reduced_motion="reduce")
    ask(page, f"{APEC} 알려 주세요")
    assert page.locator(".sentence bdi").all_inner_texts() == [FOUNDED]
    assert page.locator(".reply .aside").first.inner_text() == KOREAN["notice.not_written"]
    check_at_the_end(page)
