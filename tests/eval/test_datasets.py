import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from eval.datasets import check_gold, load_dataset, load_gold, squeeze
from index.errors import InputError
from index.loaders import load_document, read_source_files

SQUAD = {
    "data": [
        {
            "title": "한강_다리",
            "paragraphs": [
                {
                    "context": "한강 인도교는 1917년에 놓였다.",
                    "qas": [
                        {"id": "1", "question": "언제 놓였나?", "answers": [{"text": "1917년", "answer_start": 8}]},
                        {"id": "2", "question": "누가 놓았나?", "answers": [], "is_impossible": True},
                    ],
                }
            ],
        }
    ]
}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_projects_own_questions_fit_its_document():
    files = read_source_files(Path(__file__).parents[2] / "source_docs")
    texts = {file.doc_id: load_document(file).text for file in files}
    assert check_gold(load_gold(), texts) == []


def test_the_projects_own_questions_are_as_many_as_promised():
    questions = load_gold().questions
    kinds = [question.kind for question in questions]
    assert len(questions) >= 200
    assert kinds.count("near") >= 50
    assert kinds.count("offtopic") >= 20
    assert kinds.count("adversarial") >= 20
    assert {question.language for question in questions} == {"ko", "en", "ja", "zh", "vi"}
    assert 0.45 < sum(question.split == "tune" for question in questions) / len(questions) < 0.55


def test_each_fault_of_a_gold_question_is_found():
    dataset = load_gold()
    assert any("no document has" in problem for problem in check_gold(dataset, {"other.txt": "다른 글"}))


def test_squad_paragraphs_become_documents_under_their_title(tmp_path):
    dataset = load_dataset(f"squad:{write(tmp_path / 'dev.json', json.dumps(SQUAD))}")
    assert dataset.corpus == {"0000/0000.txt": "한강 다리\n\n한강 인도교는 1917년에 놓였다."}
    known, impossible = dataset.questions
    assert (known.expect, known.keys, known.relevant) == ("answered", (("1917년",),), frozenset({"0000/0000.txt"}))
    assert (impossible.expect, impossible.keys) == ("abstain", ())


def test_equal_squad_paragraphs_become_one_document(tmp_path):
    article = SQUAD["data"][0]
    other = article["paragraphs"][0] | {"qas": []}
    twice = {"data": [article, {"title": "b", "paragraphs": [other]}]}
    assert len(load_dataset(f"squad:{write(tmp_path / 'dev.json', json.dumps(twice))}").corpus) == 1


def test_beir_is_read(tmp_path):
    write(tmp_path / "corpus.jsonl", '{"_id": "d1", "title": "제목", "text": "본문이다."}\n')
    write(tmp_path / "queries.jsonl", '{"_id": "q1", "text": "무엇?"}\n{"_id": "q2", "text": "unjudged"}\n')
    write(tmp_path / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    dataset = load_dataset(f"beir:{tmp_path}")
    assert dataset.corpus == {"000000.txt": "제목\n\n본문이다."}
    assert [(q.question_id, q.relevant) for q in dataset.questions] == [("q1", frozenset({"000000.txt"}))]


def test_autorag_is_read(tmp_path):
    rows = {"qid": ["q"], "query": ["누가?"], "retrieval_gt": [[["a"]]], "generation_gt": [["그가."]]}
    parquet.write_table(pyarrow.table(rows), tmp_path / "qa.parquet")
    parquet.write_table(pyarrow.table({"doc_id": ["a"], "contents": ["본문"]}), tmp_path / "corpus.parquet")
    (question,) = load_dataset(f"autorag:{tmp_path}/qa.parquet,{tmp_path}/corpus.parquet").questions
    assert (question.relevant, question.answers) == (frozenset({"000000.txt"}), ("그가.",))


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("none.json", None, "not a file of SQuAD's form"),
        ("text.json", "no json", "not a file of SQuAD's form"),
        ("list.json", "[]", "not a file of SQuAD's form"),
        ("title.json", '{"data": [{"paragraphs": []}]}', r"data\[0\]: 'title' is missing"),
        (
            "qas.json",
            '{"data": [{"title": "a", "paragraphs": [{"context": "b"}]}]}',
            r"data\[0\].paragraphs\[0\]: 'qas'",
        ),
        ("empty.json", '{"data": []}', "no questions"),
    ],
)
def test_malformed_squad_is_named_by_file_place_and_reason(tmp_path, name, content, complaint):
    if content is not None:
        write(tmp_path / name, content)
    with pytest.raises(InputError, match=complaint) as raised:
        load_dataset(f"squad:{tmp_path / name}")
    assert name in str(raised.value)


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("corpus.jsonl", '{"_id": "d1"}', "corpus.jsonl:1: 'text' is missing"),
        ("corpus.jsonl", "{", "corpus.jsonl:1"),
        ("qrels/test.tsv", "q1\tunknown\t1\n", "test.tsv:1"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\tmany\n", "test.tsv:2"),
        ("qrels/test.tsv", "unknown\td1\t1\n", "test.tsv:1"),
        ("corpus.jsonl", '{"_id": "d1", "text": 5}', "corpus.jsonl:1: text must be text"),
        ("corpus.jsonl", "[1]", "corpus.jsonl:1"),
        ("queries.jsonl", '{"_id": "q1", "text": null}', "queries.jsonl:1: text must be text"),
    ],
)
def test_malformed_beir_is_named_by_file_and_line(tmp_path, file, content, complaint):
    write(tmp_path / "corpus.jsonl", '{"_id": "d1", "text": "본문"}\n')
    write(tmp_path / "queries.jsonl", '{"_id": "q1", "text": "무엇?"}\n')
    write(tmp_path / "qrels" / "test.tsv", "q1\td1\t1\n")
    write(tmp_path / file, content)
    with pytest.raises(InputError, match=complaint):
        load_dataset(f"beir:{tmp_path}")


def test_a_parquet_file_without_its_columns_is_named(tmp_path):
    parquet.write_table(pyarrow.table({"other": [1]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x\.parquet"):
        load_dataset(f"autorag:{tmp_path}/x.parquet,{tmp_path}/x.parquet")


@pytest.mark.parametrize("spec", ["", "gold:file", "squad", "squad:", "other:file", "autorag:only-one.parquet"])
def test_a_wrong_dataset_name_is_refused(spec):
    with pytest.raises(InputError):
        load_dataset(spec)


def test_answers_are_compared_without_space_and_case():
    assert squeeze(" 한 강\tABC\n") == "한강abc"


def test_two_questions_of_one_id_are_refused(tmp_path):
    article = SQUAD["data"][0]
    twice = {"data": [article, {"title": "b", "paragraphs": [article["paragraphs"][0] | {"context": "다른 글."}]}]}
    with pytest.raises(InputError, match="two questions of the id 1"):
        load_dataset(f"squad:{write(tmp_path / 'dev.json', json.dumps(twice))}")
