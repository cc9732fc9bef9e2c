"""Files in, documents out. `LOADERS` is the table of formats; to add one, add its module and its row."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from index.documents import Document
from index.errors import InputError, TransientError
from index.imprint import find_imprint
from index.loaders.docx import load_docx
from index.loaders.formats import format_of
from index.loaders.hancom import load_hwp, load_hwpx
from index.loaders.html import load_html
from index.loaders.markdown import load_markdown
from index.loaders.pdf import load_pdf
from index.loaders.tables import load_csv, load_xlsx
from index.loaders.text import load_text

Loader = Callable[[str, bytes], Document]
Parse = Callable[[str, str, bytes], Document]
"""Called with the suffix of the format, the `doc_id` and the bytes of a file."""

# Each imports its library when it is called, so that the start of a program doesn't wait for them all.
LOADERS: dict[str, Loader] = {
    ".txt": load_text,
    ".text": load_text,
    ".md": load_markdown,
    ".markdown": load_markdown,
    ".hwpx": load_hwpx,
    ".hwp": load_hwp,
    ".pdf": load_pdf,
    ".docx": load_docx,
    ".html": load_html,
    ".htm": load_html,
    ".csv": load_csv,
    ".tsv": load_csv,
    ".xlsx": load_xlsx,
}
MAX_FILE_BYTES = 50_000_000
# What the system says of its disks, networks and tables; whatever else it says is about the file.
_PASSING = {
    errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ESTALE,
    errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOTCONN,
}  # fmt: skip
# A file that is still arriving; it has its name when it is whole.
UPLOAD_PREFIX = ".mundap-upload-"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file below the source directory: what it holds, or why it can't be indexed (`reason`)."""

    doc_id: str
    data: bytes = b""
    reason: str | None = None

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the bytes and, where there are none, of the reason."""
        return hashlib.sha256(self.data or (self.reason or "").encode()).hexdigest()


def read_source_files(source: Path) -> Iterator[SourceFile]:
    """Yield every file below `source` in the order of its name; an unusable one carries its reason.

    Raises:
        InputError: `source` is not a directory that can be listed.
        TransientError: a disk or a network fails at the moment.
    """
    if not source.is_dir():
        raise InputError(f"The source folder {source} does not exist; create it or set MUNDAP_SOURCE_DIR")
    if not os.access(source, os.R_OK | os.X_OK):
        raise InputError(f"The source folder {source} can't be read; check its permissions")
    unlisted: list[OSError] = []
    paths = []
    for folder, folders, names in os.walk(source, onerror=unlisted.append):
        # Links to folders are not followed, but they are reported.
        links = [name for name in folders if Path(folder, name).is_symlink()]
        paths += [Path(folder, name) for name in names + links if not name.startswith(UPLOAD_PREFIX)]
    for error in unlisted:
        folder = Path(str(error.filename)).relative_to(source).as_posix()
        _raise_if_passing(error, folder)
        yield SourceFile(_printable(folder), reason="the folder can't be listed: check its permissions")
    for path in sorted(paths):
        yield _read(path, path.relative_to(source).as_posix(), source.resolve())


def load_document(file: SourceFile, parse: Parse | None = None) -> Document:
    """Load one readable source file by the loader of its content and its suffix.

    Whatever is in the file is left to `parse`, such as that of a `ParserProcess`: it may be built to break its parser.
    Without it that is done here.

    Raises:
        InputError: the format is not known, or the file holds no text that can be read.
    """
    suffix = format_of(file.data, Path(file.doc_id).suffix.lower(), LOADERS)
    return (parse or parse_document)(suffix, file.doc_id, file.data)


def parse_document(suffix: str, doc_id: str, data: bytes) -> Document:
    """Load the bytes of a file by the loader of `suffix`, with what its text says of its date, department and contact.

    Raises:
        InputError: they can't be read.
        MemoryError: they need more than there is.
        TransientError: the system fails at the moment.
    """
    try:
        document = LOADERS[suffix](doc_id, data)
        if not document.blocks:
            raise InputError("the file holds no text")
        return replace(document, **asdict(find_imprint(document)))
    except (InputError, MemoryError):
        raise
    except Exception as error:  # on damaged files the libraries raise whatever they stumble over
        if isinstance(error, OSError):
            _raise_if_passing(error, doc_id)
        raise InputError(f"can't be read as {suffix}, it may be damaged: open it and save it anew") from error


def _read(path: Path, doc_id: str, source: Path) -> SourceFile:
    if _printable(doc_id) != doc_id:
        return SourceFile(_printable(doc_id), reason="the file name is not valid UTF-8: rename it")
    if any(part.startswith((".", "~$")) for part in Path(doc_id).parts):
        return SourceFile(doc_id, reason="hidden or temporary file")
    try:
        if not path.resolve().is_relative_to(source):
            return SourceFile(doc_id, reason="the link leads out of the source folder")
        if not path.is_file():
            return SourceFile(doc_id, reason="not a regular file")
        if path.stat().st_size > MAX_FILE_BYTES:
            return SourceFile(doc_id, reason=f"larger than {MAX_FILE_BYTES // 1_000_000} MB: split it")
        data = path.read_bytes()
    except OSError as error:
        _raise_if_passing(error, doc_id)
        return SourceFile(doc_id, reason=f"can't be read: {error.strerror}")
    except RuntimeError:  # what `resolve` raises before Python 3.13
        return SourceFile(doc_id, reason="the link leads to itself")
    return SourceFile(doc_id, data) if data else SourceFile(doc_id, reason="the file is empty")


def _raise_if_passing(error: OSError, name: str) -> None:
    if error.errno in _PASSING:
        raise TransientError(f"{name} can't be read now ({error.strerror}); try again when that has passed") from error


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
