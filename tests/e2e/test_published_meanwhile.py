"""What an asker sees whose answer came from a version that has been replaced."""

import shutil

import httpx
import pytest

from index.build import build_index
from index.publication import Publication
from server.app import create_app
from server.chat import Models, create_chat
from server.messages import catalogue
from tests.conftest import REPO
from tests.e2e.conftest import running
from tests.e2e.test_accessibility import check
from tests.e2e.test_chat import APEC, FOUNDED, KOREAN, ask, open_source

DATE = catalogue("ko")["page.earlier_changed"].split("{date}")


@pytest.fixture
def changing(settings, data_dir, tmp_path, embedder, reader):
    """A site, and how to publish the documents with something before their text."""
    source = shutil.copytree(REPO / "source_docs", tmp_path / "source")
    own = settings.model_copy(update={"data_dir": data_dir, "source_dir": source})
    with running(create_app(own, create_chat(own, Models(embedder, reader)))) as site:

        def publish(before):
            for path in source.iterdir():
                path.write_bytes(before.encode() + path.read_bytes())
            version = build_index(source, Publication(data_dir), embedder).version
            while httpx.get(f"{site}/readyz").json()["index_version"] != version:
                pass

        yield site, publish


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_citation_opens_the_text_that_was_cited_and_says_that_there_is_a_newer_one(open_page, changing, scheme):
    site, publish = changing
    page = open_page(site, color_scheme=scheme)
    ask(page, APEC)
    publish("정정 안내가 앞에 붙었다.\n\n")

    frame = open_source(page)
    assert frame.locator("mark").all_inner_texts() == [FOUNDED]
    note = frame.get_by_role("note")
    assert note.is_visible()
    assert all(part.strip() in note.inner_text() for part in DATE)
    check(page)

    shared = page.locator("#panel-open").evaluate("link => link.href")
    assert "&version=" in shared
    alone = open_page(shared, color_scheme=scheme)
    assert alone.locator("mark#cited").inner_text() == FOUNDED
    in_view = "element => element.getBoundingClientRect().top >= 0"
    assert alone.locator(".earlier-text").evaluate(in_view)
    check(alone)
    alone.get_by_role("link", name=KOREAN["page.current_text"]).click()
    alone.get_by_text("정정 안내가 앞에 붙었다.").wait_for()
    assert alone.locator(".earlier-text").count() == 0

    page.locator("#panel-close").click()
    ask(page, APEC)
    assert open_source(page).get_by_role("note").count() == 0


def test_without_javascript_the_source_is_that_of_the_answer_too(open_page, changing):
    site, publish = changing
    page = open_page(site, java_script_enabled=False)
    page.locator("#question").fill(APEC)
    page.locator("#send").click()
    publish("정정 안내가 앞에 붙었다.\n\n")
    page.locator(".cite").first.click()
    assert page.locator("mark#cited").inner_text() == FOUNDED
    assert page.get_by_role("note").is_visible()
