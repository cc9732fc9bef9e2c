"""Half an hour in which everything happens at once, and nothing may get lost: `make endurance`.

People ask in every way there is while versions are published and rolled back, workers are killed, the pointer to the
index is damaged, the database is taken away and malformed requests come in. Every reply is checked against the version
that it names. Prints what was counted, and exits with 1 if a reply was wrong or a request failed that no kill explains.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from itertools import count, takewhile
from pathlib import Path

import httpx

from index.embedding import BUNDLED, load_embedder
from index.publication import Publication
from tests.conftest import REPO
from tests.hostile_requests import send_malformed
from tests.server.test_faults import workers_of
from tests.soak.reindex_under_load import reindex_under_load

PAUSE_SECONDS = 20.0
ASKERS = 8


class Disturbance:
    """Does one thing after another to a server, and counts what it did."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()

    def __call__(self, edition: int, pid: int, address: str, data_dir: Path) -> None:
        """Do what is next."""
        acts = (self._kill_worker, self._damage_pointer, self._take_database, self._send_malformed)
        act = acts[edition % len(acts)]
        act(pid, address, data_dir)
        self.done[act.__name__.strip("_")] += 1
        ready = self._wait_until_ready(address)
        if ready["problems"]:
            self.done[f"still {ready['problems']}"] += 1

    def _kill_worker(self, pid: int, address: str, data_dir: Path) -> None:
        os.kill(random.choice(sorted(workers_of(pid))), signal.SIGKILL)
        while len(workers_of(pid)) < 2:
            time.sleep(0.1)

    def _damage_pointer(self, pid: int, address: str, data_dir: Path) -> None:
        pointer = Publication(data_dir).folder / "current"
        whole = pointer.read_bytes()
        pointer.write_bytes(b"\x00damaged")
        time.sleep(3)
        pointer.write_bytes(whole)

    def _take_database(self, pid: int, address: str, data_dir: Path) -> None:
        for path in data_dir.glob("mundap.sqlite*"):
            path.unlink(missing_ok=True)

    def _send_malformed(self, pid: int, address: str, data_dir: Path) -> None:
        self.statuses += send_malformed(address, 500, seed=random.randrange(2**32))

    def _wait_until_ready(self, address: str) -> dict[str, list[str]]:
        give_up = time.monotonic() + 60
        while True:
            try:
                ready = httpx.get(f"{address}/readyz").raise_for_status().json()
            except httpx.HTTPError:
                ready = {"problems": ["not ready"]}
            if not ready["problems"] or time.monotonic() > give_up:
                return dict(ready)
            time.sleep(0.5)


def main() -> None:
    """Go on as long as the options say, and print the counts."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=30)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mundap-endurance-"))
    disturbance = Disturbance()
    began = time.monotonic()
    # Each disturbance is done once at the least, however short the time.
    editions = takewhile(lambda edition: edition <= 4 or time.monotonic() - began < chosen.minutes * 60, count(1))
    try:
        embedder = load_embedder(BUNDLED, REPO / "var" / "models")
        counts = reindex_under_load(folder, embedder, editions, ASKERS, 2, PAUSE_SECONDS, disturbance)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(counts.lines()))
    print(f"{(time.monotonic() - began) / 60:.0f} minutes; done to the server: {dict(disturbance.done)}")
    print(f"malformed requests by status: {dict(sorted(disturbance.statuses.items()))}")
    kills = disturbance.done["kill_worker"]
    unexplained = len(counts.failed) - kills * ASKERS
    still = sum(count for name, count in disturbance.done.items() if name.startswith("still"))
    errors = [status for status in disturbance.statuses if status >= 500 and status != 503]
    print(f"{len(counts.failed)} requests cut off by {kills} kills, {max(0, unexplained)} more than those explain")
    sys.exit(bool(counts.wrong or unexplained > 0 or still or errors))


if __name__ == "__main__":
    main()
