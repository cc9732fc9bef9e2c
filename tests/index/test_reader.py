import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from index.bundled_model import bundled_model_folder
from index.documents import BlockKind, Passage, Sentence
from index.errors import ModelError
from index.reader import BundledReader, CrossEncoderReader, load_reader
from index.reader.encoding import MAX_TOKENS, encode_pair
from index.reader.graph import ADAPTERS, GRAPH, reader_folder

REPO = Path(__file__).resolve().parents[2]
CACHE = REPO / "var" / "models"
MODEL_CARD = ADAPTERS.with_name("MODEL_CARD.md")


def passage(*sentences, title="APEC", about=""):
    """A passage of these sentences, one a line."""
    text, spans = "", []
    for sentence in sentences:
        spans.append(Sentence(len(text), len(text) + len(sentence), BlockKind.PARAGRAPH, about))
        text += sentence + "\n"
    return Passage("p", "d", 0, len(text), text, (title,), tuple(spans))


def spelt(tokenizer, token_ids):
    return "".join(tokenizer.id_to_token(token) for token in token_ids).replace("▁", "")


FOUNDED = passage("아시아·태평양경제협력체는 1989년에 창설되었다.", "회원은 21개국이다.", "사무국은 싱가포르에 있다.")
WEATHER = passage("오늘은 비가 오다가 오후에 그치겠다.", "내일은 맑겠다.", title="날씨")


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_file(str(bundled_model_folder(CACHE) / "tokenizer.json"))


# ----- what the reader sees ------------------------------------------------------------------------------------------


def test_a_sentence_is_found_again_by_its_tokens(tokenizer):
    pair = encode_pair(tokenizer, "언제 창설되었나요?", FOUNDED)
    for sentence, (first, end) in zip(FOUNDED.sentences, pair.sentences, strict=True):
        text = FOUNDED.quote(sentence)
        assert (pair.offsets[first][0], pair.offsets[end - 1][1]) == (0, len(text))
        assert spelt(tokenizer, pair.token_ids[first:end]) == text.replace(" ", "")


def test_what_a_sentence_is_about_is_seen_but_is_no_part_of_it(tokenizer):
    row = passage("국립과학관\t02-3677-1500", about="기관 전화번호")
    pair = encode_pair(tokenizer, "전화번호는?", row)
    [(first, end)] = pair.sentences
    assert "기관전화번호" in spelt(tokenizer, pair.token_ids[:first])
    assert "기관" not in spelt(tokenizer, pair.token_ids[first:end])


def test_what_does_not_fit_is_left_out(tokenizer):
    long = passage(*["회원국의 정상들은 해마다 한 번 모여 경제 협력을 의논한다."] * 60)
    pair = encode_pair(tokenizer, "무엇을 의논하나요?" * 40, long)
    assert len(pair.token_ids) == MAX_TOKENS == len(pair.offsets)
    assert pair.sentences[0][1] > pair.sentences[0][0]
    assert pair.sentences[-1][0] == pair.sentences[-1][1]


@settings(max_examples=60)
@given(st.text(max_size=200), st.lists(st.text(max_size=300), max_size=8), st.text(max_size=80))
def test_any_text_is_encoded_within_bounds(tokenizer, question, sentences, about):
    pair = encode_pair(tokenizer, question, passage(*sentences, about=about))
    assert len(pair.token_ids) == len(pair.offsets) <= MAX_TOKENS
    assert len(pair.sentences) == len(sentences)
    for (first, end), sentence in zip(pair.sentences, sentences, strict=True):
        assert 0 < first <= end < len(pair.token_ids)
        assert all(0 <= a <= b <= len(sentence) for a, b in pair.offsets[first:end])


# ----- the shipped reader --------------------------------------------------------------------------------------------


def test_the_shipped_file_is_small_and_is_the_one_of_the_model_card():
    assert ADAPTERS.stat().st_size <= 8_000_000
    digest = hashlib.sha256(ADAPTERS.read_bytes()).hexdigest()
    assert digest in MODEL_CARD.read_text(encoding="utf-8")


def test_the_sentence_that_answers_has_the_best_score(reader):
    for question, position in {
        "APEC은 언제 창설되었나요?": 0,
        "How many members does APEC have?": 1,
        "事務局はどこにありますか。": 2,
    }.items():
        reading = reader.read(question, FOUNDED)
        assert reading.scores.argmax() == position, question


def test_a_passage_without_the_answer_scores_lower(reader):
    question = "APEC은 언제 창설되었나요?"
    assert reader.read(question, FOUNDED).scores.max() > 0 > reader.read(question, WEATHER).scores.max()


def test_the_phrase_that_answers_is_named(reader):
    reading = reader.read("APEC은 언제 창설되었나요?", FOUNDED)
    focus = reading.focus(0)
    assert "1989" in FOUNDED.quote(FOUNDED.sentences[0])[focus.start : focus.end]
    assert 0 < focus.probability <= 1


def test_scores_are_the_same_whatever_was_read_before_and_beside(reader):
    question = "회원은 몇 개국인가요?"
    alone = reader.read(question, FOUNDED).scores
    reader.read("날씨는?", WEATHER)
    with ThreadPoolExecutor(4) as threads:
        readings = list(threads.map(lambda passage: reader.read(question, passage), [WEATHER, FOUNDED] * 4))
    for reading in readings[1::2]:
        np.testing.assert_array_equal(reading.scores, alone)


def test_the_graph_gives_what_the_trained_model_gives(reader):
    import torch

    from eval.train_reader import ReaderModel, sentence_scores

    model = ReaderModel(bundled_model_folder(CACHE)).float().eval()
    model.load_state_dict({name: tensor.float() for name, tensor in load_file(ADAPTERS).items()}, strict=False)
    reading = reader.read("언제 창설되었나요?", FOUNDED)
    with torch.no_grad():
        [numbers] = model([reading.pair])
    # The one is trained with weights rounded to bfloat16, the other runs on what they were before.
    np.testing.assert_allclose(reading.scores, sentence_scores(numbers, reading.pair), atol=0.25)


@pytest.mark.parametrize(
    "text",
    ["", " ", "\x00", "\x00\x01\x1b[31m\u202e", "\ufffd" * 50, "가" * 100_000, "a b " * 50_000, "\U0001f600" * 400],
)
def test_hostile_text_is_read_without_harm(reader, text):
    for question, read in ((text, FOUNDED), ("언제?", passage(text, "1989년이다.", title=text))):
        reading = reader.read(question, read)
        assert len(reading.scores) == len(read.sentences)
        # Of a text without any letter that the vocabulary knows nothing is read.
        assert not np.isinf(reading.scores).any()
        for position, sentence in enumerate(read.sentences):
            focus = reading.focus(position)
            assert focus is None or 0 <= focus.start <= focus.end <= len(read.quote(sentence))


def test_the_graph_is_checked_like_the_model():
    folder = reader_folder(bundled_model_folder(CACHE), CACHE)
    recorded = json.loads((folder / "assembled.json").read_text())["files"]
    assert recorded == {GRAPH: hashlib.sha256((folder / GRAPH).read_bytes()).hexdigest()}


# ----- other readers -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cross_encoder_folder(tmp_path_factory):
    """A CrossEncoder as a hub would have it, tiny and untrained."""
    folder = tmp_path_factory.mktemp("cross-encoder")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(bundled_model_folder(CACHE))
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        num_labels=1, pad_token_id=1,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_any_cross_encoder_can_read(cross_encoder_folder):
    reader = load_reader(str(cross_encoder_folder), CACHE)
    assert isinstance(reader, CrossEncoderReader)
    reading = reader.read("언제?", FOUNDED)
    assert reading.scores.shape == (3,)
    assert np.isfinite(reading.scores).all()
    assert reading.focus(0) is None


def test_off_is_no_reader_and_the_default_is_the_shipped_one():
    assert load_reader("off", CACHE) is None
    assert isinstance(load_reader("", CACHE), BundledReader)


def test_without_the_shipped_files_there_is_no_reader(monkeypatch, tmp_path):
    monkeypatch.setattr("index.reader.ADAPTERS", tmp_path / "adapters.safetensors")
    assert load_reader("", CACHE) is None


def test_a_reader_that_can_not_be_loaded_is_named(tmp_path):
    with pytest.raises(ModelError, match=re.escape(f"{tmp_path}") + ".*check MUNDAP_READER"):
        load_reader(str(tmp_path), CACHE)
