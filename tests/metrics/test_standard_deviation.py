from __future__ import annotations

import numpy as np
import pytest
import torch
from fusion_pairs import arrays, constant, fused_pairs

from monai_fusion.metrics import compute_sd


def test_is_numpys() -> None:
    images = fused_pairs()
    np.testing.assert_allclose(compute_sd(*images), [f.std() for f, _, _ in arrays(images)], rtol=1e-12)


def test_closed_forms() -> None:
    halves = torch.cat([constant(0), constant(255)], dim=-1)
    assert compute_sd(halves, halves, halves).item() == 127.5
    ramp = torch.arange(256.0).view(1, 1, 16, 16)
    assert compute_sd(ramp, ramp, ramp).item() == pytest.approx(((256**2 - 1) / 12) ** 0.5)
    assert compute_sd(constant(200), constant(0), constant(9)).item() == 0
