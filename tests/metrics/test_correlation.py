from __future__ import annotations

import numpy as np
import pytest
import torch
from fusion_pairs import arrays, constant, fused_pairs

from monai_fusion.metrics import compute_cc


def test_is_numpys() -> None:
    images = fused_pairs()
    r = [[np.corrcoef(f.ravel(), s.ravel())[0, 1] for s in (a, b)] for f, a, b in arrays(images)]
    np.testing.assert_allclose(compute_cc(*images), np.mean(r, axis=1), rtol=1e-12)


def test_closed_forms() -> None:
    _, a, _ = fused_pairs()
    torch.testing.assert_close(compute_cc(a, a, 3 * a + 7), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(compute_cc(255 - a, a, a), -torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(compute_cc(a, a, 255 - a), torch.zeros(3, dtype=torch.float64))


def test_a_constant_image_correlates_with_nothing() -> None:
    _, a, _ = fused_pairs(1)
    for level in (0, 76.9, 255):
        assert compute_cc(constant(level), a, a).item() == 0
        assert compute_cc(constant(level).float(), a.float(), a.float()).item() == 0
        assert compute_cc(a, a, constant(level)).item() == pytest.approx(0.5)
