import os
import shutil
import subprocess
import sys
import textwrap
from importlib import metadata

import numpy as np
import pytest

from index.embedding import BUNDLED, load_embedder, model_identity
from index.errors import ModelError
from tests.conftest import REPO


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


def test_the_bundled_model_gives_the_vectors_of_sentence_transformers(embedder):
    loaded = load_embedder(str(embedder.folder), embedder.folder)
    texts = [
        "장관이 서명했다",
        "  The minister signed it.\n",
        "",
        "部長",
        "긴 글 " * 700,
        "a\x00b",
        "🤔",
    ]
    assert np.abs(embedder.embed_questions(texts) - loaded.embed_questions(texts)).max() < 1e-5
    assert np.abs(embedder.embed_passages(texts) - loaded.embed_passages(texts)).max() < 1e-5


def test_the_bundled_model_is_run_without_torch(embedder):
    script = """
        import sys
        from pathlib import Path
        from index.embedding import BUNDLED, load_embedder
        load_embedder(BUNDLED, Path(sys.argv[1])).embed_questions(["한국"])
        assert not {"torch", "sentence_transformers", "transformers"} & sys.modules.keys()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), embedder.folder.parent], cwd=REPO, check=True)


def test_a_sentence_in_another_language_is_nearer_than_another_sentence(embedder):
    question, same, other = embedder.embed_passages(["장관이 서명했다", "The minister signed it", "Cats like milk"])
    assert question @ same > question @ other


def test_a_folder_that_holds_no_model_is_a_model_error(tmp_path):
    with pytest.raises(ModelError, match="check MUNDAP_EMBEDDING_MODEL"):
        load_embedder(str(tmp_path), tmp_path)


def test_a_model_is_identified_without_being_loaded(embedder):
    assert len(embedder.identity) == 64
    assert model_identity(BUNDLED) == embedder.identity


def test_a_folder_is_identified_by_each_of_its_files(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text("{}")
    first = model_identity(str(tmp_path))
    status = (tmp_path / "model.safetensors").stat()
    (tmp_path / "model.safetensors").write_bytes(b"Weights")
    os.utime(tmp_path / "model.safetensors", ns=(status.st_atime_ns, status.st_mtime_ns))
    second = model_identity(str(tmp_path))
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    assert len({first, second, model_identity(str(tmp_path))}) == 3


def test_another_release_of_what_runs_a_model_is_another_identity(monkeypatch):
    before = model_identity(BUNDLED)
    monkeypatch.setattr(metadata, "version", lambda package, version=metadata.version: version(package) + ".post1")
    assert model_identity(BUNDLED) != before


def test_a_model_of_a_hub_is_identified_when_it_is_loaded(embedder, tmp_path):
    snapshot = tmp_path / "hub" / "models--agency--small" / "snapshots" / ("0" * 40)
    shutil.copytree(embedder.folder, snapshot, ignore=shutil.ignore_patterns("onnx"), copy_function=os.symlink)
    references = snapshot.parents[1] / "refs"
    references.mkdir()
    (references / "main").write_text("0" * 40)
    script = """
        from pathlib import Path
        from index.embedding import load_embedder, model_identity
        assert model_identity("agency/small") == ""
        print(load_embedder("agency/small", Path()).identity)
    """
    environment = os.environ | {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    run = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.strip() == model_identity(str(snapshot)) != ""


def test_each_token_of_a_text_has_a_vector_and_its_place(embedder):
    text = "APEC은 1989년 창설된 역내 경제협력체다."
    embedded = embedder.embed_tokens(text)
    assert embedded.tokens.shape == (len(embedded.spans), embedder.dimension)
    assert "".join(text[start:end] for start, end in embedded.spans).replace(" ", "") == text.replace(" ", "")
    assert embedder.embed_tokens("").tokens.shape == (0, embedder.dimension)


def test_a_text_is_the_same_as_a_whole_whether_its_tokens_are_asked_for_or_not(embedder):
    text = "APEC은 1989년 창설된 역내 경제협력체다."
    assert embedder.embed_tokens(text).vector == pytest.approx(embedder.embed_passages([text])[0], abs=1e-5)
