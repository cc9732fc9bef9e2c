"""How search grows with the number of passages: `make bench-growth`.

The passages are those of the agencies' documents (`eval/agency_documents.json`), indexed by the shipped pipeline, and
as many more as are wanted: each has the form of one of them and sentences drawn from all, with their own terms and
vectors. As a whole it has the vector of one real text moved by half the difference of two others, so that made-up
vectors lie as real ones do. Each size is published as a version of an index, opened by a process of its own as a start
does, and asked the questions of the same documents.

Recall is that of the dense index against comparing every vector. `ready_seconds` go from the start of a process until
it can be asked, without the reader and with files that an earlier start has verified, `first_ready_seconds` without
that. `search_ms` is all that search takes besides the encoder, `search_cpu_ms` the processor's time for it, which tells
more on a busy machine, and `dense_ms` and `lexical_ms` the two indexes alone. Of memory, `held_mb` is the process's
own, `mapped_mb` the pages of files that it has touched, which the system takes back when it needs them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from pathlib import Path
from typing import overload

import faiss
import numpy as np

from eval.benchmarks.tables import Figures, memory_mb, percentiles, print_figures
from eval.datasets import load_squad
from index.build import build_index
from index.corpus import SENTENCE_VECTORS, AnalysedPassage, write_corpus
from index.dense import FILE, FaissStore
from index.digests import SETTLED_SECONDS
from index.documents import Passage, Sentence
from index.embedding import BUNDLED, load_embedder
from index.lexical import Bm25Store
from index.publication import Publication, PublishedIndex, file_digests
from index.retriever import CANDIDATES, Retriever
from server.chat import load_models
from server.settings import Settings

DOCUMENTS = Path(__file__).parents[1] / "agency_documents.json"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUESTIONS = 200
WARM_UP = 50
NEAREST = 10
QUESTIONS_FILE = "asked.json"
NEAREST_FILE = "nearest.npy"


@dataclass(frozen=True, slots=True)
class Real:
    """The agencies' documents, indexed: vectors of passages, float32 (n, d), and of sentences, float16; questions."""

    index: PublishedIndex
    vectors: np.ndarray
    sentence_vectors: np.ndarray
    questions: list[str]
    question_vectors: np.ndarray


class Recombined(Sequence[AnalysedPassage]):
    """`count` passages: the real ones, and behind them as many made-up ones as it takes.

    Each is made when it is asked for, so that a million of them need no memory. `rows`, int64, says of which of the
    real sentences they consist, passage by passage.
    """

    def __init__(self, index: PublishedIndex, count: int) -> None:
        chance = np.random.default_rng(0)
        self._real = index.corpus.passages(range(min(count, index.manifest.passages)))
        self._sentences = [
            (one.passage.quote(sentence), sentence.kind, sentence.about, sorted(terms))
            for one in self._real
            for sentence, terms in zip(one.passage.sentences, one.sentence_terms, strict=True)
        ]
        self._context_terms = [sorted(one.context_terms) for one in self._real]
        lengths = np.array([len(one.sentence_terms) for one in self._real])
        made_up = chance.integers(len(lengths), size=count - len(lengths))
        self._forms = np.concatenate([np.arange(len(lengths)), made_up]).tolist()
        starts = np.cumsum([0, *lengths[self._forms]])
        self.rows = chance.integers(len(self._sentences), size=starts[-1])
        self.rows[: len(self._sentences)] = np.arange(len(self._sentences))
        self._starts = starts.tolist()

    def __len__(self) -> int:
        return len(self._forms)

    @overload
    def __getitem__(self, at: int) -> AnalysedPassage: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[AnalysedPassage]: ...
    def __getitem__(self, at: int | slice) -> AnalysedPassage | Sequence[AnalysedPassage]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        if not 0 <= at < len(self):
            raise IndexError(at)
        pieces = [self._sentences[row] for row in self.rows[self._starts[at] : self._starts[at + 1]].tolist()]
        passage = self._real[self._forms[at]].passage
        if at >= len(self._real):
            text = "\n".join(quote for quote, *_ in pieces)
            starts = accumulate((len(quote) + 1 for quote, *_ in pieces), initial=0)
            sentences = tuple(
                Sentence(start, start + len(quote), kind, about)
                for start, (quote, kind, about, _) in zip(starts, pieces, strict=False)
            )
            passage = Passage(f"made-up#{at}", passage.doc_id, 0, len(text), text, passage.context, sentences)
        return AnalysedPassage(passage, self._context_terms[self._forms[at]], [terms for *_, terms in pieces])

    def terms(self) -> Iterator[list[str]]:
        """Yield the terms of each passage."""
        for at, form in enumerate(self._forms):
            rows = self.rows[self._starts[at] : self._starts[at + 1]].tolist()
            yield [*self._context_terms[form], *chain.from_iterable(self._sentences[row][3] for row in rows)]


def main() -> None:
    """Print the figures of each size as a table and as JSON."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.growth")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of passages")
    parser.add_argument("--documents", type=int, default=100, help="how many of the agencies' documents are real [100]")
    parser.add_argument("--work", type=Path, help="folder in which the real documents stay indexed [none]")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open or options.measure:
        print(json.dumps(measure(options.open or options.measure, ask=bool(options.measure))))
        return
    with tempfile.TemporaryDirectory(prefix="mundap-growth-", dir=options.work) as temporary:
        work = Path(temporary)
        real = build_real((options.work or work) / "real", options.documents)
        rows = []
        for size in options.sizes:
            written = write_version(real, size, work / "made")
            # What was written this short a time ago is read again by the next start, too.
            time.sleep(SETTLED_SECONDS)
            first = _measured("--open", work / "made")["ready_seconds"]
            rows.append({**written, "first_ready_seconds": first, **_measured("--measure", work / "made")})
            print(json.dumps(rows[-1]), file=sys.stderr)
            shutil.rmtree(work / "made")
    print_figures(rows)
    p50 = {row["passages"]: float(row["search_ms_p50"]) for row in rows}
    if {10_000, 1_000_000} <= p50.keys():
        print(f"search of 1,000,000 passages takes {p50[1_000_000] / p50[10_000]:.2f} times as long as of 10,000")


def build_real(folder: Path, documents: int) -> Real:
    """Index so many of the agencies' documents with the shipped pipeline."""
    dataset = load_squad(DOCUMENTS)
    names = list(dataset.corpus)[:documents]
    replace(dataset, corpus={name: dataset.corpus[name] for name in names}).write_corpus(folder / "source")
    embedder = load_embedder(BUNDLED, Settings().model_cache)
    publication = Publication(folder / "data")
    build_index(folder / "source", publication, embedder)
    index = publication.open(embedder)
    files = publication.folder / "versions" / index.manifest.version
    asked = list(dict.fromkeys(q.text for q in dataset.questions if not q.relevant.isdisjoint(names)))
    questions = asked[:: len(asked) // (WARM_UP + QUESTIONS)][: WARM_UP + QUESTIONS]
    return Real(
        index, faiss.read_index(str(files / FILE)).reconstruct_n(), np.load(files / SENTENCE_VECTORS), questions,
        embedder.embed_questions(questions),
    )  # fmt: skip


def write_version(real: Real, size: int, folder: Path) -> Figures:
    """Publish an index of `size` passages in `folder`; return how long each part of it took to write."""
    passages = Recombined(real.index, size)
    vectors = _vectors(real, size)
    seconds = {}
    publication = Publication(folder)
    with publication.writing() as aside:
        started = time.perf_counter()
        FaissStore.write(vectors, aside)
        seconds["dense_build_seconds"] = time.perf_counter() - started
        nearest = faiss.knn(real.question_vectors, vectors, NEAREST, metric=faiss.METRIC_INNER_PRODUCT)[1]
        del vectors
        terms = list(passages.terms())
        started = time.perf_counter()
        Bm25Store.write(terms, aside)
        seconds["lexical_build_seconds"] = time.perf_counter() - started
        del terms
        write_corpus(aside, [], passages, _sentence_vectors(real, passages.rows, folder / "sentence_vectors.npy"))
        files = file_digests(aside)
        manifest = replace(real.index.manifest, passages=size, sentences=len(passages.rows), files=files)
        publication.publish(aside, manifest)
    np.save(folder / NEAREST_FILE, nearest)
    (folder / QUESTIONS_FILE).write_text(json.dumps(real.questions), encoding="utf-8")
    megabytes = sum(path.stat().st_size for path in publication.folder.rglob("*")) // 1_000_000
    return {"passages": size, **{name: round(value, 1) for name, value in seconds.items()}, "disk_mb": megabytes}


def _sentence_vectors(real: Real, rows: np.ndarray, path: Path) -> np.ndarray:
    """Return the vectors of the sentences in `rows`, float16 (rows, d), in a file, as they are too many for memory."""
    shape = (len(rows), real.sentence_vectors.shape[1])
    vectors = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    for start in range(0, len(rows), 100_000):
        vectors[start : start + 100_000] = real.sentence_vectors[rows[start : start + 100_000]]
    path.unlink()
    return vectors


def _vectors(real: Real, count: int) -> np.ndarray:
    """Return `count` vectors, float32 of unit norm: those of the real passages, and made-up ones behind them."""
    chance = np.random.default_rng(0)
    texts = np.concatenate([real.vectors, real.sentence_vectors.astype(np.float32)])
    vectors = np.empty((count, texts.shape[1]), dtype=np.float32)
    vectors[: len(real.vectors)] = real.vectors[:count]
    for start in range(len(real.vectors), count, 10_000):
        some = vectors[start : start + 10_000]
        one, other, third = chance.integers(len(texts), size=(3, len(some)))
        some[:] = texts[one] + 0.5 * (texts[other] - texts[third])
        some /= np.linalg.norm(some, axis=1, keepdims=True)
    return vectors


def _measured(how: str, folder: Path) -> Figures:
    """Return what `measure` returns in a process of its own."""
    command = [sys.executable, "-m", "eval.benchmarks.growth", how, str(folder)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")  # noqa: S603 - our own command
    figures: Figures = json.loads(run.stdout)
    return figures


def measure(folder: Path, ask: bool) -> Figures:
    """Open the index in `folder` and `ask` it; this process has just started."""
    embedder = load_models(Settings(reader="off", embedding_model=BUNDLED)).embedder
    models_loaded = _since_start()
    index = Publication(folder).open(embedder)
    ready = _since_start()
    figures: dict[str, float] = {
        "ready_seconds": round(ready, 2),
        "opening_seconds": round(ready - models_loaded, 2),
    }
    if not ask:
        return figures
    retriever = Retriever(index, embedder)
    questions: list[str] = json.loads((folder / QUESTIONS_FILE).read_text(encoding="utf-8"))
    retrievals = [retriever.search(question, NEAREST) for question in questions]
    times = {"embed": [one.embed_ms for one in retrievals], "search": [one.search_ms for one in retrievals]}
    times |= {"dense": [], "lexical": [], "search_cpu": []}
    found = []
    for retrieval in retrievals:
        started = time.perf_counter()
        nearest = index.dense.search(retrieval.vector, CANDIDATES)
        dense_done = time.perf_counter()
        index.lexical.search(list(retrieval.terms), CANDIDATES)
        times["lexical"].append((time.perf_counter() - dense_done) * 1000)
        times["dense"].append((dense_done - started) * 1000)
        found.append(list(nearest)[:NEAREST])
    for question in questions:
        started = time.process_time()
        retriever.search(question, NEAREST)
        times["search_cpu"].append((time.process_time() - started) * 1000)
    for stage, taken in times.items():
        figures |= percentiles(stage, taken[WARM_UP:], 50, 95)
    return figures | {
        "recall_at_10": round(_recall(found, np.load(folder / NEAREST_FILE).tolist()), 4),
        "held_mb": memory_mb("RssAnon"),
        "mapped_mb": memory_mb("RssFile"),
    }


def _recall(found: list[list[int]], nearest: list[list[int]]) -> float:
    """Return which share of the `nearest` of all questions was found."""
    return sum(len(set(one) & set(other)) for one, other in zip(found, nearest, strict=True)) / (NEAREST * len(nearest))


def _since_start() -> float:
    """Return how many seconds ago this process was started."""
    ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
