import html
import json
import re

import pytest
from fastapi.testclient import TestClient

from index.build import build_index
from index.publication import Publication
from index.retriever import Retriever
from server.app import create_app
from server.chat import Chat
from server.messages import LANGUAGES, catalogue
from server.settings import Settings
from tests.server.pages import marked_text, visible_text

TEXTS = catalogue("en")
SPAN = "start=4&end=8"


@pytest.fixture
def publication(tmp_path):
    return Publication(tmp_path / "data", versions_kept=3)


@pytest.fixture
def publish(source, publication, fake_embedder):
    """Publish these documents and no others."""

    def publish(files):
        folder = source(files)
        for path in folder.rglob("*.txt"):
            if path.relative_to(folder).as_posix() not in files:
                path.unlink()
        return build_index(folder, publication, fake_embedder).version

    return publish


@pytest.fixture
def get(tmp_path, publication, fake_embedder):
    """Get a page of an app on what is published now, as its title, its text and what is marked."""

    def get(path, status=200, lang="en"):
        chat = Chat(Retriever(publication.open(fake_embedder), fake_embedder))
        app = create_app(Settings(_env_file=None, data_dir=tmp_path / "data"), chat)
        with TestClient(app, headers={"Accept": "text/html", "Accept-Language": lang}) as client:
            response = client.get(path)
        assert response.status_code == status
        return response.text

    return get


def notice_in(page):
    found = re.search(r'<p class="earlier-text" role="note">(.*?)</p>', page, re.DOTALL)
    return visible_text(found[1]) if found else None


def day_of(publication, version):
    # "2026-11-22" to what an English page says of it.
    year, _, day = publication.manifest(version).created[:10].split("-")
    return year, str(int(day))


def test_of_the_version_that_is_published_the_page_is_as_it_is_without_one(publish, get):
    version = publish({"a.txt": "The one text."})
    page = get(f"/documents/a.txt?{SPAN}&version={version}")
    # But for the links to other languages, which keep it.
    assert page.replace(f"&amp;version={version}", "") == get(f"/documents/a.txt?{SPAN}")
    assert marked_text(page) == "one "
    assert notice_in(page) is None


def test_a_document_that_is_the_same_in_the_new_version_is_shown_without_a_notice(publish, get):
    version = publish({"a.txt": "The one text.", "b.txt": "Another."})
    publish({"a.txt": "The one text.", "b.txt": "Changed."})
    page = get(f"/documents/a.txt?{SPAN}&version={version}")
    assert (marked_text(page), notice_in(page)) == ("one ", None)


def test_the_cited_text_of_an_older_version_is_shown_with_its_day_and_a_link_to_the_current_one(
    publish, publication, get
):
    old = publish({"a.txt": "The one text."})
    publish({"a.txt": "Now there is another text."})
    page = get(f"/documents/a.txt?{SPAN}&version={old}&embed=1&theme=dark")
    assert marked_text(page) == "one "
    notice = notice_in(page)
    assert "The document has been changed since." in notice
    for part in day_of(publication, old):
        assert part in notice
    link = html.unescape(re.search(r'<a href="([^"]+)">Open the current text', page)[1])
    assert link == "/documents/a.txt?embed=1&theme=dark"
    current = get(link)
    assert "Now there is another text." in visible_text(current)
    assert notice_in(current) is None


def test_the_link_to_the_current_text_fits_any_name(publish, get):
    name = "보도 자료/50% #1? & <b>.txt"
    old = publish({name: "The one text."})
    publish({name: "Now another."})
    page = get(f"/documents/%EB%B3%B4%EB%8F%84%20%EC%9E%90%EB%A3%8C/50%25%20%231%3F%20%26%20%3Cb%3E.txt?version={old}")
    link = html.unescape(re.search(r'<a href="([^"]+)">Open the current text', page)[1])
    assert "Now another." in visible_text(get(link))


def test_a_rolled_back_version_has_its_predecessor_and_its_successor(publish, publication, get):
    old = publish({"a.txt": "The one text."})
    new = publish({"a.txt": "The two text."})
    publication.roll_back()
    assert notice_in(get(f"/documents/a.txt?{SPAN}&version={old}")) is None
    page = get(f"/documents/a.txt?{SPAN}&version={new}")
    assert marked_text(page) == "two "
    assert "changed since" in notice_in(page)


def test_a_document_that_was_removed_is_shown_as_it_was(publish, get):
    old = publish({"a.txt": "The one text.", "b.txt": "Another."})
    publish({"b.txt": "Another."})
    page = get(f"/documents/a.txt?{SPAN}&version={old}")
    assert marked_text(page) == "one "
    assert "The document has been removed since." in notice_in(page)
    assert "Open the current text" not in page


VERSIONS_THAT_ARE_NONE = [
    "20010101T000000000Z-00000000",
    "..",
    "../../../../etc",
    "%2e%2e%2f%2e%2e",
    ".writing-1",
    "current",
    "x" * 5_000,
    "%00",
    "%ff",
    "<script>alert(1)</script>",
    "%EB%AC%B8",
]


@pytest.mark.parametrize("version", VERSIONS_THAT_ARE_NONE)
def test_of_a_version_that_is_not_kept_the_current_text_is_shown_without_a_mark(version, publish, get):
    publish({"a.txt": "The one text."})
    page = get(f"/documents/a.txt?{SPAN}&version={version}")
    assert marked_text(page) == ""
    assert notice_in(page) == TEXTS["page.earlier_unknown"]
    assert "The one text." in visible_text(page)
    assert "<script>alert" not in page


def test_a_name_that_leads_out_of_the_folder_of_versions_finds_no_manifest_there(publish, publication, get):
    version = publish({"a.txt": "The one text."})
    manifest = publication.folder / "versions" / version / "manifest.json"
    values = json.loads(manifest.read_text()) | {"documents": {"secret.txt": "0"}}
    del values["digest"]
    for place in (publication.folder, publication.folder / "versions" / ".writing-1"):
        place.mkdir(exist_ok=True)
        (place / "manifest.json").write_text(json.dumps(values))
    for name in ("..", ".writing-1", f"{version}/../..", f"./{version}/."):
        get(f"/documents/secret.txt?version={name}", status=404)


def test_the_text_of_a_version_that_is_held_is_shown_to_nobody(source, publish, publication, get, fake_embedder):
    publish({"a.txt": "The one text."})
    held = build_index(source({"a.txt": "The secret text."}), publication, fake_embedder, hold=True).version
    page = get(f"/documents/a.txt?{SPAN}&version={held}")
    assert "secret" not in page
    assert notice_in(page) == TEXTS["page.earlier_unknown"]
    publication.publish_kept(held)
    assert marked_text(get(f"/documents/a.txt?{SPAN}&version={held}")) == "secr"


def test_a_version_that_was_thinned_out_is_one_that_is_not_kept(publish, get):
    old = publish({"a.txt": "The one text."})
    for n in range(3):
        publish({"a.txt": f"Text number {n}."})
    page = get(f"/documents/a.txt?{SPAN}&version={old}")
    assert (marked_text(page), notice_in(page)) == ("", TEXTS["page.earlier_unknown"])


@pytest.mark.parametrize("damage", ["corpus", "digest", "manifest"])
def test_a_damaged_older_version_is_one_that_is_not_kept(damage, publish, publication, get):
    old = publish({"a.txt": "The one text."})
    publish({"a.txt": "Now another."})
    folder = publication.folder / "versions" / old
    if damage == "corpus":
        (folder / "corpus.sqlite").write_bytes(b"SQLite format 3\0" + b"x" * 5_000)
    elif damage == "digest":
        data = (folder / "corpus.sqlite").read_bytes()
        (folder / "corpus.sqlite").write_bytes(data.replace(b"The one text.", b"The 0ne text."))
    else:
        (folder / "manifest.json").write_text("{")
    page = get(f"/documents/a.txt?{SPAN}&version={old}")
    assert notice_in(page) == TEXTS["page.earlier_unknown"]
    assert "Now another." in visible_text(page)


FIRST, SECOND = "The leave is 20 days.", "The staff may rest."


def of(text, sentence):
    return f"start={text.index(sentence)}&end={text.index(sentence) + len(sentence)}"


def test_without_a_version_the_text_that_has_a_sentence_there_is_shown_and_marked(publish, publication, get):
    old, new = f"{FIRST}\n\n{SECOND}", f"{FIRST}\n\nA new one.\n\n{SECOND}"
    version = publish({"a.txt": old})
    publish({"a.txt": new})
    for text, sentence in ((old, FIRST), (new, FIRST), (new, "A new one."), (new, SECOND)):
        page = get(f"/documents/a.txt?{of(text, sentence)}")
        assert (marked_text(page), notice_in(page)) == (sentence, None)
    page = get(f"/documents/a.txt?{of(old, SECOND)}")
    assert marked_text(page) == SECOND
    assert "The document has been changed since." in notice_in(page)
    for part in day_of(publication, version):
        assert part in notice_in(page)


def test_without_a_version_nothing_is_marked_that_may_be_another_sentence(publish, get):
    changed = FIRST.replace("20", "25")
    publish({"a.txt": FIRST})
    publish({"a.txt": changed})
    for text in (f"{changed} It is new.", f"{changed} It is newer.", f"{changed} It is newest.", changed):
        page = get(f"/documents/a.txt?{of(FIRST, FIRST)}")
        assert (marked_text(page), notice_in(page)) == ("", TEXTS["page.earlier_unknown"])
        # Of the version with the other text nothing is left by the last of these.
        publish({"a.txt": text})
    assert marked_text(get("/documents/a.txt?start=4&end=9")) == ""
    assert notice_in(get("/documents/a.txt")) is None


def test_without_a_version_any_span_of_a_document_that_never_changed_is_marked(publish, get):
    publish({"a.txt": FIRST, "b.txt": "One."})
    publish({"a.txt": FIRST, "b.txt": "Two."})
    page = get("/documents/a.txt?start=4&end=9")
    assert (marked_text(page), notice_in(page)) == ("leave", None)


def test_a_name_that_was_gone_for_a_while_is_known_to_have_had_another_text(publish, get):
    publish({"a.txt": f"{FIRST} {SECOND}", "b.txt": "Another."})
    for n in range(4):
        publish({"b.txt": f"Text number {n}."})
    publish({"a.txt": "Now something else altogether.", "b.txt": "Another."})
    assert notice_in(get(f"/documents/a.txt?{of(FIRST, FIRST)}")) == TEXTS["page.earlier_unknown"]


@pytest.mark.parametrize("names", [["b.txt"], ["A.txt", "a.txt"]])
@pytest.mark.parametrize("with_version", [True, False])
def test_a_document_that_was_renamed_or_has_a_twin_is_not_said_to_be_gone(names, with_version, publish, get):
    version = publish({"a.txt": "The one text."})
    publish(dict.fromkeys(names, "The one text."))
    page = get(f"/documents/a.txt?{SPAN}" + f"&version={version}" * with_version)
    assert (marked_text(page), notice_in(page)) == ("one ", None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_document_that_is_gone_with_its_version_is_said_to_be_gone(language, publish, get):
    old = publish({"a.txt": "The one text.", "b.txt": "Another."})
    for n in range(3):
        publish({"b.txt": f"Text number {n}."})
    page = get(f"/documents/a.txt?{SPAN}&version={old}", status=404, lang=language)
    assert catalogue(language)["error.document_not_found"] in html.unescape(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_notice_is_in_the_language_of_the_page(language, publish, get):
    old = publish({"a.txt": "The one text."})
    publish({"a.txt": "Now another."})
    expected = catalogue(language)["page.earlier_changed"].split("{date}")
    page = get(f"/documents/a.txt?version={old}", lang=language)
    assert f'<html lang="{language}"' in page
    for part in expected:
        assert part.strip() in notice_in(page)
    assert catalogue(language)["page.current_text"] in page
