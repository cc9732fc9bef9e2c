"""How many new questions a second are answered at once, beside the encoder alone: `make bench-throughput`.

At each concurrency so many threads ask one question after the other: the encoder alone, the chat without the reader,
and the chat as it ships. Each way gets every question once, so that nothing is known of it; the ways take turns in
several rounds, so that a noisy machine disturbs all alike.
"""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from eval.benchmarks.tables import Figures, percentiles, print_figures
from eval.datasets import load_gold
from index.retriever import Retriever
from server.chat import Chat, create_chat, load_models
from server.settings import Settings

CONCURRENCIES = (1, 2, 4, 8)
ROUNDS = 3
Ask = Callable[[str], object]


def main() -> None:
    """Print throughput and percentiles of each concurrency as a table and as JSON."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.throughput")
    parser.add_argument("--questions", type=int, default=200, help="how many each way is asked in each round [200]")
    options = parser.parse_args()
    settings = Settings()
    models = load_models(settings)
    index = create_chat(settings, models).index
    embedder = models.embedder
    questions = [q.text for q in load_gold().questions if not q.history and q.expect != "smalltalk"]
    questions = list(dict.fromkeys(questions))[: options.questions]
    ways: dict[str, Callable[[], Ask]] = {
        "encoder": lambda: lambda question: embedder.embed_questions([question]),
        "plain": lambda: Chat(Retriever(index, embedder)).answer_question,
        "reading": lambda: Chat(Retriever(index, embedder), models.reader).answer_question,
    }
    print_figures([measure(ways, questions, concurrency) for concurrency in CONCURRENCIES])


def measure(ways: dict[str, Callable[[], Ask]], questions: list[str], concurrency: int) -> Figures:
    """Return the rate of each way at one concurrency, its times, and its share of the rate of the first way."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, new in ways.items():
            # Of what is new no question is remembered. Reading takes ten times as long, so it gets fewer.
            ask, asked = new(), questions[:: 5 if way == "reading" else 1]
            taken, whole = _ask_all(ask, asked, concurrency)
            times[way] += taken
            seconds[way].append(whole / len(taken))
    rates = {way: 1 / float(np.median(taken)) for way, taken in seconds.items()}
    encoder, *others = ways
    figures: dict[str, float] = {"concurrency": concurrency}
    for way in ways:
        figures |= {f"{way}_per_second": round(rates[way], 1), **percentiles(way, times[way], 50, 95, 99)}
    for way in others:
        shares = [one / other for one, other in zip(seconds[encoder], seconds[way], strict=True)]
        figures[f"{way}_share_of_encoder"] = round(float(np.median(shares)), 3)
    return figures


def _ask_all(ask: Ask, questions: list[str], concurrency: int) -> tuple[list[float], float]:
    """Return the milliseconds that each question took, and the seconds that all took together."""

    def timed(question: str) -> float:
        started = time.perf_counter()
        ask(question)
        return (time.perf_counter() - started) * 1000

    with ThreadPoolExecutor(concurrency) as askers:
        list(askers.map(timed, questions[:concurrency]))
        started = time.perf_counter()
        taken = list(askers.map(timed, questions[concurrency:]))
    return taken, time.perf_counter() - started


if __name__ == "__main__":
    main()
