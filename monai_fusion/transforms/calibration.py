"""The output's calibration: what is done to the network's values before anybody looks at them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor

from monai_fusion.errors import InputError

__all__ = ["CALIBRATIONS", "CalibrateOutputd", "find_calibration"]

CALIBRATIONS = ("none", "inverse_tanh")

_AT_ONCE = 4  # planes


def find_calibration(weights: str | Path, bundle_root: str | Path, metadata: Mapping[str, Any]) -> str:
    """The calibration that weights were trained for.

    The metadata's ``models`` holds ``{NAME: {"calibration": ...}}`` for files in the bundle's ``models``. For any
    other, that of the network's output in ``network_data_format`` is taken, which is that of ``models/model.pt``.
    """
    default: str = metadata["network_data_format"]["outputs"]["pred"]["calibration"]
    if Path(weights).resolve().parent != (Path(bundle_root) / "models").resolve():
        return default
    calibration: str = metadata.get("models", {}).get(Path(weights).stem, {}).get("calibration", default)
    return calibration


class CalibrateOutputd(MapTransform):
    """Clips the network's output to [0, 1], after undoing its tanh where the weights were trained for that.

    A property of the trained weights: the bundle's metadata names it (`find_calibration`). Never a stretch of the
    image to its own minimum and maximum: that lifts the black background, and makes the same tissue look different in
    every slice. Done in place: a large volume is not held twice.

    Args:
        keys: network outputs ``(1, ...)`` in (-1, 1).
        calibration: ``"none"`` (clip only) or ``"inverse_tanh"``.
    """

    def __init__(self, keys: KeysCollection, calibration: str = "none") -> None:
        super().__init__(keys)
        if calibration not in CALIBRATIONS:
            raise InputError(f"output calibration {calibration!r}: choose one of {', '.join(CALIBRATIONS)}")
        self.calibration = calibration

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        for key in self.key_iterator(out):
            for block in convert_to_tensor(out[key], track_meta=False).split(_AT_ONCE, dim=-1):
                value = torch.atanh(block) if self.calibration == "inverse_tanh" else block
                block.copy_(value.clamp(0, 1))
        return out
