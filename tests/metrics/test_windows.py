from __future__ import annotations

import numpy as np
import torch
from fusion_pairs import fused_pairs
from scipy import signal

from monai_fusion.metrics.windows import filter_separably, gaussian_window, local_moments


def test_filter_is_scipys_correlation() -> None:
    image = torch.rand(2, 3, 20, 31, dtype=torch.float64)
    down, across = (1.0, -2.0, 0.5, 7.0), (0.0, 3.0, -1.0)
    expected = [[signal.correlate2d(i, np.outer(down, across), mode="valid") for i in item] for item in image.numpy()]
    np.testing.assert_allclose(filter_separably(image, down, across), expected, atol=1e-12)


def test_gaussian_window_is_scipys() -> None:
    np.testing.assert_allclose(
        gaussian_window(17, 3.4), signal.windows.gaussian(17, 3.4) / signal.windows.gaussian(17, 3.4).sum()
    )


def test_moments_of_a_uniform_window() -> None:
    fused, a, b = fused_pairs(1)
    moments = local_moments(fused, torch.cat([a, b], dim=1), [1 / 5] * 5)
    windows = [image[0, 0].unfold(0, 5, 1).unfold(1, 5, 1).flatten(2) for image in (fused, a, b)]
    torch.testing.assert_close(moments.mean_fused[0, 0], windows[0].mean(dim=-1))
    torch.testing.assert_close(moments.variance_fused[0, 0], windows[0].var(dim=-1, correction=0))
    for i, window in enumerate(windows[1:]):
        torch.testing.assert_close(moments.mean_sources[0, i], window.mean(dim=-1))
        torch.testing.assert_close(moments.variance_sources[0, i], window.var(dim=-1, correction=0))
        covariance = (window * windows[0]).mean(dim=-1) - window.mean(dim=-1) * windows[0].mean(dim=-1)
        torch.testing.assert_close(moments.covariance[0, i], covariance)
