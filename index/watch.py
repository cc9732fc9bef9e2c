"""A source folder watched for changes."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

SETTLE_SECONDS = 3.0
RETRY_SECONDS = 60.0


def watch(source: Path, build: Callable[[], bool]) -> NoReturn:
    """Call `build` now and whenever a file below `source` was added, changed or removed, until a signal ends it.

    It waits until nothing has changed for `SETTLE_SECONDS`, so that no file is read that is still being copied. `build`
    returns whether that was all; if not, it is tried again after `RETRY_SECONDS`, or when something changes.
    """
    built: dict[Path, _State] | None = None
    retry_at = float("inf")
    now = _snapshot(source)
    while True:
        # Looked at in turn, since the system tells nothing of changes that others make in folders of the network.
        time.sleep(SETTLE_SECONDS)
        before, now = now, _snapshot(source)
        if now == before and (now != built or time.monotonic() >= retry_at):
            is_done = build()
            built = now
            retry_at = float("inf") if is_done else time.monotonic() + RETRY_SECONDS


_State = tuple[int, int, int]


def _snapshot(source: Path) -> dict[Path, _State]:
    """Return path → time of the last change in ns, size and inode of every file below `source`."""
    found = {}
    for folder, _, names in os.walk(source):
        for name in names:
            path = Path(folder, name)
            try:
                status = path.stat()
            except OSError:
                continue
            found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found
