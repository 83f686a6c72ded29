from __future__ import annotations

import pytest
import torch

from monai_fusion.networks import FusionStudent
from monai_fusion.networks.attribution import attribute_sources


@pytest.mark.parametrize("hidden", [2, 4, 6])
def test_the_parts_sum_to_the_whole(hidden: int) -> None:
    """Random weights and images, against the network's own output before the tanh."""
    for seed in range(20):
        torch.manual_seed(seed)
        student = FusionStudent(hidden)
        image = torch.rand(2, 2, 3 + seed, 17)
        sources, rest = attribute_sources(student, image)
        with torch.no_grad():
            whole = student.output(torch.relu(student.hidden(image)))
        torch.testing.assert_close(sources.sum(dim=1, keepdim=True) + rest, whole, atol=1e-5, rtol=0)


def test_it_is_the_gradient_times_the_input() -> None:
    """Of a piecewise linear function: autograd gives the same split at every pixel."""
    torch.manual_seed(0)
    student = FusionStudent().double()
    image = torch.rand(1, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    sources, _ = attribute_sources(student, image)
    before = student.output(torch.relu(student.hidden(image)))
    for row, column in ((0, 0), (2, 3), (5, 6)):
        [gradient] = torch.autograd.grad(before[0, 0, row, column], image, retain_graph=True)
        expected = (gradient * image).sum(dim=(2, 3))[0]
        torch.testing.assert_close(sources[0, :, row, column], expected.detach())


def test_an_empty_source_contributes_nothing() -> None:
    image = torch.rand(1, 2, 9, 9)
    image[:, 1] = 0
    sources, _ = attribute_sources(FusionStudent(), image)
    assert (sources[:, 1] == 0).all()
