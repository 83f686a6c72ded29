"""The two sources as the channels of the network's input."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor

__all__ = ["StackSourcesd"]


class StackSourcesd(MapTransform):
    """What MONAI's `ConcatItemsd` and `DeleteItemsd` do, in the memory of three volumes and not of four.

    **The sources are taken out of the dict that is given**: each is freed as soon as it is a channel.

    Args:
        keys: images ``(1, ...)`` on one grid, in the order of the channels.
        name: where they go: ``(channels, ...)``, float32, with the metadata of the first and, channel by channel, its
            order in memory.
    """

    def __init__(self, keys: KeysCollection, name: str = "image") -> None:
        super().__init__(keys)
        self.name = name

    def __call__(self, data: dict[Hashable, Any]) -> dict[Hashable, Any]:
        first = data[self.keys[0]]
        order = torch.empty_like(convert_to_tensor(first, track_meta=False)[0], device="meta").stride()
        image = torch.empty_strided((len(self.keys), *first.shape[1:]), (first.numel(), *order))
        meta = dict(first.meta)
        del first
        for channel, key in zip(image, self.keys):
            channel.copy_(convert_to_tensor(data.pop(key), track_meta=False)[0])
        return {**data, self.name: MetaTensor(image, meta=meta)}
