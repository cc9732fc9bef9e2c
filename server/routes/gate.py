"""Who is let in: what every request passes before the app sees it, so that none takes more than its share.

A body arrives whole, in bounded size and time, before anything is done for it. What asks, searches or opens a source is
counted for its client, waits in a short queue for one of a few slots, has a budget of time, and stops when its client
goes away.
"""

import asyncio
from collections import deque

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from index.errors import Refused
from server.budget import Budget, client_gone, spending, timed_out
from server.limits import Admission, RateLimiter
from server.listening import Drain

MAX_BODY_BYTES = 1_000_000
BODY_SECONDS = 15.0
# Whoever would wait longer had better come again: a queue that hardly moves is a backlog.
QUEUE_SECONDS = 10.0
UPLOADS = "/api/admin/documents/"
# What has no slot, such as a page, is sent within this time or not at all.
_SENDING_SECONDS = 5.0
_ASKING = {("POST", "/"), ("POST", "/api/chat"), ("POST", "/v1/chat/completions"), ("GET", "/api/search")}
_COUNTED = _ASKING | {("POST", "/api/feedback"), ("POST", "/feedback")}
_SOURCES = ("/documents/", "/api/documents/")


class Gate:
    """ASGI middleware that lets requests in; those that it doesn't end in `Refused` or `HTTPException`."""

    def __init__(
        self,
        app: ASGIApp,
        limiter: RateLimiter,
        admission: Admission,
        drain: Drain,
        budget_seconds: float,
    ) -> None:
        self.app = app
        self._limiter = limiter
        self._admission = admission
        self._drain = drain
        self._budget_seconds = budget_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if _is_counted(scope):
            await self._limiter.admit(scope["client"][0] if scope["client"] else "")
        if scope["method"] == "PUT" and scope["path"].startswith(UPLOADS):
            # Bounded where it is written to the disk, after the token was looked at.
            await self.app(scope, receive, send)
            return
        messages = await _whole_body(receive)
        if _works(scope):
            await self._answer(scope, messages, receive, send)
        else:
            await self.app(scope, _replay(messages, receive), send)

    async def _answer(self, scope: Scope, messages: list[Message], receive: Receive, send: Send) -> None:
        budget = Budget(self._budget_seconds)
        self._drain.begins_with(budget)
        watch = asyncio.create_task(_until_gone(receive))
        is_sent = False

        async def noting_send(message: Message) -> None:
            nonlocal is_sent
            is_sent = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        async def work() -> None:
            async with self._admission.slot(min(QUEUE_SECONDS, budget.seconds_left)):
                with spending(budget):
                    await self.app(scope, _replay(messages, lambda: asyncio.shield(watch)), noting_send)

        working = asyncio.create_task(work())
        try:
            limit = self._budget_seconds + _SENDING_SECONDS
            await asyncio.wait({watch, working}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if working.done() or is_sent:
                await working
                return
            reason = client_gone() if watch.done() else timed_out()
            budget.cancel(reason)
            # Threads stop between two steps, and the slot is taken until they have.
            working.cancel()
            await asyncio.wait({working})
            raise reason
        finally:
            working.cancel()
            watch.cancel()
            self._drain.ended_with(budget)


def _works(scope: Scope) -> bool:
    # The list and the texts of long documents take as long as an answer.
    return (scope["method"], scope["path"]) in _ASKING or f"{scope['path']}/".startswith(_SOURCES)


def _is_counted(scope: Scope) -> bool:
    return (scope["method"], scope["path"]) in _COUNTED or _works(scope)


async def _whole_body(receive: Receive) -> list[Message]:
    """Return the messages that bring the body.

    Raises:
        HTTPException: it is too large.
        Refused: it takes too long.
    """
    messages: list[Message] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while not messages or messages[-1].get("more_body", False):
                messages.append(await receive())
                size += len(messages[-1].get("body", b""))
                if size > MAX_BODY_BYTES:
                    raise HTTPException(413, f"The request is larger than {MAX_BODY_BYTES:,} bytes")
    except TimeoutError:
        raise Refused("body_too_slow", f"The request took longer than {BODY_SECONDS:.0f} seconds to arrive") from None
    return messages


def _replay(messages: list[Message], then: Receive) -> Receive:
    """Return what gives `messages` again, and after them whatever `then` gives."""
    left = deque(messages)

    async def receive() -> Message:
        return left.popleft() if left else await then()

    return receive


async def _until_gone(receive: Receive) -> Message:
    while (message := await receive())["type"] != "http.disconnect":
        pass
    return message
