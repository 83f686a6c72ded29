"""What a run leaves behind: NIfTI, DICOM and the report, read back by other programs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from conftest import AFFINE, SUV_BW, head, save_dicom, save_nifti
from dicom_tools import read_by_dcm2niix, read_by_itk, validate
from pydicom.dataset import Dataset
from runs import Run, luma, names, read_series, run, save_picture, sha256, smooth, turned

import monai_fusion
from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.transforms.save import _identity

VOLUME_RESULTS = {"fused.nii.gz", "fused_color.nii.gz", "dicom", "contact_sheet.png", "report.json"}


@pytest.fixture(scope="module")
def phantom_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """MRI and PET of the patient Phantom^Synthetic, ID PHANTOM, as DICOM."""
    folder = tmp_path_factory.mktemp("run")
    mri, pet = head()
    return run(
        save_dicom(folder / "first", np.round(mri), turned(AFFINE), "MR", "mri"),
        save_dicom(folder / "second", np.round(pet), turned(AFFINE), "PT", "pet"),
        folder / "out",
    )


@pytest.fixture(scope="module")
def siemens_run(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A real sagittal T1 series and a PET template, which lie over each other by chance."""
    data = shared / "data"
    out = tmp_path_factory.mktemp("siemens") / "out"
    return run(data / "dicom" / "siemens_prisma_t1_sag", data / "volumes" / "PET.nii.gz", out, "--registration", "none")


@pytest.fixture(scope="module")
def nifti_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An oblique MRI stored as LAS in NIfTI, and a PET on another grid."""
    folder = tmp_path_factory.mktemp("nifti")
    mri, pet = head()
    mirror = np.diag([-1.0, 1, 1, 1])
    mirror[0, 3] = mri.shape[0] - 1
    return run(
        save_nifti(folder / "mri.nii.gz", mri[::-1], turned(AFFINE) @ mirror),
        save_nifti(folder / "pet.nii.gz", pet, turned(AFFINE)),
        folder / "out",
    )


@pytest.fixture(params=["phantom", "siemens"])
def dicom_run(request: pytest.FixtureRequest) -> Run:
    """A run whose MRI was DICOM."""
    return request.getfixturevalue(f"{request.param}_run")


@pytest.fixture(params=["phantom", "siemens", "nifti"])
def any_run(request: pytest.FixtureRequest) -> Run:
    return request.getfixturevalue(f"{request.param}_run")


# --- NIfTI -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sform_code", "qform_code"), [(1, 1), (4, 2), (2, 0), (0, 1)])
def test_nifti_keeps_the_grid_of_the_mri(sform_code: int, qform_code: int, tmp_path: Path) -> None:
    mri, pet = head((24, 28, 8))
    source = nib.Nifti1Image(mri, None)
    source.set_sform(turned(AFFINE), sform_code)
    source.set_qform(turned(AFFINE), qform_code)
    nib.save(source, tmp_path / "mri.nii.gz")
    monai_fusion.fuse(tmp_path / "mri.nii.gz", save_nifti(tmp_path / "pet.nii", pet, turned(AFFINE)), tmp_path / "out")
    for name in ("fused.nii.gz", "fused_color.nii.gz"):
        image = nib.load(tmp_path / "out" / name)
        np.testing.assert_allclose(image.affine, turned(AFFINE), atol=1e-4)
        assert (image.header["sform_code"], image.header["qform_code"]) == (sform_code, qform_code)
        assert image.header.get_xyzt_units()[0] == "mm"
        assert image.shape == mri.shape


@pytest.mark.parametrize("save", [save_nifti, save_dicom])
def test_voxels_stay_in_the_order_of_the_files(save: Callable[..., Path], tmp_path: Path) -> None:
    """Slice after slice, as they were read and as they are written: nothing is turned round on the way."""
    mri, pet = head()
    if save is save_nifti:
        pair = save_nifti(tmp_path / "m.nii", mri), save_nifti(tmp_path / "p.nii", pet[::2], np.diag([2.0, 1, 1, 1]))
    else:
        pair = save_dicom(tmp_path / "m", mri, AFFINE, "MR", "m"), save_dicom(tmp_path / "p", pet, AFFINE, "PT", "p")
    result = monai_fusion.fuse(*pair)
    for volume in (result.fused, *result.sources.values()):
        assert volume.flags.f_contiguous
    assert result.color is not None
    assert result.color.transpose(2, 1, 0, 3).flags.c_contiguous


def test_colour_has_the_luma_of_the_fused_volume(any_run: Run) -> None:
    image = nib.load(any_run.out / "fused_color.nii.gz")
    assert image.header["datatype"] == 128  # NIFTI_TYPE_RGB24
    voxels = np.asarray(image.dataobj)
    rgb = np.stack([voxels[band] for band in "RGB"], axis=-1)
    np.testing.assert_allclose(luma(rgb), any_run.fused.get_fdata(), atol=1.5 / 255)
    assert np.ptp(rgb, axis=-1).max() > 100


@pytest.mark.parametrize("functional", ["PET", "SPECT"])
def test_real_templates(functional: str, shared: Path, tmp_path: Path) -> None:
    volumes = shared / "data" / "volumes"
    done = run(volumes / "T1.nii.gz", volumes / f"{functional}.nii.gz", tmp_path / "out")
    assert names(done.out) == VOLUME_RESULTS
    source = nib.load(done.mri)
    assert np.array_equal(done.fused.affine, source.affine)
    assert done.report["overlap"] == 1  # both templates fill the same box, although the SPECT is stored mirrored
    assert done.report["warnings"] == []
    assert len(done.series) == source.shape[2]


# --- The report --------------------------------------------------------------------------------------------------


def test_report_names_the_inputs_by_hash_and_uid(any_run: Run) -> None:
    for role, path in (("mri", any_run.mri), ("functional", any_run.functional)):
        facts = any_run.report[role]
        if path.is_file():
            assert facts["sha256"] == sha256(path)
            assert facts["shape"] == list(nib.load(path).shape)
            continue
        digests = sorted(sha256(file) for file in path.iterdir())
        assert facts["sha256"] == hashlib.sha256("\n".join(digests).encode()).hexdigest()
        assert facts["file_count"] == len(digests)
        header = pydicom.dcmread(next(path.iterdir()), stop_before_pixels=True)
        uids = [facts[f"{name}_uid"] for name in ("study", "series", "frame_of_reference")]
        assert uids == [header.StudyInstanceUID, header.SeriesInstanceUID, header.FrameOfReferenceUID]


def test_report_says_how_and_with_what(phantom_run: Run, bundle: Path) -> None:
    report = phantom_run.report
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert report["model"] == {
        "name": metadata["name"],
        "version": metadata["version"],
        "sha256": sha256(bundle / "models" / "model.pt"),
    }
    for package in ("monai", "torch", "numpy", "nibabel", "pydicom", "highdicom", "SimpleITK"):
        assert report["versions"][package] == importlib.metadata.version(package)
    assert report["versions"]["monai_fusion"] == monai_fusion.__version__
    assert report["channel_order"] == list(metadata["network_data_format"]["inputs"]["image"]["channel_def"].values())
    assert report["steps"]["inferer"]["axis"] == "acquisition"
    window = report["intensity"]["functional"]
    suv = 20000 * SUV_BW  # the hot spot holds more than a thousandth of the head
    assert (window["high"], window["unit"]) == (pytest.approx(suv), "SUVbw g/ml")
    assert set(report["seconds"]) == {"reading", "fusing", "writing"}
    assert 0 < sum(report["seconds"].values()) < phantom_run.seconds
    assert report["notice"] == "For research use only. Not for diagnostic use."


def test_report_warns(siemens_run: Run, phantom_run: Run) -> None:
    [warning] = siemens_run.report["warnings"]
    assert "frame of reference" in warning
    assert warning in siemens_run.printed
    assert phantom_run.report["warnings"] == []


def test_no_name_and_no_path_is_told(phantom_run: Run, nifti_run: Run) -> None:
    assert phantom_run.series[0].PatientName == "Phantom^Synthetic"
    checkout = str(Path(monai_fusion.__file__).parents[1])
    for done in (phantom_run, nifti_run):
        report = (done.out / "report.json").read_text().lower()
        for text in ("phantom", "19700101", ".dcm", ".nii", str(done.out.parent).lower(), checkout.lower()):
            assert text not in report
        for text in ("phantom", "19700101", str(done.mri), str(done.functional)):
            assert text not in done.printed.lower()


# --- One folder, several runs ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fuse_small(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Dataset]]:
    """Fuses a small pair, a DICOM MRI and a PET of two frames in NIfTI, and gives the DICOM series written."""
    folder = tmp_path_factory.mktemp("small")
    mri, pet = head((24, 28, 8))
    save_dicom(folder / "mri", np.round(mri), AFFINE, "MR", "mri")
    save_nifti(folder / "pet.nii.gz", np.stack([pet, pet[::-1]], axis=-1))

    def fuse(source: Path = folder / "mri", **overrides: Any) -> list[Dataset]:
        out = folder / "out"
        how = {"functional_frame": 0, "registration": "none", **overrides}
        monai_fusion.fuse(source, folder / "pet.nii.gz", out, **how)
        return read_series(out / "dicom" / "fused")

    return fuse


def uids(series: Sequence[Dataset]) -> set[str]:
    return {str(instance.SOPInstanceUID) for instance in series} | {str(series[0].SeriesInstanceUID)}


def test_a_repeated_run_makes_the_same_series(fuse_small: Callable[..., list[Dataset]], tmp_path: Path) -> None:
    first, second = fuse_small(), fuse_small()
    assert uids(first) == uids(second)
    assert len(uids(first)) == 8 + 1


@pytest.mark.parametrize("change", ["window", "frame", "transform", "axis"])
def test_another_parameter_makes_another_series(
    change: str, fuse_small: Callable[..., list[Dataset]], tmp_path: Path
) -> None:
    transform = tmp_path / "shift.tfm"
    transform.write_text(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        "Parameters: 1 0 0 0 1 0 0 0 1 0 6 0\nFixedParameters: 0 0 0\n"
    )
    overrides: dict[str, dict[str, Any]] = {
        "window": {"mri_window": [0, 1000]},
        "frame": {"functional_frame": 1},
        "transform": {"functional_transform": str(transform)},
        "axis": {"axis": "coronal"},
    }
    usual, changed = fuse_small(), fuse_small(**overrides[change])
    assert any(a.PixelData != b.PixelData for a, b in zip(usual, changed))
    assert uids(usual).isdisjoint(uids(changed))


def test_what_is_written_beside_changes_no_uid(fuse_small: Callable[..., list[Dataset]]) -> None:
    assert uids(fuse_small()) == uids(fuse_small(presentation_state=True, progress=False))


def test_uids_follow_from_inputs_not_from_what_was_found(phantom_run: Run) -> None:
    """The last digits of a registration differ between machines; the file of a transform is an input."""
    report = {**phantom_run.report, "steps": {"preprocessing": {"class": "a", "mode": "rigid"}}}

    def identity(**changes: Any) -> str:
        return _identity({**report, **changes})

    found = {"mode": "rigid", "matrix_lps": np.eye(4).tolist(), "similarity": {"before": 0.1, "after": 0.9}}
    assert identity(registration=found) == identity(registration={**found, "matrix_lps": (2 * np.eye(4)).tolist()})
    assert identity(registration=found) == identity()
    assert identity(mri={**report["mri"], "files": ["/elsewhere/1.dcm"]}) == identity()
    for change in (
        {"registration": {"sha256": "0"}},
        {"mri": {**report["mri"], "sha256": "0"}},
        {"model": {**report["model"], "sha256": "0"}},
        {"steps": {"preprocessing": {"class": "a", "mode": "affine"}}},
    ):
        assert identity(**change) != identity()


def test_results_of_an_earlier_run_are_replaced(fuse_small: Callable[..., list[Dataset]], tmp_path: Path) -> None:
    """Of a run of another kind too; what is not ours stays."""
    mri, pet = head((24, 28, 8))
    volumes = save_nifti(tmp_path / "mri.nii.gz", mri), save_nifti(tmp_path / "pet.nii.gz", pet)
    pictures = save_picture(tmp_path / "mri.png", smooth()), save_picture(tmp_path / "pet.png", smooth(1))
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    monai_fusion.fuse(*volumes, out)
    assert names(out) == VOLUME_RESULTS | {"notes.txt"}
    (out / "dicom" / "0099.dcm").touch()
    monai_fusion.fuse(*pictures, out)
    assert names(out) == {"fused.png", "report.json", "notes.txt"}
    monai_fusion.fuse(*volumes, out)
    assert names(out) == VOLUME_RESULTS | {"notes.txt"}
    assert len(names(out / "dicom" / "fused")) == mri.shape[2]


# --- DICOM -------------------------------------------------------------------------------------------------------


def test_dicom_carries_patient_study_and_place(dicom_run: Run) -> None:
    sources = {instance.SOPInstanceUID: instance for instance in read_series(dicom_run.mri)}
    to_index = np.linalg.inv(dicom_run.fused.affine) @ LPS_TO_RAS
    for instance in dicom_run.series:
        source = sources.pop(instance.SourceImageSequence[0].ReferencedSOPInstanceUID)
        carried = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate")
        for keyword in (*carried, "StudyID", "AccessionNumber", "FrameOfReferenceUID", "BodyPartExamined"):
            assert instance.get(keyword) == source.get(keyword), keyword
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            np.testing.assert_allclose(instance[keyword].value, source[keyword].value, atol=1e-4)
        for keyword in ("SliceThickness", "SpacingBetweenSlices"):  # the real series has gaps of 0.8 mm
            assert float(instance[keyword].value) == pytest.approx(float(source[keyword].value), abs=1e-4)
        index = to_index @ [*map(float, instance.ImagePositionPatient), 1]
        k = round(index[2])
        np.testing.assert_allclose(index[:3], [0, 0, k], atol=1e-3)
        assert np.array_equal(instance.pixel_array.T, dicom_run.stored[:, :, k])
    assert not sources  # every slice of the MRI was the source of one


def test_dicom_is_a_new_derived_series(any_run: Run) -> None:
    series = any_run.series
    assert [instance.InstanceNumber for instance in series] == list(range(1, len(series) + 1))
    assert len(uids(series)) == len(series) + 1
    for instance in series:
        assert instance.SOPClassUID == pydicom.uid.MRImageStorage
        assert list(instance.ImageType[:2]) == ["DERIVED", "SECONDARY"]
        assert instance.SeriesInstanceUID != any_run.report["mri"].get("series_uid")
        assert instance.BurnedInAnnotation == "NO"
        assert "Not for diagnostic use" in instance.DerivationDescription
        assert "RescaleSlope" not in instance


def test_dciodvfy(any_run: Run) -> None:
    for file in (any_run.out / "dicom").rglob("*.dcm"):
        assert validate("dciodvfy", file) == []


@pytest.mark.parametrize("lossy", ["mri", "pet"])
def test_loss_is_told(lossy: str, tmp_path: Path) -> None:
    """Where a source was compressed with loss, the Standard asks a derived image to say so."""
    told = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
    loss = dict(zip(told, ("01", 8, "ISO_10918_1")))
    pair = [
        save_dicom(tmp_path / name, np.round(array), AFFINE, modality, name)
        for name, array, modality in zip(("mri", "pet"), head((24, 28, 8)), ("MR", "PT"))
    ]
    for file in (tmp_path / lossy).iterdir():
        instance = pydicom.dcmread(file)
        instance.update(loss)
        instance.save_as(file)
    monai_fusion.fuse(*pair, tmp_path / "out")
    for instance in read_series(tmp_path / "out" / "dicom" / "fused"):
        assert {keyword: instance.get(keyword) for keyword in loss} == loss
    assert validate("dciodvfy", tmp_path / "out" / "dicom" / "fused" / "0001.dcm") == []


def test_dcentvfy(dicom_run: Run) -> None:
    """Input and output together are one patient, one study, one frame of reference."""
    folders = [folder for folder in (dicom_run.mri, dicom_run.functional, dicom_run.out / "dicom") if folder.is_dir()]
    assert validate("dcentvfy", *(file for folder in folders for file in folder.rglob("*.dcm"))) == []


@pytest.mark.parametrize("read", [read_by_dcm2niix, read_by_itk])
def test_dicom_is_read_back(read: Callable[[Path, Path], nib.Nifti1Image], any_run: Run, tmp_path: Path) -> None:
    """On the grid of the MRI, and to the digit."""
    back = nib.as_closest_canonical(read(any_run.out / "dicom" / "fused", tmp_path / "back"))
    expected = nib.as_closest_canonical(nib.Nifti1Image(any_run.stored.astype(np.int16), any_run.fused.affine))
    np.testing.assert_allclose(back.affine, expected.affine, atol=1e-3)
    assert np.array_equal(np.asarray(back.dataobj), np.asarray(expected.dataobj))


@pytest.mark.parametrize("read", [read_by_dcm2niix, read_by_itk])
def test_colour_dicom_is_read_back(read: Callable[[Path, Path], nib.Nifti1Image], any_run: Run, tmp_path: Path) -> None:
    back = nib.as_closest_canonical(read(any_run.out / "dicom" / "fused_color", tmp_path / "back"))
    expected = nib.as_closest_canonical(nib.load(any_run.out / "fused_color.nii.gz"))
    np.testing.assert_allclose(back.affine, expected.affine, atol=1e-3)
    assert np.array_equal(np.asarray(back.dataobj), np.asarray(expected.dataobj))


def test_a_sheared_grid_gets_no_dicom(tmp_path: Path) -> None:
    mri, pet = head((24, 28, 8))
    sheared = AFFINE.copy()
    sheared[0, 2] = 1  # each slice 1 mm further to the right
    image = nib.Nifti1Image(mri, None)
    image.set_sform(sheared, 2)
    nib.save(image, tmp_path / "mri.nii.gz")
    done = run(tmp_path / "mri.nii.gz", save_nifti(tmp_path / "pet.nii.gz", pet), tmp_path / "out")
    assert names(done.out) == VOLUME_RESULTS - {"dicom"}
    np.testing.assert_allclose(done.fused.affine, sheared, atol=1e-6)
    assert "sheared" in done.report["warnings"][-1]
    assert "sheared" in done.printed
