"""What each engine of the index costs at a size: `make bench-stores`.

Passages are made up: vectors of unit norm around centres, as those of texts are, and the terms of real sentences of
agencies' documents, of which nouns are varied so that the vocabulary grows as that of a growing collection does.
Questions are the terms of one sentence, and a vector near one that is kept. Servers are started here, with the
settings that they come with but for memory; `--store` measures one of your own instead. What a version's folder holds
besides, whichever the engine, is measured on real documents.

Times are those that a question waits, one at a time; processor time is that of the server and of this process together,
and so is what a thousand questions cost. Build times are those of the engine alone: nothing is parsed or embedded.
"""

import argparse
import hashlib
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from eval.benchmarks.servers import MilvusLiteServer, PostgresServer, cpu_seconds, postgres_programs
from index.build import build_index
from index.corpus import FILE as TEXTS
from index.corpus import SENTENCE_VECTORS
from index.dense import DenseStore
from index.engine import EMBEDDED, Engine, open_engine
from index.lexical import LexicalStore
from index.morphemes import search_terms
from index.publication import Publication

DOCUMENTS = Path(__file__).parents[1] / "agency_documents.json"
DIMENSION = 384
TOP_K = 100
QUESTIONS = 200
ENGINES = (EMBEDDED, "postgresql", "milvus")
_SENTENCES_IN_A_PASSAGE = 3
_DOCUMENTS_BUILT = 60
_SHARED_BUFFERS = "1GB"
_BUILD_MEMORY = "2GB"
_TERMS_IN_A_QUESTION = 6
# Of a term in fewer of the sentences than this, variants are made.
_SHARE_OF_RARE_TERMS = 0.01


@dataclass(frozen=True, slots=True)
class Figures:
    """What one engine costs at one size. Times of searches are in milliseconds, `cpu_ms` is that of one question.

    Processor time is that of the server and of this process together.

    A question is what the retriever asks: a lexical search, a dense one, and scores of what only the first has found.
    `dense_recall` is the share of the nearest hundred that the dense search finds, `lexical_agreement` that of the
    hundred that the embedded index ranks best.
    """

    engine: str
    passages: int
    write_seconds: float
    write_cpu_seconds: float
    megabytes: float
    lexical_p50: float
    lexical_p95: float
    dense_p50: float
    dense_p95: float
    question_p50: float
    question_p95: float
    cpu_ms: float
    dense_recall: float
    lexical_agreement: float


def main() -> None:
    """Print the figures as a table and as JSON."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.stores")
    parser.add_argument("--passages", type=int, nargs="+", default=[10_000, 100_000], help="how many [10000 100000]")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES, help="which are started [all]")
    parser.add_argument("--store", default="", help="a MUNDAP_VECTOR_STORE to measure instead")
    options = parser.parse_args()
    figures = []
    for passages in options.passages:
        vectors, terms = make_passages(passages)
        asked = make_questions(vectors, terms)
        with tempfile.TemporaryDirectory() as folder:
            embedded = measure("embedded", open_engine(EMBEDDED), Path(folder), vectors, terms, asked)
        if EMBEDDED in options.engines and not options.store:
            figures.append(embedded[0])
        for engine in [kind for kind in options.engines if kind != EMBEDDED] if not options.store else [""]:
            with started(engine, options.store) as (opened, server), tempfile.TemporaryDirectory() as folder:
                found = measure(engine or "own", opened, Path(folder), vectors, terms, asked, server, embedded[1])
                figures.append(found[0])
    print("  ".join(f"{name:>17}" for name in Figures.__slots__))
    for one in figures:
        print("  ".join(f"{value:>17}" for value in asdict(one).values()))
    held = measure_folder()
    print("  ".join(f"{name} {value}" for name, value in held.items()))
    print(json.dumps({"engines": [asdict(one) for one in figures], "folder": held}))


@dataclass(frozen=True, slots=True)
class _Server:
    """A server that was started for this: its first process, and where it keeps its data."""

    pid: int
    folder: Path


@contextmanager
def started(engine: str, store: str) -> Iterator[tuple[Engine, _Server | None]]:
    """Yield the engine at `store`, or one on a server that is started for it, and that server."""
    with ExitStack() as stack:
        if store:
            yield open_engine(store), None
        elif engine == "postgresql":
            programs, home = stack.enter_context(postgres_programs())
            memory = (f"shared_buffers={_SHARED_BUFFERS}", f"maintenance_work_mem={_BUILD_MEMORY}", "max_wal_size=4GB")
            postgres = PostgresServer(programs, home / "data", memory)
            postgres.create()
            stack.callback(postgres.stop)
            postgres.start()
            yield open_engine(postgres.url()), _Server(postgres.pid, postgres.folder)
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            milvus = MilvusLiteServer(folder)
            stack.callback(milvus.stop)
            milvus.start()
            yield open_engine(f"milvus:{milvus.url}"), _Server(milvus.pid, folder)


def measure(
    name: str,
    engine: Engine,
    folder: Path,
    vectors: np.ndarray,
    terms: Sequence[list[str]],
    asked: Sequence[tuple[np.ndarray, list[str]]],
    server: _Server | None = None,
    ranked: Sequence[set[int]] | None = None,
) -> tuple[Figures, list[set[int]]]:
    """Return what `engine` costs, and the ordinals that its lexical search ranked best for each question."""
    before, cpu_before = _bytes_in(server.folder) if server else 0, _cpu(server)
    store = f"mundap_{random.randrange(16**8):08x}_20260101t000000000z_00000000"  # noqa: S311 - nothing secret
    began = time.perf_counter()
    stored = engine.write(store, folder, vectors, terms)
    seconds, write_cpu = time.perf_counter() - began, _cpu(server) - cpu_before
    try:
        engine.check(stored, len(vectors))
        dense, lexical = engine.open(stored, folder)
        kept = _bytes_in(folder) + (_bytes_in(server.folder) - before if server else 0)
        for vector, words in asked[:20]:
            _ask(dense, lexical, vector, words)
        times: dict[str, list[float]] = {"lexical": [], "dense": [], "question": []}
        best, near = [], []
        cpu = _cpu(server)
        for vector, words in asked:
            found_lexical, found_dense, took = _ask(dense, lexical, vector, words)
            best.append(found_lexical)
            near.append(found_dense)
            for part, milliseconds in took.items():
                times[part].append(milliseconds)
        cpu = _cpu(server) - cpu
    finally:
        engine.keep_only(store, [])
    expected = [set(np.argpartition(-(vectors @ vector), TOP_K)[:TOP_K].tolist()) for vector, _ in asked]
    quantiles = {part: statistics.quantiles(values, n=20) for part, values in times.items()}
    return Figures(
        engine=name,
        passages=len(vectors),
        write_seconds=round(seconds, 1),
        write_cpu_seconds=round(write_cpu, 1),
        megabytes=round(kept / 1e6, 1),
        lexical_p50=round(quantiles["lexical"][9], 2),
        lexical_p95=round(quantiles["lexical"][18], 2),
        dense_p50=round(quantiles["dense"][9], 2),
        dense_p95=round(quantiles["dense"][18], 2),
        question_p50=round(quantiles["question"][9], 2),
        question_p95=round(quantiles["question"][18], 2),
        cpu_ms=round(1000 * cpu / len(asked), 2),
        dense_recall=round(_shared(near, expected), 4),
        lexical_agreement=round(_shared(best, ranked or best), 4),
    ), best


def _ask(
    dense: DenseStore, lexical: LexicalStore, vector: np.ndarray, words: list[str]
) -> tuple[set[int], set[int], dict[str, float]]:
    began = time.perf_counter()
    by_words = lexical.search(words, TOP_K)
    between = time.perf_counter()
    by_vector = dense.search(vector, TOP_K)
    after = time.perf_counter()
    dense.scores(vector, [ordinal for ordinal in by_words if ordinal not in by_vector])
    ended = time.perf_counter()
    took = {"lexical": between - began, "dense": after - between, "question": ended - began}
    return set(by_words), set(by_vector), {part: 1000 * seconds for part, seconds in took.items()}


class _MadeUpVectors:
    """Passes for a model, and gives vectors that depend on the text alone."""

    name = identity = "made up"
    dimension = DIMENSION

    def embed_questions(self, texts: list[str]) -> np.ndarray:
        """Return float32 vectors of unit norm, shape (len(texts), dimension)."""
        seeds = [list(hashlib.sha256(text.encode()).digest()) for text in texts]
        return _unit(np.stack([np.random.default_rng(seed).standard_normal(self.dimension) for seed in seeds]))

    def embed_passages(self, texts: list[str], batch_size: int = 16) -> np.ndarray:  # noqa: ARG002 - the model's own
        """Return the same of passages."""
        return self.embed_questions(texts)


def measure_folder() -> dict[str, int]:
    """Return how many bytes of a version's folder belong to a passage of agencies' documents, by what they hold."""
    articles = json.loads(DOCUMENTS.read_text(encoding="utf-8"))["data"][:_DOCUMENTS_BUILT]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "source").mkdir()
        for number, article in enumerate(articles):
            text = "\n\n".join(paragraph["context"] for paragraph in article["paragraphs"])
            (folder / "source" / f"{number}.txt").write_text(text, encoding="utf-8")
        publication = Publication(folder / "data")
        report = build_index(folder / "source", publication, _MadeUpVectors())
        version = publication.folder / "versions" / report.version
        return {
            "passages": report.passages,
            "sentences": report.sentences,
            "text_bytes": (version / TEXTS).stat().st_size // report.passages,
            "sentence_vector_bytes": (version / SENTENCE_VECTORS).stat().st_size // report.passages,
        }


def make_passages(count: int) -> tuple[np.ndarray, list[list[str]]]:
    """Return vectors, float32 (count, `DIMENSION`) of unit norm, and the terms of each passage."""
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((max(20, count // 100), DIMENSION)).astype(np.float32)
    # As far apart as passages are that the bundled model embeds: their mean cosine is about 0.8.
    centres = 0.45 * centres / np.linalg.norm(centres, axis=1, keepdims=True) + _unit(chance.standard_normal(DIMENSION))
    vectors = centres[chance.integers(len(centres), size=count)]
    vectors += 0.3 / np.sqrt(DIMENSION) * chance.standard_normal(vectors.shape, dtype=np.float32)
    vectors = _unit(vectors)
    sentences = _sentences()
    spread: dict[str, int] = {}
    for sentence in sentences:
        for term in set(sentence):
            spread[term] = spread.get(term, 0) + 1
    rare = {term for term, holding in spread.items() if holding < _SHARE_OF_RARE_TERMS * len(sentences)}
    draws = chance.integers(len(sentences), size=(count, _SENTENCES_IN_A_PASSAGE))
    passages = []
    for drawn in draws:
        words = [term for at in drawn for term in sentences[at]]
        variants = np.minimum(chance.zipf(1.2, size=len(words)), 1_000_000)
        passages.append([f"{t}{v}" if t in rare else t for t, v in zip(words, variants.tolist(), strict=True)])
    return vectors, passages


def make_questions(vectors: np.ndarray, terms: Sequence[list[str]]) -> list[tuple[np.ndarray, list[str]]]:
    """Return for each question a vector, float32 (`DIMENSION`,), and its terms; both are near those of a passage."""
    chance = np.random.default_rng(1)
    asked = []
    for at in chance.integers(len(vectors), size=QUESTIONS).tolist():
        noise = 0.4 / np.sqrt(DIMENSION) * chance.standard_normal(DIMENSION)
        words = sorted(set(terms[at]))
        drawn = chance.choice(len(words), size=min(_TERMS_IN_A_QUESTION, len(words)), replace=False)
        asked.append((_unit(vectors[at] + noise), [words[one] for one in drawn]))
    return asked


def _sentences() -> list[list[str]]:
    """Return the terms of each line of the Korean documents that says something."""
    articles = json.loads(DOCUMENTS.read_text(encoding="utf-8"))["data"]
    lines = {
        line.strip(): None
        for article in articles
        for paragraph in article["paragraphs"]
        for line in paragraph["context"].splitlines()
        if len(line.strip()) > 30
    }
    return [terms for line in lines if len(terms := search_terms(line)) > 5]


def _unit(values: np.ndarray) -> np.ndarray:
    unit: np.ndarray = (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)
    return unit


def _shared(found: Sequence[set[int]], expected: Sequence[set[int]]) -> float:
    return sum(len(one & other) for one, other in zip(found, expected, strict=True)) / max(1, sum(map(len, expected)))


def _bytes_in(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        # What a server works on may go while it is looked at; its log of changes is none of the index.
        if "pg_wal" not in path:
            total += sum((Path(path) / name).stat().st_size for name in names if (Path(path) / name).exists())
    return total


def _cpu(server: _Server | None) -> float:
    return time.process_time() + (cpu_seconds(server.pid) if server else 0.0)


if __name__ == "__main__":
    main()
