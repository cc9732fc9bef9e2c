"""ZIP archives that documents come as: opened only when they look like what a word processor writes."""

import io
import re
import zipfile

from index.errors import InputError

# A thick report with its pictures has a few hundred.
MAX_ENTRIES = 10_000
# A file holds at most 50 MB, most of it pictures that don't shrink; text shrinks to a tenth.
MAX_UNPACKED_BYTES = 500_000_000
# The largest body of a statistics yearbook that was seen had 42 MB.
MAX_XML_BYTES = 100_000_000
# Text in XML shrinks to a twentieth, an empty sheet to a hundredth; what is built to burst, to a thousandth.
MAX_RATIO = 500
_BURSTS_FROM = 10_000_000
_IS_ENCRYPTED = 0x1
# No word processor declares entities; they are how a few lines of XML become gigabytes, and text that is elsewhere.
_DECLARATION = re.compile(rb"<!(?!--)")
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)", re.DOTALL)
_ROOT = re.compile(rb"<[^!?]")
# What comes before its root element takes a hundred bytes.
_MAX_PROLOG = 100_000


def open_archive(data: bytes) -> zipfile.ZipFile:
    """Open a document that is a ZIP archive.

    Raises:
        InputError: it is damaged or encrypted, its names lead out of it, or it would burst when unpacked.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise InputError("the file is damaged or cut off: copy it here once more") from error
    if any(entry.flag_bits & _IS_ENCRYPTED for entry in entries):
        raise InputError("the file is protected by a password: save it without one")
    if any(".." in re.split(r"[/\\]", entry.filename) or entry.filename.startswith(("/", "\\")) for entry in entries):
        raise InputError("the file holds names that lead out of it: don't trust it, or save it anew")
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_ENTRIES or unpacked > MAX_UNPACKED_BYTES or any(map(_bursts, entries)):
        raise InputError("the file would burst when unpacked: don't trust it, or save it anew in smaller parts")
    for entry in entries:
        if entry.filename.lower().endswith((".xml", ".rels", ".hpf")):
            _check_xml(archive, entry)
    return archive


def _bursts(entry: zipfile.ZipInfo) -> bool:
    is_xml = entry.filename.lower().endswith(".xml")
    ratio = entry.file_size / max(entry.compress_size, 1)
    return (is_xml and entry.file_size > MAX_XML_BYTES) or (entry.file_size > _BURSTS_FROM and ratio > MAX_RATIO)


def _check_xml(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    with archive.open(entry) as part:
        # Without zero bytes UTF-16 looks the same.
        start = _COMMENT.sub(b"", part.read(_MAX_PROLOG).replace(b"\0", b""))
    root = _ROOT.search(start)
    if _DECLARATION.search(start[: root.start() if root else len(start)]):
        raise InputError("the file declares XML entities: don't trust it, or save it anew")
    # Text before it, which XML can't have, may be a declaration in another encoding.
    if not root and (start.strip() or entry.file_size >= _MAX_PROLOG):
        raise InputError("the file hides where its XML begins: don't trust it, or save it anew")
