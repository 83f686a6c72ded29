from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from fusion_pairs import fused_pairs
from scipy import ndimage

from monai_fusion.errors import InputError
from monai_fusion.metrics import RIVALS

MULTISCALE = ["laplacian", "wavelet"]
SIZES = [(64, 64), (61, 72), (45, 91), (16, 17), (9, 8), (5, 3)]


def sources(count: int = 2, height: int = 61, width: int = 72) -> tuple[torch.Tensor, torch.Tensor]:
    _, a, b = fused_pairs(count, height, width)
    return a / 255, b / 255


@pytest.fixture(autouse=True)
def _pywt(request: pytest.FixtureRequest) -> None:
    if "wavelet" in request.node.name:
        pytest.importorskip("pywt")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("maximum", 0.8),
        ("mean", 0.65),
        ("screen", 0.9),
        ("tanh_sum", math.tanh(1.3)),
        ("laplacian", 0.65),
        ("wavelet", 0.65),
    ],
)
def test_of_constants(name: str, expected: float) -> None:
    a, b = torch.full((1, 1, 40, 41), 0.5), torch.full((1, 1, 40, 41), 0.8)
    torch.testing.assert_close(RIVALS[name](a, b), torch.full_like(a, expected))
    torch.testing.assert_close(RIVALS[name](b, a), RIVALS[name](a, b))


@pytest.mark.parametrize("name", MULTISCALE)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_equal_sources_come_out_as_they_went_in(name: str, size: tuple[int, int]) -> None:
    image = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(RIVALS[name](image, image), image, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", RIVALS)
def test_batched_equals_one_by_one_in_any_precision(name: str) -> None:
    a, b = sources(3)
    batched = RIVALS[name](a, b)
    assert batched.shape == a.shape
    assert batched.dtype == torch.float64
    assert (batched.min() >= 0) & (batched.max() <= 1)
    torch.testing.assert_close(batched[1:2], RIVALS[name](a[1:2], b[1:2]))
    single = RIVALS[name](a.float(), b.float())
    assert single.dtype == torch.float32
    # where two details are equally strong but for rounding, either may be taken
    assert ((single.double() - batched).abs() > 1e-5).double().mean() < 0.01


@pytest.mark.parametrize("name", MULTISCALE)
def test_keeps_the_stronger_texture(name: str) -> None:
    """Fine stripes of amplitude 0.2 in one source, of 0.05 in the other, darker one: 0.2 about their mean."""
    stripes = ((torch.arange(96) // 2 % 2) * 2.0 - 1).expand(1, 1, 96, 96)
    a, b = 0.6 + 0.2 * stripes, 0.3 + 0.05 * stripes
    for fused in (RIVALS[name](a, b), RIVALS[name](b, a)):
        middle = fused[0, 0, 24:72, 24:72]
        assert middle.mean().item() == pytest.approx(0.45, abs=0.01)
        assert middle.std().item() == pytest.approx(0.2, abs=0.01)


def test_laplacian_is_a_computation_by_hand() -> None:
    """One level, 16 pixels a side, by SciPy's filters; `mirror` is torch's `reflect`."""
    a, b = (image[0, 0].numpy() for image in sources(1, 16, 16))
    taps = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256

    def expanded(small: np.ndarray) -> np.ndarray:
        spread = np.zeros((16, 16))
        spread[::2, ::2] = small
        return 4 * ndimage.correlate(spread, taps, mode="mirror")

    small = [ndimage.correlate(image, taps, mode="mirror")[::2, ::2] for image in (a, b)]
    details = [image - expanded(s) for image, s in zip((a, b), small)]
    stronger = np.where(abs(details[0]) >= abs(details[1]), *details)
    expected = np.clip(stronger + expanded((small[0] + small[1]) / 2), 0, 1)
    fused = RIVALS["laplacian"](*(torch.from_numpy(image)[None, None] for image in (a, b)))
    np.testing.assert_allclose(fused[0, 0].numpy(), expected, atol=1e-12)


def test_without_pywavelets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pywt", None)
    with pytest.raises(InputError, match=r"PyWavelets is not installed; pip install 'monai-fusion\[evaluate\]'"):
        RIVALS["wavelet"](torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32))
