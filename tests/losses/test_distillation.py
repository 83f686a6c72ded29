import numpy as np
import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.losses import DistillationLoss


@pytest.fixture(scope="module")
def stages():
    """Of a student and a teacher, a batch of three."""
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.rand(3, 4, 6, 5, generator=generator), torch.rand(3, 1, 6, 5, generator=generator)) for _ in range(2)
    ]


def unit(vector):
    return vector / np.linalg.norm(vector)


def test_the_papers_formula(stages):
    student, teacher = ([m.numpy().astype(float) for m in side] for side in stages)
    expected = np.mean(
        [
            0.5
            * sum(
                np.linalg.norm(unit(t[n].sum(0).ravel()) - unit(s[n].sum(0).ravel())) for s, t in zip(student, teacher)
            )
            for n in range(3)
        ]
    )
    assert DistillationLoss()(*stages).item() == pytest.approx(expected, rel=1e-6)


def test_the_published_formula(stages):
    student, teacher = ([m.numpy().astype(float) for m in side] for side in stages)
    distances = [unit(t.sum(1).ravel()) - unit(s.sum(1).ravel()) for s, t in zip(student, teacher)]
    expected = 0.5 * sum(np.linalg.norm(d) ** 2 for d in distances)
    assert DistillationLoss(norm="batch")(*stages).item() == pytest.approx(expected, rel=1e-6)


def test_not_digestible_compares_the_maps_themselves(stages):
    student, teacher = stages
    expected = 0.5 * sum(((s - t) ** 2).mean() for s, t in zip(student, teacher))
    assert DistillationLoss(digestible=False)(student, teacher).item() == pytest.approx(expected.item(), rel=1e-6)


def test_digestible_does_not_see_scale_or_how_channels_share(stages):
    student, _ = stages
    teacher = (student[0][:, [2, 3, 0, 1]] * 7, student[1] * 0.5)
    assert DistillationLoss()(student, teacher).item() == pytest.approx(0, abs=1e-6)
    assert DistillationLoss(digestible=False)(student, teacher).item() > 0.1


@pytest.mark.parametrize("norm", ["sample", "batch"])
def test_gradients(stages, norm):
    student, teacher = ([m[:, :, :3, :3].double() for m in side] for side in stages)
    loss = DistillationLoss(norm)
    for m in student:
        m.requires_grad_()
    assert torch.autograd.gradcheck(lambda maps, out: loss((maps, out), tuple(teacher)), tuple(student))


def test_black_maps_and_equal_ones_have_a_gradient():
    black = torch.zeros(1, 4, 3, 3, requires_grad=True), torch.zeros(1, 1, 3, 3, requires_grad=True)
    DistillationLoss()(black, tuple(m.detach() for m in black)).backward()
    assert all(m.grad.isfinite().all() for m in black)


def test_unknown_norm():
    with pytest.raises(InputError, match="sample or batch"):
        DistillationLoss(norm="image")
