import hashlib

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from monai_fusion.errors import InputError
from monai_fusion.networks import open_vgg
from monai_fusion.networks import vgg as module
from monai_fusion.networks.vgg import VGG16_CAFFE, VGG19_TORCHVISION, VGGFeatures

#: What torchvision calls the convolutions of its VGG-19, and their sizes (its configuration "E").
TORCHVISION_VGG19 = [
    (0, 64, 3), (2, 64, 64), (5, 128, 64), (7, 128, 128), (10, 256, 128), (12, 256, 256), (14, 256, 256),
    (16, 256, 256), (19, 512, 256), (21, 512, 512), (23, 512, 512), (25, 512, 512), (28, 512, 512), (30, 512, 512),
    (32, 512, 512), (34, 512, 512),
]  # fmt: skip


@pytest.fixture(scope="module")
def vgg19_state():
    generator = torch.Generator().manual_seed(0)
    state = {}
    for i, out_channels, in_channels in TORCHVISION_VGG19:
        state[f"features.{i}.weight"] = torch.randn(out_channels, in_channels, 3, 3, generator=generator) * 0.03
        state[f"features.{i}.bias"] = torch.randn(out_channels, generator=generator) * 0.1
    return state


@pytest.fixture(scope="module")
def vgg19_file(vgg19_state, tmp_path_factory):
    """As published: with the classifier's layers in it too, and its hash in its name."""
    folder = tmp_path_factory.mktemp("vgg")
    torch.save({**vgg19_state, "classifier.0.weight": torch.zeros(2, 2)}, folder / "vgg19.pth")
    digest = hashlib.sha256((folder / "vgg19.pth").read_bytes()).hexdigest()
    return (folder / "vgg19.pth").rename(folder / f"vgg19-{digest[:8]}.pth")


def by_hand(state, blocks, image):
    """Each tap by a pass of its own from the input, in float64."""
    taps = []
    for last in range(1, len(blocks) + 1):
        x, position = image.double().repeat(1, 3, 1, 1), 0
        for block in range(last):
            for _ in range(blocks[block]):
                weight, bias = (state[f"features.{position}.{part}"].double() for part in ("weight", "bias"))
                x = F.conv2d(x, weight, bias, padding=1).clamp_min(0)
                position += 2
            if block < last - 1:
                x = F.max_pool2d(x, 2)
            position += 1
        taps.append(x)
    return taps


def test_vgg19_taps_before_every_pooling(vgg19_state, vgg19_file):
    image = torch.rand(2, 1, 32, 48, generator=torch.Generator().manual_seed(1))
    taps = open_vgg(vgg19_file)(image)
    expected = by_hand(vgg19_state, (2, 2, 4, 4, 4), image)
    assert [tuple(t.shape[1:]) for t in taps] == [(64, 32, 48), (128, 16, 24), (256, 8, 12), (512, 4, 6), (512, 2, 3)]
    for tap, reference in zip(taps, expected):
        torch.testing.assert_close(tap.double(), reference, rtol=1e-3, atol=1e-5)


def test_some_blocks_are_those_of_all(vgg19_file):
    vgg = open_vgg(vgg19_file)
    image = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(2))
    every = vgg(image)
    for blocks in ((1, 2, 3), (4, 5), (2,)):
        for tap, block in zip(vgg(image, blocks), blocks, strict=True):
            assert torch.equal(tap, every[block - 1])


def test_the_published_file_is_fetched_and_its_hash_checked(vgg19_file, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    fetch = module._fetch
    assert set(fetch(vgg19_file.as_uri())) > {"features.0.weight", "features.34.bias"}
    changed = tmp_path / "vgg19-00000000.pth"
    changed.write_bytes(vgg19_file.read_bytes())
    with pytest.raises(InputError, match=r"could not be fetched.*--vgg_weights"):
        fetch(changed.as_uri())
    with pytest.raises(InputError, match="could not be fetched"):
        fetch((tmp_path / "none" / "vgg19-12345678.pth").as_uri())
    assert VGG19_TORCHVISION.url.endswith("vgg19-dcbb9e9d.pth")


def test_vgg16_in_caffes_convention(tmp_path):
    generator = torch.Generator().manual_seed(3)
    arrays, state, in_channels, position = {}, {}, 3, 0
    for block, (count, out_channels) in enumerate(zip((2, 2, 3, 3, 3), (64, 128, 256, 512, 512)), start=1):
        for i in range(1, count + 1):
            weight = (torch.randn(out_channels, in_channels, 3, 3, generator=generator) * 0.03).half()
            bias = (torch.randn(out_channels, generator=generator) * 0.1).half()
            arrays |= {f"block{block}_conv{i}_w": weight.numpy(), f"block{block}_conv{i}_b": bias.numpy()}
            state |= {f"features.{position}.weight": weight, f"features.{position}.bias": bias}
            in_channels, position = out_channels, position + 2
        position += 1
    np.savez(tmp_path / "vgg16.npz", **arrays)
    image = torch.rand(1, 1, 32, 32, generator=generator)
    taps = open_vgg(tmp_path / "vgg16.npz")(image)

    blue_green_red = torch.cat([image.double() * 255 - mean for mean in (103.939, 116.779, 123.68)], dim=1)
    x = F.conv2d(blue_green_red, state["features.0.weight"].double(), state["features.0.bias"].double(), padding=1)
    x = F.conv2d(
        x.clamp_min(0), state["features.2.weight"].double(), state["features.2.bias"].double(), padding=1
    ).clamp_min(0)
    torch.testing.assert_close(taps[0].double() / VGG16_CAFFE.feature_scale, x, rtol=1e-3, atol=1e-2)
    assert len(taps) == 5
    assert taps[4].shape == (1, 512, 2, 2)


def test_it_stays_frozen():
    vgg = VGGFeatures(VGG16_CAFFE)
    assert not vgg.train().training
    assert not any(p.requires_grad for p in vgg.parameters())


def test_what_is_no_such_file(tmp_path, vgg19_state):
    with pytest.raises(InputError, match="there is no such file"):
        open_vgg(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(InputError, match=r"text\.pth.*read safely"):
        open_vgg(tmp_path / "text.pth")
    (tmp_path / "text.npz").write_text("no weights")
    with pytest.raises(InputError, match=r"text\.npz"):
        open_vgg(tmp_path / "text.npz")
    torch.save({k: v for k, v in vgg19_state.items() if "34" not in k}, tmp_path / "short.pth")
    with pytest.raises(InputError, match=r"short\.pth.*features\.34"):
        open_vgg(tmp_path / "short.pth")
    with pytest.raises(InputError, match="16x16"):
        VGGFeatures(VGG16_CAFFE)(torch.zeros(1, 1, 15, 32))


def test_the_stand_in_of_this_project(shared):
    vgg = open_vgg(shared / "weights" / "vgg16_imagenet_fp16.npz")
    taps = vgg(torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(4)))
    rms = [tap.square().mean().sqrt().item() for tap in taps]
    assert 0.05 < rms[0] < 2
    assert all(r > 1e-4 for r in rms)
