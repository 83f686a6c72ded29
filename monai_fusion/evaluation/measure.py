"""What one method makes of one pair, and of a data set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from monai_fusion.errors import InputError
from monai_fusion.evaluation.methods import Method
from monai_fusion.evaluation.statistics import percentile_interval
from monai_fusion.metrics import LESS_IS_BETTER, METRICS, Conspicuity, aggregate, measure_all, measure_conspicuity
from monai_fusion.metrics.protocol import PROTOCOLS, clip_to_8bit

__all__ = ["Measured", "Summary", "less_is_better", "measure_pair", "summarize"]

#: ``{method: {metric: {"mean": ..., "low": ..., "high": ...}}}``; None where there is no value.
Summary = dict[str, dict[str, dict[str, float | None]]]


@dataclass(frozen=True)
class Measured:
    """One method on one pair.

    Attributes:
        metrics: those of `METRICS`.
        lesions: what was kept and lost of them, or None if this was not measured.
    """

    metrics: dict[str, float]
    lesions: Conspicuity | None = None

    @property
    def row(self) -> dict[str, float]:
        """All numbers of the pair, those of the lesions behind the metrics; NaN where the pair has none."""
        return self.metrics if self.lesions is None else {**self.metrics, **aggregate([self.lesions])}


def measure_pair(
    method: Method, first: torch.Tensor, second: torch.Tensor, protocol: str, seed: Sequence[int] | None
) -> Measured:
    """Fuses a pair and measures the result.

    Args:
        method: the method.
        first: ``(1, 1, H, W)`` in [0, 1], whole 255ths.
        second: the same shape.
        protocol: a key of `PROTOCOLS`: how the fused image becomes grey levels for the metrics. The lesions are always
            looked for in the method's own output, clipped to [0, 1].
        seed: of the lesions; None not to measure them.

    Raises:
        InputError: the method gives something that is not finite.
    """
    fused = method.fuse(first, second)
    if not fused.isfinite().all():
        raise InputError(f"method {method.name}: its fused image is not finite everywhere; check the weights")
    values = measure_all(PROTOCOLS[protocol](fused), clip_to_8bit(first), clip_to_8bit(second))
    metrics = {name: value.item() for name, value in values.items()}
    return Measured(metrics, None if seed is None else measure_conspicuity(method.fuse, first, second, seed))


def summarize(measured: Mapping[str, Sequence[Measured]], draws: np.ndarray) -> Summary:
    """Means and their intervals: of the metrics over the pairs, of the lesions as `aggregate` pools them.

    Args:
        measured: method, and its pairs in one order.
        draws: ``(resamples, pairs)``, see `draw_pairs`.
    """
    summary: Summary = {}
    for method, pairs in measured.items():
        summary[method] = {}
        for name in METRICS:
            values = np.array([pair.metrics[name] for pair in pairs])
            summary[method][name] = _cell(float(values.mean()), values[draws].mean(axis=1))
        lesions = [pair.lesions for pair in pairs if pair.lesions is not None]
        if lesions:
            resampled = [aggregate([lesions[i] for i in draw]) for draw in draws]
            for name, mean in aggregate(lesions).items():
                summary[method][name] = _cell(mean, np.array([row[name] for row in resampled]))
    return summary


def _cell(mean: float, resampled: np.ndarray) -> dict[str, float | None]:
    low, high = percentile_interval(resampled)
    return {key: _round(value) for key, value in (("mean", mean), ("low", low), ("high", high))}


def _round(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.7g}")


def less_is_better(name: str) -> bool:
    """Of the lesions' numbers what is kept is better in plenty, all else is loss."""
    return name in LESS_IS_BETTER if name in METRICS else not name.startswith("kept")
