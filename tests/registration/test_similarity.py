from __future__ import annotations

import numpy as np
import pytest
from conftest import motion
from skimage.metrics import normalized_mutual_information

from monai_fusion.registration.similarity import Similarity, mean_distance
from monai_fusion.registration.volume import Volume


def volume(array: np.ndarray) -> Volume:
    return Volume(array.astype(np.float32), np.diag([2.0, 3, 4, 1]))


def test_an_image_determines_itself() -> None:
    levels = volume(np.random.default_rng(0).integers(0, 32, (20, 20, 20)))
    assert Similarity(levels, levels)(np.eye(4)) == (pytest.approx(2.0), 1.0)


def test_agrees_with_scikit_image_where_both_images_are() -> None:
    """A shift by two voxels leaves the common part."""
    rng = np.random.default_rng(1)
    fixed = rng.integers(0, 32, (20, 20, 20))
    moving = (fixed // 3 + rng.integers(0, 5, fixed.shape)) * 2.0
    fixed[0, 0, 0], fixed[0, 0, 1] = 0, 31
    shift = np.eye(4)
    shift[0, 3] = 4.0
    similarity, share = Similarity(volume(fixed), volume(moving))(shift)
    # all 32 levels of both stay in the common part, so that both programs cut the same bins
    expected = normalized_mutual_information(fixed[:18], moving[2:], bins=32)
    assert similarity == pytest.approx(expected, abs=1e-3)
    assert share == pytest.approx(18 / 20)


def test_nothing_in_common_is_no_similarity() -> None:
    image = volume(np.random.default_rng(0).integers(0, 32, (9, 9, 9)))
    assert Similarity(image, image)(motion((0, 0, 0), (500, 0, 0))) == (0.0, 0.0)


def test_mean_distance_of_a_turn() -> None:
    """Points on a circle of radius r move by the chord 2 r sin(a / 2); a shift along the axis adds at a right angle."""
    angles = np.linspace(0, 2 * np.pi, 100)
    circle = 50 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=-1)
    chord = 2 * 50 * np.sin(np.deg2rad(10) / 2)
    found = mean_distance(motion((0, 0, 10), (0, 0, 3)), np.eye(4), circle)
    assert found == pytest.approx(np.hypot(chord, 3), rel=1e-9)
