"""The frontier: what a fusion keeps of the lesions of either source, and what the field's metrics say of it.

`benchmarks/results.py` draws it of the stored evaluations.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from monai_fusion.evaluation.figures import new_figure, save_figure

SIX = ("SD", "SCD", "VIF", "Qabf", "SSIM", "CC")
#: The metrics are relative to those of this formula.
YARDSTICK = "tanh_sum"


def both_kept(row: dict[str, Any]) -> float:
    """The root mean square of what is kept of the two; .71 where texture of two unrelated sources is added up."""
    return float(np.hypot(row["kept_mri"]["mean"], row["kept_functional"]["mean"]) / np.sqrt(2))


def relative_metrics(row: dict[str, Any], yardstick: dict[str, Any]) -> float:
    """The geometric mean of the six, each as a multiple of the yardstick's."""
    return float(np.exp(np.mean([np.log(row[name]["mean"] / yardstick[name]["mean"]) for name in SIX])))


def columns_won(summary: dict[str, Any]) -> dict[str, list[str]]:
    """The best method of each of the six and of the two kept, as the tables have it: `{method: [column, ...]}`."""
    won: dict[str, list[str]] = {}
    for name in (*SIX, "kept_mri", "kept_functional"):
        won.setdefault(max(summary, key=lambda method: summary[method][name]["mean"]), []).append(name)
    return won


def write_frontier(path: Path, summaries: dict[str, dict[str, Any]]) -> None:
    """A row a data set: kept of the one source against kept of the other; kept of both against the six metrics.

    Args:
        path: of the picture.
        summaries: title of the data set, and its methods with their means and intervals.
    """
    figure = new_figure(11, 4.2 * len(summaries))
    for row, (title, summary) in enumerate(summaries.items()):
        kept, metrics = (figure.add_subplot(len(summaries), 2, 2 * row + column) for column in (1, 2))
        angles = np.linspace(0.05, 1.5, 200)
        kept.plot(np.cos(angles), np.sin(angles), ":", color="grey", linewidth=1, label="kept² + kept² = 1")
        metrics.axvline(1, color="grey", linestyle=":", linewidth=1)
        won = columns_won(summary)
        for i, (method, cells) in enumerate(summary.items()):
            style = {"marker": "*" if method.startswith("model") else "o", "color": f"C{i % 10}", "markersize": 9}
            x, y = cells["kept_mri"], cells["kept_functional"]
            kept.plot(x["mean"], y["mean"], linestyle="", label=method, **style)
            kept.plot([x["low"], x["high"]], [y["mean"]] * 2, color=style["color"], alpha=0.4)
            kept.plot([x["mean"]] * 2, [y["low"], y["high"]], color=style["color"], alpha=0.4)
            place = relative_metrics(cells, summary[YARDSTICK]), both_kept(cells)
            metrics.plot(*place, linestyle="", **style)
            text = f"{method}\nbest: {', '.join(won[method])}" if method in won else method
            above = method.startswith("model")  # a model's beside a rival's
            metrics.annotate(
                text, place, (0, 6 if above else -6), textcoords="offset points", fontsize=7, ha="center",
                va="bottom" if above else "top",
            )  # fmt: skip
        kept.set(xlabel="MRI lesions kept", ylabel="functional lesions kept", title=title)
        values = [[cells[name]["mean"] for cells in summary.values()] for name in ("kept_mri", "kept_functional")]
        kept.set(xlim=(min(values[0]) - 0.05, max(values[0]) + 0.1), ylim=(min(values[1]) - 0.05, max(values[1]) + 0.1))
        metrics.set(
            xlabel=f"the six metrics, multiples of those of {YARDSTICK}", ylabel="lesions of both kept", title=title
        )
        metrics.set_xmargin(0.35)
        metrics.set_ymargin(0.2)
        for panel in (kept, metrics):
            panel.grid(alpha=0.3)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    save_figure(figure, path)
