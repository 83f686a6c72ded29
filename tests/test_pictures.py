"""Two pictures in, one picture out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from runs import Run, luma, names, run, save_picture, sha256, smooth

import monai_fusion


def check_colour_picture(done: Run, fused: np.ndarray) -> None:
    assert names(done.out) == {"fused.png", "report.json"}
    picture = Image.open(done.out / "fused.png")
    assert picture.mode == "RGB"
    assert picture.size == Image.open(done.mri).size
    np.testing.assert_allclose(luma(np.asarray(picture)), fused, atol=1.5 / 255)


def test_a_colour_pair_gives_a_colour_picture(tmp_path: Path) -> None:
    mri = save_picture(tmp_path / "mri.png", smooth())
    colour = np.stack([smooth(1), smooth(2), smooth(3)], axis=-1)
    pet = save_picture(tmp_path / "pet.png", colour)
    done = run(mri, pet, tmp_path / "out")
    from_luma = tmp_path / "luma.tif"
    Image.fromarray(luma(colour).astype(np.float32)).save(from_luma)  # what is fused is the luma
    check_colour_picture(done, monai_fusion.fuse(mri, from_luma, functional_window=[0, 1]).fused)
    assert done.report["functional"]["sha256"] == sha256(pet)


def test_a_real_pair(shared: Path, tmp_path: Path) -> None:
    pair = [shared / "data" / "test" / "mri_pet" / role / "11.png" for role in ("MRI", "PET")]
    check_colour_picture(run(*pair, tmp_path / "out"), monai_fusion.fuse(*pair).fused)


def test_a_grey_pair_gives_a_grey_picture(tmp_path: Path) -> None:
    pair = save_picture(tmp_path / "mri.png", smooth()), save_picture(tmp_path / "pet.png", smooth(1))
    fused = monai_fusion.fuse(*pair, tmp_path / "out").fused
    picture = Image.open(tmp_path / "out" / "fused.png")
    assert (picture.mode, picture.size) == ("L", (83, 61))
    assert np.array_equal(np.asarray(picture), np.rint(fused * 255))


def test_sixteen_bits(tmp_path: Path) -> None:
    """65535 is 257 times 255: the same picture in sixteen bits fuses to the same."""
    pet = save_picture(tmp_path / "pet.png", smooth(1))
    eight = save_picture(tmp_path / "eight.png", smooth())
    sixteen = save_picture(tmp_path / "sixteen.png", smooth().astype(np.uint16) * 257)
    expected = monai_fusion.fuse(eight, pet).fused
    np.testing.assert_allclose(monai_fusion.fuse(sixteen, pet, mri_window=[0, 65535]).fused, expected, atol=1e-6)
    windowed = monai_fusion.fuse(sixteen, pet).report["intensity"]["mri"]  # black and white unknown: by percentile
    assert 255 < windowed["low"] < windowed["high"] <= 65535
