"""The lesion term against `measure_conspicuity`, given the same spots one at a time."""

import numpy as np
import pytest
import torch

from monai_fusion.losses.lesion_retention import LesionRetention
from monai_fusion.metrics import conspicuity
from monai_fusion.metrics.spots import Spot
from monai_fusion.networks import FusionStudent


@pytest.fixture
def crops():
    """Two sources with texture and dark places, on black."""
    noise = torch.rand(2, 2, 96, 96, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    smooth = torch.nn.functional.avg_pool2d(noise, 7, stride=1, padding=3)
    images = ((smooth - 0.35).clamp(0, 0.3) / 0.3).clamp(0, 1)
    images[..., :25] = 0
    return images


@pytest.fixture
def student():
    torch.manual_seed(0)
    return FusionStudent().double().eval()


def fuse_all(student, spots, crops):
    return student(crops).clamp(0, 1), torch.stack([student(image).clamp(0, 1) for image in spots.spotted])


def one_spot(center, radius, sign, head):
    """A spot by the benchmark's definition, its window the whole image."""
    distance = torch.from_numpy(np.hypot(*(np.indices(head.shape) - center[:, None, None])))
    factor = 1 + sign * 0.35 * torch.exp(-(distance**2) / (2 * radius**2)) * (distance < 2.5 * radius)
    ring = (distance > 2 * radius) & (distance < 4 * radius) & head
    return Spot(radius, factor, (slice(0, 96), slice(0, 96)), distance < radius, ring)


def test_equals_the_benchmark_for_the_same_spots(crops, student, monkeypatch):
    index = torch.tensor([3, 11])
    term = LesionRetention(seed=5)
    with torch.no_grad():
        spots = term.draw(crops, index)
        kept = spots.kept(*fuse_all(student, spots, crops)).abs()
    centers, radii, signs = term.places(index, 96, 96)
    compared = 0
    for n, (mri, functional) in enumerate(crops):
        head = (mri > 0.1) & (functional > 0.2)
        for k in range(9):
            row, column = centers[n, k].astype(int)
            spot = one_spot(centers[n, k], radii[n, k], signs[n, k], head)
            if not head[row, column] or spot.ring.sum() < 40:
                assert not spots.valid[:, n, k].any()
                continue
            monkeypatch.setattr(conspicuity, "draw_spots", lambda *_, spot=spot: [spot])
            result = conspicuity.measure_conspicuity(
                lambda a, b: student(torch.cat([a, b], 1)), mri[None, None], functional[None, None], 0
            )
            for s, lesions in enumerate((result.mri, result.functional)):
                assert spots.valid[s, n, k] == bool(lesions.count)
                if lesions.count:
                    assert kept[s, n, k].item() == pytest.approx(lesions.values[0], rel=1e-4)
                    compared += 1
    assert compared >= 10


def test_depends_on_seed_and_index_alone(crops):
    both = LesionRetention(seed=1).draw(crops, torch.tensor([7, 8]))
    swapped = LesionRetention(seed=1).draw(crops.flip(0), torch.tensor([8, 7]))
    torch.testing.assert_close(both.spotted, swapped.spotted.flip(1), rtol=0, atol=0)
    other = LesionRetention(seed=2).draw(crops, torch.tensor([7, 8]))
    assert not torch.equal(both.spotted, other.spotted)


def test_loss_of_a_source_alone(crops):
    """A copy of source 0 keeps all of its lesions and none of the other's; beyond 1 both lack as much more."""
    spots = LesionRetention().draw(crops, torch.tensor([0, 1]))
    copy = (crops[:, :1], spots.spotted[:, :, :1])
    assert spots.valid.sum(dim=(1, 2)).min() >= 4
    assert LesionRetention(target=1.0)(spots, *copy).tolist() == pytest.approx([0, 1], abs=1e-6)
    assert LesionRetention(target=1.5)(spots, *copy).tolist() == pytest.approx([0.25, 2.25], abs=1e-6)


def test_inverted_lesions_count_less_than_lost_ones(crops):
    spots = LesionRetention().draw(crops, torch.tensor([0, 1]))
    inverted = LesionRetention(target=1.0)(spots, 1 - crops[:, :1], 1 - spots.spotted[:, :, :1])
    assert inverted[0].item() == pytest.approx(4, abs=1e-5)


def test_black_crops_have_no_lesions_and_no_gradient(student):
    black = torch.zeros(1, 2, 64, 64, dtype=torch.float64)
    spots = LesionRetention().draw(black, torch.tensor([0]))
    assert not spots.valid.any()
    loss = LesionRetention()(spots, *fuse_all(student, spots, black)).sum()
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad.abs().max() == 0 for p in student.parameters())
