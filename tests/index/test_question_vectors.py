from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from index import question_vectors
from index.question_vectors import QuestionVectors
from tests.conftest import FakeEmbedder


class Counting(FakeEmbedder):
    def __init__(self) -> None:
        super().__init__()
        self.embedded: list[str] = []

    def embed_questions(self, texts: list[str]) -> np.ndarray:
        self.embedded += texts
        return super().embed_questions(texts)


@pytest.fixture
def embedder():
    return Counting()


def test_a_question_is_embedded_once_however_it_is_spaced(embedder, fake_embedder):
    vectors = QuestionVectors(embedder)
    expected = fake_embedder.embed_questions(["when was it"])[0]
    for question in ("when was it", " when  was it\n", "when was it"):
        assert (vectors.vector(question) == expected).all()
    assert (vectors.vector("When was it") != expected).any()
    assert embedder.embedded == ["when was it", "When was it"]


def test_the_one_that_was_asked_longest_ago_is_forgotten(embedder, monkeypatch):
    monkeypatch.setattr(question_vectors, "REMEMBERED", 2)
    vectors = QuestionVectors(embedder)
    for question in ("a", "b", "a", "c", "a", "b"):
        vectors.vector(question)
    assert embedder.embedded == ["a", "b", "c", "b"]


def test_what_is_remembered_can_not_be_changed(embedder):
    with pytest.raises(ValueError, match="read-only"):
        QuestionVectors(embedder).vector("a")[0] = 1


def test_several_threads_get_the_vectors_of_their_questions(embedder, fake_embedder):
    vectors = QuestionVectors(embedder)
    questions = [f"question {n % 50}" for n in range(400)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(vectors.vector, questions))
    assert (np.stack(found) == fake_embedder.embed_questions(questions)).all()
