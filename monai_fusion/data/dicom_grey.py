"""The fused volume in grey as a DICOM series: classic MR Image Storage, derived, on the MRI's grid.

Classic MR has no Rescale Slope in its IOD and some viewers ignore one, so the stored integers are the values: 0 to
4095 for 0 to 1; the derivation description says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from monai_fusion.data.dicom_common import FusedStudy
from monai_fusion.data.dicom_geometry import set_plane
from monai_fusion.data.dicom_source import SourceImage, reading

__all__ = ["STORED_MAX", "grey_series"]

#: The stored value of a fused 1.0: twelve bits, as MR scanners write.
STORED_MAX = 4095

_SERIES_NUMBER = 9001

#: What the MR Image module requires: where an enhanced MR object keeps it, and what is written where it is unknown.
_ACQUISITION: dict[str, tuple[str, str, str | None]] = {
    "ScanningSequence": ("ScanningSequence", "", "RM"),
    "SequenceVariant": ("SequenceVariant", "", "NONE"),
    "ScanOptions": ("ScanOptions", "", None),
    "MRAcquisitionType": ("MRAcquisitionType", "", None),
    "RepetitionTime": ("RepetitionTime", "MRTimingAndRelatedParametersSequence", None),
    "EchoTime": ("EffectiveEchoTime", "MREchoSequence", None),
    "EchoTrainLength": ("EchoTrainLength", "MRTimingAndRelatedParametersSequence", None),
}
_CONVERTED = "UnassignedSharedConvertedAttributesSequence"  # of an object converted from a classic series
_ECHO_PULSES = {"SPIN": "SE", "GRADIENT": "GR", "BOTH": ["SE", "GR"]}


def grey_series(study: FusedStudy, fused: torch.Tensor) -> Iterator[Dataset]:
    """The slices, one object each; their number is the Instance Number.

    Args:
        study: what the results share.
        fused: ``(I, J, K)`` in [0, 1], uncut.
    """
    base = study.begin("fused", _SERIES_NUMBER, MRImageStorage, "MR", f"Fused {study.modalities}")
    study.set_derivation(base, f"Stored 0 to {STORED_MAX} means 0 to 1, no unit.")
    base.SamplesPerPixel = 1
    base.PhotometricInterpretation = "MONOCHROME2"
    base.Columns, base.Rows = study.shape[:2]
    base.BitsAllocated, base.BitsStored, base.HighBit = 16, 12, 11
    base.PixelRepresentation = 0
    base.WindowCenter, base.WindowWidth = (STORED_MAX + 1) / 2, STORED_MAX + 1
    study.set_frame_of_reference(base)
    volume = fused[None]
    for k in range(study.shape[2]):
        instance = Dataset()
        instance.update(base)
        instance.SOPInstanceUID = study.uid("slice", str(k))
        instance.InstanceNumber = k + 1
        set_plane(instance, study.affine, k, study.frame_of_reference)
        sources = study.sources_of_slice(k)
        study.set_sources(instance, sources)
        _set_acquisition(instance, next(iter(sources.get("mri", [])), None))
        pixels = study.plan.take(volume, k, k + 1)[0, 0].numpy()
        instance.PixelData = np.round(np.clip(pixels, 0, 1) * STORED_MAX).astype(np.uint16).tobytes()
        yield instance


def _set_acquisition(instance: Dataset, source: SourceImage | None) -> None:
    """The attributes of the MR Image module, and the slice thickness, which is less than the spacing in a gap."""
    if source is None:
        for keyword, (_, _, fallback) in _ACQUISITION.items():
            setattr(instance, keyword, fallback)
        return
    with reading(source.header.filename):
        for keyword, (enhanced, group, fallback) in _ACQUISITION.items():
            value: Any = source.header.get(keyword)
            if value is None and source.frame is not None:
                value = source.attribute(enhanced, group)
                if value is None:
                    value = source.group(_CONVERTED).get(keyword)
            setattr(instance, keyword, fallback if value is None else value)
        pulses = source.header.get("EchoPulseSequence")
        if "ScanningSequence" not in source.header and pulses in _ECHO_PULSES:
            instance.ScanningSequence = _ECHO_PULSES[pulses]
        if source.header.get("MagneticFieldStrength"):
            instance.MagneticFieldStrength = source.header.MagneticFieldStrength
        thickness = source.attribute("SliceThickness", "PixelMeasuresSequence")
        if thickness:
            instance.SliceThickness = thickness
