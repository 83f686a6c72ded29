from __future__ import annotations

import numpy as np
import pytest
import torch
from fusion_pairs import fused_pairs
from skimage.color import rgb2lab

from monai_fusion.errors import InputError
from monai_fusion.metrics import aggregate, measure_conspicuity
from monai_fusion.metrics.conspicuity_color import rgb_to_lab

Images = tuple[torch.Tensor, torch.Tensor]


def textured() -> Images:
    _, a, b = fused_pairs(1, 96, 96)
    return (a / 255).float(), (b / 255).float()


def as_grey(fused: torch.Tensor, functional: torch.Tensor) -> torch.Tensor:
    return fused.expand(-1, 3, -1, -1)


def as_red(fused: torch.Tensor, functional: torch.Tensor) -> torch.Tensor:
    """Uptake as red over a grey fused image."""
    return torch.cat([torch.maximum(fused, functional), fused, fused], dim=1)


def test_lab_is_skimages() -> None:
    rgb = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(0)).double()
    rgb[..., :2] *= 0.04  # the straight parts of sRGB and of Lab
    rgb[0, :, 0, 0] = 0
    expected = rgb2lab(rgb.numpy(), channel_axis=1)
    np.testing.assert_allclose(rgb_to_lab(rgb).numpy(), expected, atol=2e-3)
    grey = rgb[:, :1]
    torch.testing.assert_close(rgb_to_lab(grey), rgb_to_lab(grey.expand(-1, 3, -1, -1)))
    with pytest.raises(InputError, match="a picture of"):
        rgb_to_lab(rgb[:, :2])


def test_a_copy_of_a_source_keeps_its_lesions_in_colour() -> None:
    """The grey MRI is the MRI's own source, and the coloured functional image the functional image's."""
    mri, functional = textured()
    of_mri = measure_conspicuity(lambda a, b: a, mri, functional, 0, as_grey)
    of_functional = measure_conspicuity(lambda a, b: b, mri, functional, 0, as_red)
    assert of_mri.mri_color is not None
    assert of_mri.functional_color is not None
    assert of_functional.functional_color is not None
    assert of_functional.mri_color is not None
    assert of_mri.mri_color.count >= 3
    assert of_mri.mri_color.values == pytest.approx([1] * of_mri.mri.count, rel=1e-4)
    assert of_functional.functional_color.values == pytest.approx([1] * of_functional.functional.count, rel=1e-4)
    assert set(of_mri.functional_color.values) == set(of_functional.mri_color.values) == {0}
    assert of_mri.mri_color.radii == of_mri.mri.radii


def test_colour_alone_can_keep_a_lesion() -> None:
    """A fused image that has lost the functional lesions entirely: the chroma still shows them."""
    mri, functional = textured()
    result = measure_conspicuity(lambda a, b: a, mri, functional, 0, as_red)
    assert result.functional.kept == 0
    assert result.functional_color is not None
    assert result.functional_color.kept > 0.1


def test_contrast_in_lab_on_constant_sources() -> None:
    """By hand with scikit-image: without texture a lesion keeps the ratio of the distances of the mean colours."""
    mri, functional = torch.full((1, 1, 64, 64), 0.5), torch.full((1, 1, 64, 64), 0.4)
    seen: list[Images] = []

    def fuse(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        seen.append((a, b))
        return (a + b) / 2

    result = measure_conspicuity(fuse, mri, functional, 3, as_red)
    ((a, b),) = seen
    mean = (a + b) / 2
    assert result.mri_color is not None
    assert result.functional_color is not None
    for i, radius in enumerate(result.functional.radii):
        spotted = 2 + 2 * i
        peak = int((b[spotted] - b[0]).abs().argmax())
        y, x = torch.meshgrid(torch.arange(64) - peak // 64, torch.arange(64) - peak % 64, indexing="ij")
        core = (torch.hypot(y.float(), x.float()) < radius).numpy()
        distances = []
        for shown in (as_red(mean, b), as_red(b, b)):
            lab = rgb2lab(shown.double().numpy(), channel_axis=1)
            distances.append(np.linalg.norm((lab[spotted] - lab[0])[:, core].mean(axis=1)))
        assert result.functional_color.values[i] == pytest.approx(distances[0] / distances[1], rel=1e-3)


def test_colours_in_the_surroundings_count_as_noise() -> None:
    """Uptake of two levels in stripes, which the fused image does not show, but its colours do: their root mean square
    distance from the mean is half of that between the two, and 2 is added to it."""
    mri = torch.full((1, 1, 64, 64), 0.5)
    functional = torch.full((1, 1, 64, 64), 0.6)
    functional[..., ::2, :] = 0.9
    grey = measure_conspicuity(lambda a, b: a, mri, functional, 0, as_grey)
    red = measure_conspicuity(lambda a, b: a, mri, functional, 0, as_red)
    assert grey.mri_color is not None
    assert red.mri_color is not None
    assert red.mri.values == grey.mri.values
    assert grey.mri_color.kept == pytest.approx(1)

    def lab(fused: float, uptake: float) -> np.ndarray:
        return rgb2lab(np.array([max(fused, uptake), fused, fused]))

    noise = np.linalg.norm(lab(0.5, 0.6) - lab(0.5, 0.9)) / 2
    # a little darker or brighter: the colours' move against that of grey, near enough for these small spots
    moves = [
        np.linalg.norm((lab(value, 0.6) + lab(value, 0.9)) / 2 - (lab(0.5, 0.6) + lab(0.5, 0.9)) / 2)
        / np.linalg.norm(lab(value, value) - lab(0.5, 0.5))
        for value in (0.6, 0.4)
    ]
    assert red.mri_color.kept == pytest.approx(np.mean(moves) * 2 / (noise + 2), rel=0.1)


def test_columns() -> None:
    """Those of the colour output only where there is one."""
    mri, functional = textured()
    grey = measure_conspicuity(torch.maximum, mri, functional, 0)
    red = measure_conspicuity(torch.maximum, mri, functional, 0, as_red)
    assert (grey.mri, grey.functional, grey.false_structure) == (red.mri, red.functional, red.false_structure)
    assert red.mri_color is not None
    row = aggregate([red])
    assert list(row)[-4:] == ["kept_mri_color", "kept_functional_color", "lost_mri_color", "lost_functional_color"]
    assert row["kept_mri_color"] == red.mri_color.kept
    assert row["lost_mri_color"] == red.mri_color.lost
    assert not any(name.endswith("color") for name in aggregate([grey]))


def test_refuses_colours_of_another_shape() -> None:
    mri, functional = textured()
    with pytest.raises(InputError, match="the colour output is "):
        measure_conspicuity(torch.maximum, mri, functional, 0, lambda fused, functional: fused)
