"""Bringing a source's own units to the [0, 1] that the network sees."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_dst_type, convert_to_tensor

from monai_fusion.data.report import REPORT_KEY, read_report, write_report
from monai_fusion.data.source import facts_of, name_of
from monai_fusion.errors import InputError
from monai_fusion.foreground import foreground
from monai_fusion.options import check_range

__all__ = ["WindowIntensityd"]

_FAR_OFF = 100  # an SUV is a few thousandths of Bq/ml; windows on an organ or on noise do not go as far


class WindowIntensityd(MapTransform):
    """Maps ``[low, high]`` to [0, 1] linearly and clips.

    The window is, in this order: `window`; black and white of an 8-bit picture; `percentiles` of the voxels within
    the `foreground`. What was used is written into the report.

    Args:
        keys: images ``(1, ...)`` loaded by `SourceReader`.
        percentiles: lower and upper percentile within the foreground. A lower one of None means the value 0: for PET
            and SPECT no uptake is black, however much of the image is cold.
        window: ``[low, high]`` in the image's unit: of a PET or SPECT the one that `ConvertToSUVd` left it in (an SUV,
            Bq/ml, counts), else what the rescale gives. One that is far from the image's values is warned about.

    Raises:
        InputError: a window or percentiles that are no two numbers, or an empty window.
    """

    def __init__(
        self,
        keys: KeysCollection,
        percentiles: Sequence[float | None] = (1.0, 99.5),
        window: Sequence[float] | None = None,
    ) -> None:
        super().__init__(keys)
        name = ", ".join(str(key) for key in self.keys)
        try:
            if window is not None:
                check_range(window, -math.inf, math.inf)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{name} window {window}: is empty or no window; give two numbers, the lower one first"
            ) from error
        try:
            check_range(percentiles, 0, 100, none_below=True)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{name} percentiles {percentiles}: give two numbers of 0 to 100, the lower one first"
            ) from error
        self.percentiles = percentiles
        self.window = window

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        report = read_report(out)
        for key in self.key_iterator(out):
            image = out[key]
            low, high, rule = self._range(image)
            plain = convert_to_tensor(image, track_meta=False)  # MetaTensor copies its metadata at each step
            unit = facts_of(image.meta).get("units", "")
            if not high > low:
                raise InputError(
                    f"{name_of(image.meta, key)}: the window {low:g} to {high:g} ({rule}) is empty; give another "
                    f"(--{key}-window, in the bundle --{key}_window)"
                )
            report.setdefault("intensity", {})[str(key)] = {
                "rule": rule,
                "low": low,
                "high": high,
                "unit": unit,
                "below": int((plain < low).count_nonzero()) / plain.numel(),
                "above": int((plain > high).count_nonzero()) / plain.numel(),
            }
            if self.window is not None:
                reach, top = max(abs(low), abs(high)), max(abs(float(end)) for end in plain.aminmax())
                if not top / _FAR_OFF < reach < top * _FAR_OFF:
                    report.setdefault("warnings", []).append(
                        f"{key}: the window {low:g} to {high:g} is far from the image, which reaches {top:g} {unit}: "
                        "is it meant in another unit?"
                    )
            scaled = (plain - low).div_(high - low).clamp_(0, 1)
            out[key] = convert_to_dst_type(scaled, image)[0]
        out[REPORT_KEY] = write_report(report)
        return out

    def _range(self, image: Any) -> tuple[float, float, str]:
        if self.window is not None:
            return float(self.window[0]), float(self.window[1]), "window in the image's unit"
        display = facts_of(image.meta).get("display_range")
        if display is not None:
            return float(display[0]), float(display[1]), "black and white of an 8-bit picture"
        coarse, mask = foreground(torch.as_tensor(image[0]).numpy())
        lower, upper = self.percentiles
        assert upper is not None
        inside = coarse[mask]
        high = float(np.percentile(inside, upper))
        low = 0.0 if lower is None else float(np.percentile(inside, lower))
        name = "zero" if lower is None else f"percentile {lower:g}"
        return low, high, f"{name} to percentile {upper:g} within the foreground"
