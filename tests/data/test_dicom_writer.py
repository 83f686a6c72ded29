"""Objects are written as pydicom writes them; patient, study and coded terms are the Standard's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import AFFINE, head, save_dicom
from dicom_tools import study_of
from highdicom._standard_utils import get_iod_module_map, get_module_attribute_map
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr._concepts_dict import concepts
from pydicom.uid import ExplicitVRLittleEndian

from monai_fusion.data import dicom_codes
from monai_fusion.data.dicom_codes import Term
from monai_fusion.data.dicom_color import color_objects
from monai_fusion.data.dicom_grey import grey_series
from monai_fusion.data.dicom_patient import PATIENT_AND_STUDY, TYPE_2
from monai_fusion.data.dicom_writer import DicomWriter

SHAPE = (24, 28, 8)


def saved_by_pydicom(instance: Dataset, path: Path) -> bytes:
    instance.file_meta = FileMetaDataset()
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    instance.save_as(path, enforce_file_format=True)
    return path.read_bytes()


@pytest.mark.parametrize("charset", [None, "ISO_IR 192", ["", "ISO 2022 IR 87"]])
def test_files_are_those_of_pydicom(charset: str | list[str] | None, tmp_path: Path) -> None:
    """Byte for byte, whatever the object before had in common with it."""
    mri, pet = (np.round(volume) for volume in head(SHAPE))
    folders = save_dicom(tmp_path / "m", mri, AFFINE, "MR", "m"), save_dicom(tmp_path / "p", pet, AFFINE, "PT", "p")
    study = study_of(*folders)
    for source in study.sources.values():
        source.header.PatientName = "Yamada^Tarou=山田^太郎" if charset else "Smith^John"
        if charset is not None:
            source.header.SpecificCharacterSet = charset
    mri_slices = study.sources["mri"].images
    mri_slices[3].header.SliceThickness = 1.25
    mri_slices[4].header.MagneticFieldStrength = None
    writer = DicomWriter()
    volume = torch.rand(SHAPE)
    for k, instance in enumerate([*grey_series(study, volume), *color_objects(study, torch.ones(3, *SHAPE).byte())]):
        writer.write(instance, tmp_path / "ours" / f"{k}.dcm")
        assert (tmp_path / "ours" / f"{k}.dcm").read_bytes() == saved_by_pydicom(instance, tmp_path / "theirs.dcm"), k


def test_no_slice_keeps_what_the_one_before_had(tmp_path: Path) -> None:
    mri, pet = (np.round(volume) for volume in head(SHAPE))
    folders = save_dicom(tmp_path / "m", mri, AFFINE, "MR", "m"), save_dicom(tmp_path / "p", pet, AFFINE, "PT", "p")
    study = study_of(*folders)
    usual = study.sources["mri"].images[0].header.SliceThickness
    odd = study.sources["mri"].images[3].header
    odd.SliceThickness, odd.MagneticFieldStrength, odd.EchoTime = 1.25, 7, 99
    written = list(grey_series(study, torch.zeros(SHAPE)))
    assert [float(i.SliceThickness) for i in written] == [1.25 if k == 3 else float(usual) for k in range(SHAPE[2])]
    assert [k for k, i in enumerate(written) if i.EchoTime == 99] == [3]
    assert [k for k, i in enumerate(written) if i.get("MagneticFieldStrength") == 7] == [3]
    assert len({tuple(i.ImagePositionPatient) for i in written}) == SHAPE[2]


@pytest.mark.parametrize("kind", ["mr-image", "enhanced-mr-image", "positron-emission-tomography-image"])
def test_patient_and_study_are_those_of_the_standard(kind: str) -> None:
    """As highdicom tabulates the modules of the two information entities."""
    modules = [m for m in get_iod_module_map()[kind] if m["ie"] in ("Patient", "Study")]
    rows = {m["key"]: [r for r in get_module_attribute_map()[m["key"]] if not r["path"]] for m in modules}
    assert set(PATIENT_AND_STUDY) == {row["keyword"] for module in rows.values() for row in module}
    assert len(set(PATIENT_AND_STUDY)) == len(PATIENT_AND_STUDY)
    always = [row for m in modules if m["usage"] == "M" for row in rows[m["key"]]]
    assert set(TYPE_2) == {row["keyword"] for row in always if row["type"] == "2"}


def test_terms_are_the_standards() -> None:
    """As pydicom has them from PS3.16."""
    values = [each for value in vars(dicom_codes).values() for each in (value if type(value) is tuple else [value])]
    terms = {value for value in values if isinstance(value, Term) and value.scheme == "DCM"}
    assert len(terms) == 9
    known = {(code, told[0]) for name in concepts["DCM"].values() for code, told in name.items()}
    assert {(term.value, term.meaning) for term in terms} <= known
