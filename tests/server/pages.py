"""What a reader sees on a page."""

import html
import re


def marked_text(page: str) -> str:
    """Return what is marked in the document itself, not in the legend above it."""
    article = page[page.index("<article") :]
    return html.unescape("".join(re.findall(r"<mark[^>]*>(.*?)</mark>", article, re.DOTALL)))


def visible_text(page: str) -> str:
    """Return the text of a page, with runs of white space folded."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
