"""Reindex again and again while people ask, and check every reply against the version that it names: `make soak`.

The server is a process of its own, as it is installed; this one builds, publishes and, now and then, rolls back. Prints
what was counted, and exits with 1 if a request failed or a reply was wrong.
"""

import argparse
import json
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from index.build import build_index
from index.embedding import BUNDLED, Embedder, load_embedder
from index.publication import Publication
from server.settings import Settings
from tests.conftest import REPO
from tests.server.pages import marked_text
from tests.server.test_serve import serving

QUESTIONS = (
    "접수 기간은 언제부터인가요?",
    "수수료는 얼마인가요?",
    "신청서는 어디에 내나요?",
    "문의 전화번호가 무엇인가요?",
    "How much is the fee?",
)
ROLL_BACK_EACH = 5
PATIENCE_SECONDS = 60
NOTICE = 'class="earlier-text"'


@dataclass
class Counts:
    """What happened. `took_seconds` is how long after each publication every worker answered from it."""

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    quotes: int = 0
    pages_of_older_text: int = 0
    pages_without_mark: int = 0
    published: int = 0
    rolled_back: int = 0
    took_seconds: list[float] = field(default_factory=list)
    server_mb: list[int] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the counts as people read them."""
        took = sorted(self.took_seconds)
        return [
            f"published {self.published} versions, rolled back {self.rolled_back} times; answers came "
            f"from {len(self.versions)} versions",
            f"taken after {took[len(took) // 2]:.2f} s (median), {took[-1]:.2f} s (longest)",
            f"{self.requests.total()} requests: {dict(self.requests)}",
            f"answers: {dict(self.statuses)}",
            f"{len(self.failed)} failed requests {self.failed[:5] or ''}",
            f"{self.quotes} quotes and texts checked, {len(self.wrong)} wrong {self.wrong[:5] or ''}",
            f"{self.pages_of_older_text} source pages of an older text, {self.pages_without_mark} of one not kept",
            f"memory of the server after each publication: {self.server_mb} MB",
        ]


def documents(edition: int) -> dict[str, str]:
    """Return the documents of an edition: the same facts with other values at other places, and one that stays."""
    more = "이 안내는 누구나 볼 수 있다. " * (edition % 4)
    return {
        "접수.txt": f"접수 안내 제{edition}판\n\n{more}접수 기간은 3월 {edition % 20 + 1}일부터이다.\n\n"
        f"신청서는 {edition + 1}층 민원실에 낸다.\n",
        "요금.txt": f"수수료 안내\n\n{more}수수료는 {1_000 + 10 * edition}원이다. 카드로도 낼 수 있다.\n",
        "문의.txt": "문의 안내\n\n문의 전화번호는 02-123-4567이다.\n",
    }


class Asker(threading.Thread):
    """Asks in every way there is until it is told to stop. What can only be checked later goes to `said`."""

    def __init__(self, address: str, seed: int, counts: Counts) -> None:
        super().__init__(daemon=True)
        self.counts = counts
        self.said: list[tuple[str, str, int, int, str]] = []
        self.stopped = threading.Event()
        self._random = random.Random(seed)
        self._client = httpx.Client(base_url=address, timeout=PATIENCE_SECONDS)

    def run(self) -> None:
        ways = (self._chat, self._chat, self._stream, self._form, self._search, self._document, self._list)
        with self._client:
            while not self.stopped.is_set():
                way = self._random.choice(ways)
                self.counts.requests[way.__name__.strip("_")] += 1
                try:
                    way(self._random.choice(QUESTIONS))
                except Exception as error:
                    self.counts.failed.append(f"{way.__name__}: {error!r}")

    def _chat(self, question: str) -> None:
        self._read(self._client.post("/api/chat", json={"question": question}).raise_for_status().json())

    def _stream(self, question: str) -> None:
        headers = {"Accept": "text/event-stream"}
        events = self._client.post("/api/chat", json={"question": question}, headers=headers).raise_for_status().text
        [done] = re.findall("^event: done\ndata: (.*)$", events, re.MULTILINE)
        reply = json.loads(done)
        versions = set(re.findall('"index_version":"([^"]*)"', events))
        if versions != {reply["index_version"]}:
            self.counts.wrong.append(f"a stream of several versions: {versions}")
        self._read(reply)

    def _read(self, reply: dict[str, Any]) -> None:
        version = reply["index_version"]
        self.counts.statuses[reply["status"]] += 1
        self.counts.versions[version] += 1
        for quoted in reply["citations"]:
            self._keep(version, quoted["doc_id"], quoted["start"], quoted["end"], quoted["quote"])
            self._open(f"{quoted['url']}&version={version}", quoted["quote"])
        for passage in reply["related"]:
            self._keep(version, passage["doc_id"], passage["start"], passage["end"], passage["text"])

    def _open(self, url: str, quote: str) -> None:
        self.counts.requests["page"] += 1
        page = self._client.get(url).raise_for_status().text
        marked = marked_text(page)
        if marked == "" and NOTICE in page:
            self.counts.pages_without_mark += 1
        elif marked != quote:
            self.counts.wrong.append(f"{url} marks {marked!r}, not {quote!r}")
        elif NOTICE in page:
            self.counts.pages_of_older_text += 1

    def _form(self, question: str) -> None:
        page = self._client.post("/", data={"question": question}).raise_for_status().text
        versions = set(re.findall(r"&amp;version=([^#\"]+)", page))
        if len(versions) > 1:
            self.counts.wrong.append(f"a page of several versions: {versions}")

    def _search(self, question: str) -> None:
        found = self._client.get("/api/search", params={"q": question}).raise_for_status().json()
        for hit in found["hits"]:
            self._keep(found["index_version"], hit["doc_id"], hit["start"], hit["end"], hit["text"])

    def _document(self, question: str) -> None:
        name = self._random.choice(list(documents(0)))
        found = self._client.get(f"/api/documents/{name}").raise_for_status().json()
        self._keep(found["index_version"], name, 0, len(found["text"]), found["text"])

    def _list(self, question: str) -> None:
        found = self._client.get("/api/documents").raise_for_status().json()
        for document in found["documents"]:
            self._keep(found["index_version"], document["doc_id"], 0, 0, "")
        self._client.get("/readyz").raise_for_status()

    def _keep(self, version: str, doc_id: str, start: int, end: int, text: str) -> None:
        self.said.append((version, doc_id, start, end, text))


def reindex_under_load(
    folder: Path,
    embedder: Embedder,
    editions: Iterable[int],
    askers: int,
    workers: int = 1,
    pause_seconds: float = 3.0,
    disturb: Callable[[int, int, str, Path], None] = lambda edition, pid, address, data_dir: None,
) -> Counts:
    """Serve from `folder`, let `askers` ask, and publish each of `editions`, `pause_seconds` after the one before.

    `disturb` is called after each publication, with the number of it, the server's process, address and data folder.
    """
    data_dir, source = folder / "data", folder / "source"
    for path in (data_dir, source):
        path.mkdir()
    (data_dir / "models").symlink_to(REPO / "var" / "models")
    publication = Publication(data_dir)
    counts = Counts()
    texts: dict[str, dict[str, str]] = {}

    def publish(edition: int) -> str:
        for name, text in documents(edition).items():
            (source / name).write_text(text, encoding="utf-8")
        version = build_index(source, publication, embedder).version
        texts[version] = documents(edition)
        return version

    publish(0)
    settings = Settings(_env_file=None, data_dir=data_dir, source_dir=source)
    port = free_port()
    with serving(port, data_dir, settings, "--workers", str(workers)) as (server, client):
        asking = [Asker(f"http://127.0.0.1:{port}", seed, counts) for seed in range(askers)]
        for asker in asking:
            asker.start()
        for edition in editions:
            _wait_until_taken(client, publish(edition), workers, counts)
            counts.published += 1
            if edition % ROLL_BACK_EACH == 0:
                time.sleep(pause_seconds)
                _wait_until_taken(client, publication.roll_back().version, workers, counts)
                counts.rolled_back += 1
            counts.server_mb.append(memory_mb(server.pid))
            disturb(edition, server.pid, f"http://127.0.0.1:{port}", data_dir)
            time.sleep(pause_seconds)
        for asker in asking:
            asker.stopped.set()
        for asker in asking:
            asker.join(PATIENCE_SECONDS)
    for version, doc_id, start, end, text in [said for asker in asking for said in asker.said]:
        counts.quotes += 1
        if texts[version][doc_id].rstrip("\n")[start:end] != text.rstrip("\n"):
            counts.wrong.append(f"{version} {doc_id}:{start}-{end} is not {text!r}")
    return counts


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_until_taken(client: httpx.Client, version: str, workers: int, counts: Counts) -> None:
    """Wait until as many replies in a row name `version` as make it likely that each worker has been asked."""
    started, in_a_row = time.monotonic(), 0
    while in_a_row < (1 if workers == 1 else 20):
        # On a connection of its own each, since one connection stays with its worker.
        seen = client.get("/readyz", headers={"Connection": "close"}).raise_for_status().json()["index_version"]
        in_a_row = in_a_row + 1 if seen == version else 0
        if time.monotonic() - started > PATIENCE_SECONDS:
            counts.wrong.append(f"{version} was not taken, but {seen}")
            return
        time.sleep(0.02)
    counts.took_seconds.append(time.monotonic() - started)


def memory_mb(pid: int) -> int:
    """Return the memory that a server and its workers hold; pages of mapped files can be given back at any time."""
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout.split()
    held = 0
    for process in (str(pid), *children):
        with suppress(OSError):
            status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
            # One that has ended holds nothing, and says nothing of it until its parent has looked.
            if found := re.search(r"RssAnon:\s+(\d+)", status):
                held += int(found.group(1)) // 1024
    return held


def main() -> None:
    """Run as long as the options say, and print the counts."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--reindexes", type=int, default=20)
    options.add_argument("--askers", type=int, default=8)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--pause", type=float, default=3.0, help="seconds after each version that was taken")
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mundap-soak-"))
    try:
        embedder = load_embedder(BUNDLED, REPO / "var" / "models")
        editions = range(1, chosen.reindexes + 1)
        counts = reindex_under_load(folder, embedder, editions, chosen.askers, chosen.workers, chosen.pause)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(counts.lines()))
    sys.exit(bool(counts.failed or counts.wrong))


if __name__ == "__main__":
    main()
