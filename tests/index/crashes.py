"""Builds that are killed. Run as a program it forks one process a build, as all that a build imports is loaded once."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from resource import RLIMIT_FSIZE, setrlimit

from index.build import build_index
from index.publication import Publication
from tests.conftest import REPO, FakeEmbedder

# What Python's own file functions call. Between two of these calls, only libraries write.
STEPS = ("mkdir", "open", "fsync", "rename", "replace", "unlink", "rmdir")
KEPT = 2


def build(source: Path, data_dir: Path, hold: bool = False) -> str:
    """Build with the fake embedder and few versions kept; return the version."""
    return build_index(source, Publication(data_dir, KEPT), FakeEmbedder(), hold=hold).version


def publish_held(source: Path, data_dir: Path) -> str:
    """Publish the version that is held."""
    publication = Publication(data_dir, KEPT)
    [held] = publication.held()
    return publication.publish_kept(held).version


def roll_back(source: Path, data_dir: Path) -> str:
    """Go back to the version before the published one."""
    return Publication(data_dir, KEPT).roll_back().version


CHANGES: dict[str, Callable[[Path, Path], str]] = {
    "build": build,
    "hold": partial(build, hold=True),
    "publish held": publish_held,
    "roll back": roll_back,
}


def _kill_at_step(last: int) -> None:
    """Let this process be killed before the step of that number, counted from 1."""
    taken = 0

    def counted(step: Callable[..., object]) -> Callable[..., object]:
        def take(*given: object, **named: object) -> object:
            nonlocal taken
            taken += 1
            if taken == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*given, **named)

        return take

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def _kill_at_size(size: int) -> None:
    """Let this process be killed when a file of it, whoever writes it, gets larger than `size` bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    setrlimit(RLIMIT_FSIZE, (size, size))


def _kill_after(seconds: float) -> None:
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()


def _run(change: str, source: str, data_dir: str, kill: str, at: float) -> int:
    """Change in a process that is killed on the way; return how it ended, 0 when it came to its end before."""
    child = os.fork()
    if child == 0:
        {"step": _kill_at_step, "size": _kill_at_size, "time": _kill_after}[kill](at)  # type: ignore[operator]
        CHANGES[change](Path(source), Path(data_dir))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Crasher:
    """Starts builds, and other changes, and has them killed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def build(self, source: Path, data_dir: Path, kill: str, at: float) -> bool:
        """Build; return whether the build was killed: before the step number `at`, by a file of that size, or then."""
        return self.change("build", source, data_dir, kill, at)

    def change(self, change: str, source: Path, data_dir: Path, kill: str, at: float) -> bool:
        """Make one of the `CHANGES`; return whether it was killed, see `build`."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps([change, str(source), str(data_dir), kill, at]), file=self._process.stdin, flush=True)
        ended = int(self._process.stdout.readline())
        assert ended in (0, -signal.SIGKILL, -signal.SIGXFSZ)
        return ended != 0


@contextmanager
def crashing() -> Iterator[Crasher]:
    """Give a crasher as long as the block runs."""
    command = [sys.executable, "-m", "tests.index.crashes"]
    with subprocess.Popen(command, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Crasher(process)
        assert process.stdin
        process.stdin.close()


def main() -> None:
    for line in sys.stdin:
        print(_run(*json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
