import numpy as np
import pytest

from index.embedding import load_embedder
from index.errors import ModelError


@pytest.fixture(params=["embedder", "fake_embedder"])
def any_embedder(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("method", ["embed_questions", "embed_passages"])
@pytest.mark.parametrize("texts", [[], [""], ["한국", "Korea", "한국"]])
def test_vectors_are_float32_of_unit_norm_one_a_text(any_embedder, method, texts):
    vectors = getattr(any_embedder, method)(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(texts), any_embedder.dimension)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_vector_depends_on_its_text_alone(any_embedder):
    alone = any_embedder.embed_passages(["한국"])
    in_batch = any_embedder.embed_passages(["a much longer text in the same batch " * 20, "한국"])
    assert np.allclose(alone[0], in_batch[1], atol=1e-5)


def test_a_sentence_in_another_language_is_nearer_than_another_sentence(embedder):
    question, same, other = embedder.embed_passages(["장관이 서명했다", "The minister signed it", "Cats like milk"])
    assert question @ same > question @ other


def test_a_folder_that_holds_no_model_is_a_model_error(tmp_path):
    with pytest.raises(ModelError, match="check MUNDAP_EMBEDDING_MODEL"):
        load_embedder(str(tmp_path), tmp_path)
