"""A process of its own for parsing: what a hostile file does to it is done to nothing else.

The parent puts the bytes of a file into a folder that both know and sends a line; the child answers with one byte when
the document, or the reason why there is none, is in the folder. A child that dies, hangs or has grown is replaced.
"""

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
from dataclasses import astuple
from pathlib import Path
from types import TracebackType
from typing import Any

from index.documents import Block, BlockKind, Document
from index.errors import InputError
from index.loaders import parse_document

# In seconds. A PDF report of five hundred pages takes half of it, nearly everything else less than one.
TIME_LIMIT = 120.0
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
_ROOT = Path(__file__).resolve().parents[2]


class ParserProcess:
    """Parses documents in a child that is started for the first one. To be used in a `with` statement."""

    def __init__(self, time_limit: float = TIME_LIMIT, memory_limit: int = MEMORY_LIMIT) -> None:
        """`time_limit` is in seconds of the clock for each file, `memory_limit` in bytes of address space.

        Raises:
            InputError: there is no room for a temporary folder.
        """
        self._time_limit = time_limit
        self._memory_limit = memory_limit
        try:
            self._temporary = tempfile.TemporaryDirectory(prefix="mundap-")
        except OSError as error:
            raise InputError(
                f"No temporary folder can be written ({error.strerror}); make room there or check TMPDIR"
            ) from error
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
        """
        if not self._child or self._child.poll() is not None:
            self._start()
        (self._folder / _DATA).write_bytes(data)
        try:
            done = self._ask(suffix, doc_id)
        except TimeoutError as error:
            self._stop()
            raise InputError(
                f"takes more than {self._time_limit:.0f} seconds to read: split it, or save it anew"
            ) from error
        except OSError:
            done = False
        if not done:
            self._stop()
            raise InputError("breaks its reader, it may be damaged or too large: save it anew, or split it")
        answer = json.loads((self._folder / _ANSWER).read_bytes())
        if answer["grown"]:
            self._stop()
        if "reason" in answer:
            raise InputError(answer["reason"])
        blocks = tuple(Block(BlockKind(kind), *where) for kind, *where in answer["blocks"])
        return Document(doc_id, answer["title"], answer["text"], blocks)

    def _start(self) -> None:
        self._socket.close()
        self._socket, ours = socket.socketpair()
        paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))
        with ours:
            self._child = subprocess.Popen(  # noqa: S603 - our own module, nothing of the file
                [sys.executable, "-m", "index.loaders.process", str(self._folder), str(self._memory_limit)],
                stdin=ours.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": paths},
            )
        self._socket.settimeout(_START_LIMIT)
        try:
            started = self._socket.recv(1) == _DONE
        except OSError:
            started = False
        if not started:
            self._stop()
            raise InputError("can't be read now, as no process can be started for it: free some memory and try again")

    def _ask(self, suffix: str, doc_id: str) -> bool:
        """Return whether the child answered; it has died when not."""
        self._socket.settimeout(self._time_limit)
        self._socket.sendall(json.dumps([suffix, doc_id]).encode() + b"\n")
        return self._socket.recv(1) == _DONE

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child:
            child.kill()
            child.wait()


def main(folder: Path, memory_limit: int) -> None:
    """Parse what the parent asks for until it goes away."""
    if sys.platform == "linux":  # others have no such limit that holds
        resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_ANSWER_LIMIT, _ANSWER_LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    tempfile.tempdir = str(folder)
    with socket.socket(fileno=sys.stdin.fileno()) as parent, parent.makefile("rb") as lines:
        parent.sendall(_DONE)
        for line in lines:
            _limit_time()
            suffix, doc_id = json.loads(line)
            answer = _answer(suffix, doc_id, (folder / _DATA).read_bytes())
            answer["grown"] = _address_space() > _GROWN
            (folder / _ANSWER).write_text(json.dumps(answer, ensure_ascii=False), encoding="utf-8")
            parent.sendall(_DONE)


def _address_space() -> int:
    """Return what RLIMIT_AS limits, in bytes; 0 where it is not known."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[0]) * resource.getpagesize() if pages.exists() else 0


def _limit_time() -> None:
    """End this process some time after its parent should have; the parent may have been killed."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime + 2 * TIME_LIMIT), -1))


def _answer(suffix: str, doc_id: str, data: bytes) -> dict[str, Any]:
    try:
        document = parse_document(suffix, doc_id, data)
    except InputError as error:
        return {"reason": str(error)}
    except MemoryError:
        return {"reason": "needs too much memory to be read: split it, or save it anew without its pictures"}
    blocks = [astuple(block) for block in document.blocks]
    return {"title": document.title, "text": document.text, "blocks": blocks}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
