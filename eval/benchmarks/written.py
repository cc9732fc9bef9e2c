"""How long checking keeps a written sentence from the asker: `make bench-written`.

A server of this process speaks as a model does, after a while and token by token. What is measured is the time from the
moment that its first whole sentence, with its citation, has been sent, until the event of that sentence is there.
"""

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from server.answer import AnswerSentence
from server.chat import create_chat
from server.settings import Settings

ROUNDS = 10
FIRST_TOKEN_SECONDS = 0.5
TOKEN_SECONDS = 0.02
LIMIT_MS = 50
# A question about the document that ships, and what a model would write: its first sentence, and more.
WRITTEN = {
    "APEC은 언제 창설되었나요?": (
        "APEC은 1989년 창설된 역내 경제협력체로, 회원국 간 경제성장과 상호 협력 증진을 목표로 합니다."
    ),
    "한미 과학기술공동위원회는 내년에 어디에서 열리나요?": (
        "양국은 한-미 과학기술공동위원회를 내년 워싱턴 D.C.에서 개최할 예정입니다."
    ),
}
MORE = " [1] 그 밖의 내용은 문서에 없습니다."


class _Model(BaseHTTPRequestHandler):
    sent_at = 0.0

    def do_POST(self) -> None:
        messages = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
        asked = messages[-1]["content"]
        sentence = next(text for question, text in WRITTEN.items() if question in asked)
        text = f"{sentence} [{self._number(asked, sentence)}]"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        time.sleep(FIRST_TOKEN_SECONDS)
        self._send(text)
        type(self).sent_at = time.perf_counter()
        self._send(MORE)
        self._send_piece("", "stop")
        self.wfile.write(b"data: [DONE]\n\n")

    def _number(self, asked: str, sentence: str) -> int:
        """Return the number of the passage that has most of the sentence's words."""
        passages = asked.split("\n[")[1:]
        return 1 + max(range(len(passages)), key=lambda at: sum(word in passages[at] for word in sentence.split()))

    def _send(self, text: str) -> None:
        for at in range(0, len(text), 3):
            self._send_piece(text[at : at + 3])
            time.sleep(TOKEN_SECONDS)

    def _send_piece(self, text: str, finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *given: object) -> None:
        """Say nothing of requests."""


@contextmanager
def _serving() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


def main() -> None:
    """Print the figures as a table and as JSON. Exits with 1 when the median is above the limit."""
    with _serving() as address:
        settings = Settings(llm_base_url=address, llm_model="m")
        chat = create_chat(settings)
        delays = []
        for round_ in range(ROUNDS + 1):
            for question in WRITTEN:
                events = chat.answer_events(question)
                next(event for event in events if isinstance(event, AnswerSentence))
                arrived = time.perf_counter()
                *_, answer = events
                if round_ and getattr(answer, "mode", "") == "generative":
                    # Sent includes the pause behind its last token.
                    delays.append((arrived - _Model.sent_at + TOKEN_SECONDS) * 1000)
    figures = {
        "after_first_sentence_ms_p50": round(statistics.median(delays), 1),
        "after_first_sentence_ms_p95": round(statistics.quantiles(delays, n=20)[-1], 1),
        "limit_ms": LIMIT_MS,
        "answers": len(delays),
    }
    for name, value in figures.items():
        print(f"{name:30} {value:>8}")
    print(json.dumps(figures))
    raise SystemExit(figures["after_first_sentence_ms_p50"] > LIMIT_MS)


if __name__ == "__main__":
    main()
