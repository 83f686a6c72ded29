"""Writing the fused volume as a DICOM series: classic MR Image Storage, derived, on the MRI's grid.

Classic MR has no Rescale Slope in its IOD and some viewers ignore one, so the stored integers are the values: 0 to
4095 for 0 to 1; the derivation description says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import torch
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.valuerep import DSfloat

import monai_fusion
from monai_fusion.data.dicom_file import read_dicom
from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.errors import InputError
from monai_fusion.slices import SlicePlan

__all__ = ["STORED_MAX", "set_plane", "write_dicom_series"]

#: The stored value of a fused 1.0: twelve bits, as MR scanners write.
STORED_MAX = 4095

_SERIES_NUMBER = 9001
_SEQUENCE_ATTRIBUTES = {  # what the MR Image module requires, and what it gets where the source has no such value
    "ScanningSequence": "RM",
    "SequenceVariant": "NONE",
    "ScanOptions": None,
    "MRAcquisitionType": None,
    "RepetitionTime": None,
    "EchoTime": None,
    "EchoTrainLength": None,
}
_CARRIED = ("BodyPartExamined", "Laterality", "PatientPosition", "PositionReferenceIndicator")
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")


def write_dicom_series(
    folder: Path, fused: np.ndarray, affine: np.ndarray, slice_axis: int, report: dict[str, Any], identity: str
) -> None:
    """Writes one file a slice, ``0001.dcm`` on.

    The patient and the study are the MRI's or, if that is no DICOM, the functional image's; where neither is, they stay
    empty. UIDs follow from `identity`, so that a repeated run makes the same series again and not a second one.

    Args:
        folder: where to write; made here.
        fused: ``(I, J, K)`` in [0, 1].
        affine: 4x4, voxel index to RAS in mm; its axes must be orthogonal.
        slice_axis: the array axis along which the MRI's slices were acquired.
        report: the report so far, for the facts of the sources and the steps.
        identity: what distinguishes this result: the hashes of inputs, parameters and weights.
    """
    mri, functional = report["mri"], report["functional"]
    headers = [header for header in map(_first_header, (mri, functional)) if header is not None]
    template = headers[0] if headers else None
    one_file_a_slice = len(mri.get("files", ())) == fused.shape[2] and fused.shape[2] > 1
    if one_file_a_slice:
        plan = SlicePlan(axis=2, rows=1, columns=0, flips=())
    else:
        plan = SlicePlan.for_volume(affine, slice_axis)
    stored = np.round(np.clip(fused, 0, 1) * STORED_MAX).astype(np.int16)  # torch flips no unsigned ones
    slices = plan.take(torch.from_numpy(stored)[None], 0, fused.shape[plan.axis])[:, 0].numpy()
    to_lps = LPS_TO_RAS @ plan.affine(affine, fused.shape)

    study_uid = template.StudyInstanceUID if template is not None else generate_uid(entropy_srcs=[identity, "study"])
    series_uid = generate_uid(entropy_srcs=[identity, "series"])
    frame_of_reference = mri.get("frame_of_reference_uid") or generate_uid(
        entropy_srcs=[identity, "frame of reference"]
    )
    now = datetime.now()
    folder.mkdir(parents=True)
    for k, pixels in enumerate(slices):
        source = read_dicom(mri["files"][k], header_only=True) if one_file_a_slice else None
        instance = highdicom.SOPClass(
            study_instance_uid=study_uid,
            series_instance_uid=series_uid,
            series_number=_SERIES_NUMBER,
            sop_instance_uid=generate_uid(entropy_srcs=[identity, "slice", str(k)]),
            sop_class_uid=MRImageStorage,
            instance_number=k + 1,
            modality="MR",
            manufacturer="monai-fusion",
            manufacturer_model_name="MMDRFuse student",
            software_versions=monai_fusion.__version__,
            series_description="Fused MRI and functional, research only",
            transfer_syntax_uid=ExplicitVRLittleEndian,
            series_date=now.date(),
            series_time=now.time(),
            content_date=now.date(),
            content_time=now.time(),
        )
        with _carrying_over(source or template):
            _set_patient(instance, source or template)
            _set_image(instance, pixels, source, report)
            _set_loss(instance, headers)
            set_plane(instance, to_lps, k, frame_of_reference)
            if source is not None and source.get("SliceThickness"):
                instance.SliceThickness = source.SliceThickness  # less than the spacing where there are gaps
        instance.save_as(folder / f"{k + 1:04d}.dcm", enforce_file_format=True)


@contextmanager
def _carrying_over(source: Dataset | None) -> Iterator[None]:
    """Names the file of a damaged value that the result was to take over: pydicom decodes it no earlier."""
    try:
        yield
    except Exception as error:  # pydicom raises many kinds
        if source is None:
            raise
        raise InputError(f"{source.filename}: a damaged DICOM header ({error}); send it again") from error


def _first_header(facts: dict[str, Any]) -> Dataset | None:
    files = facts.get("files")
    return read_dicom(files[0], header_only=True) if files else None


def _set_patient(instance: Dataset, source: Dataset | None) -> None:
    """Patient and study modules, and what belongs to the patient's position."""
    if source is not None:
        for keyword in ("SpecificCharacterSet", *_CARRIED):
            if keyword in source:
                instance.add(source[keyword])
        instance.copy_patient_and_study_information(source)
    instance.setdefault("PatientPosition", None)
    if not instance.get("BodyPartExamined"):
        instance.setdefault("Laterality", None)
    instance.setdefault("PositionReferenceIndicator", None)


def _set_image(instance: Dataset, pixels: np.ndarray, source: Dataset | None, report: dict[str, Any]) -> None:
    """General Image, MR Image, Image Pixel and VOI LUT modules."""
    modality = report["functional"].get("modality") or "PET or SPECT"
    instance.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    instance.AcquisitionNumber = None
    instance.BurnedInAnnotation = "NO"
    instance.DerivationDescription = (
        f"MRI fused with {modality} by a neural network (MMDRFuse). Stored 0 to {STORED_MAX} means 0 to 1, no unit. "
        "For research use only, not for diagnosis."
    )
    instance.DerivationCodeSequence = [
        _code("113085", "DCM", "Spatial resampling"),
        _code("FUSION", "99MONAIFUSION", "Fusion of structural and functional image by a neural network"),
    ]
    instance.ContributingEquipmentSequence = [
        highdicom.ContributingEquipment(
            manufacturer="monai-fusion",
            purpose_of_reference=Code("109102", "DCM", "Processing Equipment"),
            manufacturer_model_name="monai-fusion",
            software_versions=monai_fusion.__version__,
        )
    ]
    for keyword, fallback in _SEQUENCE_ATTRIBUTES.items():
        setattr(instance, keyword, source.get(keyword, fallback) if source is not None else fallback)
    if source is not None:
        reference = Dataset()
        reference.ReferencedSOPClassUID = source.SOPClassUID
        reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
        reference.PurposeOfReferenceCodeSequence = [_code("128250", "DCM", "Structural image for image processing")]
        instance.SourceImageSequence = [reference]

    instance.SamplesPerPixel = 1
    instance.PhotometricInterpretation = "MONOCHROME2"
    instance.Rows, instance.Columns = pixels.shape
    instance.BitsAllocated, instance.BitsStored, instance.HighBit = 16, 12, 11
    instance.PixelRepresentation = 0
    instance.WindowCenter, instance.WindowWidth = (STORED_MAX + 1) / 2, STORED_MAX + 1
    instance.PixelData = np.ascontiguousarray(pixels).tobytes()


def _set_loss(instance: Dataset, sources: Sequence[Dataset]) -> None:
    """What a source lost by compression, the result has lost too."""
    for source in sources:
        if source.get("LossyImageCompression") == "01":
            for keyword in _LOSSY:
                if keyword in source:
                    instance.add(source[keyword])
            return


def set_plane(instance: Dataset, affine: np.ndarray, k: int, frame_of_reference: str) -> None:
    """Sets the Image Plane and Frame of Reference modules of slice `k`.

    Args:
        instance: the slice.
        affine: 4x4, (column, row, slice) indices to LPS in mm.
        k: the number of the slice, from 0.
        frame_of_reference: its UID.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    directions = affine[:3, :3] / spacing
    position = affine @ [0, 0, k, 1]
    instance.FrameOfReferenceUID = frame_of_reference
    instance.ImageOrientationPatient = [_decimal(v) for v in directions[:, :2].T.ravel()]
    instance.ImagePositionPatient = [_decimal(v) for v in position[:3]]
    instance.PixelSpacing = [_decimal(spacing[1]), _decimal(spacing[0])]
    instance.SliceThickness = instance.SpacingBetweenSlices = _decimal(spacing[2])


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return highdicom.sr.CodedConcept(value, scheme, meaning)


def _decimal(value: float) -> DSfloat:
    """A DS of at most 16 characters, without a negative zero."""
    return DSfloat(float(value) + 0.0, auto_format=True)
