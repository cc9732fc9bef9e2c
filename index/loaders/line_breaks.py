"""Where a line of a page ends, does a word end too? Pages don't say; the rest of the document does."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

_HANGUL = ("가", "가")
_WORD = re.compile(r"\S+")


class LineBreaks:
    """Puts spaces right in text that was joined from lines, by what stands inside the lines of all pages.

    Korean is set in two ways: lines end anywhere, as most word processors do it, or between words, as browsers may.
    """

    def __init__(self, pages: list[str]) -> None:
        """`pages` holds each page's text, its lines as they are set, with a blank line where one ends a paragraph.

        A page that ends with a line break goes on on the next.
        """
        self._pages = [_Compact(page) for page in pages]
        lines = [line.split() for page in pages for line in page.splitlines()]
        # The first and the last of a line may be parts of words.
        self._words = Counter(word for line in lines for word in line[1:-1])
        interior = [" ".join(line) for line in lines]
        self._joined = Counter(_kinds(*pair) for line in interior for pair in pairwise(line) if " " not in pair)
        self._spaced = Counter(
            _kinds(first, last)
            for line in interior
            for first, space, last in zip(line, line[1:], line[2:], strict=False)
            if space == " "
        )
        pairs = (pair for page in self._pages for pair in page.broken())
        ends = [self._by_words(*pair) for pair in pairs if _kinds(pair[0][-1], pair[1][0]) == _HANGUL]
        self._only_between_words = ends.count(True) >= 3 and not ends.count(False)

    def repair(self, text: str, page: int) -> str:
        """Return `text`, which stands on `page` (from 1) and was joined from lines, with its spaces put right."""
        compact = _Compact(text)
        page_text = self._pages[page - 1]
        offset = page_text.find(compact.characters)
        if offset < 0:
            return text
        parts = []
        for at, character in enumerate(compact.characters):
            parts.append(character)
            spaced = bool(compact.spaces[at])
            following = compact.characters[at + 1 : at + 2]
            on_page = page_text.spaces[offset + at]
            if not following:
                break
            if "\n" in on_page:
                left = _last_word(parts)
                right = _first_word(compact, at + 1)
                if self._is_hyphenated(left, right):
                    parts.pop()
                    spaced = False
                else:
                    spaced = self._is_space(left, right, spaced)
            elif on_page and character.isalnum() and following.isalnum():
                spaced = True
            # Brackets of East Asian fonts are as wide as a syllable, most of it empty.
            parts.append(" " if spaced and character not in "「『《〈" and following not in "」』》〉" else "")
        return "".join(parts)

    def ends_of_lines(self, text: str, page: int) -> Iterator[int]:
        """Yield where in `text`, which stands on `page`, lines end that had room for the next word or are set apart."""
        compact, page_text = _Compact(text), self._pages[page - 1]
        offset = page_text.find(compact.characters)
        if offset < 0:
            return
        seen = 0
        for at, character in enumerate(text):
            if character.isspace():
                continue
            seen += 1
            if seen < len(compact.characters) and page_text.spaces[offset + seen - 1] == "\n\n":
                yield at + 1

    def goes_on(self, before: str, after: str, page: int) -> bool:
        """Whether `after` follows `before` on `page` or over its end, and the line between was full."""
        page_text = self._pages[page - 1]
        ends, starts = _Compact(before).characters, _Compact(after).characters
        offset = page_text.characters.find(ends + starts)
        if offset < 0 and page_text.characters.endswith(ends):
            offset = len(page_text.characters) - len(ends)
        return offset >= 0 and page_text.spaces[offset + len(ends) - 1] == "\n"

    def join(self, before: str, after: str) -> str:
        """Return two parts of one paragraph as one text."""
        from dochan.pdf.spacing import load_model

        left, right = before.split()[-1], after.split()[0]
        guess = _kinds(left[-1], right[0]) != _HANGUL or load_model().joins_with_space(left[-1], right[0])
        space = self._is_space(left, right, guess)
        return f"{before.rstrip()}{' ' if space else ''}{after.lstrip()}"

    def cuts_word(self, before: str, after: str) -> bool:
        """Whether a word of the document is cut between the two."""
        return self._by_words(before.split()[-1], after.split()[0]) is False

    def _is_space(self, left: str, right: str, guess: bool) -> bool:
        kinds = _kinds(left[-1], right[0])
        if kinds == _HANGUL and self._only_between_words:
            return True
        if left[-1] == "-" and left[-2:-1].isalnum():
            return False
        known = self._by_words(left, right)
        if known is not None:
            return known
        joined, spaced = self._joined[kinds], self._spaced[kinds]
        # Between two letters of a script both are usual.
        return guess if kinds[0] == kinds[1] or joined == spaced else spaced > joined

    def _by_words(self, left: str, right: str) -> bool | None:
        """Whether the words of the document say that a space is between, or None when they don't tell."""
        joined, apart = self._words[left + right], min(self._words[left], self._words[right])
        return None if bool(joined) == bool(apart) else bool(apart)

    def _is_hyphenated(self, left: str, right: str) -> bool:
        """Whether the hyphen at the end of `left` is there for the end of the line alone."""
        hyphen = left[-1] == "-" and left[-2:-1].isalpha() and right[0].islower()
        return hyphen and not self._words[left + right]


def _kinds(left: str, right: str) -> tuple[str, str]:
    """Return what the two characters are: Hangul, another letter, a digit, or themselves."""
    return _kind(left), _kind(right)


def _kind(character: str) -> str:
    if "가" <= character <= "힣":
        return "가"
    return unicodedata.category(character)[0] if character.isalnum() else character


class _Compact:
    """Text without its spaces, and for each character the space after it: "", " ", a line break, or two."""

    def __init__(self, text: str) -> None:
        words = list(_WORD.finditer(text))
        self.characters = "".join(word.group() for word in words)
        self.spaces = [""] * len(self.characters)
        end = 0
        for word, next_word in pairwise(words):
            end += word.end() - word.start()
            self.spaces[end - 1] = "\n" * min(text.count("\n", word.end(), next_word.start()), 2) or " "
        if text.endswith("\n") and self.spaces:
            self.spaces[-1] = "\n"

    def find(self, characters: str) -> int:
        """Return where `characters` stand as whole words, or -1."""
        at = self.characters.find(characters)
        while at >= 0 and not (self._ends_word(at - 1) and self._ends_word(at + len(characters) - 1)):
            at = self.characters.find(characters, at + 1)
        return at

    def _ends_word(self, at: int) -> bool:
        return at < 0 or at == len(self.spaces) - 1 or bool(self.spaces[at])

    def broken(self) -> list[tuple[str, str]]:
        """Return the words before and after each line break."""
        lines = "".join(map("".join, zip(self.characters, self.spaces, strict=True))).split("\n")
        words = [line.split() for line in lines]
        return [(before[-1], after[0]) for before, after in pairwise(words) if before and after]


def _last_word(parts: list[str]) -> str:
    start = len(parts)
    while start and parts[start - 1] != " ":
        start -= 1
    return "".join(parts[start:])


def _first_word(compact: _Compact, start: int) -> str:
    end = start
    while end < len(compact.characters) - 1 and not compact.spaces[end]:
        end += 1
    return compact.characters[start : end + 1]
