"""A language model behind an OpenAI-compatible server: its text as it comes, or a word why there is none, in time."""

import asyncio
import logging
import math
import queue
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai

from index.errors import LanguageModelError
from server.budget import check_budget, seconds_left

# With what a reasoning model thinks; of what it says there are `MAX_CHARACTERS` at most.
MAX_TOKENS = 2_000
MAX_CHARACTERS = 4_000
# Of one response on the wire, where each token travels in some 200 bytes of JSON.
MAX_BYTES = 2_000_000
CONNECT_SECONDS = 3.0
CLOSE_SECONDS = 5.0
# How long a question waits for another to end before it is answered without the model.
QUEUE_SECONDS = 0.5
# Of a request's time, what is kept for the extractive answer.
RESERVE_SECONDS = 2.0
RETRIES = 1
RETRY_SECONDS = 0.3
LONGEST_RETRY_SECONDS = 2.0
FAILURES_UNTIL_REST = 3
REST_SECONDS = 30.0
LONGEST_REST_SECONDS = 300.0

# Not every server takes these: one that calls them a bad request is asked without them from then on.
_OPTIONS: dict[str, Any] = {"temperature": 0.0, "max_tokens": MAX_TOKENS}

_THOUGHT, _THOUGHT_END, _LONGEST_TAG = "<think", re.compile(r"</think(?:ing)?>", re.IGNORECASE), 11

_log = logging.getLogger("mundap")


class LanguageModel:
    """Streams from one model. Safe to use from several threads.

    Every `stream` ends within `budget_seconds`, or earlier where the request has less time. At most `concurrency` run
    at once. After `FAILURES_UNTIL_REST` failures in a row the server is left alone for `REST_SECONDS`, or as long as it
    asks for; then one question tries it again.
    """

    def __init__(
        self, base_url: str, name: str, api_key: str = "", budget_seconds: float = 20.0, concurrency: int = 4
    ) -> None:
        self.name = name
        self.budget_seconds = budget_seconds
        self.breaker = CircuitBreaker()
        self._places = threading.BoundedSemaphore(concurrency)
        self._options = _OPTIONS
        # The client belongs to one event loop, which runs beside the threads that answer: a coroutine can be cancelled
        # at any moment, also while its server is silent, and a thread can't.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="language-model", daemon=True)
        self._thread.start()
        timeout = openai.Timeout(budget_seconds, connect=CONNECT_SECONDS)
        http = httpx2.AsyncClient(
            transport=_BoundedTransport(), timeout=timeout, headers={"Accept-Encoding": "identity"},
            limits=httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        )  # fmt: skip
        # Some key has to be given, and servers of one's own mostly want none.
        self._client = openai.AsyncOpenAI(
            base_url=base_url, api_key=api_key or "-", max_retries=0, timeout=timeout, http_client=http
        )

    def close(self) -> None:
        """Close the connections that are kept, and end the thread. Nothing can be streamed from then on."""
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result(CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def stream(self, messages: Sequence[dict[str, str]], idle_seconds: float) -> Iterator[str]:
        """Yield the text piece by piece, and "" whenever nothing has come for `idle_seconds`, whoever was busy then.

        It may be left off at any time: the server then sees the connection close.

        Raises:
            LanguageModelError: there is no text, or no more of it; `code` says why.
            Refused: nobody waits for the answer any more, or its time is up.
        """
        deadline = time.monotonic() + min(self.budget_seconds, seconds_left() - RESERVE_SECONDS)
        if not self._places.acquire(timeout=QUEUE_SECONDS):
            raise LanguageModelError("busy", "The language model has as many questions as it may")
        try:
            self.breaker.enter()
            pieces: _Pieces = queue.SimpleQueue()
            pump = asyncio.run_coroutine_threadsafe(self._pump(messages, pieces, deadline), self._loop)
            try:
                yield from self._pieces(pieces, idle_seconds)
            finally:
                pump.cancel()
        finally:
            self._places.release()

    def _pieces(self, pieces: "_Pieces", idle_seconds: float) -> Iterator[str]:
        characters = 0
        last = time.monotonic()
        while True:
            check_budget()
            try:
                piece = pieces.get(timeout=max(0, last + idle_seconds - time.monotonic()))
            except queue.Empty:
                yield ""
                last = time.monotonic()
                continue
            last = time.monotonic()
            if piece is None:
                if not characters:
                    raise self._failed(LanguageModelError("nonsense", "The language model wrote nothing"))
                self.breaker.succeeded()
                return
            if isinstance(piece, BaseException):
                raise self._failed(_explained(piece)) from piece
            characters += len(piece)
            try:
                yield piece
            except GeneratorExit:
                # Who has read enough of what came knows that the server answers.
                self.breaker.succeeded()
                raise
            if characters > MAX_CHARACTERS:
                raise self._failed(LanguageModelError("nonsense", "The language model doesn't end"))

    def _failed(self, error: LanguageModelError) -> LanguageModelError:
        # What is wrong with one question says nothing of the next, and must not be a way to switch the model off.
        if error.code != "refused":
            self.breaker.failed(error.retry_after)
        _log.warning("the language model failed (%s): %s", error.code, error)
        return error

    async def _pump(
        self,
        messages: Sequence[dict[str, str]],
        pieces: "queue.SimpleQueue[str | BaseException | None]",
        deadline: float,
    ) -> None:
        """Put the model's text into `pieces`, then None; or what was raised on the way."""
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                async for piece in self._text(messages):
                    pieces.put(piece)
            pieces.put(None)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # whatever a server makes a library raise
            pieces.put(error)

    async def _text(self, messages: Sequence[dict[str, str]]) -> AsyncIterator[str]:
        stream = await self._open(messages)
        thoughts = _Thoughts()
        finished = False
        async with stream:
            async for chunk in stream:
                # One was asked for.
                for choice in (choice for choice in chunk.choices or () if not choice.index):
                    finished = finished or bool(choice.finish_reason)
                    if choice.delta and isinstance(choice.delta.content, str):
                        yield thoughts.left_out_of(choice.delta.content)
        if not finished:
            # A connection that is closed looks like the end of a response that tells no length.
            raise LanguageModelError("unavailable", "The language model's server broke off")

    async def _open(self, messages: Any) -> Any:
        """Return the stream of a completion, asked for again where that may help."""
        retries, options = 0, self._options
        while True:
            try:
                stream = await self._client.chat.completions.create(
                    model=self.name,
                    messages=messages,
                    stream=True,
                    **options,
                )
                # That it was the options is known when it goes without them: a question can be refused as well.
                self._options = options
                return stream
            except openai.BadRequestError:
                if not options:
                    raise
                options = {}
            except (openai.RateLimitError, openai.InternalServerError, openai.APIConnectionError) as error:
                wait = _retry_after(error) or RETRY_SECONDS
                if isinstance(error, openai.APITimeoutError) or retries == RETRIES or wait > LONGEST_RETRY_SECONDS:
                    raise
                retries += 1
                await asyncio.sleep(wait)


_Pieces = queue.SimpleQueue[str | BaseException | None]


class _Thoughts:
    """Leaves out what a reasoning model thinks before it answers: `<think>…</think>`, from the first character on."""

    def __init__(self) -> None:
        self._held = ""
        self._are_over = False

    def left_out_of(self, piece: str) -> str:
        """Return what `piece` says, with what was held until it is known not to be thought."""
        if self._are_over:
            return piece
        self._held += piece
        begun = self._held.lstrip()[: len(_THOUGHT)].casefold()
        if begun != _THOUGHT[: len(begun)]:
            self._are_over = True
            return self._held
        # Only what is new can end them.
        end = _THOUGHT_END.search(self._held, max(0, len(self._held) - len(piece) - _LONGEST_TAG))
        self._are_over = end is not None
        return self._held[end.end() :] if end else ""


class CircuitBreaker:
    """Keeps questions from a server that doesn't answer: closed, open for a rest, then one trial at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_from = 0.0

    def enter(self) -> None:
        """Let a question through.

        Raises:
            LanguageModelError: the server is left alone.
        """
        with self._lock:
            now = time.monotonic()
            if self._failures < FAILURES_UNTIL_REST:
                return
            if now < self._closed_from:
                raise LanguageModelError("resting", "The language model is left alone after failures")
            # This one tries; the others stay out until it is known how that went.
            self._closed_from = now + REST_SECONDS

    def succeeded(self) -> None:
        """Take note that the server answered."""
        with self._lock:
            self._failures = 0

    def failed(self, retry_after: float = 0.0) -> None:
        """Take note that it failed; it asked to be left alone for `retry_after` seconds."""
        with self._lock:
            self._failures = FAILURES_UNTIL_REST if retry_after else self._failures + 1
            if self._failures >= FAILURES_UNTIL_REST:
                rest = min(retry_after or REST_SECONDS, LONGEST_REST_SECONDS)
                self._closed_from = time.monotonic() + rest


class _BoundedTransport(httpx2.AsyncHTTPTransport):
    """Gives up on a response that is larger than `MAX_BYTES` or compressed, which could be far larger than it looks."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.DecodingError("The response is compressed", request=request)
        response.stream = _BoundedStream(response.stream)
        return response


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._stream:
            received += len(chunk)
            if received > MAX_BYTES:
                raise httpx2.DecodingError("The response has no end")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def _explained(error: BaseException) -> LanguageModelError:
    """Return what `error` means for the one who asked, without what the server said: that may hold anything."""
    match error:
        case LanguageModelError():
            return error
        case TimeoutError() | openai.APITimeoutError():
            return LanguageModelError("slow", "The language model took too long")
        case openai.RateLimitError():
            return LanguageModelError("limited", "The language model has had enough questions", _retry_after(error))
        case openai.BadRequestError() | openai.UnprocessableEntityError():
            return LanguageModelError("refused", f"The language model refused the question ({error.status_code})")
        case openai.APIStatusError():
            problem = f"The language model's server answered {error.status_code}"
            return LanguageModelError("unavailable", problem, _retry_after(error))
        case openai.APIConnectionError() | httpx2.TransportError():
            return LanguageModelError("unavailable", f"The language model's server can't be reached ({_kind(error)})")
        case _:
            return LanguageModelError("nonsense", f"The language model's server sent nonsense ({_kind(error)})")


def _kind(error: BaseException) -> str:
    return type(error.__cause__ or error).__name__


def _retry_after(error: Exception) -> float:
    """Return the seconds that a response asks to be left alone, in either form of RFC 9110, 0.0 where it doesn't."""
    response = getattr(error, "response", None)
    told = response.headers.get("retry-after", "") if response is not None else ""
    try:
        seconds = float(told)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):  # no date, or one without a time zone
            return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0
