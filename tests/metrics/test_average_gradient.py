from __future__ import annotations

import numpy as np
import pytest
import torch
from fusion_pairs import arrays, constant, fused_pairs

from monai_fusion.metrics import compute_average_gradient


def test_is_numpys() -> None:
    images = fused_pairs()
    expected = [np.sqrt(np.square(np.gradient(f)).sum(axis=0) / 2).mean() for f, _, _ in arrays(images)]
    np.testing.assert_allclose(compute_average_gradient(*images), expected, rtol=1e-12)


def test_closed_forms() -> None:
    index = torch.arange(8.0)
    ramp = (3 * index[:, None] + 4 * index)[None, None]
    assert compute_average_gradient(ramp, ramp, ramp).item() == pytest.approx(5 / 2**0.5)
    assert compute_average_gradient(constant(7), constant(0), constant(0)).item() == 0
