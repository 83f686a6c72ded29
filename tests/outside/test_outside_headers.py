"""Headers, as the viewer opens them."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from conftest import AFFINE, head, save_dicom
from payloads import TEXTS, folder, no_validation, refusal  # noqa: F401 - fixtures

#: Attributes that the readers and writers look at, in groups that may make an object unusable on their own.
HEADER = {
    "SeriesInstanceUID": ["SeriesInstanceUID"],
    "other UIDs": ["StudyInstanceUID", "FrameOfReferenceUID"],
    "names": [
        "SeriesDescription", "StudyDescription", "ProtocolName", "PatientName", "PatientID", "PatientSex",
        "BodyPartExamined", "Manufacturer", "ManufacturerModelName", "AccessionNumber", "StudyID",
        "IssuerOfPatientID", "SequenceName",
    ],
    "Modality": ["Modality"],
    "Units": ["Units", "DecayCorrection", "SUVType"],
    "ImageType": ["ImageType"],
    "times": ["StudyDate", "SeriesDate", "SeriesTime", "AcquisitionTime", "PatientBirthDate"],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("group", "text"), [*((group, TEXTS[0]) for group in HEADER), *(("SeriesInstanceUID", text) for text in TEXTS[1:])]
)
def test_headers(group: str, text: str, folder: Path, no_validation: None) -> None:
    """As the viewer opens them: the series by its UID. What cannot be a UID or date is refused, or fused."""
    from monai_fusion.viewer.case import Choice, open_case
    from monai_fusion.viewer.images import find_images

    for role, name, volume in zip(("mri", "pet"), ("MR", "PT"), head((20, 24, 6))):
        for file in save_dicom(folder / "study" / role, volume, AFFINE, name, role).iterdir():
            dataset = pydicom.dcmread(file)
            for keyword in HEADER[group] if role == "mri" or group not in ("SeriesInstanceUID", "Modality") else ():
                setattr(dataset, keyword, [text] * 3 if keyword == "ImageType" else text)
            dataset.save_as(file)

    def look() -> None:
        first, second = find_images(folder / "study")
        case = open_case(Choice(first, second), folder, lambda fraction, told: None)
        case.pair.fuse(folder / "out")
        if group == "SeriesInstanceUID":
            assert first.series == case.pair.report["mri"]["series_uid"] == text

    refused = refusal(look)
    if group in ("SeriesInstanceUID", "other UIDs", "names"):
        assert refused == ""
