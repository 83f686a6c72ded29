import copy

import pytest
import torch

from monai_fusion.engines.full_matrix import FullMatrixAdam

CURVATURES = torch.tensor([1.0, 30.0, 1000.0])


def descend(optimizer_type, turn, steps=60, **settings):
    """Of a long valley that lies askew; the start is the same place in the valley."""
    weights = torch.nn.Parameter(turn.T @ torch.ones(3))
    optimizer = optimizer_type([weights], lr=0.05, **settings)
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * CURVATURES * (turn @ weights) ** 2).sum().backward()
        optimizer.step()
    return turn @ weights.detach()


def rotation(seed):
    return torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(seed)))[0]


def test_of_one_parameter_it_is_adam():
    ours, theirs = (torch.nn.Parameter(torch.tensor([2.0])) for _ in range(2))
    optimizers = FullMatrixAdam([ours], lr=0.1, eps=0), torch.optim.Adam([theirs], lr=0.1, betas=(0.9, 0.99), eps=0)
    for _ in range(20):
        for weight, optimizer in zip((ours, theirs), optimizers):
            optimizer.zero_grad()
            (weight**4 + weight).sum().backward()
            optimizer.step()
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)


def test_the_first_step_is_along_the_gradient_and_as_long_as_the_learning_rate():
    weights = [torch.nn.Parameter(torch.zeros(2, 2)), torch.nn.Parameter(torch.zeros(3))]
    optimizer = FullMatrixAdam(weights, lr=0.5, eps=0.25)
    gradient = torch.tensor([3.0, 0, 0, 0, 0, 4, 0])
    (torch.cat([w.flatten() for w in weights]) * gradient).sum().backward()
    optimizer.step()
    moved = torch.cat([w.detach().flatten() for w in weights])
    torch.testing.assert_close(moved, -0.5 / 1.25 * gradient / 5, atol=1e-5, rtol=0)


def test_it_does_not_matter_how_the_parameters_are_turned():
    straight = descend(FullMatrixAdam, torch.eye(3))
    for seed in range(3):
        torch.testing.assert_close(descend(FullMatrixAdam, rotation(seed)), straight, atol=5e-3, rtol=0)  # float32
    adam = torch.stack([descend(torch.optim.Adam, rotation(seed)) for seed in range(3)])
    assert (adam - descend(torch.optim.Adam, torch.eye(3))).abs().max() > 0.02  # to Adam it does


def test_goes_on_from_a_checkpoint_bit_for_bit():
    def run(weights, optimizer, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            (weights**2).sum().sin().backward()
            optimizer.step()

    whole = torch.nn.Parameter(torch.linspace(0.1, 0.5, 6))
    optimizer = FullMatrixAdam([whole], lr=0.01)
    run(whole, optimizer, 5)
    resumed = torch.nn.Parameter(whole.detach().clone())
    other = FullMatrixAdam([resumed], lr=0.01)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(whole, optimizer, 5)
    run(resumed, other, 5)
    assert torch.equal(whole, resumed)


def test_one_group_only():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(2)]
    with pytest.raises(ValueError, match="give one"):
        FullMatrixAdam(groups)
