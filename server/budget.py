"""How long a request may take, and whether anybody still waits for it: asked between the steps of its answer."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from index.errors import Refused

SECONDS_UNTIL_RETRY = 5


class Budget:
    """The time that one request has, in seconds from now. Safe to cancel from another thread."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._cancelled: Refused | None = None

    @property
    def seconds_left(self) -> float:
        """What is left, at least 0."""
        return max(0.0, self._ends - time.monotonic())

    def cancel(self, reason: Refused) -> None:
        """Let the next step not begin but raise `reason`."""
        self._cancelled = reason

    def check(self) -> None:
        """Go on.

        Raises:
            Refused: the time is up, or the request was cancelled.
        """
        if self._cancelled:
            raise self._cancelled
        if not self.seconds_left:
            raise timed_out()


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def spending(budget: Budget) -> Iterator[None]:
    """Let what is called in here, also in threads that it hands work to, live on `budget`."""
    token = _current.set(budget)
    try:
        yield
    finally:
        _current.reset(token)


def check_budget() -> None:
    """Go on, if the request that this is for may. Without a request, as on the command line, there is no budget.

    Raises:
        Refused: the time is up, or nobody waits for the answer any more.
    """
    if budget := _current.get():
        budget.check()


def seconds_left() -> float:
    """Return what the request that this is for has left; infinity without one."""
    budget = _current.get()
    return budget.seconds_left if budget else math.inf


def timed_out() -> Refused:
    """Return what a request gets that took too long."""
    return Refused("timed_out", "The answer took too long; try again in a moment", SECONDS_UNTIL_RETRY)


def client_gone() -> Refused:
    """Return what ends the work for a client that has closed its connection."""
    return Refused("client_gone", "The client has closed the connection")


def shutting_down() -> Refused:
    """Return what a request gets for which there is no time before the server ends."""
    return Refused("shutting_down", "The server is being restarted; try again in a moment", SECONDS_UNTIL_RETRY)
