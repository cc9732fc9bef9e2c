"""Files that are built to break what reads them, and files that were broken on their way."""

import io
import struct
import zipfile
import zlib

from openpyxl import Workbook

from tests.formats import hwpx_package, hwpx_paragraph, hwpx_section, hwpx_table, saved, zipped

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
BILLION_LAUGHS = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "하하하하하">{LAUGHS}]>'
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def docx_of(document: str | bytes) -> bytes:
    """Return a DOCX file whose body is the given XML."""
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/word/document.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
    )
    links = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
        'Target="word/document.xml"/></Relationships>'
    )
    return zipped({"[Content_Types].xml": types, "_rels/.rels": links, "word/document.xml": document})


def docx_body(body: str, prolog: str = "") -> bytes:
    return docx_of(f'{prolog}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>')


def pdf_of_objects(*objects: bytes, trailer: bytes = b"") -> bytes:
    """Return a PDF file of the given objects, the first of which is its catalogue."""
    file, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(file)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    file += b"xref\n0 %d\n0000000000 65535 f \n%s" % (count, table)
    return file + b"trailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF" % (count, trailer, start)


def pdf_with_content(content: bytes, *, compressed: bool = False, trailer: bytes = b"") -> bytes:
    """Return a PDF file of one page that draws `content`."""
    options = b"/Filter /FlateDecode " if compressed else b""
    return pdf_of_objects(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >>"
        b" >>",
        b"<< %s/Length %d >>\nstream\n%s\nendstream" % (options, len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        trailer=trailer,
    )


def deflated(unit: bytes, times: int) -> bytes:
    """Return the zlib stream of `unit`, many times, without ever holding what it unpacks to."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(unit) for _ in range(times)) + packer.flush()


def flate_bomb() -> bytes:
    """Half a gigabyte of drawing operators in half a megabyte."""
    return pdf_with_content(deflated(b"BT /F 12 Tf (Some words of a page) Tj ET\n" * 1000, 12_500), compressed=True)


def protected_pdf() -> bytes:
    keys = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> /ID [<00> <00>]" % (
        b"41" * 32,
        b"42" * 32,
    )
    return pdf_with_content(b"BT /F 12 Tf (Words) Tj ET", trailer=keys)


def zip_bomb(name: str, data: bytes) -> bytes:
    """Return the archive `data` with one more part that unpacks to three hundred megabytes."""
    file = io.BytesIO(data)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as part:
        for _ in range(300):
            part.write(b"\0" * 1_000_000)
    return file.getvalue()


def with_flag(data: bytes, flag: int) -> bytes:
    """Return the archive with a flag set in each of its entries: 1 stands for encryption."""
    changed = bytearray(data)
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(signature)
        while at >= 0:
            struct.pack_into("<H", changed, at + offset, struct.unpack_from("<H", data, at + offset)[0] | flag)
            at = data.find(signature, at + 4)
    return bytes(changed)


def compound(*streams: str) -> bytes:
    """Return what starts like a file of Office before 2007, with the names of its streams."""
    names = b"".join(name.encode("utf-16-le").ljust(64, b"\0") for name in streams)
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\0") + names.ljust(2048, b"\0")


def nested_tables(depth: int) -> bytes:
    cell = hwpx_paragraph("가장 안쪽")
    for _ in range(depth):
        cell = f"<hp:p>{hwpx_table([[cell, hwpx_paragraph('옆')]])}</hp:p>"
    return hwpx_package(hwpx_section(cell))


def workbook_of(rows: int) -> bytes:
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet()
    for number in range(rows):
        sheet.append([number, f"이름 {number}"])
    return saved(workbook)


def xlsx_bomb() -> bytes:
    """A sheet of one cell that a billion laughs would fill."""
    file = io.BytesIO(workbook_of(1))
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].replace(b"</t>", b"&l11;</t>", 1)
    parts["xl/worksheets/sheet1.xml"] = BILLION_LAUGHS.encode() + sheet.split(b"?>", 1)[-1]
    return zipped(parts)
