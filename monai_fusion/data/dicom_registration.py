"""Where the functional image lies in the MRI's frame of reference, as a DICOM Spatial Registration object."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage, SpatialRegistrationStorage

from monai_fusion.data.dicom_codes import IMAGE_CONTENT
from monai_fusion.data.dicom_common import FusedStudy
from monai_fusion.data.dicom_geometry import decimal
from monai_fusion.data.dicom_references import image_reference, image_references, series_item

__all__ = ["spatial_registration"]

_SERIES_NUMBER = 9003
_RIGID_TOLERANCE = 1e-4


def spatial_registration(study: FusedStudy) -> Dataset | None:
    """The registration, or None where nothing was moved or what was moved is no DICOM.

    A registration's matrix (report, ITK) takes points of the fixed MRI to the moving functional image. The Standard's
    takes points of the source to the registered frame of reference (PS3.3 C.20.2): it is the inverse. The MRI's item
    holds the identity. Where the MRI is no DICOM, the fused series stands in its place, whose frame of reference it is.
    """
    matrix, functional = study.functional_matrix, study.functional
    if matrix is None or functional is None:
        return None
    instance = study.begin(
        "registration",
        _SERIES_NUMBER,
        SpatialRegistrationStorage,
        "REG",
        f"Registration {study.report['functional'].get('modality', '')} to MR",
    )
    instance.SOPInstanceUID = study.uid("registration")
    instance.InstanceNumber = 1
    study.set_frame_of_reference(instance)
    instance.ContentLabel = "REGISTRATION"
    instance.ContentDescription = "Functional image to the MRI's frame of reference"

    fixed = _item(np.eye(4), study.frame_of_reference)
    if study.mri is not None:
        fixed.ReferencedImageSequence = image_references(study.mri.images)
    else:
        fused = [image_reference(MRImageStorage, study.uid("slice", str(k))) for k in range(study.shape[2])]
        fixed.ReferencedImageSequence = fused
    own_frame = str(functional.header.get("FrameOfReferenceUID") or "")
    moving = _item(np.linalg.inv(matrix), own_frame if own_frame != study.frame_of_reference else "")
    moving.ReferencedImageSequence = image_references(functional.images)
    if "mode" in study.report["registration"]:  # of a transform from a file it is not known how it was found
        moving.MatrixRegistrationSequence[0].RegistrationTypeCodeSequence = [IMAGE_CONTENT.item()]
    instance.RegistrationSequence = [fixed, moving]

    study.set_common_references(instance, study.all_sources())
    if study.mri is None:
        item = series_item(study.uid("fused", "series"), "ReferencedInstanceSequence", fixed.ReferencedImageSequence)
        instance.ReferencedSeriesSequence = [item, *instance.get("ReferencedSeriesSequence", [])]
    return instance


def _item(matrix: np.ndarray, frame_of_reference: str) -> Dataset:
    """An item of the Registration Sequence; without its frame of reference where the images alone can name it."""
    linear = matrix[:3, :3]
    transform = Dataset()
    rigid = np.allclose(linear.T @ linear, np.eye(3), atol=_RIGID_TOLERANCE) and np.linalg.det(linear) > 0
    transform.FrameOfReferenceTransformationMatrixType = "RIGID" if rigid else "AFFINE"
    transform.FrameOfReferenceTransformationMatrix = [decimal(v) for v in matrix.ravel()]
    registration = Dataset()
    registration.RegistrationTypeCodeSequence = []
    registration.MatrixSequence = [transform]
    item = Dataset()
    if frame_of_reference:
        item.FrameOfReferenceUID = frame_of_reference
    item.MatrixRegistrationSequence = [registration]
    return item
