"""HWPX and HWP 5, the files of Hancom's word processor."""

import io
from tempfile import NamedTemporaryFile
from typing import Any

from index.documents import Document
from index.loaders.archive import open_archive
from index.loaders.writer import DocumentWriter


def load_hwpx(doc_id: str, data: bytes) -> Document:
    """Load a HWPX file. Deleted text of tracked changes, memos, headers and footers are left out.

    Raises:
        InputError: the file is damaged or protected.
    """
    from dochan.hwpx.parser import HWPXParser

    open_archive(data).close()
    return _document(doc_id, HWPXParser().parse(io.BytesIO(data), include_assets=False, revision_mode="final"))


def load_hwp(doc_id: str, data: bytes) -> Document:
    """Load a HWP file of version 5, also one made for distribution only. What is left out, see `load_hwpx`.

    Raises:
        InputError: the file is damaged or protected.
    """
    from dochan import Dochan

    with NamedTemporaryFile(suffix=".hwp") as file:
        file.write(data)
        file.flush()
        return _document(doc_id, Dochan(file.name, revision_mode="final").doc)


def _document(doc_id: str, found: Any) -> Document:
    from index.loaders.dochan_parts import PartFinder, check_errors

    check_errors(found.errors)
    writer, finder = DocumentWriter(doc_id), PartFinder()
    for section in found.sections:
        writer.write(finder.parts(section.elements))
    return writer.document()
