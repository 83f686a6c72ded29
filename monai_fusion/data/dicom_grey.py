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
from monai_fusion.data.dicom_geometry import plane_attributes, set_plane
from monai_fusion.data.dicom_source import SourceImage, reading

__all__ = ["STORED_MAX", "grey_series"]

#: The stored value of a fused 1.0: twelve bits, as MR scanners write.
STORED_MAX = 4095

_SERIES_NUMBER = 9001
_AT_ONCE = 4

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
    set_plane(base, study.affine, 0, study.frame_of_reference)
    del base.ImagePositionPatient  # each slice has its own
    acquisition = Dataset()
    for start in range(0, study.shape[2], _AT_ONCE):  # slices may lie across the memory
        stop = min(start + _AT_ONCE, study.shape[2])
        values = study.plan.take(fused[None], start, stop)[:, 0].clamp(0, 1).mul_(STORED_MAX).round_()
        for k, stored in enumerate(values.numpy().astype(np.uint16, order="C"), start):
            sources = study.sources_of_slice(k)
            acquisition = _acquisition(next(iter(sources.get("mri", [])), None), acquisition)
            instance = Dataset()
            instance.update(base)
            instance.update(acquisition)
            instance.SOPInstanceUID = study.uid("slice", str(k))
            instance.InstanceNumber = k + 1
            instance.ImagePositionPatient = plane_attributes(study.affine, k)["ImagePositionPatient"]
            study.set_sources(instance, sources)
            instance.PixelData = stored.tobytes()
            yield instance


def _acquisition(source: SourceImage | None, before: Dataset) -> Dataset:
    """The attributes of the MR Image module, and the slice thickness, which is less than the spacing in a gap.

    Args:
        source: the slice they are taken from.
        before: those of the slice before, whose elements are taken where they say the same: `DicomWriter` knows them.
    """
    if source is None:
        found: dict[str, Any] = {keyword: fallback for keyword, (_, _, fallback) in _ACQUISITION.items()}
    else:
        with reading(source.header.filename):
            found = dict(_acquisition_of(source))
    acquisition = Dataset()
    for keyword, value in found.items():
        if keyword in before and before[keyword].value == value:
            acquisition.add(before[keyword])
        else:
            setattr(acquisition, keyword, value)
    return acquisition


def _acquisition_of(source: SourceImage) -> Iterator[tuple[str, Any]]:
    for keyword, (enhanced, group, fallback) in _ACQUISITION.items():
        value: Any = source.header.get(keyword)
        if value is None and source.frame is not None:
            value = source.attribute(enhanced, group)
            if value is None:
                value = source.group(_CONVERTED).get(keyword)
        yield keyword, fallback if value is None else value
    pulses = source.header.get("EchoPulseSequence")
    if "ScanningSequence" not in source.header and pulses in _ECHO_PULSES:
        yield "ScanningSequence", _ECHO_PULSES[pulses]
    if source.header.get("MagneticFieldStrength"):
        yield "MagneticFieldStrength", source.header.MagneticFieldStrength
    thickness = source.attribute("SliceThickness", "PixelMeasuresSequence")
    if thickness:
        yield "SliceThickness", thickness
