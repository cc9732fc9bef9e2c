"""Folders that are made once from what the install carries, and used from then on."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from index.digests import DigestRecord, file_digest
from index.errors import ModelError

Progress = Callable[[str], None]
_RECORD = "assembled.json"
_DIGESTS = "digests.json"


def assembled_folder(folder: Path, assemble: Callable[[Path], None]) -> Path:
    """Return `folder`, made by `assemble` when it is missing or damaged.

    It is made aside and put in place by one rename, so a crash leaves nothing half-made. A folder that is in place is
    only used while each file has the digest that was recorded with it.

    Raises:
        ModelError: the folder above can't be written.
    """
    if _is_whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".assembling-", dir=folder.parent))
    except OSError as error:
        raise ModelError(
            f"The model cache {folder.parent} can't be written ({error.strerror}); check MUNDAP_DATA_DIR"
        ) from error
    try:
        assemble(aside)
        digests = {str(p.relative_to(aside)): file_digest(p) for p in sorted(aside.rglob("*")) if p.is_file()}
        (aside / _RECORD).write_text(json.dumps({"files": digests}, indent=1), encoding="utf-8")
        aside.chmod(0o755)
        _put_in_place(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _is_whole(folder: Path) -> bool:
    try:
        files: dict[str, str] = json.loads((folder / _RECORD).read_text(encoding="utf-8"))["files"]
        record = DigestRecord(folder.parent / _DIGESTS)
        is_whole = all(record.digest(folder / name) == digest for name, digest in files.items())
        record.save()
        return is_whole
    except (OSError, ValueError, KeyError):
        return False


def _put_in_place(aside: Path, folder: Path) -> None:
    if folder.exists() and not _is_whole(folder):
        shutil.rmtree(folder)
    try:
        aside.rename(folder)
    except OSError:
        # Another process was first: its folder serves as well as ours.
        if not _is_whole(folder):
            raise
