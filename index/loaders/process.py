"""A process of its own for parsing: what a hostile file does to it is done to nothing else.

The parent puts the bytes of a file into a folder that both know and sends a line; the child answers with one byte when
the document, or the reason why there is none, is in the folder. A child that dies, hangs or has grown is replaced.

What kills the child is the file's fault when the child's own limits did it, or a crash; such a file is skipped. Else it
is the machine's: the child may have been killed for want of memory, or the disk may be full. That says nothing of the
file, so it is a `TransientError`. Time is counted by the processor, since on a busy machine the clock says nothing of
the file either.
"""

import errno
import json
import math
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import astuple
from pathlib import Path
from types import TracebackType
from typing import Any

from index.documents import Block, BlockKind, Document
from index.errors import InputError, TransientError
from index.loaders import parse_document
from index.seclusion import seclude_process

# In seconds of the processor. A PDF report of five hundred pages takes half of it, nearly all else less than one.
TIME_LIMIT = 120.0
# How many times that may pass on the clock: so little of a processor is left by a machine that is too busy.
_BUSY = 5
# In bytes of address space. A PDF report of five hundred pages takes half of it, too.
MEMORY_LIMIT = 2_000_000_000
# What a fresh child may take to import what it needs, on a busy machine.
_START_LIMIT = 60.0
# Twice what the longest document takes.
_ANSWER_LIMIT = 200_000_000
# A child that took so much for one file has less left for the next.
_GROWN = MEMORY_LIMIT // 4
_DATA, _ANSWER = "data", "answer.json"
_DONE = b"."
# How a child dies by itself: by its limits of time and of what it writes, or by a crash in a library.
_OWN_DEATHS = {
    signal.SIGXCPU, signal.SIGXFSZ, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE,
    signal.SIGSYS, signal.SIGTRAP,
}  # fmt: skip
# A child that was killed is tried once more, and for as long the parent waits for one that is about to die.
_ATTEMPTS = 2
_DYING = 10.0
_ROOT = Path(__file__).resolve().parents[2]
# What of the environment a parser is told, beside PYTHONPATH: whoever takes it over by a document finds no key, token
# or password there, of Mundap or of anything else.
_TOLD = {"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "LD_LIBRARY_PATH", "SYSTEMROOT"}


class ParserProcess:
    """Parses documents in a child that is started for the first one. To be used in a `with` statement."""

    def __init__(self, time_limit: float = TIME_LIMIT, memory_limit: int = MEMORY_LIMIT) -> None:
        """`time_limit` is in seconds of the processor for each file, `memory_limit` in bytes of address space.

        Raises:
            TransientError: there is no room for a temporary folder.
        """
        self._time_limit = time_limit
        self._memory_limit = memory_limit
        try:
            self._temporary = tempfile.TemporaryDirectory(prefix="mundap-")
        except OSError as error:
            raise _no_room(error.strerror) from error
        self._folder = Path(self._temporary.name)
        self._child: subprocess.Popen[bytes] | None = None
        self._socket = socket.socket()

    def __enter__(self) -> "ParserProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._socket.close()
        self._temporary.cleanup()

    def parse(self, suffix: str, doc_id: str, data: bytes) -> Document:
        """Load the bytes of a file by the loader of `suffix`.

        Raises:
            InputError: they can't be read, or not within the limits.
            TransientError: the machine keeps them from being read at the moment.
        """
        for _ in range(_ATTEMPTS):
            if not self._child or self._child.poll() is not None:
                self._start()
            try:
                (self._folder / _DATA).write_bytes(data)
            except OSError as error:
                raise _no_room(error.strerror) from error
            if self._is_answered(suffix, doc_id):
                break
            self._explain_death(doc_id)
        else:
            raise TransientError(
                f"{doc_id} can't be read now, as its reader is killed again and again; free some memory and try again, "
                "or take the file away"
            )
        try:
            answer = json.loads((self._folder / _ANSWER).read_bytes())
        except OSError as error:
            raise _no_room(error.strerror) from error
        if answer["grown"]:
            self._stop()
        if "reason" in answer:
            raise InputError(answer["reason"])
        blocks = tuple(Block(BlockKind(kind), *where) for kind, *where in answer["blocks"])
        return Document(doc_id, answer["title"], answer["text"], blocks, *answer["imprint"])

    def _start(self) -> None:
        self._socket.close()
        self._socket, ours = socket.socketpair()
        seclude_process()
        with ours:
            limits = [str(self._memory_limit), str(self._time_limit)]
            try:
                self._child = subprocess.Popen(  # noqa: S603 - our own module, nothing of the file
                    [sys.executable, "-P", "-m", "index.loaders.process", str(self._folder), *limits],
                    stdin=ours.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=_environment(),
                    cwd=self._folder,
                )
            except OSError:
                self._child = None
        self._socket.settimeout(_START_LIMIT)
        try:
            started = self._child is not None and self._socket.recv(1) == _DONE
        except OSError:
            started = False
        if not started:
            self._stop()
            raise TransientError("No process can be started to read the documents; free some memory and try again")

    def _is_answered(self, suffix: str, doc_id: str) -> bool:
        """Ask the child; it has died when it doesn't answer.

        Raises:
            TransientError: it got too little of the processor.
        """
        self._socket.settimeout(_BUSY * self._time_limit)
        try:
            self._socket.sendall(json.dumps([suffix, doc_id]).encode() + b"\n")
            return self._socket.recv(1) == _DONE
        except TimeoutError as error:
            self._stop()
            raise TransientError(
                f"{doc_id} can't be read now, as the machine is too busy; try again later, or take the file away"
            ) from error
        except OSError:
            return False

    def _explain_death(self, doc_id: str) -> None:
        """Return where the child was killed from outside.

        Raises:
            InputError: the file killed it.
            TransientError: it gave up for want of room.
        """
        try:
            code = self._child.wait(_DYING) if self._child else 0
        except subprocess.TimeoutExpired:
            code = 0
        self._stop()
        if code == os.EX_TEMPFAIL:
            raise _no_room(f"while {doc_id} was read")
        if code == -signal.SIGXCPU:
            raise InputError(f"takes more than {self._time_limit:.0f} seconds to read: split it, or save it anew")
        if code >= 0 or -code in _OWN_DEATHS:
            raise InputError("breaks its reader, it may be damaged or too large: save it anew, or split it")

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child:
            child.kill()
            child.wait()


def _environment() -> dict[str, str]:
    # The child works in a folder of its own, so that nothing of the parent's shadows a module.
    paths = [str(_ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    told = {name: value for name, value in os.environ.items() if name in _TOLD or name.startswith("LC_")}
    return {**told, "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in paths)}  # noqa: PTH100


def _no_room(reason: str | None) -> TransientError:
    return TransientError(f"The temporary folder can't be written ({reason}); make room there or check TMPDIR")


def main(folder: Path, memory_limit: int, time_limit: float) -> None:
    """Parse what the parent asks for until it goes away; end with EX_TEMPFAIL where the disk keeps it from that."""
    if sys.platform == "linux":  # others have no such limit that holds
        _limit(resource.RLIMIT_AS, memory_limit)
    _limit(resource.RLIMIT_FSIZE, _ANSWER_LIMIT)
    _limit(resource.RLIMIT_CORE, 0)
    tempfile.tempdir = str(folder)
    with socket.socket(fileno=sys.stdin.fileno()) as parent, parent.makefile("rb") as lines:
        parent.sendall(_DONE)
        for line in lines:
            _limit_time(time_limit)
            suffix, doc_id = json.loads(line)
            try:
                answer = _answer(suffix, doc_id, (folder / _DATA).read_bytes())
                answer["grown"] = _address_space() > _GROWN
                (folder / _ANSWER).write_text(json.dumps(answer, ensure_ascii=False), encoding="utf-8")
            except (TransientError, OSError) as error:
                # More than may be written is the fault of the file.
                sys.exit(1 if getattr(error, "errno", None) == errno.EFBIG else os.EX_TEMPFAIL)
            parent.sendall(_DONE)


def _address_space() -> int:
    """Return what RLIMIT_AS limits, in bytes; 0 where it is not known."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[0]) * resource.getpagesize() if pages.exists() else 0


def _limit_time(seconds: float) -> None:
    """Let this process be killed when it has used so much more of the processor."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(usage.ru_utime + usage.ru_stime + seconds))


def _limit(what: int, most: int) -> None:
    """Limit this process to `most`, or to less where whoever started it has said so."""
    allowed = resource.getrlimit(what)[1]
    resource.setrlimit(what, (most if allowed == resource.RLIM_INFINITY else min(most, allowed), allowed))


def _answer(suffix: str, doc_id: str, data: bytes) -> dict[str, Any]:
    try:
        document = parse_document(suffix, doc_id, data)
    except TransientError:
        raise
    except InputError as error:
        return {"reason": str(error)}
    except MemoryError:
        return {"reason": "needs too much memory to be read: split it, or save it anew without its pictures"}
    return {
        "title": document.title, "text": document.text, "blocks": [astuple(block) for block in document.blocks],
        "imprint": [document.date, document.department, document.contact],
    }  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
