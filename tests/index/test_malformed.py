"""Hostile and broken files: each is skipped with a reason that says what to do, and nothing else is lost."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from index.build import build_index
from index.errors import InputError
from index.loaders import MAX_FILE_BYTES, SourceFile, load_document
from index.loaders.process import MEMORY_LIMIT, ParserProcess
from index.loaders.text import MAX_BLOCKS, MAX_CHARACTERS
from index.publication import Publication
from tests import hostile
from tests.conftest import REPO
from tests.formats import (
    hwpx_package,
    hwpx_paragraph,
    hwpx_section,
    seed_parts,
    write_docx,
    write_html,
    write_hwp,
    write_hwpx,
    write_md,
    write_txt,
    write_xlsx,
    zipped,
)

CUT = "the file is damaged or cut off: copy it here once more"
PROTECTED = "the file is protected by a password: save it without one"
BURSTS = "the file would burst when unpacked: don't trust it, or save it anew in smaller parts"
ENTITIES = "the file declares XML entities: don't trust it, or save it anew"
DAMAGED_HWP = "the file is damaged or cut off: open it in its word processor and save it anew"
MILLIONS = f"holds more than {MAX_CHARACTERS // 1_000_000} million characters: split it"
HIDDEN = "the file hides where its XML begins: don't trust it, or save it anew"
ELSEWHERE = '<!DOCTYPE x [<!ENTITY l11 SYSTEM "elsewhere.txt">]>'
LAUGH = "<w:p><w:r><w:t>&l11;</w:t></w:r></w:p>"


def protected_hwp():
    data = write_hwp()
    at = data.index(b"HWP Document File")
    return data[: at + 36] + bytes([data[at + 36] | 2]) + data[at + 37 :]


def scanned_pdf():
    return hostile.pdf_with_content(b"100 100 m 200 200 l S")


MALFORMED = {
    "cut.docx": (lambda: write_docx()[:-2000], CUT),
    "cut.hwpx": (lambda: write_hwpx()[:1500], CUT),
    "cut.xlsx": (lambda: write_xlsx()[:1500], CUT),
    "cut.hwp": (lambda: write_hwp()[:12_000], DAMAGED_HWP),
    "cut.pdf": (lambda: hostile.pdf_with_content(b"BT /F 12 Tf (Words) Tj ET")[:200], CUT),
    "protected.pdf": (hostile.protected_pdf, PROTECTED),
    "protected.hwp": (protected_hwp, PROTECTED),
    "protected.docx": (lambda: hostile.compound("EncryptionInfo", "EncryptedPackage"), PROTECTED),
    "encrypted.hwpx": (lambda: hostile.with_flag(write_hwpx(), 1), PROTECTED),
    "bomb.docx": (lambda: hostile.zip_bomb("word/media/picture.xml", write_docx()), BURSTS),
    "bomb.hwpx": (lambda: hostile.zip_bomb("BinData/image1.bmp", write_hwpx()), BURSTS),
    "bomb.pdf": (hostile.flate_bomb, "breaks its reader, it may be damaged or too large: save it anew, or split it"),
    "laughs.docx": (lambda: hostile.docx_body(LAUGH, hostile.BILLION_LAUGHS), ENTITIES),
    "laughs.hwpx": (lambda: hwpx_package(hostile.BILLION_LAUGHS + hwpx_section(hwpx_paragraph("&l11;"))), ENTITIES),
    "laughs.xlsx": (hostile.xlsx_bomb, ENTITIES),
    "late_laughs.docx": (lambda: hostile.docx_body(LAUGH, f"<!--{'<x>' * 3_000}-->{ELSEWHERE}"), ENTITIES),
    "later_laughs.docx": (lambda: hostile.docx_body(LAUGH, f"<?x {'<x>' * 3_000}?>\n\n{ELSEWHERE}"), ENTITIES),
    "hidden_laughs.docx": (lambda: hostile.docx_body(LAUGH, f"<!--{'<x>' * 50_000}-->{ELSEWHERE}"), HIDDEN),
    "encoded_laughs.docx": (
        lambda: hostile.docx_of('<?xml version="1.0" encoding="UTF-7"?>' + f"{ELSEWHERE}<x/>".replace("<", "+ADw-")),
        HIDDEN,
    ),
    "leads_out.docx": (
        lambda: zipped({"word/document.xml": "", "../../../etc/evil.xml": "x"}),
        "the file holds names that lead out of it: don't trust it, or save it anew",
    ),
    "deep.hwpx": (lambda: hostile.nested_tables(60), "the file holds too much to be read: split it"),
    "deep.docx": (
        lambda: hostile.docx_body("<w:tbl><w:tr><w:tc>" * 500 + "<w:p/>" + "</w:tc></w:tr></w:tbl>" * 500),
        "can't be read as .docx, it may be damaged: open it and save it anew",
    ),
    "deep.html": (
        lambda: b"<html><body>" + b"<div>" * 20_000 + b"text",
        "can't be read as .html, it may be damaged: open it and save it anew",
    ),
    "long.csv": (
        lambda: b"a,b\n" * (MAX_BLOCKS + 1),
        f"holds more than {MAX_BLOCKS} paragraphs and table rows: split it",
    ),
    "long.txt": (
        lambda: b"One more.\n\n" * (MAX_BLOCKS + 1),
        f"holds more than {MAX_BLOCKS} paragraphs and table rows: split it",
    ),
    "large.txt": (lambda: b"Many words. " * (MAX_CHARACTERS // 12 + 1), MILLIONS),
    "large.md": (lambda: b"Many words. " * (MAX_CHARACTERS // 12 + 1), MILLIONS),
    "deep.md": (lambda: b">" * 100_000 + b" quoted", "the file holds no text"),
    "scanned.pdf": (
        scanned_pdf,
        "the pages are pictures without text: run text recognition on the file and save it anew",
    ),
    "picture.pdf": (
        lambda: b"\x89PNG\r\n\x1a\n" + bytes(50),
        "a picture: run text recognition on it and save the text as .pdf or .txt",
    ),
    "text.docx": (lambda: b"Just text.", "not a .docx file, or damaged: save it anew, or with the right suffix"),
    "old.hwp": (lambda: hostile.compound("WordDocument"), "a Word file of before 2007: save it as .docx"),
    "old.xlsx": (lambda: hostile.compound("Workbook"), "an Excel file of before 2007: save it as .xlsx"),
    "very_old.hwp": (
        lambda: b"HWP Document File V3.00 \x1a\1\2\3\4\5" + bytes(100),
        "a HWP file of before 2000: save it as .hwpx",
    ),
    "slides.docx": (lambda: zipped({"ppt/presentation.xml": "x"}), "a PowerPoint file: save it as .pdf"),
    "archive.zip": (lambda: zipped({"a.txt": "x"}), "an archive: unpack it here"),
    "empty.html": (lambda: b"<html><body><nav>menu</nav></body></html>", "the file holds no text"),
}


@pytest.fixture(scope="module")
def report(fake_embedder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("malformed")
    source = folder / "source"
    source.mkdir()
    for name, (write, _) in MALFORMED.items():
        (source / name).write_bytes(write())
    with (source / "huge.docx").open("wb") as file:
        os.truncate(file.fileno(), 2 * MAX_FILE_BYTES)
    # One before all others in the order of names, and one after.
    (source / "a_first.docx").write_bytes(write_docx())
    (source / "zz_last.hwpx").write_bytes(write_hwpx())
    (source / "zz_last.txt").write_text("마지막 문장이다.", encoding="utf-8")
    started = time.monotonic()
    built = build_index(source, Publication(folder / "data"), fake_embedder)
    return built, time.monotonic() - started


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_skipped_with_what_to_do(name, report):
    assert report[0].skipped[name] == MALFORMED[name][1]


def test_the_build_goes_on_and_loses_nothing_else(report):
    built, seconds = report
    assert built.added == ["a_first.docx", "zz_last.txt"]
    assert built.skipped.keys() - MALFORMED.keys() == {"huge.docx", "zz_last.hwpx"}
    assert built.skipped["huge.docx"] == "larger than 50 MB: split it"
    assert built.skipped["zz_last.hwpx"] == "the same text as a_first.docx"
    assert seconds < 60


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.docx"])
def test_nothing_in_a_file_is_looked_at_by_the_process_that_builds(name, monkeypatch):
    writers = {"a.txt": write_txt, "a.md": write_md, "a.html": write_html, "a.docx": write_docx}
    data = writers[name]()
    for step in ("parse_document", "find_imprint"):
        monkeypatch.setattr(f"index.loaders.{step}", None)
    with ParserProcess() as parser:
        document = load_document(SourceFile(name, data), parser.parse)
    assert (document.date, document.department) == ("2025-10-29", "국제협력관 미주아시아협력담당관")
    assert document.contact == "이경림 (044-202-4340)"


def test_a_bomb_takes_no_more_memory_than_the_limit():
    # From a small parent: a process counts what its parent held when it was forked as its own.
    script = (
        "import resource; from index.loaders.process import ParserProcess; from tests.hostile import flate_bomb\n"
        "with ParserProcess() as parser:\n"
        " try: parser.parse('.pdf', 'a.pdf', flate_bomb())\n"
        " except Exception as error: print(type(error).__name__)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    error, kilobytes = subprocess.check_output([sys.executable, "-c", script], cwd=REPO).split()
    assert error == b"InputError"
    assert int(kilobytes) * 1024 < MEMORY_LIMIT


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.hwp", write_hwpx),
        ("a.docx", write_hwpx),
        ("a.hwpx", write_hwp),
        ("a.xls", write_html),
        ("a.txt", write_docx),
        ("a.pdf", write_html),
        ("no_suffix", write_docx),
        ("a.xls", write_xlsx),
    ],
)
def test_a_file_with_a_wrong_suffix_is_read_as_what_it_is(name, write):
    text = load_document(SourceFile(name, write())).text
    assert seed_parts()[-4] in text or "추은경 (044-202-4348)" in text


def test_what_takes_too_long_is_skipped_in_time_and_the_next_file_is_read():
    slow = hostile.pdf_with_content(
        b"BT /F 12 Tf 1 0 0 1 50 700 Tm " + b"(Some words of a page) Tj 0 -1 Td " * 100_000 + b"ET"
    )
    with ParserProcess(time_limit=2.0) as parser:
        started = time.monotonic()
        with pytest.raises(InputError, match="takes more than 2 seconds to read: split it"):
            parser.parse(".pdf", "a.pdf", slow)
        assert time.monotonic() - started < 20
        assert parser.parse(".html", "a.html", write_html()).blocks


def test_what_takes_too_much_memory_is_skipped_and_the_next_file_is_read():
    with ParserProcess(memory_limit=400_000_000) as parser:
        with pytest.raises(InputError, match=r"too much memory|too large"):
            parser.parse(".csv", "a.csv", b"x" * 400_000_000)
        assert parser.parse(".csv", "a.csv", b"a,b\nc,d\n").text == "a\tb\nc\td"


def test_a_parser_that_was_killed_is_replaced():
    with ParserProcess() as parser:
        assert parser.parse(".csv", "a.csv", b"a,b\n").text == "a\tb"
        first = parser._child
        first.kill()
        first.wait()
        assert parser.parse(".csv", "a.csv", b"c,d\n").text == "c\td"
        assert parser._child is not first


def test_a_thousand_documents_are_read_by_one_process():
    with ParserProcess() as parser:
        children = {parser.parse(".csv", "a.csv", b"a,%d\n" % n) and parser._child.pid for n in range(1000)}
    assert len(children) == 1


def test_the_parser_ends_with_its_parent_and_leaves_nothing_behind(tmp_path):
    script = (
        "import os; from index.loaders.process import ParserProcess\n"
        "with ParserProcess() as p:\n p.parse('.csv', 'a', b'a,b'); print(p._child.pid, p._folder, flush=True)\n"
        " os.read(0, 1) and os.kill(os.getpid(), 9)\n"
    )
    for ending in (b"", b"x"):
        ended = subprocess.run([sys.executable, "-c", script], cwd=REPO, input=ending, capture_output=True, check=False)
        pid, folder = ended.stdout.decode().split()
        deadline = time.monotonic() + 10
        while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:  # noqa: PTH110
            time.sleep(0.05)
        assert not os.path.exists(f"/proc/{pid}")  # noqa: PTH110
        # Nobody is left to tidy up after a parent that was killed.
        assert os.path.exists(folder) == bool(ending)  # noqa: PTH110


def test_the_parser_is_told_no_secret(monkeypatch):
    secrets = ("MUNDAP_ADMIN_TOKEN", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "LD_PRELOAD_KEY")
    for name in secrets:
        monkeypatch.setenv(name, "sesame-in-the-environment")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    with ParserProcess() as parser:
        parser.parse(".csv", "a.csv", b"a,b\n")
        told = Path(f"/proc/{parser._child.pid}/environ").read_bytes()
    names = {entry.partition(b"=")[0].decode() for entry in told.split(b"\0") if entry}
    assert {"PYTHONPATH", "PATH", "LC_ALL"} <= names
    assert not names & {*secrets}
    assert b"sesame" not in told


def test_nothing_in_the_working_folder_is_imported_by_the_parser(tmp_path, monkeypatch):
    for name in ("json.py", "csv.py", "docx.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('taken over')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with ParserProcess() as parser:
        assert parser.parse(".csv", "a.csv", b"a,b\n").text == "a\tb"
        assert parser.parse(".docx", "a.docx", write_docx()).blocks
        assert Path(f"/proc/{parser._child.pid}/cwd").resolve() == parser._folder.resolve()


def test_the_parser_cannot_read_what_its_parent_was_told():
    script = (
        "import os, subprocess, sys; from index.loaders.process import ParserProcess\n"
        "command = [sys.executable, '-c', f'open(\"/proc/{os.getpid()}/environ\").read()']\n"
        "print(subprocess.run(command, stderr=subprocess.DEVNULL).returncode)\n"
        "with ParserProcess() as parser:\n"
        " parser.parse('.csv', 'a', b'a,b')\n"
        " print(subprocess.run(command, stderr=subprocess.DEVNULL).returncode)\n"
    )
    # As in a container, where root has none of CAP_SYS_PTRACE, CAP_SYS_ADMIN and CAP_PERFMON.
    contained = (
        "import ctypes, os, sys\n"
        "for capability in (19, 21, 38): ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)\n"
        "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    )
    command = [sys.executable, "-c", contained, script]
    assert subprocess.check_output(command, cwd=REPO).split() == [b"0", b"1"]


def test_the_parser_imports_no_model():
    script = "import sys, index.loaders.process; print({'torch', 'faiss', 'kiwipiepy'} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", script], cwd=REPO).strip() == b"set()"
