from __future__ import annotations

import numpy as np
import pytest
import torch
from fusion_pairs import arrays, constant, fused_pairs
from skimage.measure import shannon_entropy

from monai_fusion.metrics import compute_entropy


def test_is_scikit_images() -> None:
    images = fused_pairs()
    np.testing.assert_allclose(compute_entropy(*images), [shannon_entropy(f) for f, _, _ in arrays(images)], rtol=1e-12)


def test_closed_forms() -> None:
    every = torch.arange(256.0).view(1, 1, 16, 16)
    assert compute_entropy(every, every, every).item() == pytest.approx(8)
    assert compute_entropy(every * 0.4, every, every).item() < 7  # 103 grey levels are left
    halves = torch.cat([constant(0), constant(255)], dim=-1)
    assert compute_entropy(halves, halves, halves).item() == pytest.approx(1)
    assert compute_entropy(constant(200), halves[..., :72], halves[..., :72]).item() == 0
