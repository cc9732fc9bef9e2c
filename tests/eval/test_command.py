import json

import pytest
from typer.testing import CliRunner

from index.errors import GateError, InputError, UsageError
from index.publication import Publication
from server.builds import Builds
from server.chat import Models
from server.cli import app

RUNNER = CliRunner()
TINY = {
    "data": [
        {
            "title": title,
            "paragraphs": [
                {"context": text, "qas": [{"id": asked, "question": asked, "answers": [{"text": answer}]}]}
                for text, asked, answer in paragraphs
            ],
        }
        for title, paragraphs in {
            "한강": [
                ("한강 인도교는 1917년에 놓인 다리이다.", "한강 인도교는 언제 놓였나요?", "1917년"),
                ("광진교는 서울 광진구와 강동구를 잇는다.", "광진교는 어디와 어디를 잇나요?", "광진구와 강동구"),
            ],
            "남산": [("남산의 높이는 262미터이다.", "남산의 높이는 몇 미터인가요?", "262미터")],
        }.items()
    ]
}


@pytest.fixture
def mundap(monkeypatch, tmp_path, embedder):
    monkeypatch.setenv("MUNDAP_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setattr("server.cli._load_models", lambda settings: Models(embedder))

    def call(*words):
        result = RUNNER.invoke(app, [str(word) for word in words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY, ensure_ascii=False), encoding="utf-8")
    return f"squad:{path}"


def test_a_dataset_is_graded_into_all_forms_of_report(mundap, tiny, tmp_path):
    files = {form: tmp_path / f"report.{form}" for form in ("json", "html", "xml")}
    result = mundap(
        "eval", "run", "--dataset", tiny, "--json", files["json"], "--html", files["html"], "--junit", files["xml"]
    )
    assert result.exit_code == 0
    assert "document_recall@1" in result.output
    assert len(json.loads(files["json"].read_text(encoding="utf-8"))["records"]) == 9
    assert files["html"].stat().st_size > 1_000
    assert "<testsuite" in files["xml"].read_text(encoding="utf-8")


def test_two_reports_are_compared(mundap, tiny, tmp_path):
    mundap("eval", "run", "--dataset", tiny, "--json", tmp_path / "a.json", "--task", "retrieval")
    result = mundap("eval", "compare", tmp_path / "a.json", tmp_path / "a.json")
    assert result.exit_code == 0
    assert "3 questions in both" in result.output


def test_the_projects_own_questions_are_proved_consistent(mundap):
    result = mundap("eval", "check")
    assert result.exit_code == 0
    assert "0 problems" in result.output


def test_an_index_that_breaks_a_gate_is_not_published(mundap, tmp_path, monkeypatch):
    gates = tmp_path / "gates.toml"
    gates.write_text('[[gate]]\ndataset = "gold"\nmetric = "right"\nat_least = 1.01\n', encoding="utf-8")
    monkeypatch.setattr("eval.gates.check_gates.__defaults__", (gates, False))
    with pytest.raises(GateError, match=r"right is .* must be at least 1\.01"):
        mundap("index", "build", "--gate")
    assert not (tmp_path / "var" / "index" / "current").exists()


def test_an_index_that_breaks_a_gate_is_held_with_its_evaluation_where_that_is_asked_for(mundap, tmp_path, monkeypatch):
    gates = tmp_path / "gates.toml"
    gates.write_text('[[gate]]\ndataset = "gold"\nmetric = "right"\nat_least = 1.01\n', encoding="utf-8")
    monkeypatch.setattr("eval.gates.check_gates.__defaults__", (gates, False))
    assert mundap("index", "build", "--gate", "--hold").exit_code == 0
    assert not (tmp_path / "var" / "index" / "current").exists()
    [record] = Builds(tmp_path / "var").records()
    assert {record.version} == Publication(tmp_path / "var").held()
    assert "must be at least 1.01" in record.evaluation.broken[0]
    value, low, high, n = record.evaluation.figures["right"]
    assert 0 < low < value < high < 1
    assert n > 100


def test_questions_that_do_not_fit_stop_a_build_unless_it_is_held(mundap, source, tmp_path):
    build = ("index", "build", "--gate", "--source", source({"a.txt": "다른 글이다."}))
    with pytest.raises(InputError, match="don't fit the indexed documents"):
        mundap(*build)
    assert mundap(*build, "--hold").exit_code == 0
    held, refused = Builds(tmp_path / "var").records()
    assert "don't fit the indexed documents" in refused.error
    assert "don't fit the indexed documents" in held.evaluation.problem
    assert {held.version} == Publication(tmp_path / "var").held()


def test_an_unchanged_index_is_judged_all_the_same(mundap, tmp_path, monkeypatch):
    gates = tmp_path / "gates.toml"
    gates.write_text('[[gate]]\ndataset = "gold"\nmetric = "right"\nat_least = 1.01\n', encoding="utf-8")
    assert mundap("index", "build").exit_code == 0
    monkeypatch.setattr("eval.gates.check_gates.__defaults__", (gates, False))
    with pytest.raises(GateError):
        mundap("index", "build", "--gate")


def test_a_report_that_can_not_be_written_is_told_before_anything_is_asked(mundap, tiny, tmp_path):
    with pytest.raises(InputError, match="can't be written"):
        mundap("eval", "run", "--dataset", tiny, "--json", tmp_path / "nowhere" / "report.json")


def test_wrong_words_are_refused(mundap, tiny, tmp_path):
    with pytest.raises(UsageError):
        mundap("eval", "run", "--dataset", tiny, "--task", "everything")
    with pytest.raises(InputError):
        mundap("eval", "compare", tmp_path / "none.json", tmp_path / "none.json")
