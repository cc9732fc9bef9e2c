import json
import math
import re
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from eval import fit_evidence
from eval.datasets import load_squad
from eval.fit_evidence import Example, Graded, calibrate, report, scaled, thresholds
from eval.training_corpora import HELD_OUT, fold_of
from index.retriever import Retrieval
from server.answerers import evidence

AGENCY_DOCUMENTS = Path(__file__).parents[2] / "eval" / "agency_documents.json"
NOTHING = Retrieval(np.zeros(0), {}, 0.0, (), 0.0, 0.0)


def graded(mode, logit, topic="1", lacks=False, marked=False, first=True):
    example = Example("?", "set", mode, topic, 0, True, NOTHING, [], np.zeros(0), marked)
    return Graded(example, first, first, logit, lacks)


def drawn(probability_of, count=4_000):
    """Questions whose share of answerable ones at each logit is `probability_of` it."""
    rng = np.random.default_rng(0)
    for number, logit in enumerate(rng.normal(0, 2, count)):
        mode = "full" if rng.random() < probability_of(logit) else "near"
        yield graded(mode, float(logit), topic=str(number % 10))


def test_logits_that_are_too_sure_are_scaled_to_those_of_probabilities():
    slope, intercept, probable = calibrate(list(drawn(lambda logit: 1 / (1 + math.exp(-logit / 2)))))
    assert slope == pytest.approx(0.5, abs=0.05)
    assert intercept == pytest.approx(0.0, abs=0.1)
    assert len(probable) == 4_000
    assert max(abs(one.logit) for one in probable) < 5


def test_what_is_abstained_from_anyhow_has_no_part_in_the_scaling():
    some = list(drawn(lambda logit: 1 / (1 + math.exp(-logit))))
    with_others = some + [graded("near", 9.0, lacks=True)] * 1_000
    assert calibrate(with_others)[:2] == pytest.approx(calibrate(some)[:2])
    assert graded("near", 9.0, lacks=True).confidence == 0.0


def test_scaled_weights_scale_the_logit_and_nothing_else():
    weights = {"sentence": {"x": 3.0}, "answer": {"x": 2.0, "bias": 1.0}}
    assert scaled(weights, 0.5, -1.0) == {"sentence": {"x": 3.0}, "answer": {"x": 1.0, "bias": -0.5}}


def test_thresholds_let_through_no_more_than_they_may():
    rng = np.random.default_rng(1)
    some = [graded("far", logit) for logit in rng.normal(-1, 2, 1_000)]
    some += [graded("near", logit, marked=True) for logit in rng.normal(1, 2, 1_000)]
    found = thresholds(some)
    for chosen in ([one for one in some if one.example.mode == "far"], [one for one in some if one.example.marked]):
        answered = np.mean([one.confidence > found["answered_from"] for one in chosen])
        assert answered <= fit_evidence.FALSE_ANSWERS + 0.002
    shown = np.mean([one.confidence > found["related_from"] for one in some if one.example.mode == "far"])
    assert shown == pytest.approx(fit_evidence.FAR_SHOWN, abs=0.01)


def test_nothing_is_answered_that_is_less_likely_than_not():
    some = [graded("far", -5.0)] * 100 + [graded("near", -4.0, marked=True)] * 100
    assert thresholds(some)["answered_from"] == 0.5


def test_both_sides_of_a_table_are_over_the_same_questions(capsys):
    modes = ["full", "near", "far"] * 40
    before = [graded(mode, 1.0 if mode == "full" else -1.0, first=False) for mode in modes]
    after = [graded(mode, 1.0 if mode == "full" else -1.0, first=True) for mode in modes]
    report(after, before)
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.startswith("| set | 40 | 0.000 → 1.000 [1.000, 1.000] | 0.000 | 0.000 → 1.000 | 1.000 → 1.000 [")
    assert row.endswith("| 0.000 → 0.000 | 0.000 → 0.000 |")


@pytest.fixture(scope="module")
def few_documents(tmp_path_factory):
    """Ten documents of agencies, the last two of which are of the fold that is held out."""
    chosen = json.loads(AGENCY_DOCUMENTS.read_text(encoding="utf-8"))["data"][:10]
    assert [fold_of(str(place)) == HELD_OUT for place in range(10)] == [False] * 8 + [True] * 2
    path = tmp_path_factory.mktemp("squad") / "few.json"
    path.write_text(json.dumps({"data": chosen}, ensure_ascii=False), encoding="utf-8")
    return path


def test_what_ships_is_graded_over_articles_that_the_reader_never_saw(
    few_documents, embedder, reader, monkeypatch, capsys
):
    monkeypatch.setattr(fit_evidence, "load_embedder", lambda *_: embedder)
    monkeypatch.setattr(fit_evidence, "load_reader", lambda *_: reader)
    work = few_documents.parent / "work"
    monkeypatch.setattr(sys, "argv", ["fit", f"{few_documents}=0.4", "--work", str(work), "--as-shipped"])
    before = evidence.WEIGHTS_FILE.read_bytes()
    fit_evidence.main()
    told = capsys.readouterr().out
    rows = re.findall(r"\| squad:few.json \(by article\) \| (\d+) \| [\d.]+ → [\d.]+ \[", told)
    held_out = json.loads(few_documents.read_text(encoding="utf-8"))["data"][-2:]
    answerable = sum(not qa["is_impossible"] for a in held_out for p in a["paragraphs"] for qa in p["qas"])
    assert 0 < sum(map(int, rows)) < answerable
    assert "calibration error" in told
    assert evidence.WEIGHTS_FILE.read_bytes() == before


def test_of_unseen_documents_all_are_graded(few_documents, embedder, reader, monkeypatch, capsys):
    monkeypatch.setattr(fit_evidence, "load_embedder", lambda *_: embedder)
    monkeypatch.setattr(fit_evidence, "load_reader", lambda *_: reader)
    work = few_documents.parent / "work"
    monkeypatch.setattr(sys, "argv", ["fit", f"{few_documents}=0.1", "--work", str(work), "--unseen"])
    fit_evidence.main()
    [asked] = re.findall(r"squad:few.json: (\d+) questions over 10 paragraphs", capsys.readouterr().out)
    questions = load_squad(few_documents).questions
    assert int(asked) == sum(zlib.crc32(question.question_id.encode()) < 0.1 * 2**32 for question in questions)


@pytest.mark.parametrize(
    ("fewest", "more", "plain_kept", "read_kept"),
    [(1, [], False, False), (1, ["--keep-plain"], True, False), (1_000, [], True, True)],
)
def test_the_command_fits_what_there_is_enough_of_and_keeps_the_rest(
    few_documents, embedder, reader, tmp_path, monkeypatch, capsys, fewest, more, plain_kept, read_kept
):
    shipped = json.loads(evidence.WEIGHTS_FILE.read_text(encoding="utf-8"))
    target = tmp_path / "weights.json"
    target.write_text(json.dumps(shipped), encoding="utf-8")
    monkeypatch.setattr(evidence, "WEIGHTS_FILE", target)
    monkeypatch.setattr(fit_evidence, "FEWEST", fewest)
    # Those of all tests, which needn't be assembled once more.
    monkeypatch.setattr(fit_evidence, "load_embedder", lambda *_: embedder)
    monkeypatch.setattr(fit_evidence, "load_reader", lambda *_: reader)
    work = few_documents.parent / "work"
    monkeypatch.setattr(sys, "argv", ["fit", f"{few_documents}=0.4", "--work", str(work), "--write", *more])
    fit_evidence.main()
    written = json.loads(target.read_text(encoding="utf-8"))
    assert (written["plain"]["same"] == shipped["plain"]["same"]) is plain_kept
    assert (written["read"]["same"] == shipped["read"]["same"]) is read_kept
    assert written["reader"] == shipped["reader"]
    for stage in ("plain", "read"):
        for languages in ("same", "other"):
            assert written[stage][languages].keys() == shipped[stage][languages].keys()
            for part in ("sentence", "answer"):
                assert written[stage][languages][part].keys() == shipped[stage][languages][part].keys()
    told = capsys.readouterr().out
    assert ("Too few held-out questions" in told) is read_kept
    assert ("calibration error" in told) is not read_kept
