"""What a build costs beside the embedding in it, and what it costs when little has changed: `make bench-build`.

The documents have the size and the form of the press release in source_docs, each in other words. Meanwhile the model
embeds an eighth of the texts a second time, outside the build's clock, so that a noisy machine disturbs both alike.
`models_mb` is what the process holds before the build, `build_peak_mb` the most that it held during it (Linux).

With many more documents it is measured what a build takes that finds nothing changed (the whole command, from start to
end; its processor time tells more on a busy machine), and with one document changed and a tenth of the files renamed
(its models being loaded). Vectors are made up for these, which saves an hour; so of one changed document all is
measured but its embedding. No questions are suggested anywhere here: that takes the same time whatever the number of
documents.
"""

import argparse
import hashlib
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from eval.benchmarks.tables import forget_peak_memory, memory_mb, print_figures
from index import morphemes
from index.build import BuildReport, build_index
from index.embedding import BUNDLED, Embedder, load_embedder
from index.publication import Publication
from server.settings import Settings

RELEASE = Path(__file__).resolve().parents[2] / "source_docs" / "한-미_기술번영_양해각서_체결.txt"
PARTS = 8
Result = TypeVar("Result")
_WORD = re.compile(r"([가-힣]{2,})")


class _TimedAlone:
    """Passes for the model that it is made of, and measures how fast that is by itself.

    `seconds` is what that took, `texts` how many were embedded so.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.name, self.dimension, self.identity = embedder.name, embedder.dimension, embedder.identity
        self.embed_questions = embedder.embed_questions
        self.seconds, self.texts = 0.0, 0
        self._model = embedder
        self._calls = 0

    def embed_passages(self, texts: list[str], batch_size: int = 16) -> np.ndarray:
        """Return float32 vectors of unit norm, shape (len(texts), dimension)."""
        vectors = self._model.embed_passages(texts, batch_size)
        # Texts come longest first, so each eighth of a call has its turn.
        share = -(-len(texts) // PARTS)
        start = self._calls % PARTS * share
        again = texts[start : start + share]
        if again:
            took, _ = _timed(lambda: self._model.embed_passages(again, batch_size))
            self.seconds += took
            self.texts += len(again)
        self._calls += 1
        return vectors


class _MadeUpVectors:
    """Passes for the model that it is made of, and gives vectors that depend on the text alone."""

    def __init__(self, embedder: Embedder) -> None:
        self.name, self.dimension, self.identity = embedder.name, embedder.dimension, embedder.identity
        self.embed_questions = embedder.embed_questions

    def embed_passages(self, texts: list[str], batch_size: int = 16) -> np.ndarray:  # noqa: ARG002 - the model's own
        """Return float32 vectors of unit norm, shape (len(texts), dimension)."""
        seeds = [list(hashlib.sha256(text.encode()).digest()) for text in texts]
        vectors = np.stack([np.random.default_rng(seed).standard_normal(self.dimension) for seed in seeds])
        unit: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        return unit


def main() -> None:
    """Print the figures as a table and as JSON."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.build")
    parser.add_argument("--documents", type=int, default=60, help="how many are embedded [60]")
    parser.add_argument("--known", type=int, default=1000, help="how many there are when little has changed [1000]")
    options = parser.parse_args()
    embedder = load_embedder(BUNDLED, Settings().model_cache)
    morphemes.warm_up()
    figures = measure_embedding(options.documents, embedder) | measure_changes(options.known, embedder)
    print_figures([figures])


def measure_embedding(documents: int, embedder: Embedder) -> dict[str, float]:
    """Return the texts a second of a build of so many documents and of the model alone, and their ratio."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = _write_documents(folder / "source", documents)
        alone = _TimedAlone(embedder)
        held = memory_mb("VmRSS")
        forget_peak_memory()
        both, report = _timed(lambda: build_index(source, Publication(folder / "data"), alone))
        peak = memory_mb("VmHWM")
    texts = report.embedded_passages + report.embedded_sentences
    build = both - alone.seconds
    model_rate = alone.texts / alone.seconds
    return {
        "embedded_documents": documents,
        "embedded_texts": texts,
        "embedded_sentences": report.embedded_sentences,
        "build_seconds": round(build, 2),
        "embedding_seconds": round(report.embedding_seconds - alone.seconds, 2),
        "build_texts_a_second": round(texts / build, 2),
        "model_texts": alone.texts,
        "model_texts_a_second": round(model_rate, 2),
        "ratio": round(texts / build / model_rate, 3),
        "models_mb": held,
        "build_peak_mb": peak,
    }


def measure_changes(documents: int, embedder: Embedder) -> dict[str, float]:
    """Return the seconds that builds take when little has changed, of so many documents."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = _write_documents(folder / "source", documents)
        publication = Publication(folder / "data")
        made_up = _MadeUpVectors(embedder)

        def build() -> BuildReport:
            return build_index(source, publication, made_up)

        build()
        variables = {"MUNDAP_SOURCE_DIR": str(source), "MUNDAP_DATA_DIR": str(folder / "data")}
        command = [sys.executable, "-m", "server.cli", "index", "build"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        no_change, run = _timed(
            lambda: subprocess.run(  # noqa: S603 - our own command
                command, env=os.environ | variables, check=True, capture_output=True, encoding="utf-8"
            )
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        first, *others = sorted(source.iterdir())
        first.write_text(first.read_text(encoding="utf-8") + "\n이 문장은 새로 더한 것이다.\n", encoding="utf-8")
        one_changed, changed = _timed(build)
        for path in others[: documents // 10]:
            path.rename(path.with_name(f"renamed-{path.name}"))
        renaming, renamed = _timed(build)
    embedded = renamed.embedded_passages + renamed.embedded_sentences
    if "nothing changed" not in run.stdout or len(changed.changed) != 1 or embedded:
        raise AssertionError("the builds did not find what was changed, or embedded what was known")
    return {
        "known_documents": documents,
        "no_change_seconds": round(no_change, 2),
        "no_change_cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "one_changed_seconds": round(one_changed, 2),
        "renamed_documents": len(renamed.renamed),
        "renamed_seconds": round(renaming, 2),
    }


def _write_documents(folder: Path, count: int) -> Path:
    """Write releases in which each Korean word is another one of the release, drawn at random."""
    folder.mkdir()
    release = RELEASE.read_text(encoding="utf-8")
    words = sorted(set(_WORD.findall(release)))
    for number in range(count):
        chance = random.Random(number)  # noqa: S311 - nothing secret
        # Word by word, so that the text keeps its form.
        parts = [chance.choice(words) if _WORD.fullmatch(part) else part for part in _WORD.split(release)]
        (folder / f"{number:06}.txt").write_text("".join(parts), encoding="utf-8")
    return folder


def _timed(run: Callable[[], Result]) -> tuple[float, Result]:
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


if __name__ == "__main__":
    main()
