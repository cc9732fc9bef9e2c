APEC = "APEC은 언제 창설되었나요?"


def ask(page, question):
    page.get_by_role("textbox").fill(question)
    page.keyboard.press("Enter")
    page.wait_for_selector(".turn:last-child .sources, .turn:last-child .answer-text")


def test_an_answer_opens_its_source_with_exactly_the_cited_text_marked(open_page, site):
    page = open_page(site)
    ask(page, APEC)
    page.locator(".cite").first.click()
    frame = page.frame_locator("#panel iframe")
    assert "1989년 창설된 역내 경제협력체" in frame.locator("mark").all_inner_texts()[0]
