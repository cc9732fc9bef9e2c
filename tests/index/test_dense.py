import numpy as np
import pytest

from index import dense
from index.dense import FaissStore


def unit(values):
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture
def vectors():
    # Around a few centres, in a narrow cone, as those of texts are.
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((20, 384)) + 2
    return unit(centres[chance.integers(20, size=1500)] + 0.5 * chance.standard_normal((1500, 384)))


@pytest.fixture(params=["flat", "compressed"])
def store(request, vectors, tmp_path, monkeypatch):
    monkeypatch.setattr(dense, "FLAT_UP_TO", 1_000 if request.param == "compressed" else 2_000)
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
    questions = unit(vectors[:400] + 0.02 * np.random.default_rng(1).standard_normal((400, 384)))
    nearest = np.argsort(-questions @ vectors.T, axis=1)[:, :10].tolist()
    found = [list(store.search(question, 10)) for question in questions]
    shares = [len(set(one) & set(other)) / 10 for one, other in zip(found, nearest, strict=True)]
    assert sum(shares) / len(shares) >= 0.99


def test_scores_of_given_passages_are_their_cosines(store, vectors):
    expected = {ordinal: float(vectors[ordinal] @ vectors[0]) for ordinal in (5, 1499, 0)}
    assert store.scores(vectors[0], [5, 1499, 0]) == pytest.approx(expected, abs=1e-5)
    assert store.scores(vectors[0], []) == {}


def test_no_more_is_found_than_there_is(store, vectors):
    assert len(store) == 1500
    assert sorted(store.search(vectors[0], 5_000)) == list(range(1500))
