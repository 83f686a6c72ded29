from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_fusion.errors import InputError
from monai_fusion.transforms.intensity import WindowIntensityd, foreground


def loaded(array: np.ndarray, **facts: object) -> MetaTensor:
    """As `SourceReader` gives it."""
    return MetaTensor(torch.from_numpy(array)[None], meta={"source": json.dumps(facts)})


def ball(size: int = 40, hole: float = 0.0) -> np.ndarray:
    """Noise of 0 to 10 around a ball of 100 to 200 with a hole of 20 in its middle, and a stray bright voxel."""
    rng = np.random.default_rng(0)
    radius = np.linalg.norm(np.stack(np.meshgrid(*[np.linspace(-1, 1, size)] * 3)), axis=0)
    volume = np.where(radius < 0.7, rng.uniform(100, 200, radius.shape), rng.uniform(0, 10, radius.shape))
    volume[radius < hole] = 20
    volume[0, 0, 0] = 1e4
    return volume.astype(np.float32)


def test_foreground_is_the_filled_ball() -> None:
    radius = np.linalg.norm(np.stack(np.meshgrid(*[np.linspace(-1, 1, 40)] * 3)), axis=0)
    volume = ball(hole=0.3)
    volume[0, 0, 0] = 0
    coarse, mask = foreground(volume)
    assert coarse.shape == volume.shape
    np.testing.assert_array_equal(mask, radius < 0.7)


def test_large_volumes_are_thinned_out() -> None:
    coarse, mask = foreground(np.random.default_rng(0).random((300, 20, 129)).astype(np.float32))
    assert coarse.shape == mask.shape == (100, 20, 65)


def test_percentiles_count_the_head_only() -> None:
    volume = ball()
    volume[0, 0, 0] = 0
    out = WindowIntensityd("mri", percentiles=(1, 99))({"mri": loaded(volume)})
    inside = volume[volume >= 100]
    entry = json.loads(out["report"])["intensity"]["mri"]
    assert entry["low"] == pytest.approx(np.percentile(inside, 1), abs=1)
    assert entry["high"] == pytest.approx(np.percentile(inside, 99), abs=1)
    expected = np.clip((volume - entry["low"]) / (entry["high"] - entry["low"]), 0, 1)
    np.testing.assert_allclose(out["mri"][0].numpy(), expected, atol=1e-6)
    assert (expected[volume < 10] == 0).all()  # the background is black


def test_zero_uptake_is_black() -> None:
    volume = ball()
    volume[0, 0, 0] = 0
    out = WindowIntensityd("functional", percentiles=(None, 100))({"functional": loaded(volume)})
    np.testing.assert_allclose(out["functional"][0].numpy(), volume / volume.max(), atol=1e-6)


def test_window_in_the_images_own_unit() -> None:
    out = WindowIntensityd("functional", window=(50, 150))({"functional": loaded(ball())})
    np.testing.assert_allclose(out["functional"][0].numpy(), np.clip((ball() - 50) / 100, 0, 1), atol=1e-6)
    report = json.loads(out["report"])["intensity"]["functional"]
    assert report["above"] == pytest.approx((ball() > 150).mean(), abs=1e-6)


def test_8_bit_pictures_are_taken_as_they_are() -> None:
    picture = np.arange(256, dtype=np.float32).reshape(16, 16) / 2
    out = WindowIntensityd("mri")({"mri": loaded(picture, display_range=[0, 255])})
    np.testing.assert_allclose(out["mri"][0].numpy(), picture / 255, atol=1e-6)


@pytest.mark.parametrize("window", [(5, 5), (9, 1)])
def test_empty_window(window: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="is empty"):
        WindowIntensityd("mri", window=window)({"mri": loaded(ball())})
