"""Mundap beside Haystack, txtai and LlamaIndex, in one run: `make bench-peers`.

Each indexes the same documents and is asked the same questions with the same embedding model, in ONNX Runtime, with the
settings that its documentation recommends; what they are is said in its module beside this one. A peer has an
environment of its own, made from its requirements beside it below `MUNDAP_DATA_DIR` (some 2 GB each, from the package
index) or found in `--environments`. All processes are there from the start; builds take turns, and so do questions, ten
at a time, so that a noisy machine disturbs all alike. No question is asked twice.

What is compared is retrieval: from a question to ranked documents, without a reader or a ranker. A dataset in SQuAD's
form and one in AutoRAG's (by default the agencies' documents in both, in the second one without their titles) show
how often the right document is first and among the first five.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from eval.benchmarks.tables import Figures, percentiles, print_figures
from eval.datasets import Dataset, Question, load_dataset
from index.bundled_model import bundled_model_folder
from server.settings import Settings

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
DOCUMENTS = HERE.parents[1] / "agency_documents.json"
PEERS = ("haystack", "txtai", "llamaindex")
BUILDS = 2
TURN = 10
THREADS = 2


class Pipeline:
    """One of the processes that are compared; see `serving`."""

    def __init__(self, name: str, process: "subprocess.Popen[str]") -> None:
        self.name = name
        self._process = process
        self.versions: dict[str, str] = self._reply()["versions"]
        self.build_seconds: list[float] = []
        self.milliseconds: list[float] = []
        self.found: list[list[str]] = []
        self.asked_together, self.seconds_together = 0, 0.0
        self.memory: dict[str, int] = {}

    def build(self, documents: dict[str, str]) -> None:
        """Index `documents`, in place of what was indexed before."""
        self.build_seconds.append(self._order({"build": documents})["seconds"])

    def ask(self, questions: list[str]) -> None:
        """Ask one question after the other."""
        reply = self._order({"ask": questions, "threads": 1})
        self.milliseconds += reply["milliseconds"]
        self.found += reply["found"]

    def ask_together(self, questions: list[str]) -> None:
        """Ask `THREADS` questions at the same time."""
        self.seconds_together += self._order({"ask": questions, "threads": THREADS})["seconds"]
        self.asked_together += len(questions)

    def figures(self, dataset: str, questions: list[Question]) -> Figures:
        """Return what was measured; `questions` are those that `ask` was given."""
        return {
            "pipeline": self.name,
            "dataset": dataset[:13],
            "build_seconds": round(min(self.build_seconds), 2),
            **percentiles("question", self.milliseconds, 50, 95),
            "questions_per_second": round(self.asked_together / self.seconds_together, 1),
            "memory_mb": self.memory["VmRSS"],
            "peak_memory_mb": self.memory["VmHWM"],
            **{f"recall_at_{k}": round(_recall(self.found, questions, k), 4) for k in (1, 5)},
        }

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin  # noqa: S101 - opened as a pipe
        print(json.dumps(order), file=self._process.stdin, flush=True)
        reply = self._reply()
        self.memory = reply["memory_mb"]
        return reply

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout  # noqa: S101 - opened as a pipe
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended; what it said is above")
        reply: dict[str, Any] = json.loads(line)
        return reply


def main() -> None:
    """Print the figures of each pipeline as a table and as JSON, and how Mundap compares with the best other one."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.peers")
    parser.add_argument("--dataset", action="append", help="squad:… or autorag:…, as of `mundap eval run`; repeatable")
    parser.add_argument("--questions", type=int, default=300, help="how many are asked one after the other [300]")
    parser.add_argument("--environments", type=Path, help="folder of the peers' environments")
    options = parser.parse_args()
    settings = Settings()
    model = bundled_model_folder(settings.model_cache)
    environments = options.environments or settings.data_dir / "peers"
    pythons = {"mundap": Path(sys.executable)} | {peer: environment(environments / peer, peer) for peer in PEERS}
    with tempfile.TemporaryDirectory(prefix="mundap-peers-") as work:
        datasets = options.dataset or [f"squad:{DOCUMENTS}", write_autorag(Path(work))]
        for spec in datasets:
            compare(load_dataset(spec), pythons, model, options.questions)


def environment(folder: Path, peer: str) -> Path:
    """Return the Python of the environment of a peer in `folder`, which is made when it is missing or has changed."""
    python, requirements, installed = folder / "bin" / "python", HERE / f"{peer}.txt", folder / "installed.txt"
    wanted = requirements.read_text(encoding="utf-8")
    if not installed.is_file() or installed.read_text(encoding="utf-8") != wanted:
        print(f"Installing {peer} in {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)  # noqa: S603 - our own list
        installed.write_text(wanted, encoding="utf-8")
    return python


def compare(dataset: Dataset, pythons: dict[str, Path], model: Path, count: int) -> None:
    """Let every pipeline build and answer in turn, and print what was measured."""
    questions = [q for q in dataset.questions if q.relevant]
    random.Random(0).shuffle(questions)  # noqa: S311 - nothing secret
    apart, together = questions[:count], [q.text for q in questions[count : 2 * count]]
    with ExitStack() as processes:
        pipelines = [processes.enter_context(_started(name, python, model)) for name, python in pythons.items()]
        for turn in range(BUILDS):
            for pipeline in _rotated(pipelines, turn):
                pipeline.build(dataset.corpus)
        for pipeline in pipelines:
            # One that is in no dataset, so that whatever is loaded late is there.
            pipeline.ask_together(["warm up", "준비"])
            pipeline.asked_together, pipeline.seconds_together = 0, 0.0
        for turn, start in enumerate(range(0, len(apart), TURN)):
            for pipeline in _rotated(pipelines, turn):
                pipeline.ask([q.text for q in apart[start : start + TURN]])
        for turn, start in enumerate(range(0, len(together), TURN)):
            for pipeline in _rotated(pipelines, turn):
                pipeline.ask_together(together[start : start + TURN])
        print(f"\n{dataset.name}: {len(dataset.corpus)} documents, {len(apart)} questions")
        for pipeline in pipelines:
            print(f"  {pipeline.name}: {', '.join(f'{name} {one}' for name, one in pipeline.versions.items())}")
        own, *others = rows = [pipeline.figures(dataset.name, apart) for pipeline in pipelines]
    print_figures(rows)
    for name, best in {
        "build_seconds": min, "question_ms_p50": min, "question_ms_p95": min, "questions_per_second": max,
        "memory_mb": min, "recall_at_1": max, "recall_at_5": max,
    }.items():  # fmt: skip
        theirs = best(float(row[name]) for row in others)
        print(f"{name}: Mundap {own[name]}, the best of the others {theirs}, ratio {float(own[name]) / theirs:.2f}")


@contextmanager
def _started(name: str, python: Path, model: Path) -> Iterator[Pipeline]:
    command = [str(python), "-m", f"eval.benchmarks.peers.{name}_pipeline", str(model)]
    variables = os.environ | {"PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    with subprocess.Popen(  # noqa: S603 - our own command
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=variables
    ) as process:
        yield Pipeline(name, process)


def _rotated(pipelines: list[Pipeline], turn: int) -> list[Pipeline]:
    first = turn % len(pipelines)
    return pipelines[first:] + pipelines[:first]


def _recall(found: list[list[str]], questions: list[Question], k: int) -> float:
    """Return the mean share of the relevant documents of a question that are among the first `k` found."""
    shares = [len(q.relevant & set(ids[:k])) / min(k, len(q.relevant)) for ids, q in zip(found, questions, strict=True)]
    return sum(shares) / len(shares)


def write_autorag(folder: Path) -> str:
    """Write the agencies' documents in AutoRAG's form, without their titles, and return the name of the dataset."""
    import pyarrow
    from pyarrow import parquet

    paragraphs = [
        (f"{topic}-{number}", paragraph)
        for topic, article in enumerate(json.loads(DOCUMENTS.read_text(encoding="utf-8"))["data"])
        for number, paragraph in enumerate(article["paragraphs"])
    ]
    corpus = [{"doc_id": doc_id, "contents": paragraph["context"]} for doc_id, paragraph in paragraphs]
    asked = [
        {
            "qid": qa["id"], "query": qa["question"], "retrieval_gt": [[doc_id]],
            "generation_gt": [answer["text"] for answer in qa["answers"]],
        }
        for doc_id, paragraph in paragraphs
        for qa in paragraph["qas"]
        if qa["answers"]
    ]  # fmt: skip
    qa_path, corpus_path = folder / "qa.parquet", folder / "corpus.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(asked), qa_path)
    parquet.write_table(pyarrow.Table.from_pylist(corpus), corpus_path)
    return f"autorag:{qa_path},{corpus_path}"


if __name__ == "__main__":
    main()
