from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from eval import gates, report
from eval.datasets import Dataset, Question, load_gold
from eval.report import GateResult
from eval.runner import Record, open_dataset, run, summarise
from index.build import build_index
from index.errors import GateError, InputError
from index.publication import Publication
from index.retriever import Retriever
from server.answerers.generative import Writer
from server.answerers.language_model import LanguageModel
from server.chat import Chat, Models
from tests.server.model_server import ModelServer, in_tokens

ASKED = (
    "ko-when-004",
    "ko-table-006",
    "en-when-001",
    "ko-near-029",
    "ko-offtopic-001",
    "ko-smalltalk-002",
    "ko-adversarial-001",
)
CORPUS = {
    "0/0.txt": "한강 다리\n\n한강 인도교는 1917년에 놓인 다리이다. 길이는 441미터이다.",
    "0/1.txt": "한강 다리\n\n광진교는 1936년에 놓였다. 서울 광진구와 강동구를 잇는다.",
    "1/0.txt": "남산\n\n남산의 높이는 262미터이다. 서울 중구와 용산구에 걸쳐 있다.",
}
TRUE = "한강 인도교는 1917년에 놓인 다리입니다."
QUESTION = Question(
    "q", "한강 인도교는 언제 놓였나요?", "ko", "answerable", "answered", keys=(("1917년",),), answers=("1917년",),
    relevant=frozenset({"0/0.txt"}), topic="0",
)  # fmt: skip


@pytest.fixture(scope="module")
def chat(seed_index, embedder):
    return Chat(Retriever(Publication(seed_index).open(embedder), embedder))


@pytest.fixture(scope="module")
def gold_records(chat, embedder):
    gold = load_gold()
    few = replace(gold, questions=tuple(q for q in gold.questions if q.question_id in ASKED))
    assert len(few.questions) == len(ASKED)
    with open_dataset(few, chat, Models(embedder)) as asked:
        return run(few, asked)


@pytest.fixture(scope="module")
def corpus_records(embedder):
    dataset = Dataset("squad:bridges", (QUESTION,), CORPUS)
    with open_dataset(dataset, None, Models(embedder)) as asked:
        return run(dataset, asked)


@pytest.fixture
def made(gold_records, seed_index):
    publication = Publication(seed_index)
    manifest = publication.manifest(publication.current_version())
    return report.make_report("gold", gold_records, manifest, {"MUNDAP_HOST": "127.0.0.1"})


def with_values(record: Record, **values: float) -> Record:
    return replace(record, values=record.values | values)


def test_every_question_leaves_a_record_of_what_it_got(gold_records):
    by_id = {record.question_id: record for record in gold_records}
    founded = by_id["ko-when-004"]
    assert founded.status == "answered"
    assert "1989년" in founded.quotes[0]
    assert founded.values["right"] == founded.values["sentence@1"] == founded.values["quote_exactness"] == 1.0
    assert by_id["ko-smalltalk-002"].status == "smalltalk"
    assert by_id["ko-adversarial-001"].status == "refused"
    assert not by_id["ko-offtopic-001"].answered


def test_a_corpus_is_asked_with_its_answer_there_and_hidden(corpus_records):
    asked, near, far = corpus_records
    assert (asked.mode, near.mode, far.mode) == ("asked", "near", "far")
    assert asked.values["document_recall@1"] == asked.values["sentence@1"] == 1.0
    assert near.expect == far.expect == "abstain"
    assert not any(passage.startswith("0/0.txt") for passage in near.retrieved)
    assert not any(passage.startswith("0/") for passage in far.retrieved)


def test_a_question_that_can_not_be_asked_is_refused_and_the_run_goes_on(embedder):
    dataset = Dataset("squad:bridges", (replace(QUESTION, question_id="long", text="가" * 501), QUESTION), CORPUS)
    with open_dataset(dataset, None, Models(embedder)) as asked:
        records = run(dataset, asked)
    assert [record.status for record in records if record.question_id == "long"] == ["refused"] * 3
    assert next(record for record in records if record.question_id == "q").answered


def test_a_corpus_that_can_not_be_indexed_whole_is_refused(embedder):
    dataset = Dataset("squad:bridges", (QUESTION,), CORPUS | {"2/0.txt": "***"})
    with pytest.raises(InputError, match=r"2/0\.txt"), open_dataset(dataset, None, Models(embedder)):
        pass


def test_questions_that_do_not_fit_the_documents_are_refused(chat, embedder):
    wrong = Dataset("gold", (replace(QUESTION, kind="who", split="tune", evidence=(("Nirgends.",),)),))
    with (
        pytest.raises(InputError, match="don't fit the indexed documents"),
        open_dataset(wrong, chat, Models(embedder)),
    ):
        pass


def test_figures_count_what_the_records_say(gold_records):
    answered = [with_values(r, right=1.0) for r in gold_records if r.expect == "answered"]
    assert summarise(answered)["right"].value == 1.0
    wrong = [replace(record, status="answered") for record in gold_records if record.expect == "abstain"]
    figures = summarise(answered + wrong)
    assert figures["false_answers_near"].value == figures["false_answers_far"].value == 1.0


def test_a_report_is_read_back_as_it_was_written(made, tmp_path):
    report.write_json(made, tmp_path / "report.json")
    read = report.read_json(tmp_path / "report.json")
    assert read.figures == made.figures
    assert [record.key for record in read.records] == [record.key for record in made.records]


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 99}', '{"schema": 1}'])
def test_a_file_that_is_no_report_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=r"x\.json"):
        report.read_json(tmp_path / "x.json")


def test_the_page_needs_nothing_but_itself_and_shows_markup_as_text(made, tmp_path):
    hostile = replace(
        made.records[0], question="<script>alert(1)</script>", status="not_found", values={}, expect="answered"
    )
    report.write_html(
        replace(made, records=[hostile]), [GateResult("a gate <broke>", broken=True)], tmp_path / "report.html"
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "a gate &lt;broke&gt;" in page


def test_junit_has_a_case_for_each_gate_and_a_failure_for_each_broken_one(made, tmp_path):
    results = [GateResult("first", broken=True), GateResult("second", broken=False)]
    report.write_junit(made, results, tmp_path / "gates.xml")
    text = (tmp_path / "gates.xml").read_text(encoding="utf-8")
    assert text.count("<testcase") == 2
    assert text.count("<failure") == 1
    assert 'failures="1"' in text


def test_comparison_names_what_flipped(made):
    worse = [replace(r, status="not_found", values=r.values | {"right": 0.0}) for r in made.records]
    lines = "\n".join(report.compare_lines(made, replace(made, records=worse)))
    assert "worse   ko-when-004 asked" in lines
    assert "right" in lines


def test_reports_without_a_common_question_are_not_compared(made):
    other = replace(made, records=[replace(record, question_id="x" + record.question_id) for record in made.records])
    with pytest.raises(InputError, match="no question in common"):
        report.compare_lines(made, other)


def gate_file(tmp_path: Path, bound: str) -> Path:
    path = tmp_path / "gates.toml"
    path.write_text(f'[[gate]]\ndataset = "gold"\nmetric = "quote_exactness"\n{bound}\n')
    return path


def test_a_gate_holds_or_breaks_by_its_bound(made, tmp_path):
    (held,) = gates.check_gates(made, gate_file(tmp_path, "at_least = 1.0"))
    assert not held.broken
    (broken,) = gates.check_gates(made, gate_file(tmp_path, "at_most = 0.5"))
    assert broken == GateResult("quote_exactness is 1.000, must be at most 0.5", broken=True)


def test_a_gate_on_what_was_not_measured_breaks(made, tmp_path):
    path = gate_file(tmp_path, 'at_least = 0.5\nlanguage = "vi"')
    assert gates.check_gates(made, path) == [GateResult("quote_exactness, language vi was not measured", broken=True)]
    assert gates.check_gates(made, path, measured_only=True) == []


@pytest.mark.parametrize("bound", ["", "at_least = 1\nat_most = 2", "at_least = 1\nunknown = 2"])
def test_a_malformed_gate_is_refused(made, tmp_path, bound):
    with pytest.raises(InputError, match="gate 1"):
        gates.check_gates(made, gate_file(tmp_path, bound))


def test_the_shipped_gates_are_well_formed(made):
    gates.check_gates(made)


def test_a_significant_drop_against_the_baseline_is_told(made):
    good = [with_values(r, right=1.0) for r in made.records if r.expect == "answered"] * 4
    before = replace(made, records=[replace(r, question_id=f"{i}") for i, r in enumerate(good)])
    after = replace(made, records=[with_values(r, right=0.0) for r in before.records])
    assert gates.drops_since(before, before) == []
    assert "right went from 1.000 to 0.000" in gates.drops_since(before, after)[0]


def test_an_index_that_breaks_a_gate_is_not_published(source, tmp_path, fake_embedder):
    publication = Publication(tmp_path / "data")
    folder = source({"a.txt": "첫째 문서이다."})
    build_index(folder, publication, fake_embedder)
    before = publication.current_version()
    source({"b.txt": "둘째 문서이다."})

    def judge(index):
        assert len(index.manifest.documents) == 2
        raise GateError("not good enough")

    with pytest.raises(GateError):
        build_index(folder, publication, fake_embedder, judge=judge)
    assert publication.current_version() == before
    assert build_index(folder, publication, fake_embedder).published


def test_written_answers_are_measured_by_the_checker_and_by_the_gold(embedder):
    with (
        ModelServer(lambda messages: in_tokens(f"{TRUE} [1]")).running() as server,
        closing(LanguageModel(server.address, "scripted")) as model,
    ):
        models = Models(embedder, writer=Writer(model, embedder))
        gold = replace(QUESTION, evidence=(("한강 인도교는 1917년에 놓인 다리이다.",),))
        dataset = Dataset("squad:bridges", (gold,), CORPUS)
        with open_dataset(dataset, None, models) as asked:
            [record, *_] = run(dataset, asked)
        assert record.mode == "asked"
        assert record.values["fallback"] == 0.0
        assert record.values["unverified_sentences"] == 0.0
        assert record.values["altered_numbers"] == 0.0
        assert record.values["unsupported_sentences"] == 0.0
        assert record.values["written_key_recall"] == 1.0
        server.script = lambda messages: ["NONE"]
        with open_dataset(dataset, None, models) as asked:
            [record, *_] = run(dataset, asked)
        assert record.values["fallback"] == 1.0
        assert "unverified_sentences" not in record.values
