"""Requests that are broken in every way that a seed can think of, sent as bytes: `make fuzz` sends 10,000."""

import argparse
import random
import socket
import sys
from collections import Counter

TARGETS = (
    "/", "/api/chat", "/api/search?q=APEC", "/api/documents", "/api/documents/x", "/api/feedback", "/feedback",
    "/v1/chat/completions", "/v1/models", "/documents/x?start=1&end=2", "/embed", "/widget", "/widget.js",
    "/static/chat.js", "/healthz", "/readyz", "/metrics", "/admin", "/api/admin/documents/x", "/none", "*", "",
    "//", "/%00", "/%ff%fe", "/..%2f..%2fetc/passwd", "/static/../../etc/passwd", "http://other.example/",
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "GE\tT", "", "get")
BODIES = (
    b"", b"{", b'{"question": ""}', b'{"question": "APEC?"}', b"[" * 2_000, b"\xff\xfe\x00",
    b"question=%00&history=%ff",
    b'{"question": "\\ud800"}', b'{"question": 1e999}', b'{"question": "a", "history": [{"role": "x"}]}',
    b'{"messages": [{"role": "user", "content": null}], "model": 1}', b"\x00" * 3_000, b"0\r\n\r\n", b"zz\r\nabc\r\n",
)  # fmt: skip
HEADERS = (
    "Content-Length: -1", "Content-Length: 99999999999999999999", "Content-Length: x", "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip", "Content-Type: application/json", "Content-Type: \x01", "Accept: text/event-stream",
    "Accept: text/html", "Accept-Language: " + "x," * 500, "X-Forwarded-For: ' OR 1=1, ::::", "Host: ", "Host: a b",
    "Connection: upgrade\r\nUpgrade: websocket", "Expect: 100-continue", "Range: bytes=9-1,-", "If-None-Match: \"",
    "Cookie: lang=" + "%" * 300, "Authorization: Bearer \x7f", "Sec-Fetch-Site: x", "No colon", ": no name",
    "Folded: a\r\n b", "Long: " + "x" * 20_000,
)  # fmt: skip


def malformed(chance: random.Random) -> bytes:
    """Return one request, or what is hardly one."""
    method, target = chance.choice(METHODS), chance.choice(TARGETS)
    body = chance.choice(BODIES)
    headers = [*chance.sample(HEADERS, chance.randrange(4)), "Connection: close"]
    if chance.random() < 0.7:
        headers.append(f"Content-Length: {len(body)}")
    if chance.random() < 0.8:
        headers.append("Host: localhost")
    version = chance.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/9.9", "", "XTTP"))
    request = bytearray(f"{method} {target} {version}\r\n{chr(13) + chr(10)}".replace("\r\n\r\n", "\r\n").encode())
    request += "\r\n".join(headers).encode("latin-1", "replace") + b"\r\n\r\n" + body
    for _ in range(chance.choice((0, 0, 0, 1, 5))):
        request[chance.randrange(len(request))] = chance.randrange(256)
    return bytes(request[: chance.randrange(1, len(request))] if chance.random() < 0.1 else request)


def send_malformed(address: str, count: int, seed: int = 1) -> Counter[int]:
    """Send `count` of them to the server at `address`; return how often each status came back, 0 where none did."""
    host, port = address.removeprefix("http://").split(":")
    chance = random.Random(seed)
    statuses: Counter[int] = Counter()
    for _ in range(count):
        with socket.create_connection((host, int(port)), 10) as sock:
            try:
                sock.sendall(malformed(chance))
                sock.shutdown(socket.SHUT_WR)
                reply = sock.recv(64)
                while sock.recv(65_536):
                    pass
            except OSError:
                reply = b""
        line = reply.split(b" ", 2)
        statuses[int(line[1]) if line[0].startswith(b"HTTP/") else 0] += 1
    return statuses


def main() -> None:
    """Send them to a server that runs, and exit with 1 if it failed at one."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--address", default="http://127.0.0.1:8000")
    options.add_argument("--count", type=int, default=10_000)
    chosen = options.parse_args()
    statuses = send_malformed(chosen.address, chosen.count)
    print(dict(sorted(statuses.items())))
    sys.exit(any(status >= 500 and status != 503 for status in statuses))


if __name__ == "__main__":
    main()
