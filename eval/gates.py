"""Bounds that a run must hold, from `gates.toml` and against a committed baseline."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval import metrics
from eval.metrics import Figure
from eval.report import GateResult, Report
from eval.runner import Record, summarise
from index.errors import InputError

GATES = Path(__file__).with_name("gates.toml")
BASELINE = Path(__file__).with_name("baseline.json")
_KEYS = {"dataset", "split", "language", "metric", "at_least", "at_most", "written"}


def check_gates(report: Report, path: Path = GATES, measured_only: bool = False) -> list[GateResult]:
    """Return what became of each gate of `path` that is on the dataset of `report`.

    A gate names a dataset (the form alone, as "gold" or "squad"), a metric and a bound; `split` and `language` narrow
    the questions that it looks at. A figure that was not measured breaks its gate, unless `measured_only` is set, or
    the gate is on `written` answers and there are none.

    Raises:
        InputError: the file is malformed.
    """
    results = []
    for gate in _read(path):
        if report.dataset.split(":")[0] != gate["dataset"]:
            continue
        name = gate["metric"] + "".join(f", {key} {gate[key]}" for key in ("split", "language") if key in gate)
        low, high = gate.get("at_least", float("-inf")), gate.get("at_most", float("inf"))
        bound = f"at least {low}" if "at_least" in gate else f"at most {high}"
        found = _figure(report.records, gate)
        if found is None:
            if not measured_only and not gate.get("written"):
                results.append(GateResult(f"{name} was not measured", broken=True))
            continue
        results.append(GateResult(f"{name} is {found.value:.3f}, must be {bound}", not low <= found.value <= high))
    return results


def drops_since(baseline: Report, report: Report) -> list[str]:
    """Return one sentence for each figure that is significantly worse than in `baseline`, question by question."""
    old, new = ({record.key: record for record in r.records} for r in (baseline, report))
    dropped = []
    for name, better_is_more in (("right", True), ("sentence@1", True), ("answered", False)):
        expect = "answered" if better_is_more else "abstain"
        keys = [
            k for k in old if k in new and old[k].expect == expect and name in old[k].values and name in new[k].values
        ]
        if not keys:
            continue
        before, after = ([records[k].values[name] for k in keys] for records in (old, new))
        change = (sum(after) - sum(before)) / len(keys)
        if (change < 0) == better_is_more and change and metrics.paired_p_value(before, after) < 0.05:
            what = name if better_is_more else "false answers"
            dropped.append(
                f"{what} went from {sum(before) / len(keys):.3f} to {sum(after) / len(keys):.3f} against the baseline"
            )
    return dropped


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        gates: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["gate"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a file of gates ({error})") from error
    for number, gate in enumerate(gates, 1):
        if not {"dataset", "metric"} <= gate.keys() <= _KEYS or ("at_least" in gate) == ("at_most" in gate):
            raise InputError(f"{path}: gate {number} needs a dataset, a metric, and at_least or at_most")
    return gates


def _figure(records: Sequence[Record], gate: dict[str, Any]) -> Figure | None:
    languages = gate.get("language")
    chosen = [
        record
        for record in records
        if gate.get("split", record.split) == record.split
        and (languages is None or (record.language == languages if languages != "other" else record.language != "ko"))
    ]
    return summarise(chosen).get(gate["metric"]) if chosen else None
