"""The source folder as staff see it: its files, what the index knows of each, and what they put in or take out."""

import os
import secrets
import time
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from index.errors import DocumentMissing, StaffError
from index.loaders import LOADERS, UPLOAD_PREFIX
from index.publication import Manifest
from server.builds import SourceStamps, stamps_below

MAX_NAME_BYTES = 200
MAX_FOLDERS = 3
_SECONDS_UPLOADS_LAST = 3_600.0
# What Windows doesn't allow in a name, so that the folder can be copied anywhere.
_RESERVED = set('<>:"|?*\\')


class FileState(StrEnum):
    """What the published index knows of a file."""

    INDEXED = "indexed"
    CHANGED = "changed"
    NEW = "new"
    SKIPPED = "skipped"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file; `size` in bytes and `changed` in seconds since 1970 are None of one that is gone."""

    doc_id: str
    state: FileState
    size: int | None = None
    changed: float | None = None
    reason: str = ""


class SourceFolder:
    """The folder of the documents that are indexed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self, manifest: Manifest | None, built_from: SourceStamps | None, built: float) -> list[ListedFile]:
        """Return every file by its name, with what `manifest` knows of it.

        `built_from` is what the files were like when that was built, at the time `built`; without it a file has changed
        when it is younger.
        """
        documents: Mapping[str, str] = manifest.documents if manifest else {}
        skipped: Mapping[str, str] = manifest.skipped if manifest else {}
        found = stamps_below(self.folder)
        listed = []
        for doc_id, (size, nanoseconds) in found.items():
            reason = ""
            if doc_id not in documents and doc_id not in skipped:
                state = FileState.NEW
            elif built_from.get(doc_id) != (size, nanoseconds) if built_from else nanoseconds / 1e9 > built:
                state = FileState.CHANGED
            elif doc_id in skipped:
                state, reason = FileState.SKIPPED, skipped[doc_id]
            else:
                state = FileState.INDEXED
            listed.append(ListedFile(doc_id, state, size, nanoseconds / 1e9, reason))
        for doc_id in skipped.keys() - found.keys():
            # Links, and folders that can't be listed: they stay as long as they are there.
            if os.path.lexists(self.folder / doc_id):
                listed.append(ListedFile(doc_id, FileState.SKIPPED, reason=skipped[doc_id]))
        listed += [ListedFile(doc_id, FileState.REMOVED) for doc_id in documents.keys() - found.keys()]
        return sorted(listed, key=lambda file: file.doc_id)

    async def receive(
        self, name: str, limit: int, replace: bool, write_to: Callable[[BinaryIO, int], Awaitable[int]]
    ) -> tuple[str, int, bool]:
        """Let `write_to` write a file of at most `limit` bytes, and give it its name when it is whole.

        Returns its `doc_id`, its size, and whether it took the place of another. What ends early leaves nothing.

        Raises:
            StaffError: the name or the file can't be taken.
        """
        doc_id = check_name(name)
        target = self._target(doc_id)
        if not replace and os.path.lexists(target):
            raise _exists(doc_id)
        self._remove_left_overs()
        temporary = self.folder / f"{UPLOAD_PREFIX}{secrets.token_hex(8)}"
        try:
            with temporary.open("xb") as file:
                size = await write_to(file, limit)
                if not size:
                    raise StaffError("document_empty", "The file is empty")
                file.flush()
                os.fsync(file.fileno())
            replaced = self._place(temporary, target, doc_id, replace)
        except OSError as error:
            raise _unwritable(error) from error
        finally:
            temporary.unlink(missing_ok=True)
        return doc_id, size, replaced

    def remove(self, doc_id: str) -> None:
        """Remove a file that is listed. The index holds it until it is built anew.

        Raises:
            DocumentMissing: there is no such file.
            StaffError: it can't be removed.
        """
        path = PurePosixPath(doc_id)
        is_inside = "\0" not in doc_id and not path.is_absolute() and ".." not in path.parts
        if not is_inside or doc_id not in stamps_below(self.folder) or not self._is_own(self.folder / path):
            raise DocumentMissing("There is no file of that name in the source folder")
        try:
            (self.folder / path).unlink()
        except OSError as error:
            raise _unwritable(error) from error

    def _target(self, doc_id: str) -> Path:
        target = self.folder / doc_id
        try:
            if not self._is_own(target):
                raise StaffError("invalid_name", "This folder leads elsewhere; upload to another folder")
            if target.is_dir():
                raise StaffError("invalid_name", "There is a folder of this name; choose another name")
            target.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise StaffError("invalid_name", "A part of this path is a file; choose another folder") from error
        except OSError as error:
            raise _unwritable(error) from error
        return target

    def _is_own(self, path: Path) -> bool:
        """Whether no part of the folder of `path` is a link: files behind one are not indexed, nor ours."""
        wanted = self.folder.resolve() / path.relative_to(self.folder).parent
        return (self.folder / path.relative_to(self.folder).parent).resolve() == wanted

    def _place(self, temporary: Path, target: Path, doc_id: str, replace: bool) -> bool:
        if replace:
            replaced = os.path.lexists(target)
            temporary.replace(target)
            return replaced
        try:
            # Unlike a rename, a link never takes the place of a file that has come meanwhile.
            os.link(temporary, target)
        except FileExistsError as error:
            raise _exists(doc_id) from error
        except OSError:  # some file systems have no links
            temporary.replace(target)
        return False

    def _remove_left_overs(self) -> None:
        for left_over in self.folder.glob(f"{UPLOAD_PREFIX}*"):
            if time.time() - left_over.stat().st_mtime > _SECONDS_UPLOADS_LAST:
                left_over.unlink(missing_ok=True)


def check_name(name: str) -> str:
    """Return the `doc_id` of a file that is to be uploaded as `name`, folders before it.

    Raises:
        StaffError: the name is not simple and safe, or nothing reads files of its suffix.
    """
    doc_id = unicodedata.normalize("NFC", name)
    parts = doc_id.split("/")
    if len(parts) > MAX_FOLDERS + 1:
        raise StaffError("invalid_name", f"At most {MAX_FOLDERS} folders may stand before the name of a file")
    for part in parts:
        if problem := _problem_of(part):
            raise StaffError("invalid_name", f"The name of the file can't be used: {problem}")
    if PurePosixPath(doc_id).suffix.lower() not in LOADERS:
        raise StaffError("format_unknown", f"Files of this kind are not read; these are: {', '.join(LOADERS)}")
    return doc_id


def _problem_of(part: str) -> str:
    if part in ("", ".", ".."):
        return "a part of its path is empty, . or .."
    if part.startswith((".", "~$")):
        return "it begins like that of a hidden or temporary file"
    if part != part.strip() or part.endswith("."):
        return "it begins or ends with a space or a dot"
    if any(unicodedata.category(character)[0] == "C" for character in part) or not part.isprintable():
        return "it has characters that can't be seen"
    if _RESERVED & set(part):
        return f"it has one of {' '.join(sorted(_RESERVED))}"
    if len(part.encode()) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_BYTES} bytes"
    return ""


def _exists(doc_id: str) -> StaffError:
    return StaffError("document_exists", f"There is a file {doc_id} already; say that it shall be replaced")


def _unwritable(error: OSError) -> StaffError:
    return StaffError(
        "source_unwritable", f"The source folder can't be written ({error.strerror}); check its permissions"
    )
