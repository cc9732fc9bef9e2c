"""What models are fitted on: question-answering sets in SQuAD's form, indexed by the shipped pipeline."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from eval.datasets import Dataset
from index.build import build_index
from index.embedding import Embedder
from index.publication import Publication
from index.retriever import Retriever

SOURCE_DOCS = Path(__file__).parents[1] / "source_docs"
FOLDS = 5
# Of the articles of this fold nothing is trained on.
HELD_OUT = 4


def fold_of(topic: str) -> int:
    """Return the fold of an article, the same for all languages of a parallel set."""
    return int(topic) // 2 % FOLDS


class RememberingEmbedder:
    """Embeds each text once, since the same paragraphs are indexed in many corpora."""

    def __init__(self, embedder: Embedder) -> None:
        self.name, self.dimension, self.identity = embedder.name, embedder.dimension, embedder.identity
        self._embedder = embedder
        self._known: dict[tuple[bool, str], np.ndarray] = {}

    def embed_questions(self, texts: list[str]) -> np.ndarray:
        """Return the vectors of `texts`, from memory where they are known."""
        return self._remember(True, texts)

    def embed_passages(self, texts: list[str], batch_size: int = 16) -> np.ndarray:
        """Return the vectors of `texts`, from memory where they are known."""
        return self._remember(False, texts, batch_size)

    def _remember(self, is_question: bool, texts: list[str], batch_size: int = 1) -> np.ndarray:
        new = list(dict.fromkeys(text for text in texts if (is_question, text) not in self._known))
        if new:
            model = self._embedder
            vectors = model.embed_questions(new) if is_question else model.embed_passages(new, batch_size)
            self._known |= zip(((is_question, text) for text in new), vectors, strict=True)
        return np.stack([self._known[is_question, text] for text in texts])


def open_corpus(dataset: Dataset, work: Path, embedder: Embedder) -> Retriever:
    """Index the corpus of `dataset` below `work` by the shipped pipeline, unless it is there."""
    dataset.write_corpus(work / "source")
    return open_folder(work / "source", work / "var", embedder)


def open_folder(source: Path, data: Path, embedder: Embedder) -> Retriever:
    """Index the folder `source` into `data`, unless that is done, and open it."""
    publication = Publication(data)
    build_index(source, publication, embedder)
    return Retriever(publication.open(embedder), embedder)


def with_parallel(datasets: list[Dataset]) -> list[Dataset]:
    """Return `datasets` and, of parallel ones, each question in one language over paragraphs of another."""
    crossed = []
    for asked in datasets:
        texts = {question.question_id: question for question in asked.questions}
        for told in datasets:
            if asked is told or not texts or set(texts) != {question.question_id for question in told.questions}:
                continue
            questions = tuple(
                replace(q, text=texts[q.question_id].text, language=texts[q.question_id].language)
                for q in told.questions
            )
            name = f"{asked.questions[0].language} over {told.questions[0].language}"
            crossed.append(replace(told, name=name, questions=questions))
    return datasets + crossed
