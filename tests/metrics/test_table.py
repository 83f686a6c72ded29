"""What holds for every metric."""

from __future__ import annotations

import pytest
import torch
from fusion_pairs import constant, fused_pairs
from monai.data import MetaTensor

from monai_fusion.errors import InputError
from monai_fusion.metrics import LESS_IS_BETTER, METRICS, PUBLISHED, measure_all

every_metric = pytest.mark.parametrize("name", METRICS)


def test_names() -> None:
    assert PUBLISHED == ("SD", "SCD", "VIF", "Qabf", "SSIM", "SSIM_range2", "CC")
    assert set(PUBLISHED) | LESS_IS_BETTER < set(METRICS)
    values = measure_all(*fused_pairs(2), names=["SCD", "SD"])
    assert list(values) == ["SCD", "SD"]
    assert list(measure_all(*fused_pairs(2))) == list(METRICS)


@every_metric
def test_batched_equals_one_by_one(name: str) -> None:
    images = fused_pairs()
    batched = METRICS[name](*images)
    assert batched.shape == (3,)
    singly = torch.cat([METRICS[name](f[None], a[None], b[None]) for f, a, b in zip(*images)])
    torch.testing.assert_close(batched, singly, rtol=1e-12, atol=1e-12)
    assert batched.std() > 0  # else the test says little


@every_metric
def test_float32_equals_float64(name: str) -> None:
    double = METRICS[name](*fused_pairs())
    single = METRICS[name](*(image.float() for image in fused_pairs()))
    assert double.dtype == torch.float64
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=1e-6, atol=1e-6)


@every_metric
def test_float32_equals_float64_between_grey_levels(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    images = [image + torch.rand(image.shape, generator=generator) / 3 for image in fused_pairs()]
    single = METRICS[name](*(image.float() for image in images))
    torch.testing.assert_close(single.double(), METRICS[name](*images), rtol=1e-5, atol=1e-5)


@every_metric
def test_8_bit_and_metatensor(name: str) -> None:
    expected = METRICS[name](*(image.float() for image in fused_pairs()))
    for value in (
        METRICS[name](*(image.to(torch.uint8) for image in fused_pairs())),
        METRICS[name](*(MetaTensor(image.float()) for image in fused_pairs())),
    ):
        assert type(value) is torch.Tensor
        assert torch.equal(value, expected)


@every_metric
def test_the_sources_are_alike(name: str) -> None:
    fused, a, b = fused_pairs()
    torch.testing.assert_close(METRICS[name](fused, a, b), METRICS[name](fused, b, a))


@every_metric
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_degenerate_images_have_a_value(name: str, dtype: torch.dtype) -> None:
    _, a, _ = fused_pairs(1)
    images = [image.to(dtype) for image in (a, constant(0), constant(0.1 * 255), constant(255))]
    for fused in images:
        for source_a in images:
            for source_b in images:
                assert METRICS[name](fused, source_a, source_b).isfinite().all()


@every_metric
def test_an_image_that_is_not_finite_leaves_the_others_alone(name: str) -> None:
    for i in range(3):
        for bad in (torch.nan, torch.inf):
            images = [image.clone() for image in fused_pairs()]
            expected = METRICS[name](*images)
            images[i][1, 0, 30, 30] = bad
            value = METRICS[name](*images)
            assert value[1].isnan()
            assert torch.equal(value[::2], expected[::2])


@every_metric
def test_refuses_other_shapes(name: str) -> None:
    fused, a, b = fused_pairs()
    for images in ((fused, a[:2], b[:2]), (fused[:, 0], a[:, 0], b[:, 0]), (fused, torch.cat([a, b], dim=1), b)):
        with pytest.raises(InputError, match=r"not all of \(N, 1, H, W\)"):
            METRICS[name](*images)


@every_metric
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_gives_what_the_cpu_gives(name: str) -> None:
    for dtype in (torch.float32, torch.float64):
        images = [image.to(dtype) for image in fused_pairs()]
        value = METRICS[name](*(image.cuda() for image in images))
        assert value.is_cuda
        torch.testing.assert_close(value.cpu(), METRICS[name](*images), rtol=1e-6, atol=1e-6)
