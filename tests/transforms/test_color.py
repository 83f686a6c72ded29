from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

from monai_fusion.errors import InputError
from monai_fusion.transforms.color import COLOR_MAPS, ColorizeFusedd, SplitChromad, color_table, rgb_to_ycc, ycc_to_rgb


def all_colours() -> torch.Tensor:
    """Every 5th value of each of 256^3 colours, ``(3, N)`` uint8."""
    steps = torch.arange(0, 256, 5, dtype=torch.uint8)
    return torch.stack([c.ravel() for c in torch.meshgrid(steps, steps, steps, indexing="ij")])


def test_round_trip_is_exact() -> None:
    rgb = all_colours()
    back = ycc_to_rgb(*rgb_to_ycc(rgb.double() / 255))
    assert (back - rgb.double() / 255).abs().max() < 1e-9
    back = ycc_to_rgb(*rgb_to_ycc(rgb.float() / 255))
    assert torch.equal((back * 255).round().to(torch.uint8), rgb)


def test_luma_and_chroma_are_jpegs() -> None:
    """Against Pillow's YCbCr, which is BT.601 full range in 8 bit."""
    rgb = all_colours()
    picture = Image.fromarray(rgb.T[None].contiguous().numpy()).convert("YCbCr")
    expected = torch.from_numpy(np.array(picture)[0]).double().T
    luma, chroma = rgb_to_ycc(rgb.double() / 255)
    assert (luma[0] * 255 - expected[0]).abs().max() < 1.01
    assert (chroma * 255 + 128 - expected[1:]).abs().max() < 1.01


def test_colour_never_bends_the_luma() -> None:
    generator = torch.Generator().manual_seed(0)
    luma = torch.rand(1, 5000, generator=generator, dtype=torch.float64)
    _, chroma = rgb_to_ycc(torch.rand(3, 5000, generator=generator, dtype=torch.float64))
    rgb = ycc_to_rgb(luma, chroma)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    shown, shown_chroma = rgb_to_ycc(rgb)
    torch.testing.assert_close(shown, luma, atol=1e-9, rtol=0)
    parallel = chroma[0] * shown_chroma[1] - chroma[1] * shown_chroma[0]
    assert parallel.abs().max() < 1e-9  # the hue


@pytest.mark.parametrize("name", COLOR_MAPS)
def test_maps_begin_black(name: str) -> None:
    table = color_table(name)
    assert table.shape == (256, 3)
    assert table[0].max() == 0
    assert table.max() <= 1


def test_hot_iron_is_the_standards() -> None:
    """DICOM PS3.6 Table B.1-1: red rises to full at 128, then green, then blue."""
    table = (color_table("hot_iron") * 255).round().int()
    assert table[64].tolist() == [128, 0, 0]
    assert table[128].tolist() == [255, 0, 0]
    assert table[255].tolist() == [255, 255, 255]


def test_rainbow_turns_from_blue_to_red() -> None:
    hues = [colorsys.rgb_to_hsv(*colour.tolist())[0] for colour in color_table("rainbow")[16:]]
    assert hues == sorted(hues, reverse=True)
    assert hues[-1] == 0


def test_unknown_map() -> None:
    with pytest.raises(InputError, match="choose one of hot_iron"):
        color_table("jet")


def test_scalar_uptake_takes_its_chroma_from_the_map() -> None:
    fused = MetaTensor(torch.full((1, 3, 3, 2), 0.4))
    image = torch.zeros(2, 3, 3, 2)
    image[1, 0] = 128 / 255
    color = ColorizeFusedd("pred", color_map="hot_iron")({"pred": fused, "image": image})["fused_color"]
    assert (color[:, 1:] == 102).all()  # no uptake: grey 0.4
    luma, chroma = rgb_to_ycc(color[:, 0, 0, 0].as_tensor()[:, None].double() / 255)
    assert abs(luma.item() - 0.4) < 1 / 255
    _, red = rgb_to_ycc(torch.tensor([[1.0], [0], [0]], dtype=torch.float64))
    torch.testing.assert_close(chroma / chroma.norm(), red / red.norm(), atol=0.01, rtol=0)


def test_colour_picture_keeps_its_chroma() -> None:
    rgb = torch.rand(3, 8, 9)
    split = SplitChromad("functional")({"functional": MetaTensor(rgb)})
    assert split["functional"].shape == (1, 8, 9)
    data = {"pred": MetaTensor(split["functional"]), "image": torch.zeros(2, 8, 9), "chroma": split["chroma"]}
    color = ColorizeFusedd("pred")(data)["fused_color"]
    torch.testing.assert_close(color.float() / 255, MetaTensor(rgb), atol=0.5 / 255 + 1e-5, rtol=0, check_dtype=False)
