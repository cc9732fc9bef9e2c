"""Heads and feet that carry the number of their page: it counts up with the pages, which tells them from text."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

_NUMBER = r"[-–—<\[(]?\s*(?P<unit>p(?:age)?\b\.?\s*)?(?P<number>\d{1,4})(?:\s*(?:/|\bof\b)\s*(?P<total>\d{1,4}))?\s*"
_NUMBER += r"(?P<counter>쪽|페이지|면)?\s*[-–—>\])]?"
_BORDER = r"\s*(?P<border>[|·•∙–—/-])?\s*"
_LEADING = re.compile(rf"{_NUMBER}(?=[\s|·•∙–—]){_BORDER}(?P<rest>.+)", re.IGNORECASE)
_TRAILING = re.compile(rf"(?P<rest>.+?){_BORDER}(?<=[\s|·•∙–—]){_NUMBER}", re.IGNORECASE)
# What authors number themselves, and may begin on a page of its own each time.
_NUMBERED = re.compile(
    r"(?:chapter|part|section|article|appendix|annex|table|figure|step|case|topic|unit|day|no\.?|장|절|조|편|표|그림|사례|과제|"
    r"별표|별지|별첨|붙임|첨부|참고|부록|서식|단계|문항|질문|유형|주제)$",
    re.IGNORECASE,
)
# In characters. Running lines are short, and it is long ones that take time.
_LONGEST = 200
_MIN_PAGES = 3
_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class _Counted:
    page: int
    line: str
    offset: int
    rest: str
    total: int


def running_lines(pages: list[list[str]]) -> list[set[str]]:
    """Return for each page which of its lines say a page number beside the words that other pages have, too.

    The number must follow the pages on half of them, and on three at least, or come with how many there are.
    `pages` are the lines at the top and at the bottom of each page.
    """
    counted = [one for page, lines in enumerate(pages, 1) for line in lines for one in _counted(page, line)]
    with_words = defaultdict(set)
    for one in counted:
        with_words[one.offset, one.rest].add(one.page)
    repeated = [one for one in counted if len(with_words[one.offset, one.rest]) > 1]
    with_offset = defaultdict(set)
    for one in repeated:
        with_offset[one.offset].add(one.page)
    running: list[set[str]] = [set() for _ in pages]
    for one in repeated:
        follows = len(with_offset[one.offset]) >= max(_MIN_PAGES, _SHARE * len(pages))
        if follows or one.total == len(pages):
            running[one.page - 1].add(one.line)
    return running


def _counted(page: int, line: str) -> Iterator[_Counted]:
    for form in (_LEADING, _TRAILING) if len(line) <= _LONGEST else ():
        found = form.fullmatch(line)
        if found is None:
            continue
        rest = found["rest"].strip()
        is_marked = any(found[name] for name in ("unit", "total", "counter", "border"))
        words = rest.split()
        # A figure beside a figure is a row of a table.
        is_title = len(words) > 1 and any(map(str.isalpha, words[0 if form is _LEADING else -1]))
        if any(map(str.isalpha, rest)) and (is_marked or is_title) and not _NUMBERED.search(rest):
            yield _Counted(page, line, int(found["number"]) - page, rest, int(found["total"] or 0))
