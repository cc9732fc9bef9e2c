"""Take the pictures in web/screenshots: each state of the pages, light and dark, on a desk and on a phone.

Run it from the repository as `make screenshots`; it serves the published index, so `make serve` must have run once.
"""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from pydantic import SecretStr

from server.app import create_app
from server.settings import Settings
from tests.e2e.conftest import running, send
from tests.server.model_server import ModelServer, in_tokens

TARGET = Path(__file__).parents[2] / "web" / "screenshots"
SESAME = "sesame-for-the-pictures"
# What a language model would write of the document that ships.
WRITTEN = "APEC은 1989년 창설된 역내 경제협력체로, 회원국의 경제성장과 상호 협력 증진이 목표입니다. [1]"
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


def ask(page: Page, question: str) -> None:
    send(page, question)
    page.wait_for_selector(".turn:last-child .reply-actions")


def answered(page: Page) -> None:
    ask(page, "APEC은 언제 창설되었나요?")


def source_open(page: Page) -> None:
    answered(page)
    page.locator(".cite").first.click()
    page.frame_locator("#panel iframe").locator("mark").first.wait_for()


def related(page: Page) -> None:
    ask(page, "APEC 회원국은 몇 개국인가요?")


def not_found(page: Page) -> None:
    ask(page, "ㅁㄴㅇㄹ ㅁㄴㅇㄹ")


def searching(page: Page) -> None:
    page.evaluate("() => { window.fetch = () => new Promise(() => {}) }")
    send(page, "APEC은 언제 창설되었나요?")
    page.wait_for_selector("[data-status=searching]")


def failed(page: Page) -> None:
    page.context.set_offline(True)
    send(page, "APEC은 언제 창설되었나요?")
    page.wait_for_selector("[data-status=failed]")


def feedback(page: Page) -> None:
    answered(page)
    page.get_by_role("button", name="아니요").click()


def staff_page(page: Page) -> None:
    page.goto(f"{page.url}widget")
    page.wait_for_load_state("networkidle")


def sign_in(page: Page, section: str) -> None:
    page.goto(f"{page.url}admin#{section}")
    page.locator("#token").fill(SESAME)
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#section-{section}:not([hidden])")
    page.wait_for_load_state("networkidle")


def admin_documents(page: Page) -> None:
    sign_in(page, "documents")


def admin_index(page: Page) -> None:
    sign_in(page, "index")


def widget_open(page: Page) -> None:
    page.goto(f"{page.url}widget/sample")
    page.wait_for_function("() => window.Mundap")
    # The widget's shadow root is closed, to this script too.
    with page.expect_event("frameattached") as frame:
        page.evaluate("Mundap.ask('APEC은 언제 창설되었나요?')")
    frame.value.wait_for_selector(".reply-actions")


STATES = {
    "admin-documents": admin_documents,
    "admin-index": admin_index,
    "staff": staff_page,
    "widget": widget_open,
    "empty": lambda page: None,
    "answered": answered,
    "written": answered,
    "source": source_open,
    "related": related,
    "not-found": not_found,
    "searching": searching,
    "failed": failed,
    "feedback": feedback,
}


def main() -> None:
    """Write one picture for each state, scheme and size."""
    TARGET.mkdir(exist_ok=True)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with (
        ModelServer(lambda messages: in_tokens(WRITTEN)).running() as model,
        running(create_app(Settings(admin_token=SecretStr(SESAME)))) as site,
        running(create_app(Settings(llm_base_url=model.address, llm_model="scripted"))) as writing_site,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        for scheme in ("light", "dark"):
            for name, viewport in (("desk", DESK), ("phone", PHONE)):
                for state, reach in STATES.items():
                    context = browser.new_context(
                        locale="ko-KR", viewport=viewport, color_scheme=scheme, reduced_motion="reduce"
                    )
                    page = context.new_page()
                    page.goto(writing_site if state == "written" else site)
                    reach(page)
                    page.screenshot(path=TARGET / f"{state}-{name}-{scheme}.png")
                    context.close()
        browser.close()


if __name__ == "__main__":
    main()
