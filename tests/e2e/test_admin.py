"""The staff's page in a real browser, with builds in processes of their own."""

import shutil
import time
from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from pydantic import SecretStr

from index.publication import Publication
from server.app import create_app
from server.builds import Evaluation, Gate
from server.chat import Chat
from server.messages import LANGUAGES, catalogue
from server.storage import AskedQuestion, Feedback
from tests.e2e.conftest import running
from tests.e2e.test_accessibility import DESK, SETTLED, check

SESAME = "sesame-open"
KOREAN = {key: text for key, text in catalogue("ko").items() if key.startswith("admin.")}
PARKING = "# 청사 주차장\n\n청사 주차장은 평일 오전 8시부터 오후 9시까지 연다.\n"
HOSTILE = "<img src=x onerror=alert(1)>.txt"
BUILD_MS = 120_000


def text(key, **values):
    return KOREAN[f"admin.{key}"].format(**values)


@pytest.fixture(scope="module")
def office(settings, chat, tmp_path_factory):
    """A server with a data folder of its own, for the staff: its settings, its app and its address."""
    folder = tmp_path_factory.mktemp("office")
    without_feedback = shutil.ignore_patterns("mundap.sqlite*")
    data_dir = shutil.copytree(settings.data_dir, folder / "data", symlinks=True, ignore=without_feedback)
    source = shutil.copytree(settings.source_dir, folder / "documents")
    (source / HOSTILE).write_text("짧은 글이다.", encoding="utf-8")
    (source / "2026" / "공지").mkdir(parents=True)
    (source / "2026" / "공지" / "아주 긴 이름의 문서 파일입니다만_그래도_끝까지_보여야_합니다.txt").write_text("글")
    changed = {"data_dir": data_dir, "source_dir": source, "admin_token": SecretStr(SESAME), "reader": "off"}
    own = settings.model_copy(update=changed)
    app = create_app(own, Chat(chat.retriever, None))
    with running(app) as address:
        for number in range(30):
            app.state.storage.keep_feedback(
                Feedback(f"{number:032x}", number % 3 == 0, "wrong" if number % 3 else "", HOSTILE * (number % 2))
            )
        statuses = ["answered", "not_found", "related"]
        app.state.storage.keep_questions(
            AskedQuestion(
                f"{number:032x}", datetime.now(UTC), f"{number} {HOSTILE}", statuses[number % 3], "ko",
                "extractive", "page", "", 0.5, 210.0, "2026",
            )
            for number in range(30)
        )  # fmt: skip
        yield own, app, address


@pytest.fixture
def signed_in(open_page, office):
    def sign_in(section="", **options):
        page = open_page(f"{office[2]}/admin{section}", **options)
        page.locator("#token").fill(SESAME)
        page.keyboard.press("Enter")
        expect(page.locator("#workplace")).to_be_visible()
        return page

    return sign_in


def announced(page):
    """Keep all that the live region says from now on."""
    page.evaluate(
        """() => {
            window.said = [];
            new MutationObserver(() => announcer.textContent && said.push(announcer.textContent))
                .observe(announcer, { childList: true, characterData: true, subtree: true });
        }"""
    )


def test_only_the_token_opens_the_page_and_this_tab_alone_keeps_it(open_page, office):
    page = open_page(f"{office[2]}/admin")
    page.locator("#token").fill("wrong ❌")
    page.keyboard.press("Enter")
    expect(page.locator("#sign-in-problem")).to_have_text(text("wrong_token"))
    assert page.problems.pop().startswith("Failed to load resource: the server responded with a status of 401")
    expect(page.locator("#token")).to_be_focused()
    page.locator("#token").fill(SESAME)
    page.keyboard.press("Enter")
    expect(page.locator("#file-rows tr")).to_have_count(3)
    assert page.evaluate("[localStorage.length, document.cookie, location.href.includes('sesame')]") == [0, "", False]
    page.reload()
    expect(page.locator("#file-rows tr")).to_have_count(3)
    page.locator("#sign-out").click()
    expect(page.locator("#sign-in")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    assert page.locator("#file-rows tr").count() == 0
    office[1].state.sign_in._failures.clear()


def test_the_page_says_that_it_needs_javascript(open_page, office):
    page = open_page(f"{office[2]}/admin", java_script_enabled=False)
    expect(page.get_by_text(text("no_script"))).to_be_visible()
    assert not page.locator("#workplace").is_visible()


def test_a_document_goes_from_the_upload_to_the_answers_and_back(signed_in, office, tmp_path):
    settings, _, address = office
    publication = Publication(settings.data_dir)
    first = publication.current_version()
    parking, program = tmp_path / "청사 주차장.md", tmp_path / "program.exe"
    parking.write_text(PARKING, encoding="utf-8")
    program.write_bytes(b"MZ")
    page = signed_in()
    announced(page)
    page.locator("#files").set_input_files([parking, program])
    page.locator("#folder").fill("안내")
    page.locator("#upload button").click()
    rows = page.locator("#uploads li")
    expect(rows.nth(0)).to_contain_text(text("taken"))
    expect(rows.nth(1)).to_contain_text(text("error_format_unknown"))
    assert page.problems.pop().startswith("Failed to load resource: the server responded with a status of 415")
    new = page.locator("#file-rows tr", has_text="안내/청사 주차장.md")
    expect(new).to_contain_text(text("state_new"))
    expect(page.locator("#pending")).to_be_visible()

    page.locator("#files").set_input_files([parking])
    page.locator("#folder").fill("안내")
    page.locator("#upload button").first.click()
    again = rows.get_by_role("button", name=text("replace_this"))
    again.click()
    expect(rows.first).to_contain_text(text("replaced"))
    assert page.problems.pop().startswith("Failed to load resource: the server responded with a status of 409")

    page.get_by_role("link", name=text("go_build")).click()
    page.get_by_text(text("mode_publish"), exact=True).click()
    page.locator("#start-build").click()
    expect(page.locator("progress")).to_be_visible()
    expect(page.locator("#start-build")).to_be_disabled()
    check(page)
    expect(page.locator(".steps [aria-current]")).to_be_visible(timeout=BUILD_MS)
    expect(page.locator("#build-shown .outcome").first).to_contain_text(text("build_published"), timeout=BUILD_MS)
    assert page.locator(".tiles div", has_text=text("count_added")).first.locator("dd").inner_text() == "3"
    said = page.evaluate("said")
    assert text("build_started") in said
    assert said[-1] == text("build_published")
    assert len(said) < 14
    published = publication.current_version()
    assert published != first
    expect(page.locator("#versions li")).to_have_count(2)
    expect(page.locator("#now")).to_contain_text(published)
    reply = page.request.post(f"{address}/api/chat", data={"question": "청사 주차장은 평일 몇 시부터 여나요?"}).json()
    assert [citation["doc_id"] for citation in reply["citations"]] == ["안내/청사 주차장.md"]
    check(page)

    page.locator("#versions li", has_text=first).get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_contain_text(first)
    check(page)
    page.keyboard.press("Escape")
    assert publication.current_version() == published
    page.locator("#versions li", has_text=first).get_by_role("button").click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#problem")).to_contain_text(text("version_published", version=first))
    assert publication.current_version() == first

    page.locator(".sections a[href='#audit']").click()
    expect(page.locator("#audit-rows li").first).to_contain_text(text("did_roll_back"))
    check(page)


def test_a_held_version_shows_its_gates_and_waits(signed_in, office):
    settings, app, _ = office
    publication = Publication(settings.data_dir)
    version = publication.current_version()
    report = {
        "version": version, "published": False, "held": True, "added": [HOSTILE], "changed": [], "removed": [],
        "unchanged": ["b.txt"], "skipped": {HOSTILE: "damaged <b>"}, "passages": 3, "sentences": 9,
    }  # fmt: skip
    gates = (Gate("right is 0.610, must be at least 0.53", False), Gate("false_answers_near is 0.300 <b>", True))
    with app.state.builds.recorded(True, True, {}) as build:
        page = signed_in("#index")
        build.progress("Asking", 3, 40)
        expect(page.locator(".figures")).to_contain_text(text("done_of", done=3, total=40))
        expect(page.locator("#working")).to_be_visible()
        build.evaluated(Evaluation("gold", 40, {}, gates))
        build.finished(report)
    expect(page.locator("#build-shown")).to_contain_text(text("build_held"))
    expect(page.locator("#build-shown")).to_contain_text(text("gates_broken", count=1))
    expect(page.locator("#build-shown")).to_contain_text("damaged <b>")
    expect(page.locator("#versions .version-gates")).to_contain_text(text("gates_broken", count=1))
    check(page)


def test_a_build_that_died_is_told_with_what_it_said(signed_in, office):
    _, app, _ = office
    builds = app.state.builds
    build_id = "29990101T000000000Z-1"
    with builds.recorded(False, False, {}, build_id) as build:
        build.progress("Embedding", 3, 40)
    (builds.folder / f"{build_id}.log").write_text("Killed <b>", encoding="utf-8")
    page = signed_in("#index")
    expect(page.locator("#build-shown")).to_contain_text(text("build_died"))
    expect(page.locator(".said")).to_have_text("Killed <b>")
    check(page)
    (builds.folder / f"{build_id}.json").unlink()


def test_a_document_is_removed_by_keyboard_after_asking(signed_in, office):
    settings, _, _ = office
    page = signed_in()
    page.locator("#filter-name").fill("img")
    expect(page.locator("#file-rows tr")).to_have_count(1)
    page.get_by_role("button", name=text("remove_file", name=HOSTILE)).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text(HOSTILE)
    expect(page.get_by_role("button", name=text("cancel"))).to_be_focused()
    page.keyboard.press("Enter")
    assert (settings.source_dir / HOSTILE).exists()
    page.get_by_role("button", name=text("remove_file", name=HOSTILE)).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#problem")).to_contain_text(text("removed", name=HOSTILE))
    expect(page.locator("#refresh")).to_be_focused()
    assert not (settings.source_dir / HOSTILE).exists()
    (settings.source_dir / HOSTILE).write_text("짧은 글이다.", encoding="utf-8")


def test_every_section_can_be_reached_by_keyboard(signed_in):
    page = signed_in()
    for name in ("index", "questions", "feedback", "audit", "documents"):
        link = page.locator(f".sections a[href='#{name}']")
        link.focus()
        page.keyboard.press("Enter")
        expect(page.locator(f"#section-{name}")).to_be_visible()
        expect(page.locator(f"#{name}-heading")).to_be_focused()
        assert link.get_attribute("aria-current") == "page"


def test_feedback_is_paged_and_markup_in_it_is_text(signed_in):
    page = signed_in("#feedback")
    expect(page.locator("#feedback-rows li")).to_have_count(25)
    expect(page.locator("#feedback-rows li").first).to_contain_text(HOSTILE)
    page.get_by_role("button", name=text("after")).click()
    expect(page.locator("#feedback-rows li")).to_have_count(5)
    assert page.locator("#workplace img").count() == 0


def test_questions_without_an_answer_come_first_and_all_can_be_downloaded(signed_in, office):
    # Other tests ask this server too.
    (_, kept), (_, answered) = (office[1].state.storage.questions_page(0, 1, asked) for asked in ((), ("answered",)))
    assert kept >= 30
    page = signed_in("#questions")
    rows = page.locator("#question-rows li")
    expect(rows).to_have_count(25)
    expect(rows.first).not_to_contain_text(catalogue("ko")["status.answered"])
    expect(rows.first).to_contain_text(HOSTILE)
    page.get_by_role("button", name=text("after")).click()
    expect(rows).to_have_count(kept - 25)
    page.locator("#filter-status").select_option("answered")
    expect(rows).to_have_count(answered)
    assert page.locator("#workplace img").count() == 0
    with page.expect_download() as download:
        page.locator("#questions-export").click()
    assert download.value.suggested_filename == "questions.csv"
    assert len(download.value.path().read_text(encoding="utf-8-sig").splitlines()) == kept + 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, {"width": 320, "height": 640}], ids=["desk", "320"])
def test_every_section_in_each_scheme_and_size(open_page, signed_in, office, scheme, viewport):
    start = open_page(f"{office[2]}/admin", color_scheme=scheme, viewport=viewport)
    check(start)
    page = signed_in(color_scheme=scheme, viewport=viewport)
    for name in ("documents", "index", "questions", "feedback", "audit"):
        page.locator(f".sections a[href='#{name}']").click()
        expect(page.locator(f"#section-{name}")).to_be_visible()
        page.wait_for_load_state("networkidle")
        check(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language(signed_in, language):
    page = signed_in(f"?lang={language}#index")
    expect(page.locator("h1").last).to_have_text(catalogue(language)["admin.heading"])
    expect(page.locator("#versions li").first).to_be_visible()
    check(page)


def test_with_more_contrast(signed_in):
    page = signed_in("#index", contrast="more")
    expect(page.locator("#versions li").first).to_be_visible()
    page.evaluate(SETTLED)
    found = Axe().run(page, options={"runOnly": {"type": "rule", "values": ["color-contrast-enhanced"]}})
    assert found.violations_count == 0, found.generate_report()


def test_a_server_that_is_gone_is_told(signed_in):
    page = signed_in()
    expect(page.locator("#file-rows tr").first).to_be_visible()
    page.route("**/api/admin/**", lambda route: route.abort())
    page.locator("#refresh").click()
    expect(page.locator("#problem")).to_have_text(text("error_network"))
    time.sleep(0.1)
    page.problems.clear()
