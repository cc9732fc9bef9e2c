from eval.written_claims import measure


def test_hardly_an_answer_that_is_made_of_the_words_of_its_document_and_false_is_shown(embedder, tmp_path):
    found = measure(embedder, tmp_path, 60)
    assert found["supported"].total() == found["unsupported"].total() == 60
    assert found["unsupported"][""] <= 2, found
    # In words of their own most true ones are held back, and their askers get the original.
    assert found["supported"][""] >= 5, found
