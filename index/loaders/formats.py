"""What a file is, by its content; its suffix decides only between kinds of text."""

import re
from collections.abc import Collection

from index.errors import InputError

_PDF_HEADER_WITHIN = 1024
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body)[\s>]",
    re.IGNORECASE | re.DOTALL,
)
_SAVE_AS = {
    ".doc": "a Word file of before 2007: save it as .docx",
    ".xls": "an Excel file of before 2007: save it as .xlsx",
    ".ppt": "a PowerPoint file: save it as .pdf",
    ".pptx": "a PowerPoint file: save it as .pdf",
    ".odt": "an OpenDocument file: save it as .docx or .pdf",
    ".zip": "an archive: unpack it here",
    ".hwp3": "a HWP file of before 2000: save it as .hwpx",
    ".img": "a picture: run text recognition on it and save the text as .pdf or .txt",
}
_ARCHIVES = (".docx", ".xlsx", ".hwpx")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"BM6")


def format_of(data: bytes, suffix: str, known: Collection[str]) -> str:
    """Return the suffix of `known` that fits the content: what it is called only where that doesn't contradict it.

    Raises:
        InputError: the format is not supported, or the content is none that the suffix stands for.
    """
    found = _by_content(data)
    if found == ".zip" and suffix in _ARCHIVES:
        # Cut off before the part that would tell.
        found = suffix
    if found in _SAVE_AS:
        raise InputError(_SAVE_AS[found])
    if found:
        return found
    if suffix not in known:
        raise InputError(f"the format {suffix or 'without a suffix'} is not supported ({', '.join(known)} are)")
    if suffix in (*_ARCHIVES, ".pdf", ".hwp"):
        raise InputError(f"not a {suffix} file, or damaged: save it anew, or with the right suffix")
    return suffix


def _by_content(data: bytes) -> str:
    """Return the suffix that the content stands for, one of `_SAVE_AS`, or "" for text and what is unknown."""
    if data.startswith(b"PK\x03\x04") or data.startswith(b"PK\x05\x06"):
        return _archive_format(data)
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _compound_format(data)
    if data.startswith(b"HWP Document File V"):
        return ".hwp3"
    if data.startswith(_PICTURES):
        return ".img"
    if b"%PDF-" in data[:_PDF_HEADER_WITHIN]:
        return ".pdf"
    return ".html" if _HTML.match(data[:8192]) else ""


def _archive_format(data: bytes) -> str:
    # The names of the parts stand in the archive as they are; it is opened where it can do no harm.
    first = data[:200]
    if b"application/hwp+zip" in first:
        return ".hwpx"
    if b"application/vnd.oasis" in first:
        return ".odt"
    parts = {b"word/document.xml": ".docx", b"xl/workbook.xml": ".xlsx", b"ppt/presentation.xml": ".pptx",
             b"Contents/content.hpf": ".hwpx"}  # fmt: skip
    return next((suffix for part, suffix in parts.items() if part in data), ".zip")


def _compound_format(data: bytes) -> str:
    # The names of streams are UTF-16 in the folder of the file.
    streams = {"EncryptedPackage": "", "WordDocument": ".doc", "Workbook": ".xls", "PowerPoint Document": ".ppt"}
    for name, suffix in streams.items():
        if name.encode("utf-16-le") in data:
            if not suffix:
                raise InputError("the file is protected by a password: save it without one")
            return suffix
    return ".hwp"
