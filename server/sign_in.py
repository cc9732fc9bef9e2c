"""Who may do what the staff may: whoever has the token. Wrong ones are counted, and soon nobody listens any more."""

import hmac
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from secrets import token_bytes

from server.limits import client_name

FAILURES_ALLOWED = 5
# Of all clients together, whose addresses may be as many as somebody likes.
FAILURES_ALLOWED_IN_ALL = 100
WINDOW_SECONDS = 60.0
FAILURES_NOTED_A_DAY = 100
_DAY_SECONDS = 86_400.0
_CLIENTS_REMEMBERED = 10_000


class SignIn:
    """Compares tokens, and counts the wrong ones of each client and of all, in this process's memory alone.

    No address is kept, but a name made of it with a salt that nobody else has. After too many of all, who has had the
    right token before is listened to still: nobody locks out the staff.
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token.encode()
        self._salt = token_bytes(16)
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._all_failures: deque[float] = deque(maxlen=FAILURES_ALLOWED_IN_ALL)
        self._staff: set[str] = set()
        self._noted = 0
        self._noted_until = 0.0
        self._lock = threading.Lock()

    def seconds_to_wait(self, client: str) -> int:
        """Return for how long `client` is not listened to: 0 unless it has sent too many wrong tokens."""
        client = client_name(client, self._salt)
        with self._lock:
            own = self._recent(self._failures.get(client, ()))
            all_of_them = [] if client in self._staff else self._recent(self._all_failures)
        for failures, allowed in ((own, FAILURES_ALLOWED), (all_of_them, FAILURES_ALLOWED_IN_ALL)):
            if len(failures) >= allowed:
                return int(failures[-allowed] + WINDOW_SECONDS - self._clock()) + 1
        return 0

    def accepts(self, client: str, token: bytes) -> bool:
        """Whether `token` is the one; the time that it takes does not tell how much of it is right."""
        client = client_name(client, self._salt)
        if hmac.compare_digest(token, self._token):
            with self._lock:
                self._staff.add(client)
            return True
        with self._lock:
            self._all_failures.append(self._clock())
            self._failures[client] = [*self._recent(self._failures.get(client, ())), self._clock()]
            self._failures.move_to_end(client)
            if len(self._failures) > _CLIENTS_REMEMBERED:
                self._failures.popitem(last=False)
        return False

    def failures_left_to_note(self) -> int:
        """Return how many wrong tokens may be noted before the day is over, this one among them; 0 is none."""
        with self._lock:
            if self._clock() >= self._noted_until:
                self._noted, self._noted_until = 0, self._clock() + _DAY_SECONDS
            self._noted += 1
            return max(0, FAILURES_NOTED_A_DAY + 1 - self._noted)

    def _recent(self, failures: Iterable[float]) -> list[float]:
        since = self._clock() - WINDOW_SECONDS
        return [at for at in failures if at > since]
