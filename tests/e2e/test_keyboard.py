"""The whole flow without a mouse."""

from server.messages import catalogue
from tests.e2e.test_chat import APEC, FOUNDED, KOREAN

MOST_TABS = 40


def tab_to(page, selector):
    """Press Tab until what has the focus matches; fail when it never does or the focus can't be seen."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            outline = page.evaluate(
                """() => {
                    let seen = document.activeElement;
                    if (seen.tagName === 'IFRAME') seen = seen.contentDocument.activeElement;
                    seen = seen.closest('.field') ?? seen;
                    return getComputedStyle(seen).outlineStyle;
                }"""
            )
            assert outline != "none"
            return
    raise AssertionError(f"{selector} can't be reached by the keyboard")


def test_ask_read_open_close_judge_and_begin_anew(open_page, site):
    page = open_page(site)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    tab_to(page, "#question")
    page.keyboard.type(APEC)
    page.keyboard.press("Enter")
    page.locator(".reply[data-status=answered] .sources").wait_for()
    assert page.evaluate("document.activeElement.id") == "question"

    page.keyboard.press("Shift+Tab")
    while not page.evaluate("document.activeElement.matches('.cite')"):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    frame = page.frame_locator("#panel iframe")
    frame.locator("mark").first.wait_for()
    assert "".join(frame.locator("mark").all_inner_texts()) == FOUNDED
    assert page.evaluate("document.activeElement.id") == "panel-title"
    tab_to(page, "#panel-copy")
    tab_to(page, "#panel-open")
    tab_to(page, "#panel-close")
    tab_to(page, "#panel iframe")
    page.keyboard.press("Escape")
    assert not page.locator("#panel").is_visible()
    page.wait_for_function("() => document.activeElement.className === 'cite'")

    tab_to(page, ".feedback .action[aria-expanded]")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.type") == "radio"
    page.keyboard.press("ArrowDown")
    tab_to(page, ".feedback-form textarea")
    page.keyboard.type("…")
    tab_to(page, ".feedback-form .button:not([type])")
    page.keyboard.press("Enter")
    page.get_by_text(KOREAN["feedback.thanks"]).wait_for()
    assert page.evaluate("document.activeElement.className") == "feedback"

    tab_to(page, ".turn .suggestion")
    page.keyboard.press("Enter")
    page.locator(".turn:nth-child(2) .reply:not([data-status=searching]) .badge").wait_for()

    page.keyboard.press("Shift+Tab")
    while not page.evaluate("document.activeElement.id === 'new-conversation'"):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.locator(".welcome h2").wait_for()


def test_the_language_is_changed_by_the_keyboard(open_page, site):
    page = open_page(site)
    tab_to(page, ".languages summary")
    page.keyboard.press("Enter")
    tab_to(page, ".languages a[lang=en]")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=catalogue("en")["page.greeting"]).wait_for()


def test_over_the_chat_the_source_keeps_the_focus_until_it_is_closed(open_page, site):
    page = open_page(site, viewport={"width": 390, "height": 800})
    tab_to(page, "#question")
    page.keyboard.type(APEC)
    page.keyboard.press("Enter")
    page.locator(".reply[data-status=answered] .sources").wait_for()
    while not page.evaluate("document.activeElement.matches('.cite')"):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.frame_locator("#panel iframe").locator("mark").first.wait_for()
    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || panel.contains(document.activeElement)")
    page.keyboard.press("Escape")
    page.wait_for_function("() => document.activeElement.className === 'cite'")


def test_enter_that_ends_a_syllable_sends_nothing(open_page, site):
    page = open_page(site)
    page.locator("#question").fill("한글")
    page.locator("#question").evaluate(
        """field => field.dispatchEvent(
            new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }))"""
    )
    assert page.locator(".turn").count() == 0
    page.keyboard.press("Shift+Enter")
    assert page.locator("#question").input_value() == "한글\n"
