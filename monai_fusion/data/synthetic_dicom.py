"""Writing a volume as a synthetic DICOM series with true headers: for the demo and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, PositronEmissionTomographyImageStorage, generate_uid
from pydicom.valuerep import DSfloat

from monai_fusion.data.dicom_geometry import set_plane

__all__ = ["write_synthetic_series"]

_SOP_CLASSES = {"MR": MRImageStorage, "PT": PositronEmissionTomographyImageStorage}


def write_synthetic_series(
    folder: Path,
    array: np.ndarray,
    affine: np.ndarray,
    modality: str,
    name: str,
    slopes: Sequence[float] | None = None,
    study: str = "study",
    frame_of_reference: str | None = None,
) -> str:
    """Writes one file a slice of an invented patient, weight 70 kg, injected with 370 MBq of F-18 FDG.

    Args:
        folder: where to write; made here.
        array: (column, row, slice), in the series' unit (PT: Bq/ml), not negative.
        affine: 4x4, (column, row, slice) indices to LPS in mm.
        modality: ``"MR"`` or ``"PT"``.
        name: seed of the UIDs and the series description.
        slopes: Rescale Slope of each slice; MR has none.
        study: seed of the StudyInstanceUID, so that two series can lie in one study.
        frame_of_reference: seed of its UID; `name` by default.

    Returns:
        The SeriesInstanceUID.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series_uid = generate_uid(entropy_srcs=[name, "series"])
    frame_uid = generate_uid(entropy_srcs=[frame_of_reference or name, "frame of reference"])
    for k in range(array.shape[2]):
        slope = 1.0 if slopes is None else slopes[k]
        instance = highdicom.SOPClass(
            study_instance_uid=generate_uid(entropy_srcs=[study, "study"]),
            series_instance_uid=series_uid,
            series_number=2 if modality == "MR" else 3,
            sop_instance_uid=generate_uid(entropy_srcs=[name, str(k)]),
            sop_class_uid=_SOP_CLASSES[modality],
            instance_number=k + 1,
            modality=modality,
            manufacturer="monai-fusion",
            series_description=name,
            transfer_syntax_uid=ExplicitVRLittleEndian,
            patient_id="PHANTOM",
            patient_name="Phantom^Synthetic",
            patient_sex="O",
            patient_birth_date="19700101",
            study_id="1",
            study_date="20260101",
            study_time="100000",
            series_date="20260101",
            series_time="110000",
            content_date="20260101",
            content_time="110000",
            accession_number="1",
        )
        instance.PatientWeight, instance.PatientSize = 70, 1.75
        instance.BodyPartExamined = "HEAD"
        instance.PositionReferenceIndicator = None
        instance.AcquisitionNumber = None
        instance.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"] if modality == "MR" else ["ORIGINAL", "PRIMARY"]
        _set_pixels(instance, array[:, :, k].T, slope)
        set_plane(instance, affine, k, frame_uid)
        if modality == "MR":
            _set_mr(instance)
        else:
            _set_pet(instance, k, array.shape[2], slope)
        instance.save_as(folder / f"{k + 1:04d}.dcm", enforce_file_format=True)
    return str(series_uid)


def _set_pixels(instance: Dataset, values: np.ndarray, slope: float) -> None:
    stored = np.round(values / slope).astype(np.uint16)
    instance.SamplesPerPixel = 1
    instance.PhotometricInterpretation = "MONOCHROME2"
    instance.Rows, instance.Columns = stored.shape
    instance.BitsAllocated, instance.BitsStored, instance.HighBit = 16, 16, 15
    instance.PixelRepresentation = 0
    instance.PixelData = np.ascontiguousarray(stored).tobytes()


def _set_mr(instance: Dataset) -> None:
    values: dict[str, Any] = {
        "PatientPosition": "HFS",
        "ScanningSequence": "GR",
        "SequenceVariant": "SP",
        "ScanOptions": None,
        "MRAcquisitionType": "3D",
        "RepetitionTime": 9.6,
        "EchoTime": 4.6,
        "EchoTrainLength": 1,
        "MagneticFieldStrength": 3,
    }
    for keyword, value in values.items():
        setattr(instance, keyword, value)


def _set_pet(instance: Dataset, k: int, count: int, slope: float) -> None:
    tracer = Dataset()
    tracer.Radiopharmaceutical = "FDG"
    tracer.RadiopharmaceuticalStartTime = "100000"
    tracer.RadiopharmaceuticalStartDateTime = "20260101100000"
    tracer.RadionuclideTotalDose = 370e6
    tracer.RadionuclideHalfLife = 6586.2
    tracer.RadionuclidePositronFraction = 0.97
    tracer.RadionuclideCodeSequence = [highdicom.sr.CodedConcept("77004003", "SCT", "^18^Fluorine")]
    tracer.RadiopharmaceuticalCodeSequence = [highdicom.sr.CodedConcept("35321007", "SCT", "Fluorodeoxyglucose F^18^")]
    values: dict[str, Any] = {
        "RescaleSlope": DSfloat(slope, auto_format=True),
        "RescaleIntercept": 0,
        "Units": "BQML",
        "CountsSource": "EMISSION",
        "SeriesType": ["STATIC", "IMAGE"],
        "NumberOfSlices": count,
        "CorrectedImage": ["DECY", "ATTN", "SCAT", "DTIM", "RAN", "NORM"],
        "RandomsCorrectionMethod": "DLYD",
        "AttenuationCorrectionMethod": "CT",
        "ScatterCorrectionMethod": "model-based",
        "DecayCorrection": "START",
        "ReconstructionMethod": "OSEM",
        "CollimatorType": "NONE",
        "RadiopharmaceuticalInformationSequence": [tracer],
        "PatientOrientationCodeSequence": [highdicom.sr.CodedConcept("102538003", "SCT", "recumbent")],
        "PatientGantryRelationshipCodeSequence": [highdicom.sr.CodedConcept("102540008", "SCT", "headfirst")],
        "AcquisitionDate": "20260101",
        "AcquisitionTime": "110000",
        "ActualFrameDuration": 600000,
        "FrameReferenceTime": 300000,
        "DecayFactor": 1,
        "DoseCalibrationFactor": 1,
        "ScatterFractionFactor": 0.3,
        "DeadTimeFactor": 1,
        "ImageIndex": k + 1,
    }
    for keyword, value in values.items():
        setattr(instance, keyword, value)
    posture = instance.PatientOrientationCodeSequence[0]
    posture.PatientOrientationModifierCodeSequence = [highdicom.sr.CodedConcept("40199007", "SCT", "supine")]
