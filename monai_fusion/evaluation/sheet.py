"""The worst and the best pairs of a method, beside what the others make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from monai_fusion.evaluation.figures import new_figure, save_figure
from monai_fusion.evaluation.measure import Measured
from monai_fusion.evaluation.methods import Method
from monai_fusion.evaluation.pairs import PairFolder
from monai_fusion.metrics import PUBLISHED
from monai_fusion.metrics.protocol import PROTOCOLS

__all__ = ["rank_pairs", "write_extremes"]

_AT_EACH_END = 3


def rank_pairs(pairs: Sequence[Measured]) -> list[int]:
    """The pairs from worst to best, by the mean of their ranks in the metrics of the published tables."""
    values = np.array([[pair.metrics[name] for name in PUBLISHED] for pair in pairs])
    ranks = values.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    return [int(i) for i in ranks.mean(axis=1).argsort(kind="stable")]


def write_extremes(
    path: Path,
    folder: PairFolder,
    names: Sequence[str],
    methods: Sequence[Method],
    measured: Mapping[str, Sequence[Measured]],
    protocol: str,
) -> None:
    """Writes the three worst and the three best pairs of the first method, a row a pair, a column an image.

    Args:
        path: of the PNG.
        folder: where the pairs are read again.
        names: the measured pairs.
        methods: all of them.
        measured: of each method, its pairs in the order of `names`.
        protocol: how fused images become grey levels, a key of `PROTOCOLS`.
    """
    order = rank_pairs(measured[methods[0].name])
    shown = order if len(order) <= 2 * _AT_EACH_END else order[:_AT_EACH_END] + order[-_AT_EACH_END:]
    figure = new_figure(1.6 * (2 + len(methods)), 1.75 * len(shown))
    axes = figure.subplots(len(shown), 2 + len(methods), squeeze=False)
    for row, i in enumerate(shown):
        sources = folder.read(names[i])
        images = [source[0, 0] * 255 for source in sources]
        images += [PROTOCOLS[protocol](method.fuse(*sources))[0, 0] for method in methods]
        for panel, image in zip(axes[row], images):
            panel.imshow(image.numpy(), cmap="gray", vmin=0, vmax=255)
            panel.set_xticks([])
            panel.set_yticks([])
        end = "worst" if row < len(shown) / 2 else "best"
        axes[row][0].set_ylabel(f"{names[i]} ({end})" if len(order) > 1 else names[i], fontsize=8)
    for panel, title in zip(axes[0], [*folder.sources, *(method.name for method in methods)]):
        panel.set_title(title, fontsize=8)
    save_figure(figure, path, dpi=100)
