"""Let many people ask at once, each reading a stream, and measure what they get: `make load`.

The server is a process of its own, as it is installed, with two workers. Every asker asks again as soon as it has an
answer; one that is sent away comes again when it was told to. Prints what was counted, and exits with 1 if a request
failed in a way that is not intended, or if memory grew.
"""

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from index.build import build_index
from index.embedding import BUNDLED, load_embedder
from index.publication import Publication
from server.settings import Settings
from tests.conftest import REPO
from tests.server.test_serve import serving
from tests.soak.reindex_under_load import free_port, memory_mb

REPEATED = (
    "APEC은 언제 창설되었나요?",
    "양해각서에 누가 서명하나요?",
    "담당 사무관 전화번호가 뭐예요?",
    "양해각서의 목표가 뭔가요?",
    "한미 과학기술공동위원회는 내년에 어디서 열리나요?",
    "When was APEC founded?",
    "Who signed the MOU?",
    "안녕하세요",
    "APECはいつ設立されましたか。",
    "APEC是哪一年成立的？",
    "APEC được thành lập năm nào?",
    "APEC 회원국은 몇 개국인가요?",
)
NEW = ("{n}년에 무엇을 합의했나요?", "제{n}조에는 무엇이 있나요?", "What was agreed in {n}?", "{n}명이 참여하나요?")
SHARE_OF_NEW = 0.3
WARM_UP_SHARE = 0.25
INTENDED = {"busy", "rate_limited", "timed_out"}


@dataclass
class Counts:
    """What happened; times in seconds. `memory` holds, each second, how many were answered and the megabytes held."""

    answered: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    first_event: list[float] = field(default_factory=list)
    memory: list[tuple[int, int]] = field(default_factory=list)

    def growth(self) -> float:
        """Return by which share memory grew after the warm-up: the median of the last tenth against the first."""
        steady = [held for done, held in self.memory if done >= WARM_UP_SHARE * self.answered]
        tenth = max(1, len(steady) // 10)
        first, last = sorted(steady[:tenth])[tenth // 2], sorted(steady[-tenth:])[tenth // 2]
        return last / first - 1

    def lines(self, seconds: float) -> list[str]:
        """Return the counts as people read them."""
        return [
            f"{self.answered} answered in {seconds:.0f} s ({self.answered / seconds:.1f} a second)",
            f"refused as intended: {dict(self.refused)}; failed: {dict(self.failed)}",
            f"time to the whole answer: {_percentiles(self.took)}",
            f"time to the first event: {_percentiles(self.first_event)}",
            f"memory after the warm-up: {self.growth():+.1%}, at the end {self.memory[-1][1]} MB",
        ]


def _percentiles(times: list[float]) -> str:
    ranked = sorted(times)
    return ", ".join(f"p{p} {ranked[min(len(ranked) - 1, len(ranked) * p // 100)]:.2f} s" for p in (50, 95, 99))


async def _ask(client: httpx.AsyncClient, question: str, counts: Counts) -> float:
    """Ask once; return how long to wait before the next time."""
    began = time.monotonic()
    headers = {"Accept": "text/event-stream"}
    events = ""
    async with client.stream("POST", "/api/chat", json={"question": question}, headers=headers) as response:
        if response.status_code != 200:
            code = json.loads(await response.aread()).get("code", "")
            intended = response.status_code in (429, 503) and code in INTENDED and "retry-after" in response.headers
            (counts.refused if intended else counts.failed)[f"{response.status_code} {code}"] += 1
            return float(response.headers.get("retry-after", 1)) * random.uniform(0.5, 1.5)
        async for piece in response.aiter_text():
            if not events:
                counts.first_event.append(time.monotonic() - began)
            events += piece
    if "event: done\n" in events:
        counts.answered += 1
        counts.took.append(time.monotonic() - began)
    else:
        code = next((code for code in INTENDED if f'"code":"{code}"' in events), "")
        (counts.refused if code else counts.failed)[f"event {code or 'missing'}"] += 1
    return 0.0


async def load(address: str, pid: int, askers: int, seconds: float, requests: int) -> Counts:
    """Let `askers` ask for `seconds`, and go on until `requests` were answered."""
    counts = Counts()
    began = time.monotonic()
    limits = httpx.Limits(max_connections=askers, max_keepalive_connections=askers)
    async with httpx.AsyncClient(base_url=address, timeout=90, limits=limits) as client:

        def goes_on() -> bool:
            return time.monotonic() - began < seconds or counts.answered < requests

        async def asker(seed: int) -> None:
            chance = random.Random(seed)
            while goes_on():
                is_new = chance.random() < SHARE_OF_NEW
                text = chance.choice(NEW).format(n=chance.randrange(10**6)) if is_new else chance.choice(REPEATED)
                try:
                    await asyncio.sleep(await _ask(client, text, counts))
                except httpx.HTTPError as error:
                    counts.failed[type(error).__name__] += 1

        async def watch() -> None:
            while goes_on():
                counts.memory.append((counts.answered, await asyncio.to_thread(memory_mb, pid)))
                await asyncio.sleep(1)

        await asyncio.gather(watch(), *(asker(seed) for seed in range(askers)))
    return counts


def main() -> None:
    """Serve, load, and print the counts."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--askers", type=int, default=200)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--requests", type=int, default=0, help="go on until so many were answered")
    options.add_argument("--workers", type=int, default=2)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mundap-load-"))
    try:
        (folder / "models").symlink_to(REPO / "var" / "models")
        build_index(REPO / "source_docs", Publication(folder), load_embedder(BUNDLED, folder / "models"))
        settings = Settings(_env_file=None, data_dir=folder, source_dir=REPO / "source_docs")
        port = free_port()
        with serving(port, folder, settings, "--workers", str(chosen.workers)) as (server, _):
            began = time.monotonic()
            counts = asyncio.run(
                load(f"http://127.0.0.1:{port}", server.pid, chosen.askers, chosen.seconds, chosen.requests)
            )
            seconds = time.monotonic() - began
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(counts.lines(seconds)))
    sys.exit(bool(counts.failed) or (chosen.requests >= 20_000 and counts.growth() >= 0.05))


if __name__ == "__main__":
    main()
