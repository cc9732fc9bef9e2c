"""A server that speaks OpenAI's chat interface as a script tells it: also wrongly, late, or not to the end."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

Messages = list[dict[str, str]]
# Text is sent as one chunk of a completion, bytes as they are, a number is a pause in seconds.
Script = Callable[[Messages], Iterable[str | bytes | float]]


class ModelServer:
    """Answers each request with what `script` makes of its messages, under `status` and `headers`."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.status = 200
        self.headers = {"Content-Type": "text/event-stream"}
        self.ends_properly = True
        self.requests: list[dict[str, Any]] = []
        self.sent_at: list[tuple[float, str]] = []
        self.broken_off = Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @contextmanager
    def running(self) -> Iterator["ModelServer"]:
        thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append(
                    {
                        "body": body,
                        "headers": {name.lower(): value for name, value in self.headers.items()},
                        "path": self.path,
                    }
                )
                try:
                    self.send_response(outer.status)
                    for name, value in outer.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    for part in outer.script(body["messages"]):
                        self._send(part)
                    if outer.ends_properly:
                        self.wfile.write(chunk("", "stop") + b"data: [DONE]\n\n")
                except OSError:
                    outer.broken_off.set()

            def _send(self, part: str | bytes | float) -> None:
                if isinstance(part, (int, float)):
                    time.sleep(part)
                    return
                if isinstance(part, str):
                    outer.sent_at.append((time.perf_counter(), part))
                    part = chunk(part)
                self.wfile.write(part)
                self.wfile.flush()

            def log_message(self, *given: object) -> None:
                pass

        return Handler


def chunk(text: str, finish_reason: str | None = None) -> bytes:
    """Return one event of a streamed completion."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def in_tokens(text: str) -> list[str]:
    """Return `text` in pieces of a few characters, as models send it."""
    return [text[at : at + 3] for at in range(0, len(text), 3)]
