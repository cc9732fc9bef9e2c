"""What Prometheus reads at /metrics: counts and times of everything that goes on, of all workers together.

Labels have few values each, none of them from outside. Nothing says who asked, or what.
"""

import os
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

# Set before the first import of prometheus_client: where the workers of one server write what they count.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
disable_created_metrics()  # type: ignore[no-untyped-call]
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        # Values that several processes share are read from their files, each of them once.
        self._registry = CollectorRegistry()
        registry = self._registry
        self.requests = Counter("mundap_requests", "HTTP requests.", ["route", "method", "status"], registry=registry)
        self.request_seconds = Histogram(
            "mundap_request_seconds", "Time of HTTP requests to their last byte.", ["route"], buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.answers = Counter(
            "mundap_answers", "Questions by how they ended.", ["status", "mode", "lang", "way"], registry=registry
        )
        self.answer_seconds = Histogram(
            "mundap_answer_seconds", "Time of answers by stage.", ["stage"], buckets=_SECONDS, registry=registry
        )
        self.cache = Counter("mundap_cache", "Questions that were answered before.", ["result"], registry=registry)
        self.refused = Counter("mundap_refused", "Requests that were refused.", ["code"], registry=registry)
        self.feedback = Counter("mundap_feedback", "Feedback on answers.", ["helpful"], registry=registry)
        self.masked = Counter(
            "mundap_masked", "Texts with personal data that was masked, by kind.", ["kind"], registry=registry
        )
        self.failures = Counter(
            "mundap_failures", "Failures that answering goes on without.", ["part"], registry=registry
        )
        self.lost_questions = Counter("mundap_lost_questions", "Questions that could not be logged.", registry=registry)
        self.problems = Counter("mundap_problems", "Errors that were told, by code.", ["code"], registry=registry)
        self.ready = Gauge(
            "mundap_ready", "Whether the index could be searched when that was last tried.",
            multiprocess_mode="livemin", registry=registry,
        )  # fmt: skip
        self.index_behind = Gauge(
            "mundap_index_behind", "Whether a version is published that can't be opened.",
            multiprocess_mode="livemax", registry=registry,
        )  # fmt: skip
        self.working = Gauge(
            "mundap_working", "Questions and searches at work.", multiprocess_mode="livesum", registry=registry
        )
        self.waiting = Gauge(
            "mundap_waiting", "Questions and searches in the queue.", multiprocess_mode="livesum", registry=registry
        )
        self.workers = Gauge("mundap_workers", "Processes that serve.", multiprocess_mode="livesum", registry=registry)
        self.index_built = Gauge(
            "mundap_index_built_timestamp_seconds", "When the index was built that is answered from.", ["version"],
            multiprocess_mode="livemax", registry=registry,
        )  # fmt: skip
        if SHARED_FOLDER not in os.environ:
            ProcessCollector(registry=registry)
        self._version = ""

    def queued(self, waiting: int, working: int) -> None:
        """Note how many questions and searches wait, and how many are at work."""
        self.waiting.set(waiting)
        self.working.set(working)

    def serves(self, version: str, built: float) -> None:
        """Note from which version of the index, built at `built` (seconds since 1970), this process answers."""
        if version == self._version:
            return
        if self._version:
            # A value that is removed would stay in the file that the workers share, so it is set to nothing.
            self.index_built.labels(self._version).set(0)
        self._version = version
        self.index_built.labels(version).set(built)

    def exposition(self) -> bytes:
        """Return all values in Prometheus's text format."""
        folder = os.environ.get(SHARED_FOLDER)
        if not folder:
            return generate_latest(self._registry)
        for pid in _dead(Path(folder)):
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
        shared = CollectorRegistry()
        MultiProcessCollector(shared, folder)  # type: ignore[no-untyped-call]
        return generate_latest(shared)


def _dead(folder: Path) -> set[int]:
    """Return the processes that have ended, also by force, and whose gauges would be added up for ever."""
    pids = {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*.db")}
    return {pid for pid in pids if not Path(f"/proc/{pid}").exists()} if Path("/proc").is_dir() else set()
