"""What a warm question costs beside its embedding alone: `make bench`.

Embedding and answering are timed in turn, question by question, so that a noisy machine disturbs both alike. The first
round is not counted.
"""

import json
import statistics
import time

from server.chat import create_chat
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
    """Print the medians and their ratio as a table and as JSON."""
    chat = create_chat(Settings())
    embedding, answering, ratios = [], [], []
    for round_ in range(ROUNDS + 1):
        for question in QUESTIONS:
            started = time.perf_counter()
            chat.retriever.embedder.embed_questions([question])
            embedded = time.perf_counter()
            chat.answer_question(question)
            answered = time.perf_counter()
            if round_:
                embedding.append((embedded - started) * 1000)
                answering.append((answered - embedded) * 1000)
                ratios.append(answering[-1] / embedding[-1])
    figures = {
        "embedding_ms_p50": round(statistics.median(embedding), 2),
        "answer_ms_p50": round(statistics.median(answering), 2),
        "answer_ms_p95": round(statistics.quantiles(answering, n=20)[-1], 2),
        "ratio_p50": round(statistics.median(ratios), 3),
        "questions": len(ratios),
    }
    for name, value in figures.items():
        print(f"{name:20} {value:>8}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
