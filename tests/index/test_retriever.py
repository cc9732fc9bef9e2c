import numpy as np
import pytest

from index.build import build_index
from index.chunking import Chunking
from index.fusion import fuse, lexical_weight
from index.morphemes import search_terms
from index.publication import Publication
from index.retriever import Retriever

TOWNS = {f"{n:03}.txt": f"Town number {n:03} has {n % 7 + 20} parks. Its mayor likes tea{n % 13}." for n in range(150)}


@pytest.fixture
def retriever(source, tmp_path, fake_embedder):
    def build(files, chunking=None):
        publication = Publication(tmp_path / f"data{len(files)}")
        folder = source(files)
        for path in folder.iterdir():
            if path.name not in files:
                path.unlink()
        build_index(folder, publication, fake_embedder, chunking)
        return Retriever(publication.open(fake_embedder), fake_embedder)

    return build


def ids(retrieval):
    return [hit.passage.passage_id for hit in retrieval.hits]


def test_hits_are_ranked_as_by_brute_force(retriever, fake_embedder):
    files = dict(list(TOWNS.items())[:40])
    searching = retriever(files)
    question = "Which town has 22 parks and tea5 and unknownword?"
    retrieval = searching.search(question, 40)
    vector = fake_embedder.embed_questions([question])[0]
    terms = {term: searching.index.lexical.idf(term) for term in ("town", "22", "park", "tea5", "unknownword")}
    lexical = searching.index.lexical.search(list(terms), 40)
    dense = {}
    for ordinal, (name, text) in enumerate(files.items()):
        [whole] = fake_embedder.embed_passages([f"{name.removesuffix('.txt')}\n{text}"]) @ vector
        dense[ordinal] = whole / 3 + 2 * searching.index.corpus.sentence_scores(vector, [ordinal])[ordinal].max() / 3
    share = sum(idf for term, idf in terms.items() if term != "unknownword") / sum(terms.values())
    fused = fuse(dense, lexical, lexical_weight(share))
    expected = sorted(fused, key=lambda ordinal: -fused[ordinal])
    assert retrieval.terms == terms
    assert retrieval.known_share == pytest.approx(share)
    assert np.allclose(retrieval.vector, vector)
    assert [hit.stored.ordinal for hit in retrieval.hits] == expected
    for hit in retrieval.hits:
        assert hit.dense_score == pytest.approx(dense[hit.stored.ordinal], abs=1e-6)
        assert hit.lexical_score == pytest.approx(lexical.get(hit.stored.ordinal, 0))
        assert hit.score == pytest.approx(fused[hit.stored.ordinal], abs=1e-5)
        assert len(hit.sentence_scores) == len(hit.passage.sentences)


@pytest.mark.parametrize("top_k", [1, 5, 130])
def test_as_many_hits_as_asked_for(retriever, top_k):
    assert len(retriever(TOWNS).search("zzz", top_k).hits) == top_k


def test_fewer_passages_than_asked_for_are_all_returned(retriever):
    assert ids(retriever({"a.txt": "Only one."}).search("one", 5)) == ["a.txt#0"]


def test_equal_scores_are_ordered_by_passage_id(retriever):
    found = ids(retriever({"a.txt": "Same words here.\n\n" * 12}, Chunking(target=1)).search("same words", 12))
    assert len(found) == 12
    assert found == sorted(found)


def test_excluded_documents_are_left_out_as_if_they_were_not_there(retriever):
    excluded = list(TOWNS)[20:]
    question = "zzz"
    left = retriever(TOWNS).search(question, 200, exclude=excluded)
    alone = retriever(dict(list(TOWNS.items())[:20])).search(question, 200)
    assert ids(left) == ids(alone)
    assert [hit.score for hit in left.hits] == pytest.approx([hit.score for hit in alone.hits], abs=1e-5)


def test_excluding_few_of_many_changes_no_score_of_the_rest(retriever):
    excluded = [name for n, name in enumerate(TOWNS) if n % 10 == 0]
    rest = {name: text for name, text in TOWNS.items() if name not in excluded}
    left = retriever(TOWNS).search("zzz", 10, exclude=excluded)
    alone = retriever(rest).search("zzz", 10)
    assert [(hit.passage.passage_id, hit.score) for hit in left.hits] == [
        (hit.passage.passage_id, pytest.approx(hit.score)) for hit in alone.hits
    ]


def test_excluding_everything_finds_nothing(retriever):
    assert retriever({"a.txt": "Only one."}).search("one", 5, exclude=["a.txt"]).hits == ()


@pytest.mark.parametrize("question", ["zzz qqq", "?!", "what is it?"])
def test_a_question_without_a_known_term_is_ranked_by_vectors_alone(retriever, question):
    retrieval = retriever(TOWNS).search(question, 10)
    assert retrieval.known_share == 0
    dense = [hit.dense_score for hit in retrieval.hits]
    assert dense == sorted(dense, reverse=True)
    assert retrieval.hits[0].score == 1


def test_words_that_only_ask_are_no_terms(seed_index, embedder):
    searching = Retriever(Publication(seed_index).open(embedder), embedder)
    terms = searching.search("양해각서는 언제 체결되었는지 알려주세요", 1).terms
    assert list(terms) == search_terms("양해각서 체결")


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("APEC은 언제 창설되었나요?", "1989년 창설된"),
        ("미국 측에서는 누가 양해각서에 서명했나요?", "마이클 크라치오스 과학기술 정책실장 서명"),
        ("다음 한미 과학기술공동위원회는 어디에서 열리나요?", "워싱턴 D.C.에서 개최"),
        ("이차연 사무관 전화번호가 뭔가요?", "044-202-4342"),
        ("When was the agreement on science and technology first made?", "1992년 과학기술협정"),
        ("Where will the next joint committee meeting be held?", "워싱턴 D.C.에서 개최"),
        ("APECはいつ創設されましたか。", "1989년 창설된"),
        ("次の韓米科学技術共同委員会はどこで開催されますか。", "워싱턴 D.C.에서 개최"),
        ("APEC是什么时候成立的？", "1989년 창설된"),
        ("谁签署了谅解备忘录？", "마이클 크라치오스 과학기술 정책실장 서명"),
        ("APEC được thành lập khi nào?", "1989년 창설된"),
        ("Ai đã ký biên bản ghi nhớ?", "마이클 크라치오스 과학기술 정책실장 서명"),
    ],
)
def test_the_right_passage_of_the_seed_document_is_among_the_first_three(seed_index, embedder, question, told):
    searching = Retriever(Publication(seed_index).open(embedder), embedder)
    assert any(told in hit.passage.text for hit in searching.search(question, 3).hits)


def test_a_compound_that_the_index_does_not_know_is_found_by_its_parts(seed_index, embedder):
    retriever = Retriever(Publication(seed_index).open(embedder), embedder)
    assert retriever._known_parts("양해각서") == ("양해", "각서")
    assert retriever._known_parts("우주") == ("우주",)
    assert retriever._known_parts("세금계산서") == ("세금계산서",)
