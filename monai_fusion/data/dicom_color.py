"""The fused volume in colour as DICOM: Multi-frame True Color Secondary Capture that knows where its frames lie.

Of the functional groups, the ones this IOD allows and readers need: Pixel Measures, Plane Orientation, Plane Position.
"""

from __future__ import annotations

from collections.abc import Iterator

import nibabel as nib
import torch
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import MultiFrameTrueColorSecondaryCaptureImageStorage

from monai_fusion.data.dicom_codes import item_of
from monai_fusion.data.dicom_common import FusedStudy
from monai_fusion.data.dicom_frames import FrameStream
from monai_fusion.data.dicom_geometry import plane_attributes

__all__ = ["MAX_PIXEL_BYTES", "color_objects"]

#: Pixels of one object; what is larger becomes several objects of one series: archives take an object whole.
MAX_PIXEL_BYTES = 256 << 20

_SERIES_NUMBER = 9002
_SIDES = (("R", "L"), ("A", "P"), ("F", "H"))  # where DICOM's axes come from and point to


def color_objects(study: FusedStudy, color: torch.Tensor, max_bytes: int = MAX_PIXEL_BYTES) -> Iterator[Dataset]:
    """The frames in the order of the grey series' slices, in as few objects as `max_bytes` allows.

    Args:
        study: what the results share.
        color: ``(3, I, J, K)`` uint8, red, green, blue, uncut.
        max_bytes: pixels of one object; one frame at least.
    """
    columns, rows, count = study.shape
    each = max(1, max_bytes // (3 * rows * columns))
    objects = -(-count // each)
    each = -(-count // objects)
    base = study.begin(
        "fused_color",
        _SERIES_NUMBER,
        MultiFrameTrueColorSecondaryCaptureImageStorage,
        "MR",
        f"Fused {study.modalities} colour",
    )
    study.set_derivation(base, "Brightness from the fusion, colour from the uptake.")
    base.ConversionType = "WSD"
    base.PatientOrientation = list(nib.aff2axcodes(study.affine, _SIDES)[:2])
    study.set_frame_of_reference(base)
    base.SamplesPerPixel = 3
    base.PhotometricInterpretation = "RGB"
    base.PlanarConfiguration = 0
    base.Rows, base.Columns = rows, columns
    base.BitsAllocated, base.BitsStored, base.HighBit = 8, 8, 7
    base.PixelRepresentation = 0
    study.set_sources(base, study.all_sources())
    plane = plane_attributes(study.affine, 0)
    orientation = item_of(ImageOrientationPatient=plane["ImageOrientationPatient"])
    measures = item_of(**{k: plane[k] for k in ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices")})
    base.SharedFunctionalGroupsSequence = [
        item_of(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[orientation])
    ]
    for number, start in enumerate(range(0, count, each)):
        stop = min(start + each, count)
        instance = Dataset()
        instance.update(base)
        instance.SOPInstanceUID = study.uid("fused_color", str(start), str(stop))
        instance.InstanceNumber = number + 1
        instance.NumberOfFrames = stop - start
        if stop - start > 1:
            instance.FrameIncrementPointer = Tag("PerFrameFunctionalGroupsSequence")
        positions = [plane_attributes(study.affine, k)["ImagePositionPatient"] for k in range(start, stop)]
        instance.PerFrameFunctionalGroupsSequence = [
            item_of(PlanePositionSequence=[item_of(ImagePositionPatient=position)]) for position in positions
        ]

        def take(first: int, last: int, start: int = start) -> bytes:
            frames = study.plan.take(color, start + first, start + last).permute(0, 2, 3, 1)
            return frames.numpy().tobytes()

        instance.PixelData = FrameStream(take, stop - start, 3 * rows * columns)
        yield instance
