import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from index.chunking import Chunking, split_into_passages
from index.documents import BlockKind
from index.errors import InputError
from index.loaders import MAX_FILE_BYTES, SourceFile, load_document, read_source_files
from index.loaders.markdown import load_markdown
from tests.conftest import REPO

RANDOM = random.Random(0).randbytes(5_000)
KOREAN = "과기정통부는 10월 29일 양해각서를 체결한다고 밝혔다. 장관이 서명한다.\n"
JAPANESE = "日本と韓国は科学技術協力の覚書に署名した。会議は東京で開かれる予定です。\n"
CHINESE = "中国和韩国签署了科学技术合作谅解备忘录。会议将在北京举行，双方代表出席了签字仪式。\n"
TAIWANESE = "台灣與韓國簽署了科學技術合作備忘錄。會議將在臺北舉行，雙方代表出席了簽字儀式。\n"
VIETNAMESE = "Chính phủ Việt Nam và Hàn Quốc đã ký biên bản ghi nhớ hợp tác.\n"


def load(text, name="a.txt"):
    return load_document(SourceFile(name, text if isinstance(text, bytes) else text.encode()))


def blocks(text, name="a.txt"):
    document = load(text, name)
    return [(block.kind.value, document.text[block.start : block.end]) for block in document.blocks]


def read(folder):
    return {file.doc_id: file for file in read_source_files(folder)}


def reasons(folder):
    return {name: file.reason for name, file in read(folder).items() if file.reason}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", [KOREAN, JAPANESE, CHINESE, VIETNAMESE, "Plain English.\r\n🎉 line two\n"])
def test_unicode_encodings_give_the_text_unchanged(text, encoding):
    assert load(text.encode(encoding)).text == text


def test_utf_16_big_endian_with_a_byte_order_mark():
    assert load(b"\xfe\xff" + KOREAN.encode("utf-16-be")).text == KOREAN


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("휴가 규정", "cp949"),
        (KOREAN, "euc_kr"),
        (KOREAN * 200, "cp949"),
        ("똠방각하와 펲시콜라를 말했다.", "cp949"),
        (JAPANESE, "shift_jis"),
        (JAPANESE * 200, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (CHINESE, "gb18030"),
        (CHINESE * 200, "gb18030"),
        (TAIWANESE, "big5"),
        ("Le café naïf de Zoë.", "cp1252"),
    ],
)
def test_legacy_encodings_give_the_text_unchanged(text, encoding):
    assert load(text.encode(encoding)).text == text


@pytest.mark.parametrize(
    "data",
    [
        RANDOM,
        RANDOM.replace(b"\0", b""),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\x08\6\0\0\0",
        b"PK\3\4\x14\0\0\0\x08\0" + RANDOM[:501],
        b"text with\0 a NUL byte",
        b"\0" * 100,
        b"\xff\xfe" + "한국".encode("utf-16-le") + b"\0",
        b"\1\2\3\4\5\6" * 20,
        b" \n\t\r\n ",
        b"--- *** ---",
        b"\xef\xbb\xbf",
    ],
)
def test_what_is_not_text_is_refused(data):
    with pytest.raises(InputError):
        load(data)


@pytest.mark.parametrize("name", ["a.rst", "README", "a.txt.bak"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(name):
    with pytest.raises(InputError, match=r"not supported \(.txt, .text, .md, .markdown, .hwpx, .hwp, .pdf, .* are\)"):
        load("text", name)


def test_the_case_of_a_suffix_makes_no_difference():
    assert load("# Title", "A.MD").blocks[0].kind is BlockKind.HEADING


def test_files_come_in_the_order_of_their_names_with_posix_ids(source):
    folder = source({"b.txt": "b", "a/z.txt": "z", "a/b/c.md": "c"})
    assert list(read(folder)) == ["a/b/c.md", "a/z.txt", "b.txt"]


def test_hidden_temporary_and_empty_files_carry_their_reason(source):
    folder = source({".hidden.txt": "x", ".git/config.txt": "x", "~$lock.txt": "x", "empty.txt": "", "good.txt": "x"})
    assert reasons(folder) == {
        ".hidden.txt": "hidden or temporary file",
        ".git/config.txt": "hidden or temporary file",
        "~$lock.txt": "hidden or temporary file",
        "empty.txt": "the file is empty",
    }


def test_links_are_followed_to_files_inside_the_folder_only(source, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "elsewhere").mkdir()
    folder = source({"real.txt": "real", "sub/a.txt": "a"})
    (folder / "inside.txt").symlink_to("real.txt")
    (folder / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "outside").symlink_to(tmp_path / "elsewhere")
    (folder / "twice").symlink_to("sub")
    (folder / "broken.txt").symlink_to("gone.txt")
    (folder / "loop.txt").symlink_to("loop.txt")
    assert read(folder)["inside.txt"].data == b"real"
    assert reasons(folder) == {
        "outside.txt": "the link leads out of the source folder",
        "outside": "the link leads out of the source folder",
        "twice": "not a regular file",
        "broken.txt": "not a regular file",
        "loop.txt": "the link leads to itself",
    }


def test_an_unreadable_file_carries_its_reason(source, monkeypatch):
    folder = source({"a.txt": "a"})

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert reasons(folder) == {"a.txt": "can't be read: Permission denied"}


def test_a_folder_that_cannot_be_listed_is_reported(source, monkeypatch):
    folder = source({"a.txt": "a", "closed/b.txt": "b"})
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert reasons(folder) == {"closed": "the folder can't be listed: check its permissions"}


def test_a_pipe_is_not_opened(source):
    folder = source({"a.txt": "a"})
    os.mkfifo(folder / "pipe.txt")
    assert reasons(folder) == {"pipe.txt": "not a regular file"}


def test_a_huge_file_is_not_read(source):
    folder = source({"huge.txt": "a"})
    os.truncate(folder / "huge.txt", MAX_FILE_BYTES + 1)
    assert reasons(folder) == {"huge.txt": "larger than 50 MB: split it"}


def test_a_file_name_that_is_not_utf_8_is_reported_in_printable_form(source):
    folder = source({"a.txt": "a"})
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.txt")).write_text("x")
    assert reasons(folder) == {"caf\ufffd.txt": "the file name is not valid UTF-8: rename it"}


@pytest.mark.parametrize("path", ["missing", "file.txt"])
def test_a_source_folder_that_is_none_is_an_input_error(path, tmp_path):
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(InputError, match="set MUNDAP_SOURCE_DIR"):
        list(read_source_files(tmp_path / path))


def test_the_seed_document_is_read_with_its_title_footnote_list_item_and_table():
    [file] = read_source_files(REPO / "source_docs")
    document = load_document(file)
    assert document.title == "한-미 기술번영 양해각서(MOU) 체결 (Technology Prosperity Deal, TPD)"
    assert document.text.encode() == file.data
    kinds = [block.kind for block in document.blocks]
    assert kinds.count(BlockKind.FOOTNOTE) == 1
    assert kinds.count(BlockKind.LIST_ITEM) == 1
    assert kinds.count(BlockKind.TABLE_ROW) == 3


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Annual Leave Policy\n\nStaff have 20 days.\n", "Annual Leave Policy"),
        ("2025.10.29.(수)\n배포\n연차 휴가 사용 규정 안내\n\n직원은 쉰다.\n", "연차 휴가 사용 규정 안내"),
        ("This file starts with prose.\nAnd a line without an end\n", "leave"),
        ("- first item of a list\n- second item of a list\n", "leave"),
    ],
)
def test_the_title_is_the_line_at_the_top_that_looks_like_one_or_the_file_name(text, title):
    assert load(text, "hr/leave.txt").title == title


def test_lines_are_paragraphs_list_items_and_table_rows():
    text = "Intro.\n\n- one\n1. two\n가. 셋\n① 넷\n(5) five\n이름\t전화\n김\t010\n\t\t011\n***\nEnd.\n"
    assert blocks(text) == [
        ("paragraph", "Intro."),
        ("list_item", "- one"),
        ("list_item", "1. two"),
        ("list_item", "가. 셋"),
        ("list_item", "① 넷"),
        ("list_item", "(5) five"),
        ("table_row", "이름\t전화"),
        ("table_row", "김\t010"),
        ("table_row", "011"),
        ("paragraph", "End."),
    ]


def test_a_marked_line_is_a_footnote_only_after_a_paragraph_with_a_mark():
    note = "* 1989년 창설된 협력체"
    assert blocks(f"아시아 협력체(APEC*)가 열렸다.\n\n{note}\n")[1] == ("footnote", note)
    assert blocks(f"아시아 협력체가 열렸다.\n\n{note}\n")[1] == ("list_item", note)


def test_hard_wrapped_lines_are_one_paragraph_and_keep_their_line_ends():
    wrapped = """\
The quick brown fox jumps over the lazy dog and the lazy
cat and then rests under a tree until the evening comes and
it goes home.""".replace("\n", "\r\n")
    assert blocks(f"{wrapped}\r\n\r\nNext.\r\n") == [("paragraph", wrapped), ("paragraph", "Next.")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028"])
def test_a_blank_line_ends_a_paragraph_whatever_the_line_end(end):
    first = "A long line that goes on and on without any end of sentence at all"
    assert blocks(f"{first}{end}{end}Next one") == [("paragraph", first), ("paragraph", "Next one")]


def test_a_wrapped_line_that_starts_with_an_initial_or_a_decimal_is_no_list_item():
    text = """\
The agreement was signed on Wednesday in the presence of the
U.S. delegation, and it is worth an amount that comes close to
3.5 billion."""
    assert blocks(text) == [("paragraph", text)]


def test_a_note_mark_in_any_line_of_a_wrapped_paragraph_makes_the_footnote_one():
    paragraph = "The ministers of the cooperation (APEC*) met on Wednesday in\nthe old capital."
    note = "* founded in 1989"
    assert blocks(f"{paragraph}\n\n{note}\n") == [("paragraph", paragraph), ("footnote", note)]


def test_a_hard_wrapped_text_of_megabytes_is_one_paragraph():
    text = "\n".join(["QUJD" * 19] * 40_000)
    assert blocks(text) == [("paragraph", text)]


def test_markdown_gives_what_a_reader_sees_with_its_structure():
    text = """# 휴가 *규정*

**굵은** `코드` [링크](https://example.org "t") ![그림](a.png) &amp; 끝
둘째 줄

Setext
------

- 하나
- 둘
  1. 안쪽

> 인용

```python
x = 1

y = 2
```

***

끝 <b>태그</b>
"""
    assert blocks(text, "a.md") == [
        ("heading", "휴가 규정"),
        ("paragraph", "굵은 코드 링크 그림 & 끝\n둘째 줄"),
        ("heading", "Setext"),
        ("list_item", "하나"),
        ("list_item", "둘"),
        ("list_item", "안쪽"),
        ("paragraph", "인용"),
        ("paragraph", "x = 1"),
        ("paragraph", "y = 2"),
        ("paragraph", "끝 <b>태그</b>"),
    ]
    document = load(text, "a.md")
    assert document.title == "휴가 규정"
    assert [block.level for block in document.blocks[:3]] == [1, 0, 2]


def test_a_markdown_table_has_one_line_a_row_with_all_its_cells():
    document = load("| 이름 | 전화 | 비고 |\n|---|---|---|\n| 김 | **010** | |\n| | 011 | a \\| b |\n", "a.md")
    assert document.text == "이름\t전화\t비고\n김\t010\t\n\t011\ta | b"
    assert {block.kind for block in document.blocks} == {BlockKind.TABLE_ROW}


def test_markdown_without_headings_is_named_after_its_file():
    assert load("Just text.", "hr/leave.md").title == "leave"


def test_markdown_footnotes_are_kept_and_are_about_what_they_note():
    text = "경제협력체(APEC[^1])가 열렸다.\n\n[^1]: 1989년\n[^2]: 둘째 각주이다.\n\n`[^a]` 그리고\n\n    x = [^b]\n"
    document = load_markdown("a.md", text.encode())
    shown = [(block.kind.value, document.text[block.start : block.end]) for block in document.blocks]
    assert shown == [
        ("paragraph", "경제협력체(APEC[^1])가 열렸다."),
        ("footnote", "[^1]: 1989년"),
        ("footnote", "[^2]: 둘째 각주이다."),
        ("paragraph", "[^a] 그리고"),
        ("paragraph", "x = [^b]"),
    ]
    [passage] = split_into_passages(document, Chunking())
    assert passage.sentences[1].about == "경제협력체 APEC"


def test_no_library_of_a_format_is_imported_before_a_file_of_it_is_read():
    libraries = "{'dochan', 'docx', 'lxml', 'openpyxl', 'pypdfium2', 'selectolax'}"
    script = f"import sys, index.build; print({libraries} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", script], cwd=REPO).strip() == b"set()"


def test_a_superscript_in_markdown_changes_no_figure():
    text = "회원국은 21<sup>1)</sup>개국, 10<sup>2</sup>억, APEC<sup>*</sup>과 G20<sup>*</sup>, `2<sup>3</sup>`이다."
    assert load(text, "a.md").text == "회원국은 21[^1]개국, 10²억, APEC*과 G20*, 2<sup>3</sup>이다."
