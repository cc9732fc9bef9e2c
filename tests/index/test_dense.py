import numpy as np
import pytest

from index.dense import FaissStore


@pytest.fixture
def vectors():
    values = np.random.default_rng(0).standard_normal((300, 24)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.fixture
def store(vectors, tmp_path):
    FaissStore.write(vectors, tmp_path)
    return FaissStore.open(tmp_path)


def test_search_ranks_as_brute_force_does(store, vectors):
    question = vectors[7] + 0.3 * vectors[11]
    cosines = vectors @ question
    expected = np.argsort(-cosines)[:20]
    found = store.search(question, 20)
    assert list(found) == expected.tolist()
    assert list(found.values()) == pytest.approx(cosines[expected].tolist(), abs=1e-5)


def test_scores_of_given_passages_are_their_cosines(store, vectors):
    expected = {ordinal: float(vectors[ordinal] @ vectors[0]) for ordinal in (5, 299, 0)}
    assert store.scores(vectors[0], [5, 299, 0]) == pytest.approx(expected, abs=1e-5)
    assert store.scores(vectors[0], []) == {}


def test_no_more_is_found_than_there_is(store, vectors):
    assert len(store) == 300
    assert len(store.search(vectors[0], 1_000)) == 300
