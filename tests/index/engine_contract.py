"""What every engine does, whichever it is: each is tested by a class that inherits these tests and has an `engine`."""

import math
import shutil
from collections import Counter
from itertools import count

import numpy as np
import pytest

from index.build import build_index
from index.errors import GateError, IndexDamaged
from index.publication import Publication
from index.retriever import Retriever

PASSAGES = [
    ["양해각서", "체결", "정부", "정부"],
    ["정부", "협력", "강화"],
    ["apec", "정상", "회담", "협력", "협력", "협력", "기술"],
    ["양해각서", "기술"],
    [],
]
FILES = {
    "town.txt": "The town hall opens at nine. Dogs are welcome in the park.",
    "fees.txt": "A permit costs 22 euros. The fee is paid at the town hall.",
    "apec.txt": "양해각서는 2025년에 체결되었다. 정부는 협력을 강화한다.",
}


def unit(values):
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def idf(term, passages):
    holding = sum(term in terms for terms in passages)
    return math.log(1 + (len(passages) - holding + 0.5) / (holding + 0.5))


def bm25(query, terms, passages):
    average = sum(map(len, passages)) / len(passages)
    counts = Counter(terms)
    return sum(
        idf(term, passages) * counts[term] * 2.2 / (counts[term] + 1.2 * (0.25 + 0.75 * len(terms) / average))
        for term in query
    )


class EngineContract:
    numbers = count()

    @pytest.fixture(scope="class")
    @classmethod
    def vectors(cls):
        return unit(np.random.default_rng(0).standard_normal((300, 24)))

    @pytest.fixture(scope="class")
    @classmethod
    def keep(cls, engine, tmp_path_factory):
        """Keep vectors and terms as one version, checked and opened; what is left out is made up."""

        def keep(vectors=None, terms=None):
            size = len(vectors) if terms is None else len(terms)
            if vectors is None:
                vectors = unit(np.random.default_rng(1).standard_normal((size, 24)))
            name = f"mundap_{next(cls.numbers):08x}_20260101t000000000z_00000000"
            folder = tmp_path_factory.mktemp("version")
            stored = engine.write(name, folder, vectors, terms or [["term"]] * size)
            engine.check(stored, size)
            return engine.open(stored, folder)

        return keep

    @pytest.fixture(scope="class")
    @classmethod
    def dense(cls, keep, vectors):
        return keep(vectors)[0]

    @pytest.fixture(scope="class")
    @classmethod
    def lexical(cls, keep):
        return keep(terms=PASSAGES)[1]

    # ----- dense -----------------------------------------------------------------------------------------------------

    def test_search_ranks_as_brute_force_does(self, dense, vectors):
        question = unit(vectors[7] + 0.3 * vectors[11])
        cosines = vectors @ question
        expected = np.argsort(-cosines)[:20]
        found = dense.search(question, 20)
        assert list(found) == expected.tolist()
        assert list(found.values()) == pytest.approx(cosines[expected].tolist(), abs=1e-3)

    def test_scores_of_given_passages_are_their_cosines(self, dense, vectors):
        expected = {ordinal: float(vectors[ordinal] @ vectors[0]) for ordinal in (5, 299, 0)}
        found = dense.scores(vectors[0], [5, 299, 0])
        assert list(found) == [5, 299, 0]
        assert found == pytest.approx(expected, abs=1e-3)
        assert dense.scores(vectors[0], []) == {}

    @pytest.mark.parametrize("top_k", [300, 1_500])
    def test_no_more_is_found_than_there_is_and_nothing_is_missed(self, dense, vectors, top_k):
        assert len(dense) == 300
        assert sorted(dense.search(vectors[0], top_k)) == list(range(300))

    # ----- lexical ---------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("query", [["정부"], ["협력", "기술"], ["양해각서", "apec", "체결"], ["협력", "없는말"]])
    def test_search_scores_by_the_bm25_formula_best_first(self, lexical, query):
        expected = {n: score for n, terms in enumerate(PASSAGES) if (score := bm25(query, terms, PASSAGES))}
        found = lexical.search(query, 10)
        assert found == pytest.approx(expected, rel=1e-5)
        assert list(found.values()) == sorted(found.values(), reverse=True)

    @pytest.mark.parametrize("term", ["정부", "apec", "없는말"])
    def test_idf_follows_its_formula(self, lexical, term):
        assert len(lexical) == len(PASSAGES)
        assert lexical.idf(term) == pytest.approx(idf(term, PASSAGES))
        assert lexical.passages_with(term) == sum(term in terms for terms in PASSAGES)

    def test_the_best_are_returned_up_to_top_k(self, lexical):
        assert list(lexical.search(["협력", "정부"], 1)) == [1]

    @pytest.mark.parametrize("query", [[], ["없는말"]])
    def test_no_known_term_finds_nothing(self, lexical, query):
        assert lexical.search(query, 10) == {}

    def test_a_repeated_term_of_the_question_counts_once(self, lexical):
        assert lexical.search(["협력", "협력"], 10) == lexical.search(["협력"], 10)

    def test_a_very_long_question_is_answered_by_its_rarest_terms(self, keep):
        words = [f"w{n}" for n in range(200)]
        _, lexical = keep(terms=[[word] for word in words] + [["common"]] * 3)
        found = lexical.search(["common", *words], 300)
        assert len(found) == 64
        assert 200 not in found

    # ----- versions --------------------------------------------------------------------------------------------------

    @pytest.fixture
    def publication(self, engine, tmp_path):
        return Publication(tmp_path / "data", versions_kept=2, engine=engine)

    def kept_by(self, engine, publication):
        """The names of what the engine keeps for `publication`; a subclass says how it finds them, if it has any."""
        return [publication.store_name(manifest.version) for manifest in publication.versions()]

    def expected(self, publication):
        return sorted(publication.store_name(manifest.version) for manifest in publication.versions())

    def test_a_published_version_is_searched_as_the_embedded_one_is(self, publication, source, fake_embedder, tmp_path):
        folder = source(FILES)
        build_index(folder, publication, fake_embedder)
        build_index(folder, embedded := Publication(tmp_path / "embedded"), fake_embedder)
        for question in ("When does the town hall open?", "협력을 강화하나요?", "nothing of this"):
            found, expected = (
                [(hit.passage.passage_id, hit.score, hit.dense_score, hit.lexical_score) for hit in retrieval.hits]
                for retrieval in (
                    Retriever(one.open(fake_embedder), fake_embedder).search(question, 5)
                    for one in (publication, embedded)
                )
            )
            assert [one[0] for one in found] == [one[0] for one in expected]
            np.testing.assert_allclose([one[1:] for one in found], [one[1:] for one in expected], atol=2e-3)

    def test_nothing_changed_builds_nothing(self, publication, source, fake_embedder):
        first = build_index(source(FILES), publication, fake_embedder)
        assert first.published
        assert not build_index(source({}), publication, fake_embedder).published

    def test_old_versions_are_dropped_and_the_one_before_is_there_to_go_back_to(
        self, engine, publication, source, fake_embedder
    ):
        made = [
            build_index(source({"a.txt": f"Text number {number}."}), publication, fake_embedder).version
            for number in range(3)
        ]
        assert [manifest.version for manifest in publication.versions()] == [made[2], made[1]]
        assert sorted(self.kept_by(engine, publication)) == self.expected(publication)
        assert publication.roll_back().version == made[1]
        index = publication.open(fake_embedder)
        assert index.manifest.version == made[1]
        assert list(index.dense.search(fake_embedder.embed_questions(["x"])[0], 1)) == [0]
        assert index.corpus.document("a.txt").text == "Text number 1."

    def test_a_version_that_a_gate_refuses_leaves_nothing(self, engine, publication, source, fake_embedder):
        version = build_index(source(FILES), publication, fake_embedder).version

        def refuse(index):
            assert len(index.lexical) == index.manifest.passages
            raise GateError("no")

        with pytest.raises(GateError):
            build_index(source({"b.txt": "More of it."}), publication, fake_embedder, judge=refuse)
        assert publication.open(fake_embedder).manifest.version == version
        assert sorted(self.kept_by(engine, publication)) == self.expected(publication)

    def test_a_version_whose_folder_is_gone_is_dropped_with_the_next_build(
        self, engine, publication, source, fake_embedder
    ):
        first = build_index(source({"a.txt": "One."}), publication, fake_embedder).version
        build_index(source({"a.txt": "Two."}), publication, fake_embedder)
        shutil.rmtree(publication.folder / "versions" / first)
        publication.clear_up()
        assert len(self.kept_by(engine, publication)) == 1
        assert sorted(self.kept_by(engine, publication)) == self.expected(publication)

    def test_two_data_folders_leave_each_others_versions_alone(
        self, engine, publication, source, fake_embedder, tmp_path
    ):
        mine = build_index(source(FILES), publication, fake_embedder).version
        other = Publication(tmp_path / "other", versions_kept=2, engine=engine)
        for number in range(4):
            build_index(source({"a.txt": f"Text number {number}."}), other, fake_embedder)
        assert publication.open(fake_embedder).manifest.version == mine


class ServerContract(EngineContract):
    """What engines do besides that keep versions in a server. A subclass can `spoil` what is kept under a name."""

    def spoil(self, engine, name):
        raise NotImplementedError

    def test_what_was_changed_in_the_server_is_found(self, engine, publication, source, fake_embedder):
        version = build_index(source(FILES), publication, fake_embedder).version
        publication.verify(version)
        self.spoil(engine, publication.store_name(version))
        with pytest.raises(IndexDamaged, match="run: mundap index build"):
            publication.open(fake_embedder)
        # The next build makes it anew although no document has changed.
        assert build_index(source({}), publication, fake_embedder).published
        publication.open(fake_embedder)
