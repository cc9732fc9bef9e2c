"""What is set above the line, in plain text: 21 with the note 1) must not read "211)", nor the square of 10 "102"."""

import re
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter

# "1)", "(1)", "[1]", "주1)", and several of them: "1), 2)".
_ONE_MARK = r"(?:(?:주|note)?\s*(?:\(?\d{1,3}\)|\[\d{1,3}\]))"
_NOTE_MARKS = re.compile(rf"{_ONE_MARK}(?:[\s,·]*{_ONE_MARK})*", re.IGNORECASE)
_LINKED_MARKS = re.compile(r"[\[(]?(?:주|note)?\s*\d{1,3}(?:\s*,\s*\d{1,3})*[\])]?", re.IGNORECASE)
# In characters; what is longer is text that was set small.
_LONGEST = 20
_NUMBER = re.compile(r"\d+")
_RAISED = str.maketrans(
    "0123456789+-−=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVW",
    "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂ",
)


def superscript(text: str, is_link: bool = False) -> str:
    """Return what stands above the line as it is written in a line of text.

    The mark of a note is "[^1]", as in every format; an exponent and the like is written in characters that are raised
    by themselves, or after "^" where there are none. Signs such as "*" can be taken for nothing else. `is_link`: it
    leads to another place of its document, so that a bare number marks a note as well.
    """
    content = text.strip()
    if not content or len(content) > _LONGEST:
        return text
    if _NOTE_MARKS.fullmatch(content) or (is_link and _LINKED_MARKS.fullmatch(content)):
        written = "".join(f"[^{number}]" for number in _NUMBER.findall(content))
    elif all(ord(character) in _RAISED for character in content):
        written = content.translate(_RAISED)
    elif not any(character.isalnum() for character in content) or "[^" in content:
        written = content
    else:
        written = f"^{content}" if len(content) == 1 else f"^({content})"
    return text.replace(content, written, 1)


def joined_runs(runs: Iterable[tuple[str, bool]]) -> str:
    """Return the text of the runs of a paragraph, each of which is given with whether it stands above the line.

    Word processors cut anywhere, so that adjacent ones are one superscript.
    """
    joined = ((is_raised, "".join(text for text, _ in group)) for is_raised, group in groupby(runs, itemgetter(1)))
    return "".join(superscript(text) if is_raised else text for is_raised, text in joined)
