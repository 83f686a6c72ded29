"""What is kept of lesions by their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from monai_fusion.errors import InputError
from monai_fusion.metrics.conspicuity import SourceLesions

__all__ = ["SizeBin", "curve_by_radius"]


@dataclass(frozen=True)
class SizeBin:
    """The lesions of radius `low` to less than `high`, in pixels.

    Attributes:
        low: smallest radius.
        high: where the next bin begins; the last bin of a curve ends with it.
        count: lesions.
        kept: mean of what is kept; NaN where there is none.
        lost: share of lesions lost, 0 to 1; NaN where there is none.
    """

    low: float
    high: float
    count: int
    kept: float
    lost: float


def curve_by_radius(pairs: Sequence[SourceLesions], edges: Sequence[float]) -> list[SizeBin]:
    """Sorts the lesions of one source, of all pairs, into bins of radius. Those outside of the edges are left out.

    Args:
        pairs: the lesions of each pair.
        edges: of the bins, in pixels, one more than bins, rising.

    Raises:
        InputError: fewer than two edges, or not rising.
    """
    if len(edges) < 2 or any(high <= low for low, high in pairwise(edges)):
        raise InputError(f"the edges of the sizes are {list(edges)}: give two or more that rise")
    lesions = SourceLesions.pooled(pairs)
    radii = np.array(lesions.radii)
    curve = []
    for low, high in pairwise(edges):
        inside = (radii >= low) & ((radii < high) | (radii == high) & (high == edges[-1]))
        chosen = SourceLesions(
            tuple(r for r, i in zip(lesions.radii, inside) if i), tuple(v for v, i in zip(lesions.values, inside) if i)
        )
        curve.append(SizeBin(low, high, chosen.count, chosen.kept, chosen.lost))
    return curve
