"""The results as figures: means with intervals, box plots, and lesions kept against the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.utils import optional_import

from monai_fusion.errors import InputError
from monai_fusion.evaluation.measure import Measured, Summary, less_is_better
from monai_fusion.metrics import METRICS

__all__ = ["new_figure", "save_figure", "write_bars", "write_boxes", "write_lesions"]

_COLUMNS = 4
_SHOWN = ("SD", "SCD", "VIF", "Qabf", "SSIM", "CC")


def new_figure(width: float, height: float) -> Any:
    """A Matplotlib figure of this size in inches, drawn without a display.

    Raises:
        InputError: Matplotlib is not installed.
    """
    figure, installed = optional_import("matplotlib.figure", name="Figure")
    if not installed:
        raise InputError("figures: Matplotlib is not installed; pip install 'monai-fusion[evaluate]'")
    return figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Any, path: Path, dpi: int = 80) -> None:
    """Writes a figure. Names of pairs and methods are text: a ``$`` in one begins no formula."""
    for text in figure.findobj(optional_import("matplotlib.text", name="Text")[0]):
        text.set_parse_math(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi, metadata={"Software": None})  # the same numbers give the same file


def _title(name: str) -> str:
    return f"{name} ({'less' if less_is_better(name) else 'more'} is better)"


def _panels(names: Sequence[str], height: float) -> tuple[Any, list[Any]]:
    """A figure of one panel a name."""
    rows = -(-len(names) // _COLUMNS)
    figure = new_figure(3.6 * _COLUMNS, height * rows)
    panels = [figure.add_subplot(rows, _COLUMNS, i + 1) for i in range(len(names))]
    for panel, name in zip(panels, names):
        panel.set_title(_title(name), fontsize=9)
        panel.tick_params(labelsize=8)
        panel.grid(axis="x", alpha=0.3)
    return figure, panels


def write_bars(path: Path, summary: Summary) -> None:
    """Every mean as a bar with its 95 % interval, a panel a metric."""
    methods = list(summary)
    names = list(summary[methods[0]])
    figure, panels = _panels(names, 0.5 + 0.22 * len(methods))
    for panel, name in zip(panels, names):
        for y, method in enumerate(methods):
            cell = summary[method][name]
            mean, low, high = cell["mean"], cell["low"], cell["high"]
            if mean is None or low is None or high is None:
                continue
            panel.barh(y, mean, color=f"C{y % 10}", alpha=0.7)
            panel.plot([low, high], [y, y], color="black", linewidth=1.5)
        panel.set_yticks(range(len(methods)), methods)
        panel.set_ylim(len(methods) - 0.5, -0.5)
    save_figure(figure, path)


def write_boxes(path: Path, measured: Mapping[str, Sequence[Measured]]) -> None:
    """The pairs of every method as a box of quartiles, whiskers of 1.5 times their distance, and what is beyond."""
    methods = list(measured)
    rows = {method: [pair.row for pair in pairs] for method, pairs in measured.items()}
    names = list(rows[methods[0]][0])
    figure, panels = _panels(names, 0.5 + 0.25 * len(methods))
    for panel, name in zip(panels, names):
        values = [[row[name] for row in rows[method] if row[name] == row[name]] for method in methods]  # not NaN
        panel.boxplot(values, positions=range(len(methods)), vert=False, widths=0.6, flierprops={"markersize": 2})
        panel.set_yticks(range(len(methods)), methods)
        panel.set_ylim(len(methods) - 0.5, -0.5)
    save_figure(figure, path)


def write_lesions(path: Path, summary: Summary) -> None:
    """Lesions kept against the metrics: a row a source, a column a metric, every method a point with its intervals."""
    methods = list(summary)
    kept = [name for name in summary[methods[0]] if name not in METRICS and name.startswith("kept")]
    figure = new_figure(2.9 * len(_SHOWN), 2.7 * len(kept))
    for row, y_name in enumerate(kept):
        for column, x_name in enumerate(_SHOWN):
            panel = figure.add_subplot(len(kept), len(_SHOWN), row * len(_SHOWN) + column + 1)
            for i, method in enumerate(methods):
                x, y = summary[method][x_name], summary[method][y_name]
                if x["mean"] is None or y["mean"] is None:
                    continue
                marker = "os^Dv<>"[i // 10 % 7]
                panel.plot(x["mean"], y["mean"], marker, color=f"C{i % 10}", label=method, markersize=6)
                panel.plot([x["low"], x["high"]], [y["mean"]] * 2, color=f"C{i % 10}", alpha=0.4)
                panel.plot([x["mean"]] * 2, [y["low"], y["high"]], color=f"C{i % 10}", alpha=0.4)
            panel.set_xlabel(x_name, fontsize=9)
            panel.set_ylabel(y_name if column == 0 else "", fontsize=9)
            panel.tick_params(labelsize=7)
            panel.grid(alpha=0.3)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 8), fontsize=9)
    save_figure(figure, path)
