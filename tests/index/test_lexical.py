import math
from collections import Counter

import pytest

from index.errors import IndexDamaged
from index.lexical import Bm25Store

PASSAGES = [
    ["양해각서", "체결", "정부", "정부"],
    ["정부", "협력", "강화"],
    ["apec", "정상", "회담", "협력", "협력", "협력", "기술"],
    ["양해각서", "기술"],
    [],
]


@pytest.fixture
def store(tmp_path):
    Bm25Store.write(PASSAGES, tmp_path)
    return Bm25Store.open(tmp_path)


def idf(term):
    count = sum(term in terms for terms in PASSAGES)
    return math.log(1 + (len(PASSAGES) - count + 0.5) / (count + 0.5))


def bm25(query, terms):
    average = sum(map(len, PASSAGES)) / len(PASSAGES)
    counts = Counter(terms)
    return sum(
        idf(term) * counts[term] * 2.2 / (counts[term] + 1.2 * (0.25 + 0.75 * len(terms) / average)) for term in query
    )


@pytest.mark.parametrize("query", [["정부"], ["협력", "기술"], ["양해각서", "apec", "체결"], ["협력", "없는말"]])
def test_search_scores_by_the_bm25_formula_best_first(store, query):
    expected = {n: score for n, terms in enumerate(PASSAGES) if (score := bm25(query, terms))}
    found = store.search(query, 10)
    assert found == pytest.approx(expected, rel=1e-5)
    assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize("term", ["정부", "apec", "없는말"])
def test_idf_follows_its_formula(store, term):
    assert store.idf(term) == pytest.approx(idf(term))
    assert store.passages_with(term) == sum(term in terms for terms in PASSAGES)


def test_the_best_are_returned_up_to_top_k(store):
    assert list(store.search(["협력", "정부"], 1)) == [1]


@pytest.mark.parametrize("query", [[], ["없는말"]])
def test_no_known_term_finds_nothing(store, query):
    assert store.search(query, 10) == {}


def test_a_repeated_term_of_the_question_counts_once(store):
    assert store.search(["협력", "협력"], 10) == store.search(["협력"], 10)


def test_a_very_long_question_is_answered_by_its_rarest_terms(tmp_path):
    Bm25Store.write([[f"w{n}"] for n in range(200)] + [["common"]] * 3, tmp_path)
    found = Bm25Store.open(tmp_path).search(["common", *(f"w{n}" for n in range(200))], 300)
    assert len(found) == 64
    assert 200 not in found


def test_a_damaged_folder_says_so(tmp_path):
    (tmp_path / "lexical").mkdir()
    with pytest.raises(IndexDamaged, match="run: mundap index build"):
        Bm25Store.open(tmp_path)
