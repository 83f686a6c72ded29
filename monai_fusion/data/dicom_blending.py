"""How a viewer is to blend MRI and functional image itself: a Blending Softcopy Presentation State.

The classic one, which IHE's Image Fusion profile prescribes together with the Spatial Registration. It holds no pixels:
the viewer takes both series from the archive.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import torch
from PIL import ImageCms
from pydicom.dataset import Dataset
from pydicom.uid import BlendingSoftcopyPresentationStateStorage, SpatialRegistrationStorage

from monai_fusion.data.dicom_common import FusedStudy
from monai_fusion.data.dicom_geometry import decimal
from monai_fusion.data.dicom_references import image_reference, image_references, series_item
from monai_fusion.data.dicom_source import SourceImage

__all__ = ["blending_obstacle", "blending_state"]

_SERIES_NUMBER = 9004
_OPACITY = 0.5
_CURVE = 65535


def blending_obstacle(study: FusedStudy) -> str | None:
    """Why there can be no presentation state; None if there can."""
    if study.mri is None or study.functional is None:
        return "both sources must be DICOM"
    frames = {study.report[role].get("frame_of_reference_uid") for role in ("mri", "functional")}
    if study.functional_matrix is None and (len(frames) > 1 or not all(frames)):
        return "the sources have different frames of reference, and no registration says how they lie to each other"
    factor = study.report["functional"].get("suv", {}).get("factor", {"min": 1, "max": 1})
    if factor["min"] != factor["max"]:
        return "the factor to SUV differs from slice to slice"
    return None


def blending_state(study: FusedStudy, color_table: torch.Tensor) -> Dataset:
    """The presentation state: the MRI in grey, the functional image in colour over it, each in the window of this run.

    Args:
        study: what the results share; `blending_obstacle` finds none.
        color_table: ``(256, 3)`` RGB in [0, 1], the colours of the functional image.
    """
    instance = study.begin(
        "blending", _SERIES_NUMBER, BlendingSoftcopyPresentationStateStorage, "PR", f"Blending {study.modalities}"
    )
    instance.SOPInstanceUID = study.uid("blending")
    instance.InstanceNumber = 1
    instance.ContentLabel = "BLENDING"
    instance.ContentDescription = "Functional image over MRI"
    instance.PresentationCreationDate, instance.PresentationCreationTime = instance.SeriesDate, instance.SeriesTime
    factor = study.report["functional"].get("suv", {}).get("factor", {}).get("max", 1.0)
    instance.BlendingSequence = [
        _input(study, "mri", "UNDERLYING", 1.0),
        _input(study, "functional", "SUPERIMPOSED", factor),
    ]
    instance.RelativeOpacity = _OPACITY
    if study.functional_matrix is not None:
        registration = image_reference(SpatialRegistrationStorage, study.uid("registration"))
        series = series_item(study.uid("registration", "series"), "ReferencedSOPSequence", [registration])
        item = Dataset()
        item.StudyInstanceUID = instance.StudyInstanceUID
        item.ReferencedSeriesSequence = [series]
        instance.ReferencedSpatialRegistrationSequence = [item]
    instance.DisplayedAreaSelectionSequence = [_displayed_area(study)]
    curves = np.rint(color_table.numpy() * _CURVE).astype(np.uint16)
    for name, curve in zip(("Red", "Green", "Blue"), curves.T):
        setattr(instance, f"{name}PaletteColorLookupTableDescriptor", [len(curve), 0, 16])
        setattr(instance, f"{name}PaletteColorLookupTableData", curve.tobytes())
    instance.ICCProfile = _srgb()
    return instance


def _input(study: FusedStudy, role: str, position: str, factor: float) -> Dataset:
    """One of the two series with its window.

    Where all images have one rescale, it is written, and the window is in their unit. Where they differ (PET), the
    rescale is none and there is a window an image, in stored values: a presentation state has one rescale for all,
    which takes the place of the images' own (PS3.4 N.2.1).
    """
    source = study.sources[role]
    low, high = (study.report["intensity"][role][end] / factor for end in ("low", "high"))
    item = Dataset()
    item.StudyInstanceUID = source.header.StudyInstanceUID
    item.BlendingPosition = position
    series_uid, references = source.header.SeriesInstanceUID, image_references(source.images)
    item.ReferencedSeriesSequence = [series_item(series_uid, "ReferencedImageSequence", references)]
    slope, intercept = source.images[0].rescale
    if all(image.rescale == (slope, intercept) for image in source.images):
        item.SoftcopyVOILUTSequence = [_window(low, high)]
    else:
        slope, intercept = 1.0, 0.0
        item.SoftcopyVOILUTSequence = [_stored_window(image, low, high) for image in source.images]
    item.RescaleSlope, item.RescaleIntercept, item.RescaleType = decimal(slope), decimal(intercept), "US"
    return item


def _stored_window(image: SourceImage, low: float, high: float) -> Dataset:
    slope, intercept = image.rescale
    item = _window((low - intercept) / slope, (high - intercept) / slope)
    item.ReferencedImageSequence = image_references([image])
    return item


def _window(low: float, high: float) -> Dataset:
    """A linear window from black at `low` to white at `high`: PS3.3 C.11.2.1.2.1, whose ramp is one value shorter."""
    item = Dataset()
    item.WindowCenter, item.WindowWidth = decimal((low + high) / 2 + 0.5), decimal(high - low + 1)
    return item


def _displayed_area(study: FusedStudy) -> Dataset:
    """The whole of the MRI, as large as it fits."""
    source = study.sources["mri"]
    item = Dataset()
    item.ReferencedImageSequence = image_references(source.images)
    item.DisplayedAreaTopLeftHandCorner = [1, 1]
    item.DisplayedAreaBottomRightHandCorner = [source.header.Columns, source.header.Rows]
    item.PresentationSizeMode = "SCALE TO FIT"
    spacing: Any = source.images[0].attribute("PixelSpacing", "PixelMeasuresSequence")
    item.PresentationPixelSpacing = [decimal(value) for value in spacing]
    return item


def _srgb() -> bytes:
    """sRGB as the Standard asks for it: class ``scnr`` (input) where Pillow makes a monitor's, and always the same."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[12:16] = b"scnr"
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # when it was made: now, says Pillow
    return bytes(profile)
