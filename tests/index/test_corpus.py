from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from index.build import build_index
from index.corpus import AnalysedPassage, Corpus, Excerpt, write_corpus
from index.documents import BlockKind, Document, Passage, Sentence
from index.loaders import load_document, read_source_files
from index.publication import Publication
from tests.conftest import REPO

SEED = "한-미_기술번영_양해각서_체결.txt"


@pytest.fixture(scope="module")
def corpus(seed_index, embedder):
    return Publication(seed_index).open(embedder).corpus


def test_a_document_comes_back_as_it_was_loaded(corpus):
    [file] = read_source_files(REPO / "source_docs")
    document = load_document(file)
    assert corpus.document(SEED) == document
    assert corpus.document("gone.txt") is None
    [summary] = corpus.documents()
    assert (summary.doc_id, summary.digest, summary.characters) == (SEED, document.digest, len(document.text))


def test_passages_come_in_the_order_asked_for_with_their_terms(corpus):
    second, first = corpus.passages([1, 0])
    assert (first.ordinal, second.ordinal) == (0, 1)
    assert first.passage.text == corpus.document(SEED).text[first.passage.start : first.passage.end]
    assert len(first.sentence_terms) == len(first.passage.sentences)
    assert {"apec", "양해", "각서"} & set().union(*second.sentence_terms, *first.sentence_terms)
    assert "번영" in first.context_terms
    assert corpus.passages([]) == []


def test_an_excerpt_is_the_text_between_its_offsets(tmp_path, fake_embedder):
    text = "앞 𝒜\u0301 漢字 " * 1_000
    document = Document("a.txt", "제목", text, (), "2025-10-29", "부서", "")
    write_corpus(tmp_path, [document], [], fake_embedder.embed_passages(["x"])[:0])
    corpus = Corpus(tmp_path)
    for start, end in ((0, 5), (2, 3), (7_990, len(text)), (3, 3)):
        assert corpus.excerpt("a.txt", start, end) == Excerpt("제목", "2025-10-29", "부서", text[start:end])
    assert corpus.excerpt("gone.txt", 0, 1) is None


def test_ordinals_of_documents_are_all_their_passages(corpus):
    assert corpus.ordinals_of([SEED]) == list(range(len(corpus.ordinals_of([SEED]))))
    assert corpus.ordinals_of([]) == corpus.ordinals_of(["gone.txt"]) == []


def test_sentence_scores_are_the_cosines_of_the_sentences_of_each_passage(tmp_path, fake_embedder):
    counts = [2, 1, 3]
    vectors = fake_embedder.embed_passages([str(n) for n in range(sum(counts))])
    sentence = Sentence(0, 1, BlockKind.PARAGRAPH)
    passages = [Passage(f"a#{n}", "a", 0, 1, "x", ("a",), (sentence,) * count) for n, count in enumerate(counts)]
    write_corpus(tmp_path, [], [AnalysedPassage(one, [], [[]] * len(one.sentences)) for one in passages], vectors)
    corpus = Corpus(tmp_path)
    found = corpus.sentence_scores(vectors[0], [2, 0])
    assert list(found) == [2, 0]
    assert np.allclose(found[2], vectors[3:] @ vectors[0], atol=1e-3)
    assert np.allclose(found[0], vectors[:2] @ vectors[0], atol=1e-3)
    assert corpus.sentence_scores(vectors[0], []) == {}


def test_a_corpus_is_read_from_many_threads_at_once(corpus):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: corpus.document(SEED), range(64)))) == 1


def test_a_data_folder_of_any_name_can_be_opened(source, tmp_path, fake_embedder):
    publication = Publication(tmp_path / "a b#c?d%20 한글")
    build_index(source({"q?#%.txt": "Hello there."}), publication, fake_embedder)
    assert publication.open(fake_embedder).corpus.document("q?#%.txt").text == "Hello there."
