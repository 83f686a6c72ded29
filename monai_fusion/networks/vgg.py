"""VGG features for the perceptual loss: the last activation before each max-pooling, in one pass.

K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from monai_fusion.errors import InputError

__all__ = ["VGG16_CAFFE", "VGG19_TORCHVISION", "VGGDescription", "VGGFeatures", "open_vgg"]

#: Channels of the five blocks, whatever the depth.
_CHANNELS = (64, 128, 256, 512, 512)


@dataclass(frozen=True)
class VGGDescription:
    """What has to be known of a file of weights beside its numbers.

    Attributes:
        name: for reports and model cards.
        convolutions: of each of the five blocks.
        scale: a grey level of 0 to 1 is multiplied by this, and
        mean: these are subtracted from its three copies.
        feature_scale: the features are multiplied by this. ReLU networks pass a factor on, so weights made for inputs
            of 0 to 255 have features of a magnitude of their own; with this factor the perceptual term stands to the
            intensity term as one to one where the fused image is the mean of two street scenes, and the loss weights of
            the paper keep a meaning.
        url: the published file; its name ends in the first digits of its SHA-256. None where there is none to fetch.
    """

    name: str
    convolutions: tuple[int, int, int, int, int]
    scale: float
    mean: tuple[float, float, float]
    feature_scale: float
    url: str | None = None


#: The paper's: relu1_2, relu2_2, relu3_4, relu4_4, relu5_4, fed with [0, 1] as the published program does, without the
#: mean and standard deviation of ImageNet.
VGG19_TORCHVISION = VGGDescription(
    name="VGG-19 (torchvision, ImageNet), input [0, 1]",
    convolutions=(2, 2, 4, 4, 4),
    scale=1.0,
    mean=(0.0, 0.0, 0.0),
    feature_scale=1.0,
    url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
)

#: Its stand-in: relu1_2, relu2_2, relu3_3, relu4_3, relu5_3 of weights in the convention of Caffe, which takes
#: blue, green, red of 0 to 255 less their means.
VGG16_CAFFE = VGGDescription(
    name="VGG-16 (Caffe convention, ImageNet), input BGR 0..255 less mean",
    convolutions=(2, 2, 3, 3, 3),
    scale=255.0,
    mean=(103.939, 116.779, 123.68),
    feature_scale=2.7e-3,  # 7440 of the perceptual against .0557 of the intensity term, on 32 patches of LLVIP
)


class VGGFeatures(nn.Module):
    """The convolutions of VGG-16 or VGG-19, frozen, under torchvision's key names.

    Converted to ``torch.bfloat16`` it computes in that; the input convention is applied in the input's precision.

    Args:
        description: depth and input convention, see `VGGDescription`.

    Shape:
        Input ``(N, 1, H, W)`` in [0, 1], H and W at least 16. Output: one tensor a block, in order
        ``(N, 64, H, W)``, ``(N, 128, H/2, W/2)``, ``(N, 256, H/4, W/4)``, ``(N, 512, H/8, W/8)``,
        ``(N, 512, H/16, W/16)``, after the block's last ReLU.
    """

    def __init__(self, description: VGGDescription) -> None:
        super().__init__()
        self.description = description
        layers: list[nn.Module] = []
        in_channels = 3
        for out_channels, count in zip(_CHANNELS, description.convolutions):
            for _ in range(count):
                layers += [nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1), nn.ReLU()]
                in_channels = out_channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> VGGFeatures:
        """Stays in evaluation mode: it is a ruler, not a part of what is trained."""
        return super().train(False)

    def forward(self, image: torch.Tensor, blocks: Sequence[int] = (1, 2, 3, 4, 5)) -> list[torch.Tensor]:
        """The features of `blocks` (1 to 5, rising); nothing is computed beyond the last of them.

        Raises:
            InputError: not a batch of grey images that survive the poolings.
        """
        if image.ndim != 4 or image.shape[1] != 1 or min(image.shape[2:]) < 16:
            raise InputError(f"VGG features of {tuple(image.shape)}: needs (N, 1, H, W) of at least 16x16")
        mean = image.new_tensor(self.description.mean).view(1, 3, 1, 1)
        x = image.expand(-1, 3, -1, -1) * self.description.scale - mean
        x = x.to(next(self.parameters()).dtype, memory_format=torch.channels_last)
        taps: list[torch.Tensor] = []
        block = 1
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                if block in blocks:
                    taps.append(x * self.description.feature_scale if self.description.feature_scale != 1 else x)
                if block == blocks[-1]:
                    break
                block += 1
            x = F.relu(x, inplace=not x.requires_grad) if isinstance(layer, nn.ReLU) else layer(x)
        return taps


def open_vgg(path: str | Path | None = None) -> VGGFeatures:
    """Opens the weights of a perceptual network.

    Args:
        path: None fetches torchvision's VGG-19 into torch's cache (its hash is checked). A ``.pth`` is torchvision's
            state dictionary of VGG-19. An ``.npz`` holds the convolutions of VGG-16 in Caffe's convention as
            ``block1_conv1_w`` (OIHW) and ``block1_conv1_b``, of any precision. So the file says which convention the
            input has, and none is guessed.

    Raises:
        InputError: not fetched, not there, or not such a file.
    """
    if path is None:
        return _fill(VGGFeatures(VGG19_TORCHVISION), _fetch(str(VGG19_TORCHVISION.url)), str(VGG19_TORCHVISION.url))
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file of VGG weights; give a .pth of torchvision, or an .npz")
    if path.suffix == ".npz":
        vgg = VGGFeatures(VGG16_CAFFE)
        return _fill(vgg, _read_npz(path, VGG16_CAFFE), str(path))
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on what is no weights file
        raise InputError(f"{path}: not a file of VGG weights that can be read safely; give torchvision's") from error
    return _fill(VGGFeatures(VGG19_TORCHVISION), state, str(path))


def _fetch(url: str) -> dict[str, torch.Tensor]:
    try:
        state: dict[str, torch.Tensor] = torch.hub.load_state_dict_from_url(
            url, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{url}: the VGG-19 weights could not be fetched ({error}); fetch the file elsewhere and give its path "
            "(--vgg_weights)"
        ) from error
    return state


def _read_npz(path: Path, description: VGGDescription) -> dict[str, torch.Tensor]:
    """The arrays under torchvision's names."""
    state, position = {}, 0
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for block, count in enumerate(description.convolutions, start=1):
                for i in range(1, count + 1):
                    for part, ours in (("w", "weight"), ("b", "bias")):
                        array = arrays[f"block{block}_conv{i}_{part}"]
                        state[f"features.{position}.{ours}"] = torch.from_numpy(array.astype(np.float32))
                    position += 2
                position += 1
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a file of VGG-16 convolutions ({error})") from error
    return state


def _fill(vgg: VGGFeatures, state: dict[str, torch.Tensor], source: str) -> VGGFeatures:
    convolutions = {key: value for key, value in state.items() if key.startswith("features.")}
    try:
        vgg.load_state_dict(convolutions)
    except RuntimeError as error:
        raise InputError(f"{source}: its layers are not those of {vgg.description.name} ({error})") from error
    return vgg
