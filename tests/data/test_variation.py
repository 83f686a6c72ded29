import math

import pytest
import torch

from monai_fusion.data.variation import VaryPairs


@pytest.fixture
def pair():
    return torch.rand(2, 96, 80, generator=torch.Generator().manual_seed(0))


def vary(pair, seed, **settings):
    return VaryPairs(**settings)(pair, torch.Generator().manual_seed(seed))


def many(pair, count=60, **settings):
    return torch.stack([vary(pair, seed, **settings) for seed in range(count)])


def test_shape_range_and_repeatability(pair):
    before = pair.clone()
    varied = many(pair)
    assert varied.shape == (60, 2, 96, 80)
    assert varied.dtype == torch.float32
    assert varied.min() == 0
    assert varied.max() <= 1
    assert torch.equal(pair, before)
    assert torch.equal(varied, many(pair))
    assert len(torch.unique(varied.flatten(1), dim=0)) == 60


@pytest.mark.parametrize(
    ("look", "blur"), [({}, (0.8, 2.8)), ({"bright": 1.0}, (0.5, 1.5)), ({"both_bright": 1.0}, (1.5, 2.8))]
)
def test_channel_0_is_sharp_and_channel_1_is_smooth(pair, look, blur):
    """White noise stays white in channel 0; a Gaussian of sigma leaves neighbours a correlation of exp(-1/(4 sigma²)),
    from which clipping and folding take a little."""
    varied = many(pair, surround=0, **look)

    def neighbours(image):
        return torch.corrcoef(torch.stack([image[:, 1:].flatten(), image[:, :-1].flatten()]))[0, 1]

    sharp, smooth = (torch.stack([neighbours(image) for image in varied[:, channel]]) for channel in (0, 1))
    least, most = (math.exp(-1 / (4 * sigma**2)) for sigma in blur)
    sigmas = torch.linspace(*blur, 1000)
    assert sharp.abs().max() < 0.06
    assert smooth.max() == pytest.approx(most, abs=0.03)
    assert smooth.mean() == pytest.approx((-1 / (4 * sigmas**2)).exp().mean().item(), abs=0.12)
    assert smooth.min() < least + 0.03


def test_the_bright_look_makes_channel_1_the_brighter(pair):
    """Always where it is asked for; without it, either is."""

    def brighter(**settings):
        means = many(pair, surround=0, **settings).mean(dim=(2, 3))
        return (means[:, 1] > means[:, 0]).float().mean()

    assert brighter(bright=1.0) > 0.9
    assert 0.4 < brighter() < 0.8


def test_both_are_bright_where_that_is_asked_for(pair):
    """What is brighter than three quarters of the picture is above 0.6 in either channel, in most crops."""

    def bright(**settings):
        quartiles = many(pair, surround=0, **settings).flatten(2).quantile(0.75, dim=2)
        return (quartiles.amin(dim=1) > 0.6).float().mean()

    assert bright(both_bright=1.0) > 0.6
    assert bright() < 0.3
    assert bright(bright=1.0) < 0.1


def test_looks_are_drawn_by_their_shares(pair):
    """One look alone as it is; of two, each by its share; a look with a share of 0 changes nothing of the draws."""

    def looks(**settings):
        crops = many(pair, count=100, surround=0, **settings)
        alone = [many(pair, count=100, surround=0, **only) for only in ({"bright": 1.0}, {"both_bright": 1.0})]
        return [(crops == other).flatten(1).all(dim=1).float().mean().item() for other in alone]

    assert looks(bright=1.0) == [1, 0]
    assert looks(both_bright=1.0) == [0, 1]
    assert looks(bright=0.3, both_bright=0.5) == pytest.approx([0.3, 0.5], abs=0.12)


def test_either_picture_becomes_either_channel():
    """The visible picture is flat, the infrared one is not: about half of the channels 0 are flat."""
    pair = torch.stack([torch.full((64, 64), 0.5), torch.linspace(0, 1, 64).expand(64, 64)])
    varied = many(pair, noise=0, surround=0)
    flat = (varied[:, 0].amax(dim=(1, 2)) - varied[:, 0].amin(dim=(1, 2)) < 1e-6).float().mean()
    assert 0.3 < flat < 0.7


def test_the_surround_is_black_in_both(pair):
    varied = many(pair)
    corners = varied[..., [0, 0, -1, -1], [0, -1, 0, -1]]
    surrounded = (corners == 0).all(dim=(1, 2)).float().mean()
    assert surrounded > 0.75
    assert (many(pair, surround=0)[..., :3, :3] > 0).float().mean() > 0.3


def test_the_functional_image_lies_within_the_head():
    white = torch.ones(2, 96, 96) * torch.linspace(0.5, 1, 96)
    varied = many(white, noise=0, surround=1)
    mri, functional = (varied > 0.4).sum(dim=(2, 3)).unbind(dim=1)
    lit = (mri > 100) & (functional > 100)
    distance = torch.hypot(*torch.meshgrid(*[torch.linspace(-1, 1, 96)] * 2, indexing="ij"))
    reach = (distance * (varied > 0.4)).amax(dim=(2, 3))
    assert lit.sum() > 20
    assert (reach[lit, 1] < reach[lit, 0] + 0.2).all()


@pytest.mark.parametrize(("bright", "share"), [(0.0, 0.5), (1.0, 0.8)])
def test_folding_darkens_the_brightest_uptake(bright, share):
    """What is folded stays below the fold, which is 0.95 at most; without one, the ramp's end is as bright as drawn."""
    ramp = torch.linspace(0, 1, 96).expand(2, 96, 96)
    brightest = many(ramp, count=200, noise=0, surround=0, bright=bright)[:, 1].amax(dim=(1, 2))
    white = (brightest > 0.951).float().mean()
    drawn = {0.0: (1.2 - 0.95) / 0.7, 1.0: 1.0}[bright]  # of the unfolded, how many end above 0.95, about
    assert white == pytest.approx((1 - share) * drawn, abs=0.1)
