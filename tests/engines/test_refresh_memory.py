import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from monai_fusion.engines import RefreshMemory
from monai_fusion.engines.refresh_memory import ssim_score
from monai_fusion.errors import InputError
from monai_fusion.metrics import compute_gmsd

INDEX = torch.tensor([4, 1, 2])


@pytest.fixture(scope="module")
def sources():
    """Three smooth pairs, ``(3, 1, 32, 32)``."""
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.random((2, 3, 1, 32, 32)), (0, 0, 0, 2, 2))
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return torch.from_numpy(smooth[0]).float(), torch.from_numpy(smooth[1]).float()


def noisy(sources, strengths):
    """The mean of the sources with noise of a strength for each patch: the more, the worse are both scores."""
    mean = (sources[0] + sources[1]) / 2
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(1))
    return mean + noise * torch.tensor(strengths).view(-1, 1, 1, 1)


def scores(fused, sources):
    return ssim_score(fused, *sources), compute_gmsd(fused * 255, sources[0] * 255, sources[1] * 255)


def test_ssim_against_scikit_image(sources):
    from skimage.metrics import structural_similarity

    fused = noisy(sources, [0.05, 0.1, 0.02])
    for n, score in enumerate(ssim_score(fused, *sources)):
        expected = 0.0
        for source in sources:
            _, similarity = structural_similarity(
                fused[n, 0].numpy(), source[n, 0].numpy(), data_range=1.0, gaussian_weights=True, sigma=1.5,
                truncate=3.3, use_sample_covariance=False, full=True,
            )  # fmt: skip
            expected += similarity[5:-5, 5:-5].mean()
        assert score.item() == pytest.approx(expected, rel=1e-4)


def test_first_meeting_only_records(sources):
    memory, fused = RefreshMemory(6), noisy(sources, [0.1, 0.05, 0.0])
    records = memory.refresh(INDEX, fused, *sources)
    assert (records.ssim_gap == 0).all()
    assert (records.gmsd_gap == 0).all()
    torch.testing.assert_close(records.best_ssim, fused, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(records.best_gmsd, fused, rtol=1e-3, atol=1e-4)
    assert memory.scores["ssim"].isnan().tolist() == [True, False, False, True, False, True]


def test_by_patch_the_better_stays(sources):
    memory = RefreshMemory(6)
    first, second = noisy(sources, [0.1, 0.02, 0.05]), noisy(sources, [0.05, 0.1, 0.02])
    memory.refresh(INDEX, first, *sources)
    records = memory.refresh(INDEX, second, *sources)
    (s1, g1), (s2, g2) = scores(first, sources), scores(second, sources)
    assert (s2 > s1).tolist() == [True, False, True]
    torch.testing.assert_close(records.ssim_gap, torch.tensor([0, (s1 - s2)[1], 0]))
    torch.testing.assert_close(records.gmsd_gap, (g2 - g1).clamp_min(0))
    kept = torch.stack([second[0], first[1], second[2]])
    torch.testing.assert_close(records.best_ssim, kept, rtol=1e-3, atol=1e-4)
    kept = torch.where((g2 < g1).view(-1, 1, 1, 1), second, first)
    torch.testing.assert_close(records.best_gmsd, kept, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(memory.scores["ssim"][INDEX], torch.stack([s2[0], s1[1], s2[2]]))


def test_the_two_records_of_a_patch_are_apart(sources):
    """A blurred output loses SSIM less than gradients; an output with a jump loses the other way round."""
    memory = RefreshMemory(6)
    first = noisy(sources, [0.03] * 3)
    memory.refresh(INDEX, first, *sources)
    s1, g1 = scores(first, sources)
    brighter = (sources[0] + sources[1]) / 2 + 0.6
    s2, g2 = scores(brighter, sources)
    assert (g2 < g1).all()
    assert (s2 < s1).all()
    records = memory.refresh(INDEX, brighter, *sources)
    torch.testing.assert_close(records.best_gmsd, brighter, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(records.best_ssim, first, rtol=1e-3, atol=1e-3)
    assert (records.gmsd_gap == 0).all()
    assert (records.ssim_gap > 0).all()


def test_by_batch_the_mean_decides_and_gaps_are_multiplied(sources):
    memory = RefreshMemory(6, decision="batch", gap_factor=10)
    first, second = noisy(sources, [0.02, 0.02, 0.1]), noisy(sources, [0.1, 0.1, 0.02])
    memory.refresh(INDEX, first, *sources)
    records = memory.refresh(INDEX, second, *sources)
    (s1, _), (s2, _) = scores(first, sources), scores(second, sources)
    assert s2[2] > s1[2]
    assert s2.mean() < s1.mean()
    torch.testing.assert_close(records.ssim_gap, ((s1 - s2).mean() * 10).expand(3), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(records.best_ssim, first, rtol=1e-3, atol=1e-4)
    records = memory.refresh(INDEX, noisy(sources, [0.0, 0.0, 0.11]), *sources)
    assert (records.ssim_gap == 0).all()


@pytest.mark.parametrize(("storage", "tolerance", "bytes_each"), [("float16", 5e-4, 2), ("uint8", 1 / 510, 1)])
def test_storage(sources, storage, tolerance, bytes_each):
    memory, fused = RefreshMemory(6, storage=storage), (sources[0] + sources[1]) / 2
    records = memory.refresh(INDEX, fused, *sources)
    assert (records.best_ssim - fused).abs().max() <= tolerance + 1e-6
    stored = sum(image.nbytes for image in memory.images.values())
    assert stored == 6 * 32 * 32 * 2 * bytes_each
    assert stored / 6 / 32 / 32 * 128 * 128 * 16000 <= 1.05e9  # the paper's training set, 0.98 GiB


def test_a_checkpoint_brings_it_back(sources, tmp_path):
    memory = RefreshMemory(6)
    memory.refresh(INDEX, noisy(sources, [0.1, 0.02, 0.05]), *sources)
    torch.save(memory.state_dict(), tmp_path / "memory.pt")
    other = RefreshMemory(6)
    other.load_state_dict(torch.load(tmp_path / "memory.pt", weights_only=True))
    second = noisy(sources, [0.05, 0.1, 0.02])
    expected, got = memory.refresh(INDEX, second, *sources), other.refresh(INDEX, second, *sources)
    for name in ("best_ssim", "best_gmsd", "ssim_gap", "gmsd_gap"):
        assert torch.equal(getattr(got, name), getattr(expected, name))
    with pytest.raises(InputError, match="6 patches as float16, this run 5"):
        RefreshMemory(5).load_state_dict(memory.state_dict())


def test_unknown_settings():
    with pytest.raises(InputError, match="patch, batch"):
        RefreshMemory(1, decision="image")
