"""How the benchmarks print their figures: as a table for people, and as one line of JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

Figures = Mapping[str, float | int | str]


def print_figures(rows: Sequence[Figures]) -> None:
    """Print `rows`, which have the same names, one a column, and then as a list in JSON."""
    for name in rows[0]:
        print(f"{name:28}" + "".join(f"{row[name]:>14}" for row in rows))
    print(json.dumps(rows, ensure_ascii=False))


def percentiles(name: str, milliseconds: Sequence[float], *percents: int) -> dict[str, float]:
    """Return the given percentiles under names such as "embed_ms_p95"."""
    values = np.percentile(milliseconds, percents)
    return {f"{name}_ms_p{percent}": round(float(value), 2) for percent, value in zip(percents, values, strict=True)}


def memory_mb(field: str) -> int:
    """Return one field of /proc/self/status, such as "RssAnon" or "VmHWM", in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{field}:")[1].split()[0]) // 1024


def forget_peak_memory() -> None:
    """Let "VmHWM", the peak of the memory that this process had, begin anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
