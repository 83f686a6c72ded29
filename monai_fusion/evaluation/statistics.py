"""How sure a mean is, and whether two methods differ: bootstrap intervals and paired tests over the pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ["RESAMPLES", "PairedTest", "compare", "draw_pairs", "holm", "percentile_interval"]

RESAMPLES = 2000
_SEED = 0
_LEVEL = 95.0


def draw_pairs(count: int, resamples: int = RESAMPLES) -> np.ndarray:
    """The pairs of each bootstrap sample, drawn with replacement; the same for every method and metric.

    B. Efron, "Bootstrap methods: another look at the jackknife", The Annals of Statistics 7(1), 1979.

    Returns:
        ``(resamples, count)``, indices of pairs.
    """
    return np.random.default_rng(_SEED).integers(0, count, (resamples, count))


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic's bootstrap values; NaN, a sample without any lesion, is left out."""
    values = np.asarray(values)[~np.isnan(values)]
    if not values.size:
        return float("nan"), float("nan")
    low, high = np.percentile(values, [50 - _LEVEL / 2, 50 + _LEVEL / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class PairedTest:
    """Two methods on the same pairs.

    Attributes:
        metric: of both.
        first: the method that is tested.
        other: the one it is tested against.
        pairs: how many have a value of both.
        difference: the median of first less other.
        p: of Wilcoxon's signed-rank test, two-sided; NaN without pairs.
        p_holm: the same, corrected for the number of others.
    """

    metric: str
    first: str
    other: str
    pairs: int
    difference: float
    p: float
    p_holm: float


def compare(values: Mapping[str, Mapping[str, Sequence[float]]]) -> list[PairedTest]:
    """Tests the first method against every other, metric by metric.

    F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1(6), 1945.

    Args:
        values: method, metric, and its value for each pair, in one order; NaN where there is none.
    """
    first, *others = values
    tests = []
    for metric in values[first]:
        rows = []
        for other in others:
            difference = np.subtract(values[first][metric], values[other][metric])
            difference = difference[~np.isnan(difference)]
            rows.append((other, difference, _wilcoxon(difference)))
        corrected = holm([p for _, _, p in rows])
        tests += [
            PairedTest(metric, first, other, d.size, float(np.median(d)) if d.size else float("nan"), p, q)
            for (other, d, p), q in zip(rows, corrected)
        ]
    return tests


def _wilcoxon(difference: np.ndarray) -> float:
    if not difference.size:
        return float("nan")
    return float(stats.wilcoxon(difference).pvalue) if difference.any() else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrects for several tests: the k-th smallest of m times m - k + 1, never below the one before, 1 at most.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2), 1979.
    A NaN stays one and does not count.
    """
    p = np.asarray(p_values, dtype=float)
    corrected = np.full(p.shape, np.nan)
    order = [int(i) for i in np.argsort(p) if not np.isnan(p[i])]
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, float(p[i]) * (len(order) - rank)))
        corrected[i] = highest
    return corrected.tolist()
