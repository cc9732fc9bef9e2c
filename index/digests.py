"""The SHA-256 of files, each of which is read again only when it may have changed."""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

# What is written twice within one tick of a file system's clock has the same times both times, so the digest of what
# changed this short a time ago is not kept.
SETTLED_SECONDS = 2.0


def file_digest(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class DigestRecord:
    """The digests of files as they were when they were last read, kept in `file` with what told them apart then.

    That is device, inode, size, and both times of change, of which the operating system sets one by itself whenever a
    file is written to or put in another's place. What a disk loses without any writing, only `file_digest` finds.
    Safe to use from several threads; of several processes the last one to `save` is remembered.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, list[int | str]] = {}
        with suppress(OSError, ValueError):
            known = json.loads(file.read_text(encoding="utf-8"))
            self._known = known if isinstance(known, dict) else {}
        self._changed = False

    def digest(self, path: Path) -> str:
        """Return the hexadecimal SHA-256 of a file.

        Raises:
            OSError: it can't be read.
        """
        name = os.path.relpath(path, self._file.parent)
        stamp = _stamp(path)
        match self._known.get(name):
            case [*before, str(digest)] if before == stamp:
                return digest
        digest = file_digest(path)
        changed_at = max(stamp[-2:]) / 1e9
        if _stamp(path) == stamp and time.time() - changed_at > SETTLED_SECONDS:
            self._known[name] = [*stamp, digest]
            self._changed = True
        return digest

    def save(self) -> None:
        """Keep what was read, and forget files that are gone. Where that can't be written, they are read again."""
        if not self._changed:
            return
        folder = self._file.parent
        known = {name: entry for name, entry in self._known.items() if (folder / name).exists()}
        aside = folder / f"{self._file.name}.{os.getpid()}.new"
        with suppress(OSError):
            aside.write_text(json.dumps(known), encoding="utf-8")
            aside.replace(self._file)


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
