"""Colour: luma and chroma of ITU-R BT.601 (full range), and the clinical colour maps that give uptake its chroma."""

from __future__ import annotations

import colorsys
from collections.abc import Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor
from pydicom.pixels.processing import apply_color_lut

from monai_fusion.errors import InputError

__all__ = ["COLOR_MAPS", "ColorizeFusedd", "SplitChromad", "color_table", "rgb_to_ycc", "ycc_to_rgb"]

#: Weights of red, green and blue in the luma: ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)

#: The well-known palettes of DICOM PS3.6 Annex B by their UID.
_PALETTES = {
    "hot_iron": "1.2.840.10008.1.5.1",
    "pet": "1.2.840.10008.1.5.2",
    "hot_metal_blue": "1.2.840.10008.1.5.3",
    "pet_20_step": "1.2.840.10008.1.5.4",
}

#: Names of the colour maps. DICOM's palettes end in white, so the chroma they give fades at the highest uptake; the
#: rainbow (blue to red, fading to black below a quarter) keeps its colour to the top.
COLOR_MAPS = (*_PALETTES, "rainbow", "grey")

_PIXELS_AT_ONCE = 1 << 16  # what is computed of them stays in the cache


def rgb_to_ycc(rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Luma and chroma of BT.601, full range.

    Args:
        rgb: ``(3, ...)`` in [0, 1].

    Returns:
        Luma ``(1, ...)`` in [0, 1], and chroma Cb, Cr ``(2, ...)`` in [-0.5, 0.5].
    """
    red, green, blue = rgb[0], rgb[1], rgb[2]
    luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    chroma = torch.stack([(blue - luma) / (2 * (1 - _LUMA[2])), (red - luma) / (2 * (1 - _LUMA[0]))])
    return luma[None], chroma


def ycc_to_rgb(luma: torch.Tensor, chroma: torch.Tensor) -> torch.Tensor:
    """The inverse of `rgb_to_ycc`, within the gamut.

    Where luma and chroma together lie outside of RGB (a dark fused pixel of saturated uptake), the chroma is shortened
    until they fit: the luma, which carries the fused picture, and the hue stay exact. Clipping would bend both.

    Args:
        luma: ``(1, ...)`` in [0, 1].
        chroma: ``(2, ...)`` in [-0.5, 0.5].

    Returns:
        ``(3, ...)`` in [0, 1].
    """
    offset = _offset_of(chroma)
    above, below = _reach(offset)
    y = luma[0]
    fit = torch.minimum((1 - y) / above, y / below).clamp_(max=1)
    return (y + fit * offset).clamp_(0, 1)


def _offset_of(chroma: torch.Tensor) -> torch.Tensor:
    """What red, green and blue lie above the luma, ``(3, ...)``."""
    blue = chroma[0] * (2 * (1 - _LUMA[2]))
    red = chroma[1] * (2 * (1 - _LUMA[0]))
    green = -(_LUMA[2] * blue + _LUMA[0] * red) / _LUMA[1]
    return torch.stack([red, green, blue])


def _reach(offset: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How far a chroma reaches above the luma, and how far below it."""
    return offset.amax(dim=0).clamp_min(1e-12), offset.amin(dim=0).neg_().clamp_min_(1e-12)


def color_table(name: str) -> torch.Tensor:
    """A colour map as ``(256, 3)`` RGB in [0, 1], black at 0.

    Raises:
        InputError: no such map.
    """
    if name in _PALETTES:
        index = np.arange(256, dtype=np.uint8)[None]
        rgb = apply_color_lut(index, palette=_PALETTES[name])[0]
        return torch.from_numpy(rgb.astype(np.float32) / np.iinfo(rgb.dtype).max)
    uptake = np.linspace(0, 1, 256)
    if name == "rainbow":
        colours = [colorsys.hsv_to_rgb((1 - u) * 2 / 3, 1, min(1, 16 * u * u)) for u in uptake]
        return torch.tensor(colours, dtype=torch.float32)
    if name == "grey":
        return torch.from_numpy(uptake.astype(np.float32))[:, None].expand(-1, 3)
    raise InputError(f"colour map {name!r}: choose one of {', '.join(COLOR_MAPS)}")


class SplitChromad(MapTransform):
    """Splits a colour picture into its luma, which is fused, and its chroma, which the fused picture gets back.

    Args:
        keys: pictures ``(1, H, W)``, passed on, or ``(3, H, W)`` in [0, 1], replaced by their luma ``(1, H, W)``.
        chroma_key: where the chroma ``(2, H, W)`` of a colour picture goes.
    """

    def __init__(self, keys: KeysCollection, chroma_key: str = "chroma") -> None:
        super().__init__(keys)
        self.chroma_key = chroma_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        for key in self.key_iterator(out):
            if out[key].shape[0] == 3:
                out[key], out[self.chroma_key] = rgb_to_ycc(out[key])
        return out


class ColorizeFusedd(MapTransform):
    """Gives a fused image its colour: luma the fused image, chroma that of the functional image.

    The chroma is the one `SplitChromad` took from a colour picture or, for a scalar PET or SPECT, that of a colour map
    at the uptake.

    Args:
        keys: fused images ``(1, ...)`` in [0, 1].
        color_map: a name of `COLOR_MAPS`.
        functional_channel: the channel of ``image`` that holds the uptake in [0, 1].
        image_key: the network's input ``(2, ...)``.
        chroma_key: see `SplitChromad`.
        color_key: where the result goes: ``(3, ...)`` uint8.
    """

    def __init__(
        self,
        keys: KeysCollection,
        color_map: str = "rainbow",
        functional_channel: int = 1,
        image_key: str = "image",
        chroma_key: str = "chroma",
        color_key: str = "fused_color",
    ) -> None:
        super().__init__(keys)
        self.color_map = color_map
        self.functional_channel = functional_channel
        self.image_key = image_key
        self.chroma_key = chroma_key
        self.color_key = color_key
        offset = _offset_of(rgb_to_ycc(color_table(color_map).T)[1])
        self._map = [each.numpy() for each in (*offset, *_reach(offset))]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        for key in self.key_iterator(out):
            fused = convert_to_tensor(out[key], track_meta=False).cpu()
            if self.chroma_key in out:
                chroma = convert_to_tensor(out[self.chroma_key], track_meta=False).cpu()
                color = ycc_to_rgb(fused, chroma).mul_(255).round_().to(torch.uint8)
            else:
                image = convert_to_tensor(out[self.image_key], track_meta=False).cpu()
                color = torch.from_numpy(self._paint(fused[0].numpy(), image[self.functional_channel].numpy()))
            out[self.color_key] = MetaTensor(color, meta=dict(out[key].meta))
        return out

    def _paint(self, fused: np.ndarray, uptake: np.ndarray) -> np.ndarray:
        """As `ycc_to_rgb`, with all that depends on the uptake alone looked up: ``(3, ...)`` uint8.

        In memory it lies as NIfTI and DICOM are written, the last axis first and the colours together.
        """
        shape = fused.T.shape
        lines, uptake = fused.T.reshape(-1, shape[-1]), uptake.T.reshape(-1, shape[-1])
        color = np.empty((*lines.shape, 3), np.uint8)
        at_once = max(1, _PIXELS_AT_ONCE // shape[-1])

        def paint(start: int) -> None:
            block = slice(start, start + at_once)
            luma, index = lines[block], np.rint(uptake[block] * 255).astype(np.uint8)
            *offset, above, below = (each.take(index) for each in self._map)
            fit = np.minimum((1 - luma) / above, luma / below)
            np.minimum(fit, 1, out=fit)
            for c, each in enumerate(offset):
                each *= fit
                each += luma
                each.clip(0, 1, out=each)
                each *= 255
                color[block, :, c] = np.rint(each, out=each)

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # NumPy lets other threads run
            list(pool.map(paint, range(0, len(lines), at_once)))
        return np.moveaxis(color.reshape(*shape, 3), -1, 0).transpose(0, *range(fused.ndim, 0, -1))
