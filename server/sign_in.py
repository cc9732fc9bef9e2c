"""Who may do what the staff may: whoever has the token. Wrong ones are counted, and soon nobody listens any more."""

import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

FAILURES_ALLOWED = 5
WINDOW_SECONDS = 60.0
_CLIENTS_REMEMBERED = 10_000


class SignIn:
    """Compares tokens, and counts the wrong ones of each client in this process's memory alone."""

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token.encode()
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def seconds_to_wait(self, client: str) -> int:
        """Return for how long `client` is not listened to: 0 unless it has sent too many wrong tokens."""
        with self._lock:
            failures = self._recent(client)
        if len(failures) < FAILURES_ALLOWED:
            return 0
        return int(failures[-FAILURES_ALLOWED] + WINDOW_SECONDS - self._clock()) + 1

    def accepts(self, client: str, token: bytes) -> bool:
        """Whether `token` is the one; the time that it takes does not tell how much of it is right."""
        if hmac.compare_digest(token, self._token):
            return True
        with self._lock:
            self._failures[client] = [*self._recent(client), self._clock()]
            self._failures.move_to_end(client)
            if len(self._failures) > _CLIENTS_REMEMBERED:
                self._failures.popitem(last=False)
        return False

    def _recent(self, client: str) -> list[float]:
        since = self._clock() - WINDOW_SECONDS
        return [at for at in self._failures.get(client, ()) if at > since]
