import numpy as np
import pytest

from index import dense
from index.dense import FaissStore, recall


def unit(values):
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture
def vectors():
    # Around a few centres, in a narrow cone, as those of texts are.
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((20, 24)) + 2
    return unit(centres[chance.integers(20, size=1500)] + 0.5 * chance.standard_normal((1500, 24)))


@pytest.fixture(params=["flat", "graph"])
def store(request, vectors, tmp_path, monkeypatch):
    monkeypatch.setattr(dense, "FLAT_UP_TO", 1_000 if request.param == "graph" else 2_000)
    FaissStore.write(vectors, tmp_path)
    return FaissStore.open(tmp_path)


def test_search_ranks_as_brute_force_does(store, vectors):
    question = vectors[7] + 0.3 * vectors[11]
    cosines = vectors @ question
    expected = np.argsort(-cosines)[:20]
    found = store.search(question, 20)
    assert list(found) == expected.tolist()
    assert list(found.values()) == pytest.approx(cosines[expected].tolist(), abs=1e-5)


def test_nearly_all_of_the_nearest_are_found(store, vectors):
    questions = unit(vectors[:400] + 0.1 * np.random.default_rng(1).standard_normal((400, 24)))
    nearest = np.argsort(-questions @ vectors.T, axis=1)[:, :10]
    found = np.array([list(store.search(question, 10)) for question in questions])
    assert recall(found, nearest) >= 0.99


def test_recall_is_the_share_that_was_found_in_any_order():
    assert recall(np.array([[3, 1, 9], [5, 6, 0]]), np.array([[1, 3], [5, 7]])) == 0.75


def test_scores_of_given_passages_are_their_cosines(store, vectors):
    expected = {ordinal: float(vectors[ordinal] @ vectors[0]) for ordinal in (5, 1499, 0)}
    assert store.scores(vectors[0], [5, 1499, 0]) == pytest.approx(expected, abs=1e-5)
    assert store.scores(vectors[0], []) == {}


def test_no_more_is_found_than_there_is(store, vectors):
    assert len(store) == 1500
    assert sorted(store.search(vectors[0], 5_000)) == list(range(1500))


def test_a_graph_is_searched_as_widely_as_it_takes(vectors, tmp_path, monkeypatch):
    monkeypatch.setattr(dense, "FLAT_UP_TO", 1_000)
    monkeypatch.setattr(dense, "_SEARCHED_WITH", 1)
    FaissStore.write(vectors, tmp_path)
    index = FaissStore.open(tmp_path)._index
    assert 1 < index.hnsw.efSearch < 1500
