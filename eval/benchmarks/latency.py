"""What a question costs beside its embedding alone: `make bench`.

The encoder alone, an answer without the reader, one with it, and one that was given before are timed in turn, question
by question, so that a noisy machine disturbs all alike. No question's vector is remembered from round to round, and the
first round is not counted. Memory is read from /proc, so this runs on Linux.
"""

import statistics
import time
from collections.abc import Callable

from eval.benchmarks.tables import memory_mb, percentiles, print_figures
from index.reader import load_reader
from index.retriever import Retriever
from server.answer import Answer
from server.chat import Chat, create_chat, load_models
from server.desk import ChatAtDesk, Desk
from server.metrics import Metrics
from server.settings import Settings
from server.traces import Traces

ROUNDS = 12
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
    models = load_models(settings.model_copy(update={"reader": "off"}))
    index = create_chat(settings, models).index
    Chat(Retriever(index, models.embedder)).answer_question(QUESTIONS[0])
    before = memory_mb("RssAnon")
    reader = load_reader(settings.reader, settings.model_cache, embedder=models.embedder)
    for question in QUESTIONS:
        Chat(Retriever(index, models.embedder), reader).answer_question(question)
    reader_mb = memory_mb("RssAnon") - before
    desk = Desk(Metrics(), lambda question: None, Traces(""))
    remembering = ChatAtDesk(Chat(Retriever(index, models.embedder), reader), desk, "benchmark")
    for question in QUESTIONS:
        remembering.answer_question(question)
    times: dict[str, list[float]] = {"embedding": [], "answer": [], "answer_with_reader": [], "remembered": []}
    stages: dict[str, list[float]] = {}
    for round_ in range(ROUNDS + 1):
        plain = Chat(Retriever(index, models.embedder))
        reading = Chat(Retriever(index, models.embedder), reader)
        ways: tuple[Callable[[str], object], ...] = (
            lambda question: models.embedder.embed_questions([question]),
            plain.answer_question,
            reading.answer_question,
            remembering.answer_question,
        )
        for question in QUESTIONS:
            for name, ask in zip(times, ways, strict=True):
                started = time.perf_counter()
                answer = ask(question)
                if round_:
                    times[name].append((time.perf_counter() - started) * 1000)
                if round_ and isinstance(answer, Answer) and name != "remembered":
                    for stage, milliseconds in answer.timings_ms.items():
                        stages.setdefault(f"{name}_{stage}", []).append(milliseconds)
    figures: dict[str, float] = {}
    for name, taken in times.items():
        figures |= percentiles(name, taken, 50, 95)
    for name, taken in stages.items():
        figures |= percentiles(name, taken, 50)
    figures |= {
        "ratio_p50": round(statistics.median(_ratios(times["answer"], times["embedding"])), 3),
        "ratio_with_reader_p50": round(statistics.median(_ratios(times["answer_with_reader"], times["embedding"])), 3),
        "share_of_encoder": round(sum(stages["answer_embed"]) / sum(stages["answer_total"]), 3),
        "reader_adds_mb": reader_mb,
        "questions": len(times["answer"]),
    }
    print_figures([figures])


def _ratios(numerators: list[float], denominators: list[float]) -> list[float]:
    return [one / other for one, other in zip(numerators, denominators, strict=True)]


if __name__ == "__main__":
    main()
