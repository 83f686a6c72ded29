"""The results as tables: Markdown for people, CSV for programs."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from monai_fusion.escaping import csv_cell, markdown_cell
from monai_fusion.evaluation.measure import Measured, Summary, less_is_better
from monai_fusion.evaluation.statistics import PairedTest
from monai_fusion.metrics import METRICS, PUBLISHED
from monai_fusion.metrics.published import PublishedTable

__all__ = ["interval_table", "markdown_table", "write_pairs", "write_tests"]

_NONE = "-"
_HEADS = {"Qabf": "Q^AB/F", "SSIM_range2": "SSIM, range 2"}


def write_pairs(path: Path, names: Sequence[str], measured: Mapping[str, Sequence[Measured]]) -> None:
    """One line a pair and method; a cell is empty where the pair has no value."""
    lines = [
        {"pair": name, "method": method, **pair.row}
        for i, name in enumerate(names)
        for method, pairs in measured.items()
        for pair in [pairs[i]]
    ]
    _write(path, list(lines[0]), (line.values() for line in lines))


def write_tests(path: Path, tests: Sequence[PairedTest]) -> None:
    """One line a metric and other method."""
    _write(path, list(PairedTest.__dataclass_fields__), (asdict(test).values() for test in tests))


def _write(path: Path, head: Sequence[str], lines: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(map(_text, lines))


def _text(line: Iterable[object]) -> list[object]:
    return [("" if math.isnan(v) else f"{v:.7g}") if isinstance(v, float) else csv_cell(v) for v in line]


def markdown_table(summary: Summary, published: PublishedTable | None = None) -> str:
    """Means, methods in rows, with the published ones below; the best measured number of each column is bold.

    Args:
        summary: see `Summary`.
        published: rows to add; their SSIM has data_range 2.
    """
    columns = [name for name in next(iter(summary.values())) if name in PUBLISHED or name not in METRICS]
    best = {name: _best(summary, name) for name in columns}
    rows = []
    for method, cells in summary.items():
        texts = [_format(name, cells[name]["mean"]) for name in columns]
        rows.append(
            [markdown_cell(method), *(f"**{t}**" if t == best[name] != _NONE else t for name, t in zip(columns, texts))]
        )
    if published is not None:
        for method, values in published.rows.items():
            rows.append([f"{method} (published)", *(_format(name, values.get(name)) for name in columns)])
    heads = [f"{_HEADS.get(name, name)} {'↓' if less_is_better(name) else '↑'}" for name in columns]
    return _markdown(["method", *heads], rows)


def interval_table(summary: Summary) -> str:
    """The 95 % intervals of the means."""
    columns = [name for name in next(iter(summary.values())) if name in PUBLISHED or name not in METRICS]
    rows = [
        [
            markdown_cell(method),
            *(f"{_format(name, cells[name]['low'])} to {_format(name, cells[name]['high'])}" for name in columns),
        ]
        for method, cells in summary.items()
    ]
    return _markdown(["method", *(_HEADS.get(name, name) for name in columns)], rows)


def _best(summary: Summary, name: str) -> str:
    """The best mean as it is printed, so that what looks equal is bold alike."""
    means = [mean for cells in summary.values() if (mean := cells[name]["mean"]) is not None]
    if not means:
        return _NONE
    return _format(name, min(means) if less_is_better(name) else max(means))


def _format(name: str, value: float | None) -> str:
    if value is None:
        return _NONE
    digits = 2 if name == "SD" else 3 if name in METRICS or name.startswith(("kept", "lost")) else 4
    return f"{value:.{digits}f}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
