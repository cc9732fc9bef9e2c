"""A real server and a real Chromium. A page that a test opens must cause no error, whatever the test looks at."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from server.app import create_app
from server.chat import Chat
from server.settings import Settings

PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)


def send(page: Page, question: str) -> None:
    """Type a question and send it."""
    page.locator("#question").fill(question)
    page.locator("#question").press("Enter")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Drive the browser last: Playwright runs an event loop in this thread until the end, so no other can run there."""
    items.sort(key=lambda item: "e2e" in item.path.parts)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium")
    if executable is None:
        pytest.fail("Chromium is missing; install it: apt-get install chromium")
    # Chromium's sandbox refuses to run as root, which is what a container's tests run as.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@contextmanager
def running(app: object, port: int = 0) -> Iterator[str]:
    """Serve an ASGI app on the loopback interface as long as the block runs; give its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                pytest.fail("The server did not start")
            threading.Event().wait(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def site(settings: Settings, chat: Chat) -> Iterator[str]:
    """The address of the product as it is installed."""
    with running(create_app(settings, chat)) as address:
        yield address


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages, each in a context of its own with the given options; errors of any fail the test.

    What a test provokes on purpose, it takes out of `page.problems`. `page.wait_for_function` wants a function: the
    policy of the product's pages forbids to evaluate an expression again and again.
    """
    opened = []

    def open_page(url: str = "about:blank", **options: object) -> Page:
        context = browser.new_context(**({"locale": "ko-KR", "viewport": {"width": 1280, "height": 800}} | options))
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.problems = []
        page.on("console", lambda said: said.type == "error" and page.problems.append(said.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.goto(url)
        opened.append((context, page))
        return page

    yield open_page
    problems = [problem for _, page in opened for problem in page.problems]
    for context, _ in opened:
        context.close()
    assert not problems
