"""Plain text: its encoding, its title, and its blocks line by line."""

import re
import unicodedata
from pathlib import PurePosixPath

from charset_normalizer import from_bytes

from index.documents import Block, BlockKind, Document
from index.errors import InputError

_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"),
                     (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip
_LEGACY_ENCODINGS = ["cp949", "shift_jis", "euc_jp", "gb18030", "big5", "cp1258", "cp1252"]

# A table of 10,000 rows has a fifth of these; a hundred times more would keep the embedding model busy for hours.
MAX_BLOCKS = 50_000
# A long novel has one million.
MAX_CHARACTERS = 20_000_000

_LINE = re.compile(r"[^\r\n\f\v\x1c-\x1e\x85\u2028\u2029]+")
_LINE_END = re.compile(r"\r\n|[\r\n\f\v\x1c-\x1e\x85\u2028\u2029]")
_LIST_MARKER = re.compile(
    r"(?:[-–—•‣▪▫■□●○◦◆◇▶▷☞❍ㅇㆍ·∙※]|\(?\d{1,3}[.)](?!\d)|\(?[가나다라마바사아자차카타파하a-zA-Z][.)](?![a-zA-Z])|[①-⑳㉠-㉭])\s*(?=\S)"
)
_FOOTNOTE = re.compile(r"(?:\*{1,3}|†|‡|\[\^?\d+\]:?|주\d*\))\s*(?=\S)")
_DATE_OR_LABEL = re.compile(r"[\d\s.,:()/~년월일시분월화수목금토-]+|.{1,8}|.{1,20}:.*")
_ENDS_A_SENTENCE = re.compile(r"[.!?。！？…][\"'”’»」』)\]]*$")
_TITLE_LINES = 15
_WRAPPED_LINE_WIDTH = 50  # columns; East Asian characters take two


def load_text(doc_id: str, data: bytes) -> Document:
    """Load a text file of any common encoding of Korean, English, Japanese, Chinese and Vietnamese.

    Raises:
        InputError: the bytes are not text, or too long.
    """
    text = decode(data)
    check_length(0, len(text))
    blocks = tuple(_blocks(text))
    return Document(doc_id, title_of(text, blocks) or PurePosixPath(doc_id).stem, text, blocks)


def check_length(blocks: int, characters: int) -> None:
    """Refuse a document of so many paragraphs and table rows, or characters, if it is too long.

    Raises:
        InputError: it is.
    """
    if blocks > MAX_BLOCKS:
        raise InputError(f"holds more than {MAX_BLOCKS} paragraphs and table rows: split it")
    if characters > MAX_CHARACTERS:
        raise InputError(f"holds more than {MAX_CHARACTERS // 1_000_000} million characters: split it")


def decode(data: bytes) -> str:
    """Return the text of `data`, without a byte order mark and otherwise unchanged.

    Raises:
        InputError: the bytes are not text in any encoding that is tried.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _decode_as(data, encoding).removeprefix("\ufeff")
    if b"\x00" in data:
        return _decode_as(data, _utf16_without_mark(data))
    try:
        return _checked(data.decode("utf-8"))
    except UnicodeDecodeError:
        return _checked(_decode_legacy(data))


def _decode_as(data: bytes, encoding: str) -> str:
    try:
        return _checked(data.decode(encoding))
    except UnicodeDecodeError as error:
        raise InputError(f"not valid {encoding.upper()} text: save it as UTF-8") from error


def _utf16_without_mark(data: bytes) -> str:
    # Spaces and line ends put their zero byte on the same side all through the file.
    if len(data) % 2 or not (data[::2].count(0) or data[1::2].count(0)):
        raise InputError("not a text file")
    return "utf-16-le" if data[1::2].count(0) > data[::2].count(0) else "utf-16-be"


def _decode_legacy(data: bytes) -> str:
    try:
        text = data.decode("cp949")
    except UnicodeDecodeError:
        text = ""
    foreign = [character for character in text if ord(character) > 127]
    # The other legacy encodings, read as CP949, give rare syllables, Han and private-use characters instead.
    if foreign and sum(_is_common_hangul(character) for character in foreign) > 0.6 * len(foreign):
        return text
    guess = from_bytes(data, cp_isolation=_LEGACY_ENCODINGS).best()
    if guess is None:
        raise InputError("not a text file, or in an unknown encoding: save it as UTF-8")
    return str(guess)


def _is_common_hangul(character: str) -> bool:
    if not "가" <= character <= "힣":
        return False
    try:
        character.encode("euc_kr")
    except UnicodeEncodeError:
        return False
    return True


def _checked(text: str) -> str:
    odd = sum(unicodedata.category(c) in ("Cc", "Cn", "Co") and c not in "\t\n\r\f\v\x85" for c in text[:20_000])
    if odd > 0.02 * min(len(text), 20_000):
        raise InputError("not a text file")
    return text


def _blocks(text: str) -> list[Block]:
    blocks: list[Block] = []
    last_line = ""
    paragraph_has_note_mark = False
    for line in _LINE.finditer(text):
        content = line.group().strip()
        if not any(character.isalnum() for character in content):
            continue
        start = line.start() + line.group().index(content)
        if "\t" in content and len(content.split("\t")) > 1:
            kind = BlockKind.TABLE_ROW
        else:
            kind = prose_kind(content, paragraph_has_note_mark)
            follows_row = bool(blocks) and blocks[-1].kind is BlockKind.TABLE_ROW
            if kind is BlockKind.PARAGRAPH and follows_row and line.group().startswith("\t"):
                kind = BlockKind.TABLE_ROW
        wrapped = kind is BlockKind.PARAGRAPH and bool(blocks) and _is_wrapped(text, blocks[-1], last_line, start)
        if wrapped:
            kind, start = blocks[-1].kind, blocks[-1].start
            blocks.pop()
        if kind is not BlockKind.FOOTNOTE:
            has_note_mark = "*" in content or "†" in content or "[" in content
            paragraph_has_note_mark = has_note_mark or (wrapped and paragraph_has_note_mark)
        blocks.append(Block(kind, start, line.end() - len(line.group()) + len(line.group().rstrip())))
        check_length(len(blocks), 0)
        last_line = content
    return blocks


def _is_wrapped(text: str, previous: Block, last_line: str, start: int) -> bool:
    """Whether the line at `start` goes on with the block before it, which ends with `last_line`: hard-wrapped text."""
    return (
        previous.kind in (BlockKind.PARAGRAPH, BlockKind.LIST_ITEM, BlockKind.FOOTNOTE)
        and len(_LINE_END.findall(text, previous.end, start)) <= 1
        and is_wide(last_line)
        and not ends_sentence(last_line)
    )


def is_wide(line: str) -> bool:
    """Whether a line may have ended because it was full."""
    return column_width(line) >= _WRAPPED_LINE_WIDTH


def column_width(line: str) -> int:
    """Return how many columns a line takes: two for each East Asian character."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def ends_sentence(content: str) -> bool:
    """Whether some lines end like a sentence."""
    return bool(_ENDS_A_SENTENCE.search(content))


def prose_kind(content: str, follows_note_mark: bool) -> BlockKind:
    """Return whether some lines outside of tables are a footnote, a list item or a paragraph, by their first sign.

    `follows_note_mark` is true after a paragraph with a sign such as "*" that a note can explain.
    """
    if follows_note_mark and _FOOTNOTE.match(content):
        return BlockKind.FOOTNOTE
    if _LIST_MARKER.match(content) or _FOOTNOTE.match(content):
        return BlockKind.LIST_ITEM
    return BlockKind.PARAGRAPH


def title_of(text: str, blocks: tuple[Block, ...]) -> str | None:
    """Return the highest heading at the top, or the longest line there that is neither prose nor a date or label."""
    headings: list[tuple[int, str]] = []
    lines: list[str] = []
    for block in blocks[:_TITLE_LINES]:
        content = text[block.start : block.end]
        if block.kind is not BlockKind.HEADING and (ends_sentence(content) or len(content) > 150):
            break
        if _DATE_OR_LABEL.fullmatch(content):
            continue
        if block.kind is BlockKind.HEADING:
            headings.append((block.level, content))
        elif block.kind is BlockKind.PARAGRAPH:
            lines.append(content)
    heading = min(headings, key=lambda heading: heading[0], default=(0, None))[1]
    title = heading or max(lines, key=len, default=None)
    return title and title.replace("\n", " ")
