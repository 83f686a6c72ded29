"""The output's calibration as a step of the bundle, and which one a weights file was trained for."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor

from monai_fusion.errors import InputError
from monai_fusion.networks.calibration import CALIBRATIONS, calibrate_output

__all__ = ["CalibrateOutputd", "find_calibration"]

_AT_ONCE = 4  # planes


def find_calibration(weights: str | Path, bundle_root: str | Path, metadata: Mapping[str, Any]) -> str:
    """The calibration that weights were trained for.

    That of ``models/model.pt`` stands in the metadata's ``network_data_format``, those of the other files in the
    bundle's ``models`` under ``models``, ``{NAME: {"calibration": ...}}``. Of any other file nothing is known, and its
    output is taken as it is (``"none"``), as that of the published program's weights; the id ``calibration`` of the
    configurations says otherwise.

    Raises:
        InputError: what the metadata says of the weights has an unknown key or another type.
    """
    path = Path(weights)
    if path.resolve().parent != (Path(bundle_root) / "models").resolve():
        return "none"
    known = {"model": _output_of(metadata).get("calibration")}
    models = metadata.get("models", {})
    for name, facts in models.items() if isinstance(models, Mapping) else [("models", models)]:
        if not isinstance(facts, Mapping) or facts.keys() - {"calibration"}:
            raise InputError(f"the bundle's metadata: models: {name}: {facts!r}: give {{'calibration': NAME}} alone")
        known[name] = facts.get("calibration", known["model"])
    for name, calibration in known.items():
        if calibration not in CALIBRATIONS:
            raise InputError(
                f"the bundle's metadata: calibration of {name}: {calibration!r}: give one of {', '.join(CALIBRATIONS)}"
            )
    return str(known.get(path.stem, known["model"]))


def _output_of(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        output: Mapping[str, Any] = metadata["network_data_format"]["outputs"]["pred"]
        output.get("calibration")
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError("the bundle's metadata: network_data_format: outputs: pred is missing") from error
    return output


class CalibrateOutputd(MapTransform):
    """Calibrates the network's output as its weights were trained for, and clips it to [0, 1].

    A property of the trained weights: the bundle's metadata names it (`find_calibration`). Never a stretch of the
    image to its own minimum and maximum: that lifts the black background, and makes the same tissue look different in
    every slice. Done in place: a large volume is not held twice.

    Args:
        keys: network outputs ``(1, ...)`` in (-1, 1).
        calibration: ``"none"`` (clip only), ``"inverse_tanh"`` or ``"soft_clip"``; see
            `monai_fusion.networks.calibration.calibrate_output`.
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
                block.copy_(calibrate_output(block, self.calibration).clamp_(0, 1))
        return out
