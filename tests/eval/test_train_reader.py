import json
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from eval import train_reader
from eval.datasets import load_squad
from eval.reader_examples import (
    GOLD,
    LabelledPassage,
    ReadingExample,
    key_spans,
    make_group,
    reading_examples,
    vary_question,
)
from eval.training_corpora import HELD_OUT, fold_of, open_corpus
from index.bundled_model import bundled_model_folder
from index.documents import BlockKind, Passage, Sentence
from index.errors import InputError
from index.reader.encoding import encode_pair
from index.reader.graph import ADAPTERS

CACHE = Path(__file__).resolve().parents[2] / "var" / "models"
FACTS = {
    "한강": ("한강 인도교는 1917년에 놓인 다리이다. 그 뒤로 많은 다리가 놓였다.", "인도교는 언제 놓였는가?", "1917년"),
    "남산": ("남산의 높이는 262미터이다. 정상에는 탑이 서 있다.", "남산의 높이는 몇 미터인가?", "262미터"),
    "북한산": ("북한산의 최고봉은 백운대이다. 높이는 836미터이다.", "북한산의 최고봉은 무엇인가?", "백운대"),
    "설악산": ("설악산은 1970년에 국립공원이 되었다.", "설악산은 언제 국립공원이 되었는가?", "1970년"),
    "지리산": ("지리산은 1967년에 국립공원이 되었다.", "지리산은 언제 국립공원이 되었는가?", "1967년"),
}


def squad():
    """Two articles of each fact, since folds take articles in pairs."""
    articles = []
    for title, (text, asked, answer) in FACTS.items():
        for name in (title, f"{title} 둘레길"):
            qa = {"id": name, "question": asked, "answers": [{"text": answer}]}
            articles.append({"title": name, "paragraphs": [{"context": f"{text} ({name})", "qas": [qa]}]})
    return {"data": articles}


@pytest.fixture(scope="module")
def squad_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("squad") / "tiny.json"
    path.write_text(json.dumps(squad(), ensure_ascii=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def examples(squad_file, embedder, tmp_path_factory):
    dataset = load_squad(squad_file)
    retriever = open_corpus(dataset, tmp_path_factory.mktemp("corpus"), embedder)
    return list(reading_examples(dataset, retriever))


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_file(str(bundled_model_folder(CACHE) / "tokenizer.json"))


def test_each_question_comes_with_what_answers_it_and_hard_negatives(examples):
    assert len(examples) == 10
    for example in examples:
        [positive] = [labelled for labelled in example.passages if any(labelled.answers)]
        assert any(key in positive.passage.text for key in example.keys)
        assert not positive.is_negative
        assert any(labelled.is_negative for labelled in example.passages)


def test_of_a_question_that_nothing_answers_every_passage_is_a_negative(embedder, tmp_path):
    data = squad()
    asked = {"id": "none", "question": "남산의 탑은 누가 세웠는가?", "answers": [], "is_impossible": True}
    data["data"][2]["paragraphs"][0]["qas"].append(asked)
    path = tmp_path / "impossible.json"
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    dataset = load_squad(path)
    found = list(reading_examples(dataset, open_corpus(dataset, tmp_path / "corpus", embedder)))
    [example] = [example for example in found if example.question == asked["question"]]
    assert any("남산" in labelled.passage.text for labelled in example.passages)
    assert all(labelled.is_negative and not any(labelled.answers) for labelled in example.passages)


def test_a_sentence_answers_only_where_the_answer_has_its_place(embedder, tmp_path):
    text = "문은 아침 9시에 연다. 버스는 9시에 떠난다."
    data = squad()
    answer = {"text": "9시", "answer_start": text.rindex("9시")}
    asked = {"id": "bus", "question": "버스는 몇 시에 떠나는가?", "answers": [answer]}
    data["data"].append({"title": "관람 안내", "paragraphs": [{"context": text, "qas": [asked]}]})
    path = tmp_path / "places.json"
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    dataset = load_squad(path)
    found = list(reading_examples(dataset, open_corpus(dataset, tmp_path / "corpus", embedder)))
    [positive] = [labelled for labelled in found[-1].passages if any(labelled.answers)]
    answering = [s for s, answers in zip(positive.passage.sentences, positive.answers, strict=True) if answers]
    assert [positive.passage.quote(sentence) for sentence in answering] == ["버스는 9시에 떠난다."]


def test_questions_of_a_set_that_marks_unanswerable_ones_are_half_of_the_mixture():
    def example(source, written_apart):
        return ReadingExample("무엇인가?", "ko", source, 0, (), (), written_apart)

    examples = [example("squad:a", False)] * 30 + [example("squad:b", True)] * 5
    chosen = train_reader.mixture(examples, random.Random(1))
    assert sum(one.written_apart for one in chosen) == 30
    assert len(chosen) == 60


def test_a_passage_that_holds_the_wording_elsewhere_is_no_negative():
    passages = (LabelledPassage(one_sentence("1967년이다."), (False,), is_negative=False),)
    example = ReadingExample("언제인가?", "ko", "x", 0, ("1967년",), passages)
    assert make_group(example, None, random.Random(1)) is None


def one_sentence(text):
    return Passage("p", "d", 0, len(text), text, ("제목",), (Sentence(0, len(text), BlockKind.PARAGRAPH),))


def test_answer_and_negative_make_one_group_and_sometimes_nothing_answers(examples, tokenizer):
    groups = [make_group(examples[0], tokenizer, random.Random(seed)) for seed in range(60)]
    answered = [any(any(answers) for answers in group.answers) for group in groups]
    assert 0.5 < sum(answered) / len(answered) < 0.9
    for group, is_answered in zip(groups, answered, strict=True):
        assert len(group.pairs) == 2
        assert bool(any(group.spans)) == is_answered


def test_the_span_is_that_of_the_answer(examples, tokenizer):
    for example in examples:
        [positive] = [p for p in example.passages if any(p.answers)]
        pair = encode_pair(tokenizer, example.question, positive.passage)
        [(first, last)] = key_spans(positive, pair, example.keys)
        start, end = pair.offsets[first][0], pair.offsets[last][1]
        [sentence] = [s for s, answers in zip(positive.passage.sentences, positive.answers, strict=True) if answers]
        told = positive.passage.quote(sentence)[start:end]
        # Tokens may hold a particle beside the answer, never less than it.
        assert example.keys[0] in told
        assert len(told) <= len(example.keys[0]) + 3


def test_questions_are_varied_but_never_lost():
    rng = random.Random(3)
    varied = {vary_question("남산의 높이는 무엇인가?", rng) for _ in range(200)}
    assert len(varied) > 10
    assert all(varied)
    assert vary_question("?", rng) == "?"


def test_articles_of_one_fold_are_held_out_with_their_paragraphs(examples):
    assert {example.fold for example in examples} == set(range(5))
    assert fold_of("0008") == fold_of("0009") == HELD_OUT
    found = [
        {
            labelled.passage.doc_id
            for example in examples
            if (example.fold == HELD_OUT) is held
            for labelled in example.passages
        }
        for held in (False, True)
    ]
    positive = {
        labelled.passage.doc_id
        for example in examples
        if example.fold == HELD_OUT
        for labelled in example.passages
        if any(labelled.answers)
    }
    assert positive
    assert positive <= found[1]
    assert not positive & found[0]


def test_training_goes_on_where_it_was_interrupted(examples, tmp_path, monkeypatch):
    monkeypatch.setattr(train_reader, "LOG_EVERY", 2)
    monkeypatch.setattr(train_reader, "SAVE_EVERY", 2)
    encoder = bundled_model_folder(CACHE)
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    for folder, runs in ((whole, (4,)), (halves, (2, 4))):
        folder.mkdir()
        for until in runs:
            training = train_reader.Training(examples, encoder, folder, steps=4, seed=1)
            while training.done < until:
                training.step()
        training.save_adapters()
    one, other = (load_file(folder / "adapters.safetensors") for folder in (whole, halves))
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=1e-5, rtol=1e-3)
    log = [json.loads(line) for line in (halves / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [2, 4]
    assert {"loss", "first", "auroc_near"} <= log[0].keys()


def test_training_can_begin_with_adapters(tmp_path):
    encoder = bundled_model_folder(CACHE)
    training = train_reader.Training([], encoder, tmp_path, steps=1, start=ADAPTERS)
    shipped, begun = load_file(ADAPTERS), load_file(training.save_adapters())
    assert shipped.keys() == begun.keys()
    assert all(torch.equal(shipped[name], begun[name]) for name in shipped)


def test_a_file_without_adapters_is_named(tmp_path):
    encoder = bundled_model_folder(CACHE)
    (tmp_path / "text").write_text("none")
    with pytest.raises(InputError, match="text: not a file of adapters"):
        train_reader.Training([], encoder, tmp_path, steps=1, start=tmp_path / "text")
    with pytest.raises(InputError, match="not the adapters of this reader"):
        train_reader.Training([], encoder, tmp_path, steps=1, start=encoder / "model.safetensors")


def test_questions_over_other_languages_are_halved_and_the_projects_own_count_three_times():
    def of(source):
        return ReadingExample("?", "ko", source, 0, (), ())

    chosen = train_reader.mixture([of("en over zh")] * 400 + [of(GOLD)] * 10 + [of("squad:x")] * 5, random.Random(1))
    counts = {source: sum(e.source == source for e in chosen) for source in ("en over zh", GOLD, "squad:x")}
    assert 150 < counts.pop("en over zh") < 250
    assert counts == {GOLD: 30, "squad:x": 5}
