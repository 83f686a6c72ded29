from __future__ import annotations

import math

import pytest

from monai_fusion.errors import InputError
from monai_fusion.metrics import SizeBin, SourceLesions, curve_by_radius


def test_sorts_by_radius() -> None:
    """A bin begins with its lower edge; the last one ends with its upper edge."""
    pairs = [SourceLesions((2.0, 3.0, 5.0), (0.1, 0.5, 0.9)), SourceLesions((2.9, 1.9, 5.1), (0.3, 7.0, 8.0))]
    assert curve_by_radius(pairs, (2, 3, 5)) == [
        SizeBin(2, 3, 2, pytest.approx(0.2), 0.5),
        SizeBin(3, 5, 2, pytest.approx(0.7), 0.0),
    ]


def test_an_empty_bin_has_no_value() -> None:
    (part,) = curve_by_radius([SourceLesions()], (2, 3))
    assert part.count == 0
    assert math.isnan(part.kept)
    assert math.isnan(part.lost)


@pytest.mark.parametrize("edges", [(2,), (3, 2), (2, 2)])
def test_refuses_edges(edges: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="give two or more that rise"):
        curve_by_radius([], edges)
