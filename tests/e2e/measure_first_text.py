"""Measure how long the page takes from the server's first byte of an answer to its first sentence on the screen.

Run it from the repository as `make bench-page`; it serves the published index, so `make serve` must have run once.
"""

import os
import shutil
import statistics

from playwright.sync_api import sync_playwright

from server.app import create_app
from server.settings import Settings
from tests.e2e.conftest import running, send

QUESTIONS = 20
# The headers come before the answer is known, so its first byte is the first that the page reads of the body. The first
# frame that shows the sentence begins after the callback, so two are waited for.
WATCH = """() => {
    const { read } = ReadableStreamDefaultReader.prototype;
    ReadableStreamDefaultReader.prototype.read = async function () {
        const chunk = await read.call(this);
        if (!chunk.done && !window.firstByte) window.firstByte = performance.now();
        return chunk;
    };
    new MutationObserver(() => {
        if (window.firstByte && !window.shown && document.querySelector(".turn:last-child .sentence")) {
            window.shown = -1;
            requestAnimationFrame(() => requestAnimationFrame(() => (window.shown = performance.now())));
        }
    }).observe(document, { childList: true, subtree: true });
}"""


def main() -> None:
    """Ask `QUESTIONS` times and print milliseconds."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with running(create_app(Settings())) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_page()
        page.goto(site)
        page.evaluate(WATCH)
        waits = []
        for _ in range(QUESTIONS):
            page.evaluate("window.firstByte = window.shown = 0")
            send(page, "APEC은 언제 창설되었나요?")
            page.wait_for_function("() => window.shown > 0")
            waits.append(page.evaluate("window.shown - window.firstByte"))
        browser.close()
    print(f"first byte to first sentence on screen, {QUESTIONS} answers: ", end="")
    print(f"median {statistics.median(waits):.0f} ms, longest {max(waits):.0f} ms")


if __name__ == "__main__":
    main()
