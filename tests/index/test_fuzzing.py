"""Whatever is in a file, its loader gives a document or an `InputError`, soon and without eating the memory."""

import io
import random
import resource
import time
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.documents import Document
from index.errors import InputError
from index.loaders import LOADERS, SourceFile, load_document
from index.loaders.process import ParserProcess
from tests.formats import (
    write_csv,
    write_docx,
    write_html,
    write_hwp,
    write_hwpx,
    write_md,
    write_txt,
    write_xlsx,
    zipped,
)
from tests.hostile import pdf_with_content

MUTATIONS = 250
SECONDS = 10
GROWTH = 500_000  # kilobytes
SAMPLES = {
    ".txt": write_txt,
    ".md": write_md,
    ".html": write_html,
    ".csv": write_csv,
    ".docx": write_docx,
    ".xlsx": write_xlsx,
    ".hwpx": write_hwpx,
    ".hwp": write_hwp,
    ".pdf": lambda: pdf_with_content(
        b"".join(
            b"BT /F 12 Tf 1 0 0 1 50 %d Tm (Line %d of a page of text) Tj ET\n" % (700 - 14 * n, n) for n in range(30)
        )
    ),
}
TOKENS = [
    b"<", b">", b"&", b"\0", b"\xff\xff\xff\xff", b"-1", b"99999999999", b'"', b"</w:p>", b"<w:tbl>", b"<table>",
    b"]]>", b"<!--", b"%PDF-", b"PK\3\4", b"endobj", b"<< /Length 999999 >>", b"\xed\xa0\x80", "가".encode("cp949"),
]  # fmt: skip


def test_every_loader_is_fuzzed():
    assert {LOADERS[suffix] for suffix in SAMPLES} == set(LOADERS.values())


def mutated(data, chance):
    """Return `data` with a few bytes changed, cut out, doubled, moved, or some of `TOKENS` put in."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        at, length = chance.randrange(len(changed) + 1), chance.choice([1, 2, 8, 100, 1000])
        match chance.randrange(6):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length] * chance.choice([1, 3, 50])
            case 3:
                changed[at:at] = chance.choice(TOKENS)
            case 4:
                changed[at : at + 4] = chance.randbytes(4)
            case _:
                del changed[max(at, 1) :]
    return bytes(changed)


def mutated_inside(data, chance):
    """Return the archive with one of its parts mutated, so that the change gets past the checksums."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice([name for name in parts if name != "mimetype"])
    return zipped({**parts, name: mutated(parts[name], chance)})


def check(name, data, parse=None):
    """Return whether a document was read."""
    started = time.monotonic()
    try:
        document = load_document(SourceFile(name, data), parse)
    except InputError:
        document = None
    assert time.monotonic() - started < SECONDS
    if document is None:
        return False
    assert isinstance(document, Document)
    end = 0
    for block in document.blocks:
        assert end <= block.start < block.end <= len(document.text)
        end = block.end
    document.text.encode()
    document.title.encode()
    return True


@pytest.mark.parametrize("suffix", SAMPLES)
def test_a_mutated_file_gives_a_document_or_an_input_error(suffix):
    chance, sample = random.Random(suffix), SAMPLES[suffix]()
    is_archive = sample.startswith(b"PK")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = 0
    # What is written in C may take this process with it, so it is not done here.
    with ParserProcess(time_limit=SECONDS) as parser:
        for number in range(MUTATIONS):
            inside = is_archive and number % 5
            data = mutated_inside(sample, chance) if inside else mutated(sample, chance)
            read += check(f"a{suffix}", data, parser.parse if suffix in (".pdf", ".html") or number % 10 == 0 else None)
    assert read > 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH


@settings(max_examples=120)
@given(st.sampled_from(sorted(SAMPLES)), st.binary(max_size=300))
def test_any_bytes_give_a_document_or_an_input_error(suffix, data):
    check(f"a{suffix}", data)


MARKUP = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            ["<table>", "<tr>", "<td rowspan=3>", "<td colspan=2>", "</td>", "</tr>", "</table>", "<p>", "<li>", "<ul>",
             "<h1 id=a>", "</h1>", "<br>", "<pre>", "<b>", "</b>", "<main>", "<article>", "<nav>", "<svg>", "<math>",
             "<template>", "<select>", "<a name=b>", "<!--", "-->", "&amp;", "&#0;", "&#xD800;", "<caption>", "<dl>"]
        ),
    ),
    max_size=60,
).map("".join)  # fmt: skip


@settings(max_examples=150)
@given(MARKUP)
def test_any_markup_gives_a_document_or_an_input_error(markup):
    check("a.html", f"<html><body>{markup}".encode("utf-8", "replace"))


@settings(max_examples=150)
@given(st.lists(st.lists(st.text(max_size=8), max_size=6), max_size=12), st.sampled_from(",;\t|"))
def test_any_table_gives_a_document_or_an_input_error(rows, delimiter):
    quoted = "\n".join(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    check("a.csv", quoted.encode("utf-8", "replace"))
