"""How the server listens: what a connection may cost, and how it ends."""

import asyncio
import threading
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from server.budget import Budget, shutting_down
from server.logs import logging_config
from server.settings import Settings

MAX_CONNECTIONS = 1_000
# A request's head has to be there within this time, and a client that takes nothing off for the other is cut off.
HEAD_SECONDS = 10.0
STALLED_SECONDS = 30.0
# Longer than the 60 seconds for which nginx keeps a connection: whoever closes first must be the one who sends.
_IDLE_SECONDS = 65
# Beside what questions under way are given, for their last words to be sent.
_LAST_WORDS_SECONDS = 5
# A worker that loads its models on a busy machine is not hung.
_WORKER_PATIENCE_SECONDS = 60


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol, which by itself waits for ever for the head of a request and for a client that stalls."""

    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Take what came; once a head has begun, it has to be there in time."""
        super().data_received(data)
        self._watch_head()

    def _watch_head(self) -> None:
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)
        elif not waits:
            self._stop_waiting_for_head()

    def _stop_waiting_for_head(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def pause_writing(self) -> None:
        """Wait no longer than a while for a client that reads nothing."""
        super().pause_writing()
        self._stall_timer = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        super().resume_writing()
        if self._stall_timer:
            self._stall_timer.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting_for_head()
        if self._stall_timer:
            self._stall_timer.cancel()
        super().connection_lost(exc)


def server_options(settings: Settings) -> dict[str, Any]:
    """Return the options of uvicorn, which the workers get too."""
    return {
        "http": BoundedProtocol,
        "limit_concurrency": MAX_CONNECTIONS,
        "timeout_keep_alive": _IDLE_SECONDS,
        "timeout_graceful_shutdown": int(settings.drain_seconds) + _LAST_WORDS_SECONDS,
        "timeout_worker_healthcheck": _WORKER_PATIENCE_SECONDS,
        # Only those that the setting trusts are believed, by a middleware of the app.
        "proxy_headers": False,
        "server_header": False,
        "log_config": logging_config(settings.log_level),
    }


class Drain:
    """The end of a server: nothing new is begun, and what is under way has `seconds` to finish."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._budgets: set[Budget] = set()
        self.has_begun = False

    def begin(self) -> None:
        """Begin nothing new; when the time is up, end what is still under way at its next step."""
        self.has_begun = True
        timer = threading.Timer(self._seconds, self._end)
        timer.daemon = True
        timer.start()

    def begins_with(self, budget: Budget) -> None:
        """Note that a request is under way.

        Raises:
            Refused: the server is ending.
        """
        if self.has_begun:
            raise shutting_down()
        self._budgets.add(budget)

    def ended_with(self, budget: Budget) -> None:
        """Note that a request is not under way any more."""
        self._budgets.discard(budget)

    def _end(self) -> None:
        for budget in list(self._budgets):
            budget.cancel(shutting_down())
