"""The log of questions: written beside the answering, which never waits for it, and purged when its time is over."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from index.errors import StorageError
from server.storage import AskedQuestion, Storage

WRITE_EVERY_SECONDS = 0.5
# Questions that are kept in memory while the database is gone; the oldest are lost first, and counted.
MOST_WAITING = 10_000
_AT_ONCE = 500
PROBE_EVERY_SECONDS = 10.0
# A database that is lost is given up sooner.
STUCK_AFTER_SECONDS = 15.0
_TRY_AGAIN_SECONDS = 5.0
_PURGE_EVERY_SECONDS = 3_600.0
_CLOCK_JUMP = timedelta(hours=12)

_log = logging.getLogger("mundap")


class QuestionLog:
    """Takes questions at any time, and writes them in batches from a thread of its own.

    What can't be written now is written later. `on_lost` is told how many questions were lost. The same thread looks
    now and then whether the database can be written, also when nobody asks.
    """

    def __init__(
        self,
        storage: Storage,
        retention_days: int,
        keeps_questions: bool = True,
        on_lost: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._storage = storage
        self._retention = timedelta(days=retention_days)
        self._keeps_questions = keeps_questions
        self._on_lost = on_lost
        self._waiting: deque[AskedQuestion] = deque()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._began = (time.time(), time.monotonic())
        self._purge_at = self._probe_at = 0.0
        self._busy_since = math.inf
        self._thread = threading.Thread(target=self._run, name="question log", daemon=True)

    @property
    def is_stuck(self) -> bool:
        """Whether the database has been waited for for longer than it may take."""
        return time.monotonic() - self._busy_since > STUCK_AFTER_SECONDS

    def start(self) -> None:
        """Write and purge until `stop`."""
        self._thread.start()

    def note(self, question: AskedQuestion) -> None:
        """Take a question. Returns at once."""
        if not self._keeps_questions:
            return
        with self._lock:
            self._waiting.append(question)
            is_lost = len(self._waiting) > MOST_WAITING
            if is_lost:
                self._waiting.popleft()
        if is_lost:
            self._on_lost(1)

    def stop(self) -> None:
        """Write what is there, in one attempt, and no more after that."""
        self._stopped.set()
        self._thread.join(STUCK_AFTER_SECONDS)
        if not self._thread.is_alive():
            self.write()
        if self._waiting:
            _log.error("%d questions could not be written and are lost", len(self._waiting))
            self._on_lost(len(self._waiting))

    def write(self) -> bool:
        """Write what is there; return whether it could be written."""
        while batch := list(self._waiting)[:_AT_ONCE]:
            try:
                self._storage.keep_questions(batch)
            except StorageError:
                return False
            with self._lock:
                written = {question.answer_id for question in batch}
                while self._waiting and self._waiting[0].answer_id in written:
                    self._waiting.popleft()
        return True

    def purge(self) -> None:
        """Remove what is older than the retention, unless nobody can know what that is.

        A system clock that has jumped since the start would make everything old.
        """
        passed = time.time() - self._began[0] - (time.monotonic() - self._began[1])
        if abs(passed) > _CLOCK_JUMP.total_seconds():
            _log.error("the system clock has jumped by %.0f hours: nothing is purged until a restart", passed / 3_600)
            return
        try:
            removed = self._storage.purge(datetime.now(UTC) - self._retention)
        except StorageError as error:
            _log.error("nothing is purged: %s", error)
        else:
            if any(removed.values()):
                _log.info("purged what is older than %d days: %s", self._retention.days, removed)

    def _probe(self) -> None:
        self._probe_at = time.monotonic() + PROBE_EVERY_SECONDS
        # What it finds out the storage keeps.
        with suppress(StorageError):
            self._storage.probe()

    def _run(self) -> None:
        pause = WRITE_EVERY_SECONDS
        while not self._stopped.wait(pause):
            self._busy_since = time.monotonic()
            try:
                pause = WRITE_EVERY_SECONDS if self.write() else _TRY_AGAIN_SECONDS
                if time.monotonic() >= self._probe_at:
                    self._probe()
                if time.monotonic() >= self._purge_at:
                    self._purge_at = time.monotonic() + _PURGE_EVERY_SECONDS
                    self.purge()
            except Exception:  # a log that dies in silence would be worse than any one failure
                _log.exception("the log of questions failed")
                pause = _TRY_AGAIN_SECONDS
            finally:
                self._busy_since = math.inf
