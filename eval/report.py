"""What a run found: JSON for programs, HTML for people, JUnit for CI, lines for the terminal."""

import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from eval import metrics
from eval.metrics import Figure
from eval.runner import Record, latencies, peak_memory_mb, risk_coverage, summarise
from index.errors import InputError
from index.publication import Manifest

SCHEMA = 1
TEMPLATES = Path(__file__).parent
PACKAGES = ("mundap", "sentence-transformers", "onnxruntime", "faiss-cpu", "tantivy", "kiwipiepy")
_RECALLS = [f"{level}_recall@{k}" for level in ("document", "passage") for k in (1, 5, 10)]
HEADLINES = (
    "right", "sentence@1", "sentence@3", "answer_rate", "citation_precision", "citation_recall", "quote_exactness",
    "character_f1", "false_answers_near", "false_answers_far", "false_answers_adversarial", "auroc_near", "auroc_far",
    "false_answers_near_at_90", "false_answers_far_at_90", "calibration_error", "document_recall@1",
    "document_recall@5", "passage_recall@1", "passage_recall@5", "smalltalk", "fallback", "unverified_sentences",
    "altered_numbers", "unsupported_sentences", "written_key_recall",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """One run of one dataset, as it is stored."""

    dataset: str
    created: str
    figures: dict[str, Figure]
    by_language: dict[str, dict[str, Figure]]
    by_kind: dict[str, dict[str, Figure]]
    by_split: dict[str, dict[str, Figure]]
    risk_coverage: list[tuple[float, float]]
    latency_ms: dict[str, dict[str, float]]
    peak_memory_mb: int
    index: dict[str, Any]
    settings: dict[str, str]
    packages: dict[str, str]
    machine: dict[str, str]
    records: list[Record]
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class GateResult:
    """What became of one gate; `text` says it in one sentence."""

    text: str
    broken: bool


def make_report(dataset: str, records: list[Record], manifest: Manifest, settings: dict[str, str]) -> Report:
    """Return the report of one run; `settings` are shown as they are, so secrets must be masked before."""
    return Report(
        dataset=dataset,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        figures=summarise(records),
        by_language=_by(records, "language"),
        by_kind=_by(records, "kind"),
        by_split=_by([record for record in records if record.split], "split"),
        risk_coverage=risk_coverage(records),
        latency_ms=latencies(records),
        peak_memory_mb=peak_memory_mb(),
        index={
            "version": manifest.version, "embedding_model": manifest.embedding_model, "chunking": manifest.chunking,
            "documents": len(manifest.documents), "passages": manifest.passages, "sentences": manifest.sentences,
        },
        settings=settings,
        packages={package: metadata.version(package) for package in PACKAGES},
        machine={"platform": platform.platform(), "python": platform.python_version(), "processor": platform.machine()},
        records=records,
    )  # fmt: skip


def _by(records: Sequence[Record], what: str) -> dict[str, dict[str, Figure]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(getattr(record, what), []).append(record)
    return {name: summarise(group) for name, group in sorted(groups.items())}


# ----- JSON ----------------------------------------------------------------------------------------------------------


def write_json(report: Report, path: Path) -> None:
    """Write `report` as JSON; `read_json` reads it."""
    path.write_text(json.dumps(asdict(report), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Report:
    """Read what `write_json` wrote.

    Raises:
        InputError: the file is missing or not of that form.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["schema"] != SCHEMA:
            raise InputError(f"{path}: written in schema {stored['schema']}, this Mundap reads {SCHEMA}")
        stored["figures"] = _figures(stored["figures"])
        for group in ("by_language", "by_kind", "by_split"):
            stored[group] = {name: _figures(figures) for name, figures in stored[group].items()}
        stored["records"] = [_record(values) for values in stored["records"]]
        return Report(**stored)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a report of mundap eval run ({error})") from error


def _figures(stored: dict[str, dict[str, Any]]) -> dict[str, Figure]:
    return {name: Figure(**values) for name, values in stored.items()}


def _record(stored: dict[str, Any]) -> Record:
    lists = {name: tuple(stored[name]) for name in ("quotes", "retrieved")}
    return Record(**stored | lists | {"expected": tuple(tuple(group) for group in stored["expected"])})


# ----- terminal ------------------------------------------------------------------------------------------------------


def summary_lines(report: Report) -> list[str]:
    """Return the headline figures with their intervals, a line each."""
    lines = [f"{report.dataset}: {len(report.records)} questions, index {report.index['version']}"]
    for name in HEADLINES:
        if name in report.figures:
            f = report.figures[name]
            lines.append(f"  {name:26} {f.value:.3f}  [{f.low:.3f}, {f.high:.3f}]  n={f.n}")
    if total := report.latency_ms.get("total"):
        lines.append(f"  latency in ms: p50 {total['p50']}, p95 {total['p95']}; peak memory {report.peak_memory_mb} MB")
    return lines


def compare_lines(before: Report, after: Report) -> list[str]:
    """Return the difference of each figure that both runs measured question by question, with its paired p value.

    Raises:
        InputError: the two runs have no question in common.
    """
    old, new = ({record.key: record for record in report.records} for report in (before, after))
    shared = [key for key in old if key in new]
    if not shared:
        raise InputError("The two reports have no question in common; compare runs of the same dataset")
    lines = [f"{len(shared)} questions in both", f"  {'':26} {'A':>7} {'B':>7} {'B - A':>8}      p"]
    for name in sorted({name for key in shared for name in old[key].values}):
        keys = [key for key in shared if name in old[key].values and name in new[key].values]
        if keys:
            a, b = ([records[key].values[name] for key in keys] for records in (old, new))
            p = metrics.paired_p_value(a, b)
            mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
            star = " *" if p < 0.05 else ""
            lines.append(f"  {name:26} {mean_a:7.3f} {mean_b:7.3f} {mean_b - mean_a:+8.3f}  {p:.3f}{star}")
    for key in shared:
        if old[key].failed != new[key].failed:
            what = "worse" if new[key].failed else "better"
            lines.append(f"  {what:6}  {key}: {old[key].question}  ({old[key].status} -> {new[key].status})")
    return lines


# ----- JUnit ---------------------------------------------------------------------------------------------------------


def write_junit(report: Report, gates: Sequence[GateResult], path: Path) -> None:
    """Write one test case a gate, with all figures as properties."""
    broken = str(sum(gate.broken for gate in gates))
    name = f"mundap eval {report.dataset}"
    suite = ElementTree.Element("testsuite", name=name, tests=str(len(gates)), failures=broken)
    properties = ElementTree.SubElement(suite, "properties")
    for figure_name, figure in report.figures.items():
        ElementTree.SubElement(properties, "property", name=figure_name, value=f"{figure.value:.4f}")
    for gate in gates:
        case = ElementTree.SubElement(suite, "testcase", classname="eval.gates", name=gate.text)
        if gate.broken:
            ElementTree.SubElement(case, "failure", message=gate.text)
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


# ----- HTML ----------------------------------------------------------------------------------------------------------


def write_html(report: Report, gates: Sequence[GateResult], path: Path) -> None:
    """Write a page that needs nothing but itself: figures, charts, and every question that failed."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    page = environment.get_template("report.html").render(
        report=report,
        headlines=[(name, report.figures[name]) for name in HEADLINES if name in report.figures],
        broken_gates=[gate.text for gate in gates if gate.broken],
        failed=[record for record in report.records if record.failed],
        curve=_points(report.risk_coverage),
        recalls=_bars((name, report.figures[name].value) for name in _RECALLS if name in report.figures),
        kinds=_bars((kind, _right(figures)) for kind, figures in report.by_kind.items()),
        languages=_bars((language, _right(figures)) for language, figures in report.by_language.items()),
        scores=_score_distributions(report.records),
        stages=[(stage, cuts) for stage, cuts in report.latency_ms.items()],
    )
    path.write_text(page, encoding="utf-8")


def _right(figures: dict[str, Figure]) -> float:
    """Return the share that went right: of answerable questions the right ones, of the others those not answered."""
    if "right" in figures:
        return figures["right"].value
    wrong = [
        figure.value for name, figure in figures.items() if name.startswith("false_answers") and "_at_" not in name
    ]
    return 1 - wrong[0] if wrong else figures["smalltalk"].value if "smalltalk" in figures else 0.0


def _bars(values: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    return [(name, round(value, 3)) for name, value in values]


def _points(curve: Sequence[tuple[float, float]], width: int = 480, height: int = 220) -> str:
    """Return the curve as the points of an SVG polyline."""
    return " ".join(f"{coverage * width:.1f},{height - risk * height:.1f}" for coverage, risk in curve)


def _score_distributions(records: Sequence[Record], bins: int = 20) -> list[tuple[float, float, float]]:
    """Return for each step of confidence how many answerable and unanswerable questions it has, the most being 1.0."""
    groups = []
    for expect in ("answered", "abstain"):
        confidences = [
            record.confidence for record in records if record.expect == expect and record.timings_ms.get("embed")
        ]
        counts = [0] * bins
        for confidence in confidences:
            counts[min(bins - 1, int(confidence * bins))] += 1
        groups.append([count / max(1, len(confidences)) for count in counts])
    most = max(max(group) for group in groups) or 1.0
    return [(i / bins, groups[0][i] / most, groups[1][i] / most) for i in range(bins)]
