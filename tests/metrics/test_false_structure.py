from __future__ import annotations

import numpy as np
import pytest
import torch
from fusion_pairs import constant, fused_pairs
from torch.nn import functional as F

from monai_fusion.errors import InputError
from monai_fusion.metrics import compute_false_structure


def step(column: int, height: float, size: int = 20) -> torch.Tensor:
    """Black to `height` at a column, all rows alike."""
    return height * (torch.arange(size) >= column).double().expand(1, 1, size, size)


def test_a_step_in_neither_source() -> None:
    """Sources step by 60 and 40 at column 5, the fused image by 60 there and by 20 elsewhere: 20 of 80."""
    a, b = step(5, 60), step(5, 40)
    assert compute_false_structure(step(5, 60) + step(12, 20), a, b).item() == pytest.approx(20 / 80)
    assert compute_false_structure((step(5, 60) + step(12, 20)).mT, a.mT, b.mT).item() == pytest.approx(20 / 80)
    # a pixel beside its place it is still the source's, two pixels beside it is not
    assert compute_false_structure(step(6, 60), a, b).item() == 0
    assert compute_false_structure(step(7, 60), a, b).item() == 1
    # along the other direction it is not
    assert compute_false_structure(a.mT, a, b).item() == 1


def test_gain_beyond_two() -> None:
    """A step three times as high as the source's: a third of it goes beyond twice the source's."""
    assert compute_false_structure(step(5, 120), step(5, 60), step(5, 40)).item() == 0
    assert compute_false_structure(step(5, 180), step(5, 60), step(5, 40)).item() == pytest.approx(1 / 3)


def test_is_zero_for_what_makes_no_structure() -> None:
    _, a, b = fused_pairs()
    a, b = a / 255, b / 255
    for fused in (torch.maximum(a, b), torch.minimum(a, b), (a + b) / 2, a, a + b, (a + b).clamp(0, 1), 0.7 * a - b):
        torch.testing.assert_close(compute_false_structure(fused, a, b), torch.zeros(3).double(), atol=1e-12, rtol=0)


def test_is_zero_for_3x3_filters_of_gain_two() -> None:
    """The bound of the docstring, on random filters and on the mean sharpened by 0.5; with four times the gain not."""
    _, a, b = fused_pairs()
    sources = F.pad(torch.cat([a, b], dim=1), (1, 1, 1, 1), mode="reflect")
    random = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(0)).double()
    sharp = torch.full((1, 2, 3, 3), -0.5 / 18).double()
    sharp[..., 1, 1] += 0.75
    for taps in (random * 2 / random.abs().sum(), sharp):
        assert taps.abs().sum() <= 2 + 1e-12
        value = compute_false_structure(F.conv2d(sources, taps), a, b)
        torch.testing.assert_close(value, torch.zeros(3).double(), atol=1e-12, rtol=0)
        assert compute_false_structure(F.conv2d(sources, 4 * taps), a, b).min() > 0


def test_noise_raises_it() -> None:
    _, a, b = fused_pairs()
    mean = (a + b) / 2
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=mean.shape))
    values = torch.stack([compute_false_structure(mean + sd * noise, a, b) for sd in (0, 0.5, 1, 2, 5, 10, 20, 50)])
    assert (values[0] == 0).all()
    assert (values.diff(dim=0) > 0).all()
    assert values[3].min() > 0.02


def test_noise_over_constant_sources_is_all_false() -> None:
    fused, _, _ = fused_pairs(1)
    assert compute_false_structure(fused, constant(10), constant(200)).item() == 1


def test_black_and_constant_images() -> None:
    black, grey = constant(0), constant(100)
    _, a, b = fused_pairs(1)
    for fused, source_a, source_b in ((black, black, black), (grey, black, grey), (black, a, b)):
        assert compute_false_structure(fused, source_a, source_b).item() == 0


def test_batched_as_one_by_one_in_any_scale_and_precision() -> None:
    images = fused_pairs()
    value = compute_false_structure(*images)
    assert value.std() > 0
    singly = torch.cat([compute_false_structure(f[None], a[None], b[None]) for f, a, b in zip(*images)])
    torch.testing.assert_close(value, singly)
    torch.testing.assert_close(value, compute_false_structure(*(image / 255 for image in images)))
    torch.testing.assert_close(value.float(), compute_false_structure(*(image.float() for image in images)))
    torch.testing.assert_close(value, compute_false_structure(images[0], images[2], images[1]))


def test_is_the_formula_written_out() -> None:
    """Pixel by pixel, in loops."""
    fused, a, b = (image[0, 0].numpy()[:20, 20:44] for image in fused_pairs(1))
    fused = 3 * fused
    false = present = 0.0
    for axis in (0, 1):
        steps, steps_a, steps_b = (abs(np.diff(image, axis=axis)) for image in (fused, a, b))
        for i, j in np.ndindex(*steps.shape):
            near = np.s_[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2]
            false += max(0.0, steps[i, j] - 2 * max(steps_a[near].max(), steps_b[near].max()))
            present += steps[i, j]
    images = (torch.from_numpy(image.copy())[None, None] for image in (fused, a, b))
    assert false > 0
    assert compute_false_structure(*images).item() == pytest.approx(false / present)


def test_refuses_a_single_row() -> None:
    row = torch.zeros(1, 1, 1, 8)
    with pytest.raises(InputError, match="1x8 pixels, needs at least 2x2"):
        compute_false_structure(row, row, row)
