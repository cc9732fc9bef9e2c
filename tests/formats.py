"""The seed document in every format that is read, as the programs of an agency would write it.

python -m tests.formats FOLDER writes them all.
"""

import hashlib
import html
import io
import os
import shutil
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docx
import olefile
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from jakal_hwpx import HancomDocument
from jakal_hwpx._cfb_writer import write_compound_file
from openpyxl import Workbook
from playwright.sync_api import sync_playwright

from index.loaders import SourceFile, load_document

SOURCE = next((Path(__file__).parents[1] / "source_docs").glob("*.txt"))
TITLE = "한-미 기술번영 양해각서(MOU) 체결 (Technology Prosperity Deal, TPD)"
HEAD = "과학기술정보통신부 보도자료"
PAGE_STYLE = "font-family: Noto Serif CJK KR; font-size: 11pt; line-height: 1.6; text-align: justify;"
_NAMESPACES = "".join(
    f' xmlns:{prefix}="http://www.hancom.co.kr/hwpml/2011/{name}"'
    for prefix, name in (("hp", "paragraph"), ("hs", "section"), ("hh", "head"), ("hc", "core"))
)


def seed_parts() -> list[str | list[list[str]]]:
    """Return the paragraphs and, where they stand, the tables of the seed document."""
    parts: list[str | list[list[str]]] = []
    for line in SOURCE.read_text(encoding="utf-8").splitlines():
        if "\t" in line:
            row = line.split("\t")
            if parts and isinstance(parts[-1], list):
                parts[-1].append(row)
            else:
                parts.append([row])
        elif line.strip():
            parts.append(line.strip())
    return parts


def write_txt() -> bytes:
    return SOURCE.read_bytes()


def write_md() -> bytes:
    lines = []
    for part in seed_parts():
        if isinstance(part, list):
            # Markdown marks the first row as the header whatever it is; this table has none.
            rows = [f"| {' | '.join(row)} |" for row in [[""] * len(part[0]), *part]]
            lines += ["\n".join([rows[0], "|---" * len(part[0]) + "|", *rows[1:]])]
        else:
            lines.append(f"# {part}" if part == TITLE else part.replace("*", r"\*").replace("- ", r"\- ", 1))
    return "\n\n".join(lines).encode()


def write_html() -> bytes:
    """Write a page of a portal: with a menu, a notice and a foot that don't belong to the text."""
    article = []
    for part in seed_parts():
        if isinstance(part, list):
            article.append(f"<table>{''.join(map(_html_row, part, _spans(part)))}</table>")
        else:
            tag = "h1" if part == TITLE else "p"
            article.append(f"<{tag}>{html.escape(part)}</{tag}>")
    return f"""<!DOCTYPE html><html lang="ko"><head><meta charset="utf-8"><title>보도자료 | 부처</title>
<script>var a = "스크립트 문장이다.";</script><style>p {{ margin: 0 }}</style></head><body>
<div id="skip_nav"><a href="#content">본문 바로가기</a></div>
<header><div class="logo">대표 누리집</div><nav id="gnb"><ul><li><a href="/a">알림마당</a></li></ul></nav></header>
<div class="cookie-consent">이 누리집은 쿠키를 사용한다.</div>
<div id="content"><div class="breadcrumb">홈 &gt; 알림 &gt; 보도자료</div>{"".join(article)}
<div class="satisfaction">이 페이지에 만족하십니까? <button>예</button></div></div>
<footer>개인정보처리방침 대표전화 000-0000</footer></body></html>""".encode()


def write_docx() -> bytes:
    document = docx.Document()
    for part in seed_parts():
        if isinstance(part, str):
            document.add_paragraph(part, style="Title" if part == TITLE else None)
            continue
        table = document.add_table(len(part), len(part[0]))
        for at, (row, spans) in enumerate(zip(part, _spans(part), strict=True)):
            for column, (cell, span) in enumerate(zip(row, spans, strict=True)):
                if span:
                    merged = table.cell(at, column).merge(table.cell(at + span - 1, column))
                    merged.text = cell
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def write_hwpx() -> bytes:
    """Write the package by hand, with the title in a box as press releases have it."""
    body = [f"<hp:p>{_hwpx_run(part)}</hp:p>" for part in seed_parts()]
    section = f'<?xml version="1.0" encoding="UTF-8"?><hs:sec{_NAMESPACES}>{"".join(body)}</hs:sec>'
    return hwpx_package(section)


def hwpx_package(section: str, head: str = "") -> bytes:
    """Return a HWPX file with the given XML as its only section and in its header."""
    manifest = (
        '<opf:package xmlns:opf="http://www.idpf.org/2007/opf/"><opf:manifest>'
        '<opf:item id="header" href="Contents/header.xml" media-type="application/xml"/>'
        '<opf:item id="section0" href="Contents/section0.xml" media-type="application/xml"/></opf:manifest>'
        '<opf:spine><opf:itemref idref="header"/><opf:itemref idref="section0"/></opf:spine></opf:package>'
    )
    return zipped(
        {
            "mimetype": "application/hwp+zip",
            "Contents/content.hpf": manifest,
            "Contents/header.xml": f'<hh:head{_NAMESPACES} version="1.2" secCnt="1">{head}</hh:head>',
            "Contents/section0.xml": section,
        }
    )


def hwpx_paragraph(text: str) -> str:
    return f"<hp:p><hp:run><hp:t>{html.escape(text)}</hp:t></hp:run></hp:p>"


def hwpx_section(body: str) -> str:
    return f"<hs:sec{_NAMESPACES}>{body}</hs:sec>"


def hwpx_table(rows: list[list[str]]) -> str:
    """Return a table; each cell is the XML of its paragraphs."""
    height, width = len(rows), max(map(len, rows))
    cells = "".join(
        f"<hp:tr>{''.join(_hwpx_cell(cell, at, column, 1) for column, cell in enumerate(row))}</hp:tr>"
        for at, row in enumerate(rows)
    )
    return f'<hp:run><hp:tbl rowCnt="{height}" colCnt="{width}">{cells}</hp:tbl></hp:run>'


def write_hwp() -> bytes:
    document = HancomDocument.blank()
    for part in seed_parts():
        if isinstance(part, str):
            document.append_paragraph(part)
            continue
        spans = {
            (at, column): (span, 1)
            for at, row in enumerate(_spans(part))
            for column, span in enumerate(row)
            if span > 1
        }
        document.append_table(rows=len(part), cols=len(part[0]), cell_texts=part, cell_spans=spans)
    with tempfile.TemporaryDirectory() as folder:
        document.write_to_hwp(f"{folder}/seed.hwp")
        return Path(folder, "seed.hwp").read_bytes()


def write_captioned_hwp(caption: str, rows: list[list[str]]) -> bytes:
    """Write a HWP file of one table between two sentences, with a caption above it."""
    document = HancomDocument.blank()
    document.append_paragraph("앞 문장이다.")
    document.append_table(rows=len(rows), cols=len(rows[0]), cell_texts=rows)
    document.append_paragraph("끝 문장이다.")
    with tempfile.TemporaryDirectory() as folder:
        document.write_to_hwp(f"{folder}/a.hwp")
        with olefile.OleFileIO(f"{folder}/a.hwp") as written:
            streams = {"/".join(path): written.openstream(path).read() for path in written.listdir()}
        section = zlib.decompress(streams["BodyText/Section0"], -15)
        text = f"{caption}\r".encode("utf-16-le")
        # A list of one paragraph above the table, and that paragraph, stand before the record of the table itself.
        records = [
            _hwp_record(72, struct.pack("<HIHIIHI", 1, 0, 0, 2, 8504, 850, 0)),
            _hwp_record(66, struct.pack("<IIHBBHHHIH", len(text) // 2 | 1 << 31, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
            _hwp_record(67, text, 3),
        ]
        table = section.index((77 | 2 << 10).to_bytes(2, "little"), section.index("앞".encode("utf-16-le")))
        section = section[:table] + b"".join(records) + section[table:]
        packer = zlib.compressobj(wbits=-15)
        streams["BodyText/Section0"] = packer.compress(section) + packer.flush()
        write_compound_file(f"{folder}/b.hwp", streams)
        return Path(folder, "b.hwp").read_bytes()


def _hwp_record(tag: int, data: bytes, level: int = 2) -> bytes:
    return (tag | level << 10 | len(data) << 20).to_bytes(4, "little") + data


def write_distributed_hwp() -> bytes:
    """Write it for distribution only, as Hancom's "Format of HWP files, documents for distribution" 1.2 has it."""
    with olefile.OleFileIO(io.BytesIO(write_hwp())) as written:
        streams = {"/".join(path): written.openstream(path).read() for path in written.listdir()}
    header = bytearray(streams["FileHeader"])
    header[36] |= 4
    streams["FileHeader"] = bytes(header)
    section = streams.pop("BodyText/Section0")
    text = zlib.decompress(section, -15)
    padded = section + struct.pack("<II", zlib.crc32(text), len(text))
    padded += bytes(-len(padded) % 16)
    # The key is the beginning of a digest of the password, written as UTF-16; where it stands, the seed says.
    seed = 0x1234_5679
    key = hashlib.sha1(b"password").hexdigest().upper().encode("utf-16-le")  # noqa: S324 - what the format has
    hidden = bytearray(256)
    hidden[:4] = seed.to_bytes(4, "little")
    at = 4 + (seed & 0xF)
    hidden[at : at + len(key)] = key
    for place, noise in enumerate(_noise(seed)):
        hidden[place] ^= noise if place >= 4 else 0
    encryptor = Cipher(algorithms.AES128(key[:16]), modes.ECB()).encryptor()  # noqa: S305 - what the format has
    tag_and_size = (28 | 256 << 20).to_bytes(4, "little")
    streams["ViewText/Section0"] = tag_and_size + bytes(hidden) + encryptor.update(padded) + encryptor.finalize()
    with tempfile.TemporaryDirectory() as folder:
        write_compound_file(f"{folder}/seed.hwp", streams)
        return Path(folder, "seed.hwp").read_bytes()


def _noise(seed: int) -> bytes:
    """Return 256 bytes of the random numbers of Microsoft's C library, each as often as the next one says."""
    numbers = []
    for _ in range(512):
        seed = (seed * 214_013 + 2_531_011) & 0xFFFF_FFFF
        numbers.append(seed >> 16 & 0x7FFF)
    runs = zip(numbers[::2], numbers[1::2], strict=True)
    return b"".join(bytes([value & 0xFF]) * ((length & 0xF) + 1) for value, length in runs)[:256]


def write_pdf() -> bytes:
    """Print it as a browser does, with a running head and page numbers."""
    rows = write_html().decode()
    article = rows[rows.index('<div id="content">') : rows.index('<div class="satisfaction">')]
    article = article.replace('<div class="breadcrumb">홈 &gt; 알림 &gt; 보도자료</div>', "")
    return pdf_of(f'<body lang="ko" style="{PAGE_STYLE} word-break: keep-all">{article}</body>')


def pdf_of(page: str, running_head: str = HEAD) -> bytes:
    """Print a page of HTML on A4 by Chromium."""
    # In a thread of its own: the tests of the pages keep a browser open in this one, which allows no second.
    with ThreadPoolExecutor(1) as beside:
        return beside.submit(_print, page, running_head).result()


def _print(page: str, running_head: str) -> bytes:
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    style = "<style>td, th { border: 1px solid; padding: 2pt 6pt } table { border-collapse: collapse }</style>"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        tab = browser.new_page()
        tab.set_content(f"<meta charset=utf-8>{style}{page}")
        printed = tab.pdf(
            format="A4",
            display_header_footer=True,
            header_template=f'<span style="font-size: 9px">{running_head}</span>',
            footer_template='<span style="font-size: 9px">- <span class="pageNumber"></span> -</span>',
            margin={"top": "2.5cm", "bottom": "2.5cm", "left": "2cm", "right": "2cm"},
            print_background=True,
        )
        browser.close()
    return printed


def write_xlsx() -> bytes:
    """Write the table of contacts, as its office would keep it."""
    workbook = Workbook()
    sheet = workbook.active
    sheet.title = "연락처"
    for part in seed_parts():
        if isinstance(part, list):
            for row in part:
                sheet.append([cell or None for cell in row])
    return saved(workbook)


def saved(workbook: Workbook) -> bytes:
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def write_csv() -> bytes:
    """Write the table of contacts, in the encoding that Korean Windows saves tables in."""
    rows = [row for part in seed_parts() if isinstance(part, list) for row in part]
    return "\r\n".join(",".join(f'"{cell}"' for cell in row) for row in rows).encode("cp949")


def blocks(name: str, data: bytes) -> list[tuple[str, str]]:
    """Return the kind and the text of each block that is read of a file."""
    document = load_document(SourceFile(name, data))
    return [(block.kind.value, document.text[block.start : block.end]) for block in document.blocks]


def zipped(parts: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def _spans(table: list[list[str]]) -> list[list[int]]:
    """Return how many rows each cell covers: 0 for the empty ones at the start of a row, which the one above covers."""
    spans = [[1] * len(row) for row in table]
    for at, row in enumerate(table):
        for column in range(next(n for n, cell in enumerate(row) if cell)):
            above = max(n for n in range(at) if table[n][column])
            spans[above][column] += 1
            spans[at][column] = 0
    return spans


def _html_row(row: list[str], spans: list[int]) -> str:
    cells = (f'<td rowspan="{n}">{html.escape(cell)}</td>' for cell, n in zip(row, spans, strict=True) if n)
    return f"<tr>{''.join(cells)}</tr>"


def _hwpx_run(part: str | list[list[str]]) -> str:
    if part == TITLE:
        return hwpx_table([[hwpx_paragraph(part)]])
    if isinstance(part, str):
        return f"<hp:run><hp:t>{html.escape(part)}</hp:t></hp:run>"
    rows = []
    for at, (row, spans) in enumerate(zip(part, _spans(part), strict=True)):
        cells = zip(row, spans, strict=True)
        shown = [_hwpx_cell(hwpx_paragraph(cell), at, n, span) for n, (cell, span) in enumerate(cells) if span]
        rows.append(f"<hp:tr>{''.join(shown)}</hp:tr>")
    return f'<hp:run><hp:tbl rowCnt="{len(part)}" colCnt="{len(part[0])}">{"".join(rows)}</hp:tbl></hp:run>'


def _hwpx_cell(content: str, row: int, column: int, height: int) -> str:
    return (
        f'<hp:tc><hp:subList>{content}</hp:subList><hp:cellAddr colAddr="{column}" rowAddr="{row}"/>'
        f'<hp:cellSpan colSpan="1" rowSpan="{height}"/></hp:tc>'
    )


WRITERS: dict[str, Callable[[], bytes]] = {
    ".txt": write_txt,
    ".md": write_md,
    ".html": write_html,
    ".docx": write_docx,
    ".hwpx": write_hwpx,
    ".hwp": write_hwp,
    ".pdf": write_pdf,
}
TABLE_WRITERS: dict[str, Callable[[], bytes]] = {".xlsx": write_xlsx, ".csv": write_csv}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, write in {**WRITERS, **TABLE_WRITERS}.items():
        (folder / f"seed{suffix}").write_bytes(write())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
