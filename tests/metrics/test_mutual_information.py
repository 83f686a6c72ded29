from __future__ import annotations

import numpy as np
import pytest
import torch
from fusion_pairs import arrays, constant, fused_pairs
from scipy import stats

from monai_fusion.metrics import compute_entropy, compute_mutual_information


def plain_mutual_information(a: np.ndarray, b: np.ndarray) -> float:
    """The divergence of the joint histogram from the product of its margins, by NumPy and SciPy."""
    joint = np.histogram2d(a.ravel(), b.ravel(), bins=np.arange(257) - 0.5)[0]
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    return float(stats.entropy(joint.ravel(), independent.ravel(), base=2))


def test_is_the_plain_formula() -> None:
    images = fused_pairs()
    expected = [plain_mutual_information(f, a) + plain_mutual_information(f, b) for f, a, b in arrays(images)]
    np.testing.assert_allclose(compute_mutual_information(*images), expected, rtol=1e-9)


def test_closed_forms() -> None:
    _, a, b = fused_pairs()
    torch.testing.assert_close(compute_mutual_information(a, a, a), 2 * compute_entropy(a, a, a))
    torch.testing.assert_close(compute_mutual_information(255 - a, a, a), 2 * compute_entropy(a, a, a))
    rows, columns = (grid[None, None] for grid in torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij"))
    assert compute_mutual_information(rows, columns, columns).item() == pytest.approx(0, abs=1e-6)
    assert compute_mutual_information(rows + 64 * (columns % 4), rows, columns).item() == pytest.approx(6 + 2)
    assert compute_mutual_information(constant(200), a[:1], b[:1]).item() == 0
