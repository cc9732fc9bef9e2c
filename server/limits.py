"""How much each client, and all of them together, may ask for at once."""

import asyncio
import hashlib
import ipaddress
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from secrets import token_bytes
from typing import Any

from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.storage import storage_from_string

from index.errors import Refused

_DAY_SECONDS = 86_400
_SALT_KEY = "mundap:salt:{day}"
# After the shared counts could not be reached they are left alone for so long: each attempt keeps an asker waiting.
_TRY_SHARED_AGAIN_SECONDS = 5.0
_REDIS_PATIENCE_SECONDS = 0.5
_log = logging.getLogger("mundap")


def parse_rates(text: str) -> list[RateLimitItem]:
    """Return the limits in `text`, such as "60/minute" or "5/second;200/hour"; none of "".

    Raises:
        ValueError: it has another form.
    """
    return parse_many(text) if text else []


def open_counts(url: str) -> Storage:
    """Return where limits are counted: "memory://", or Redis by its URL.

    Raises:
        ValueError, ImportError: there is no such place, or the package for it is missing.
    """
    if url == "memory://":
        return MemoryStorage()
    if not url.startswith(("redis://", "rediss://", "redis+unix://")):
        raise ValueError("it begins with neither memory:// nor redis://")
    import redis  # noqa: F401

    patience = _REDIS_PATIENCE_SECONDS
    storage: Any = storage_from_string(
        f"async+{url}", implementation="redispy", socket_timeout=patience, socket_connect_timeout=patience
    )
    return storage  # type: ignore[no-any-return]


class RateLimiter:
    """Counts the requests of each client by a name that says nothing of its address and changes every day.

    The counts are this process's own, or those of a Redis that several share. While that can't be reached each process
    counts for itself.
    """

    def __init__(
        self,
        rates: list[RateLimitItem],
        counts: Storage,
        clock: Callable[[], float] = time.monotonic,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self._rates = rates
        self._shared = None if isinstance(counts, MemoryStorage) else counts
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._clock = clock
        self._on_failure = on_failure
        self._own_salt = self._shared_salt = ("", b"")
        self._shared_again_at = 0.0

    async def admit(self, address: str) -> None:
        """Count one request of the client at `address`.

        Raises:
            Refused: it has sent as many as it may; `retry_after` says when it may send more.
        """
        if not self._rates:
            return
        if self._shared is not None and self._clock() >= self._shared_again_at:
            try:
                wait = await self._wait_in(self._shared, address)
            except Exception as error:  # of the client of Redis, whose errors have no root in common
                self._shared_again_at = self._clock() + _TRY_SHARED_AGAIN_SECONDS
                self._on_failure()
                _log.error("rate limits are counted by each process alone: %s", type(error).__name__)
            else:
                _refuse(wait)
                return
        _refuse(await self._wait_here(address))

    async def close(self) -> None:
        """Give back the connections to the shared counts."""
        shared: Any = self._shared
        if shared is not None:
            await shared.bridge.get_connection().aclose()

    async def _wait_in(self, shared: Any, address: str) -> float:
        """Return for how long the client has to wait by the shared counts, or 0. Redis keeps their time."""
        day = _today()
        if self._shared_salt[0] != day:
            redis = shared.bridge.get_connection()
            key = _SALT_KEY.format(day=day)
            await redis.set(key, token_bytes(16), nx=True, ex=2 * _DAY_SECONDS)
            salt = await redis.get(key)
            if not salt:
                raise LookupError("the salt of the day was evicted")
            self._shared_salt = (day, salt)
        name = client_name(address, self._shared_salt[1])
        limiter = FixedWindowRateLimiter(shared)
        for rate in self._rates:
            if not await limiter.hit(rate, name):
                # Redis tells whole seconds, in the last half second of a window none.
                return max(1.0, (await limiter.get_window_stats(rate, name)).reset_time - time.time())
        return 0.0

    async def _wait_here(self, address: str) -> float:
        day = _today()
        if self._own_salt[0] != day:
            self._own_salt = (day, token_bytes(16))
        name = client_name(address, self._own_salt[1])
        for rate in self._rates:
            # The window is part of the name, so that a system clock that is set back locks nobody out.
            window, passed = divmod(self._clock(), rate.get_expiry())
            if not await self._own.hit(rate, name, str(int(window))):
                return rate.get_expiry() - passed
        return 0.0


def _refuse(wait: float) -> None:
    if wait > 0:
        seconds = math.ceil(wait)
        raise Refused("rate_limited", f"Too many requests; try again in {seconds} seconds", seconds)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def client_name(address: str, salt: bytes) -> str:
    """Return a name for the client at `address`, which can't be told from it without `salt`."""
    return hashlib.blake2b(client_at(address).encode(), key=salt, digest_size=16).hexdigest()


def client_at(address: str) -> str:
    """Return what stands for the client at `address`: of IPv6 the network, as one client has all addresses of it."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    wide = parsed.version == 6 and mapped is None
    return str(ipaddress.ip_network(f"{parsed}/64", strict=False) if wide else mapped or parsed)


class Admission:
    """So many requests at work at once, and a short queue before them; who comes when that is full is sent away."""

    def __init__(
        self, at_once: int, places: int, on_change: Callable[[int, int], None] = lambda waiting, working: None
    ) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._at_once = at_once
        self._places = places
        self._seconds_each = 1.0
        self._on_change = on_change
        self.waiting = 0
        self.working = 0

    @asynccontextmanager
    async def slot(self, patience_seconds: float) -> AsyncIterator[None]:
        """Wait for a slot, for `patience_seconds` at most, and have it until the end.

        Raises:
            Refused: the queue is full, or moves on too slowly.
        """
        if self._slots.locked() and self.waiting >= self._places:
            raise self._busy()
        self._count(waiting=1)
        try:
            async with asyncio.timeout(patience_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise self._busy() from None
        finally:
            self._count(waiting=-1)
        started = time.monotonic()
        self._count(working=1)
        try:
            yield
        finally:
            self._count(working=-1)
            self._slots.release()
            self._seconds_each += (time.monotonic() - started - self._seconds_each) / 10

    def _count(self, waiting: int = 0, working: int = 0) -> None:
        self.waiting += waiting
        self.working += working
        self._on_change(self.waiting, self.working)

    def _busy(self) -> Refused:
        seconds = min(60, math.ceil(self._seconds_each * (self.waiting + 1) / self._at_once) + 1)
        return Refused("busy", "Too many questions are being answered at the moment; try again soon", seconds)
