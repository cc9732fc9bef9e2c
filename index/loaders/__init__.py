"""Files in, documents out. `LOADERS` is the table of formats; to add one, add its module and its row."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from index.documents import Document
from index.errors import InputError
from index.imprint import find_imprint
from index.loaders.markdown import load_markdown
from index.loaders.text import load_text

Loader = Callable[[str, bytes], Document]

LOADERS: dict[str, Loader] = {
    ".txt": load_text,
    ".text": load_text,
    ".md": load_markdown,
    ".markdown": load_markdown,
}
MAX_FILE_BYTES = 50_000_000


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
        paths += [Path(folder, name) for name in names + links]
    for error in unlisted:
        folder = Path(str(error.filename)).relative_to(source).as_posix()
        yield SourceFile(_printable(folder), reason="the folder can't be listed: check its permissions")
    for path in sorted(paths):
        yield _read(path, path.relative_to(source).as_posix(), source.resolve())


def load_document(file: SourceFile) -> Document:
    """Load one readable source file by the loader of its suffix.

    Raises:
        InputError: the format is not known, or the file holds no text that can be read.
    """
    suffix = Path(file.doc_id).suffix.lower()
    if suffix not in LOADERS:
        raise InputError(f"the format {suffix or 'without a suffix'} is not supported ({', '.join(LOADERS)} are)")
    document = LOADERS[suffix](file.doc_id, file.data)
    if not document.blocks:
        raise InputError("the file holds no text")
    imprint = find_imprint(document)
    return replace(document, date=document.date or imprint.date, department=document.department or imprint.department)


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
        return SourceFile(doc_id, reason=f"can't be read: {error.strerror}")
    except RuntimeError:  # what `resolve` raises before Python 3.13
        return SourceFile(doc_id, reason="the link leads to itself")
    return SourceFile(doc_id, data) if data else SourceFile(doc_id, reason="the file is empty")


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
