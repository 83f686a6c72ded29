from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_fusion.errors import InputError
from monai_fusion.metrics import PUBLISHED, RIVALS, measure_all
from monai_fusion.metrics.protocol import clip_to_8bit, luma_8bit, read_grey, stretch_to_8bit

FORMULAS = ("maximum", "mean", "screen", "tanh_sum")
FOLDERS = {"mri_pet": ("MRI", "PET"), "mri_spect": ("MRI", "SPECT"), "roadscene": ("ir", "vi")}


def test_luma_truncates() -> None:
    """libpng's rule: whole 32768ths of BT.601's weights, and what is left of a grey level falls away."""
    rgb = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [1, 1, 1], [255, 255, 255], [12, 200, 77]], dtype=np.uint8)
    assert luma_8bit(rgb).tolist() == [76, 149, 29, 1, 255, 129]
    assert luma_8bit(rgb).dtype == np.uint8
    every = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    assert luma_8bit(every).tolist() == list(range(256))  # grey stays grey


def test_luma_is_bt601_within_a_grey_level() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (5000, 3), dtype=np.uint8)
    exact = rgb @ np.array([0.299, 0.587, 0.114])
    below = exact - luma_8bit(rgb)
    assert below.min() > -0.02
    assert below.max() < 1.02


def test_reading_pictures(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "colour.png")
    grey = read_grey(tmp_path / "colour.png")
    assert grey.dtype == torch.float32
    np.testing.assert_array_equal(grey[0], luma_8bit(rgb))
    Image.fromarray(rgb[..., 0]).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_grey(tmp_path / "grey.png")[0], rgb[..., 0])


def test_luma_of_a_jpeg_is_the_stored_one(tmp_path: Path) -> None:
    """The Y that the encoder stored, which quality 100 keeps to a grey level; red, green and blue lose more."""
    rgb = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "colour.jpg", quality=100)
    stored = np.asarray(Image.fromarray(rgb).convert("YCbCr"))[..., 0]
    assert abs(read_grey(tmp_path / "colour.jpg")[0].numpy() - stored).max() <= 2
    anew = luma_8bit(np.asarray(Image.open(tmp_path / "colour.jpg").convert("RGB")))
    assert abs(anew.astype(float) - stored).max() > 2


def test_refuses_what_is_not_8_bit(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((9, 9), dtype=np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InputError, match=r"deep\.png: a picture in colour mode I;16"):
        read_grey(tmp_path / "deep.png")
    noise = np.random.default_rng(0).integers(0, 256, (99, 99), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.png")
    for content in ((tmp_path / "cut.png").read_bytes()[:5000], b"text", b""):
        (tmp_path / "cut.png").write_bytes(content)
        with pytest.raises(InputError, match=r"cut\.png: not a readable picture"):
            read_grey(tmp_path / "cut.png")
    with pytest.raises(InputError, match=r"missing\.png"):
        read_grey(tmp_path / "missing.png")


def test_stretch_is_per_image_and_rounds_half_to_even() -> None:
    images = torch.tensor([[0.0, 0.5, 1.0], [-0.2, 0.0, 0.2], [0.3, 0.3, 0.3]]).view(3, 1, 1, 3)
    expected = [[0, 128, 255], [0, 128, 255], [0, 0, 0]]
    assert stretch_to_8bit(images).flatten(1).tolist() == expected
    assert stretch_to_8bit(torch.tensor([[[[0.0, 126.5, 255]]]])).flatten().tolist() == [0, 126, 255]


def test_clip() -> None:
    assert clip_to_8bit(torch.tensor([-0.5, 0.0, 0.1, 1.0, 3.0])).tolist() == [0, 0, 26, 255, 255]


@lru_cache(maxsize=1)
def read_dataset(root: Path, name: str) -> tuple[list[str], list[torch.Tensor], list[torch.Tensor]]:
    a, b = (root / "data" / "test" / name / folder for folder in FOLDERS[name])
    names = sorted(path.name for path in a.iterdir())
    return names, [read_grey(a / n) for n in names], [read_grey(b / n) for n in names]


@pytest.mark.parametrize("rival", FORMULAS)
@pytest.mark.parametrize("dataset", FOLDERS)
def test_published_program_s_values(shared: Path, dataset: str, rival: str) -> None:
    """Means over all pairs and five pairs each; of the large RoadScene pictures only `screen` is averaged."""
    reference = json.loads((shared / "reference" / "metric_values.json").read_text())
    columns = [name.replace("SSIM_range255", "SSIM") for name in reference["columns"]]
    assert set(columns) == set(PUBLISHED)
    pairs = reference["pairs"][dataset][rival]
    averaged = dataset != "roadscene" or rival == "screen"

    rows = {}
    for name, a, b in zip(*read_dataset(shared, dataset)):
        if averaged or name in pairs:
            fused = stretch_to_8bit(RIVALS[rival](a / 255, b / 255)[None])
            rows[name] = [value.item() for value in measure_all(fused, a[None], b[None], columns).values()]
    for name, expected in pairs.items():
        np.testing.assert_allclose(rows[name], expected, rtol=2e-4, err_msg=name)
    if averaged:
        np.testing.assert_allclose(np.mean(list(rows.values()), axis=0), reference["means"][dataset][rival], rtol=2e-4)
