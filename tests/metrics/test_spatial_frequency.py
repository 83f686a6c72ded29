from __future__ import annotations

import numpy as np
import pytest
import torch
from fusion_pairs import arrays, constant, fused_pairs

from monai_fusion.errors import InputError
from monai_fusion.metrics import compute_spatial_frequency


def test_is_numpys() -> None:
    images = fused_pairs()
    expected = [
        np.hypot(*[np.sqrt(np.mean(np.diff(f, axis=axis) ** 2)) for axis in (0, 1)]) for f, _, _ in arrays(images)
    ]
    np.testing.assert_allclose(compute_spatial_frequency(*images), expected, rtol=1e-12)


def test_closed_forms() -> None:
    index = torch.arange(8.0)
    board = (255 * ((index[:, None] + index) % 2))[None, None]
    assert compute_spatial_frequency(board, board, board).item() == pytest.approx(255 * 2**0.5)
    ramp = (3 * index[:, None] + 4 * index)[None, None]
    assert compute_spatial_frequency(ramp, ramp, ramp).item() == pytest.approx(5)
    assert compute_spatial_frequency(constant(7), constant(0), constant(0)).item() == 0


def test_a_single_row_has_none() -> None:
    row = torch.zeros(1, 1, 1, 9)
    with pytest.raises(InputError, match="1x9 pixels"):
        compute_spatial_frequency(row, row, row)
