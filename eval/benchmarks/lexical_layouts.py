"""How BM25 can be laid out in PostgreSQL: `python -m eval.benchmarks.lexical_layouts`.

postings        a row for each term of each passage (term, ordinal, weight), found by a btree and summed up
blocks          a row for each term and 1,024 passages: arrays of ordinals and weights, unnested and summed up
sparsevec       a row a passage: the terms, found by GIN, and their weights, multiplied with the question's
sparsevec-50k   the same, but found by the question's rarest terms alone, as many as 50,000 passages hold

The last is what the product does. The others answer alike, of which the agreement is the proof.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from eval.benchmarks.servers import PostgresServer, postgres_programs
from eval.benchmarks.stores import TOP_K, make_passages, make_questions
from index.lexical import rarest_terms
from index.postgres import POSTINGS, PostgresEngine
from index.vocabulary import TermWeights, Vocabulary

_BLOCK = 1_024
_NO_GRAPH = 1_000_000_000
_ASK = {
    "postings": "SELECT ordinal, sum(weight) AS score FROM postings WHERE term = ANY (%(terms)s)"
    " GROUP BY ordinal ORDER BY score DESC, ordinal LIMIT %(top_k)s",
    "blocks": "SELECT ordinal, sum(weight) AS score FROM (SELECT unnest(ordinals) AS ordinal, unnest(weights) AS weight"
    " FROM blocks WHERE term = ANY (%(terms)s)) AS found GROUP BY ordinal ORDER BY score DESC, ordinal LIMIT %(top_k)s",
}


def main() -> None:
    """Print the figures as a table and as JSON."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.lexical_layouts")
    parser.add_argument("--passages", type=int, default=100_000, help="how many [100000]")
    passages = parser.parse_args().passages
    vectors, terms = make_passages(passages)
    asked = [words for _, words in make_questions(vectors, terms)]
    weights = TermWeights(terms)
    with postgres_programs() as (programs, home), tempfile.TemporaryDirectory() as temporary:
        server = PostgresServer(programs, home / "data", ["shared_buffers=2GB", "max_wal_size=8GB"])
        server.create()
        server.start()
        try:
            figures = _measure(server, Path(temporary), vectors[:, :8].copy(), terms, weights, asked)
        finally:
            server.stop()
    for one in figures:
        print("  ".join(f"{name} {value:>10}" for name, value in one.items()))
    print(json.dumps(figures))


def _measure(
    server: PostgresServer,
    folder: Path,
    vectors: np.ndarray,
    terms: list[list[str]],
    weights: TermWeights,
    asked: list[list[str]],
) -> list[dict[str, Any]]:
    name = "mundap_00000000_20260101t000000000z_00000000"
    engines = {
        "sparsevec": PostgresEngine([server.url()], _NO_GRAPH, postings=len(terms) * 100),
        f"sparsevec-{POSTINGS // 1000}k": PostgresEngine([server.url()], _NO_GRAPH),
    }
    stored = engines["sparsevec"].write(name, folder, vectors, terms)
    vocabulary = Vocabulary(folder)
    figures = []
    ranked: list[set[int]] = []
    options = "-c jit=off -c max_parallel_workers_per_gather=0"
    with psycopg.connect(server.url(), autocommit=True, prepare_threshold=None, options=options) as connection:
        _write_blocks(connection, weights)
        _write_postings(connection)

        def ask(layout: str, words: list[str]) -> set[int]:
            _, lexical = opened[layout]
            if layout in engines:
                return set(lexical.search(words, TOP_K))
            known = [vocabulary.id_of(term) for term in rarest_terms(words, lexical)]
            rows = connection.execute(_ASK[layout], {"terms": known, "top_k": TOP_K})
            return {row[0] for row in rows}

        opened = {layout: engine.open(stored, folder) for layout, engine in engines.items()}
        opened |= dict.fromkeys(_ASK, opened["sparsevec"])
        for layout in (*_ASK, *engines):
            table = layout if layout in _ASK else f"{name}.lexical"
            for words in asked[:20]:
                ask(layout, words)
            times, best = [], []
            for words in asked:
                began = time.perf_counter()
                best.append(ask(layout, words))
                times.append(1000 * (time.perf_counter() - began))
            ranked = ranked or best
            shared = sum(len(one & other) for one, other in zip(best, ranked, strict=True))
            [size] = connection.execute("SELECT pg_total_relation_size(%s::regclass)", (table,)).fetchone() or (0,)
            quantiles = statistics.quantiles(times, n=20)
            figures.append(
                {
                    "layout": layout,
                    "passages": len(terms),
                    "megabytes": round(size / 1e6),
                    "p50_ms": round(quantiles[9], 2),
                    "p95_ms": round(quantiles[18], 2),
                    "agreement": round(shared / max(1, sum(map(len, ranked))), 4),
                }
            )
    return figures


def _write_postings(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "CREATE TABLE postings AS SELECT term, ordinal, weight FROM blocks,"
        " unnest(ordinals, weights) AS posting (ordinal, weight)"
    )
    connection.execute("ALTER TABLE postings ADD PRIMARY KEY (term, ordinal) INCLUDE (weight)")
    connection.execute("VACUUM ANALYZE postings")


def _write_blocks(connection: psycopg.Connection[Any], weights: TermWeights) -> None:
    connection.execute("CREATE TABLE blocks (term integer, block integer, ordinals integer[], weights real[])")

    def rows() -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(weights), _BLOCK):
            held: dict[int, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
            for at in range(start, min(start + _BLOCK, len(weights))):
                for term, weight in zip(*(values.tolist() for values in weights.of(at)), strict=True):
                    held[term][0].append(at)
                    held[term][1].append(weight)
            yield from ((term, start // _BLOCK, *arrays) for term, arrays in held.items())

    copying = "COPY blocks FROM STDIN WITH (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(copying) as copy:
        copy.set_types(("int4", "int4", "int4[]", "float4[]"))
        for row in rows():
            copy.write_row(row)
    connection.execute("ALTER TABLE blocks ADD PRIMARY KEY (term, block)")
    connection.execute("VACUUM ANALYZE blocks")


if __name__ == "__main__":
    main()
