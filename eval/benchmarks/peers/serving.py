"""One pipeline as a process that is asked over standard input and output, a line of JSON each.

Imports nothing but the standard library: each pipeline runs in its own environment. {"build": {id: text}} indexes the
documents, {"ask": [question, …], "threads": n} returns for each question the ids of the documents found, best first,
and the milliseconds that it took, and the seconds of all together.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

TOP_K = 10
Search = Callable[[str], Iterable[str]]
"""Returns the ids of the documents that a question finds, best first; one may come several times."""
Build = Callable[[dict[str, str]], Search]
"""Indexes documents by id, with models that are loaded."""


def serve(build: Build, packages: tuple[str, ...]) -> None:
    """Do what standard input asks for until it ends."""
    # What libraries print must not get between the lines.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    search: Search | None = None
    versions = {package: metadata.version(package) for package in packages}
    print(json.dumps({"versions": versions}), file=out, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        started = time.perf_counter()
        if "build" in order:
            search = build(order["build"])
            reply: dict[str, object] = {"seconds": time.perf_counter() - started}
        else:
            assert search  # noqa: S101 - "build" comes first
            with ThreadPoolExecutor(order["threads"]) as threads:
                answers = list(threads.map(_timed(search), order["ask"]))
            reply = {
                "seconds": time.perf_counter() - started,
                "found": [found for found, _ in answers],
                "milliseconds": [milliseconds for _, milliseconds in answers],
            }
        print(json.dumps(reply | {"memory_mb": _memory_mb()}), file=out, flush=True)


def _timed(search: Search) -> Callable[[str], tuple[list[str], float]]:
    def timed(question: str) -> tuple[list[str], float]:
        started = time.perf_counter()
        found = list(dict.fromkeys(search(question)))
        return found, (time.perf_counter() - started) * 1000

    return timed


def _memory_mb() -> dict[str, int]:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return {field: int(status.split(f"{field}:")[1].split()[0]) // 1024 for field in ("VmRSS", "VmHWM")}
