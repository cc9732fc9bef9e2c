"""What a warm question costs beside its embedding alone, without and with the reader: `make bench`.

Embedding and both ways of answering are timed in turn, question by question, so that a noisy machine disturbs all
alike. The first round is not counted. Memory is read from /proc, so this runs on Linux.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from index.reader import load_reader
from server.chat import Chat, create_chat, load_models
from server.settings import Settings

ROUNDS = 8
QUESTIONS = (
    "APEC은 언제 창설되었나요?",
    "양해각서에 서명한 사람은 누구인가요?",
    "담당 사무관의 전화번호를 알려 주세요.",
    "한미 과학기술공동위원회는 내년에 어디에서 열리나요?",
    "인공지능 분야에서 두 나라는 무엇을 함께 하나요?",
    "When was the memorandum signed?",
    "覚書に署名したのは誰ですか。",
    "预算是多少?",
)


def main() -> None:
    """Print medians and ratios as a table and as JSON."""
    settings = Settings()
    plain = create_chat(settings, load_models(settings.model_copy(update={"reader": "off"})))
    plain.answer_question(QUESTIONS[0])
    before = _resident_mb()
    embedder = plain.retriever.embedder
    reading = Chat(plain.retriever, load_reader(settings.reader, settings.model_cache, embedder=embedder))
    for question in QUESTIONS:
        reading.answer_question(question)
    reader_mb = _resident_mb() - before
    ways: dict[str, Callable[[str], object]] = {
        "embedding": lambda question: plain.retriever.embedder.embed_questions([question]),
        "plain": plain.answer_question,
        "reading": reading.answer_question,
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for round_ in range(ROUNDS + 1):
        for question in QUESTIONS:
            for way, ask in ways.items():
                started = time.perf_counter()
                ask(question)
                if round_:
                    times[way].append((time.perf_counter() - started) * 1000)
    embedding, without, with_reader = times.values()
    figures = {
        "embedding_ms_p50": round(statistics.median(embedding), 2),
        "answer_ms_p50": round(statistics.median(without), 2),
        "answer_with_reader_ms_p50": round(statistics.median(with_reader), 2),
        "answer_with_reader_ms_p95": round(statistics.quantiles(with_reader, n=20)[-1], 2),
        "ratio_p50": round(statistics.median(_ratios(without, embedding)), 3),
        "ratio_with_reader_p50": round(statistics.median(_ratios(with_reader, embedding)), 3),
        "reader_adds_mb": reader_mb,
        "questions": len(embedding),
    }
    for name, value in figures.items():
        print(f"{name:26} {value:>8}")
    print(json.dumps(figures))


def _ratios(numerators: list[float], denominators: list[float]) -> list[float]:
    return [one / other for one, other in zip(numerators, denominators, strict=True)]


def _resident_mb() -> int:
    """Return the memory that this process holds itself, in MB; pages of mapped files can be given back at any time."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("RssAnon:")[1].split()[0]) // 1024


if __name__ == "__main__":
    main()
