"""Registration as a step of the bundle: when it runs, what it refuses, and what it leaves in the results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from conftest import motion, moved, save_dicom, save_nifti, textured_pair
from monai.transforms import LoadImage
from runs import Run, run, save_picture, smooth
from scipy import ndimage

import monai_fusion
from monai_fusion import cli
from monai_fusion.data.reader import SourceReader
from monai_fusion.data.report import read_report
from monai_fusion.data.transform_file import write_itk_transform
from monai_fusion.errors import InputError
from monai_fusion.registration.similarity import mean_distance
from monai_fusion.registration.volume import Volume
from monai_fusion.transforms import CheckOverlapd, CheckPaird, MoveByTransformd, RegisterFunctionald

TRUTH = motion((8, -5, 10), (12, -15, 9))
AT_ONCE = 0.05  # a time limit that no registration keeps: it fails without any cost
PATIENT = "registration_timeout=600"  # and one that a busy machine keeps

Load = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An MRI; its PET in the same frame of reference, in another one, far away, and without a frame (NIfTI)."""
    folder = tmp_path_factory.mktemp("pair")
    mri, pet, affine = textured_pair()
    mri, pet = np.round(mri), np.round(pet)
    away = moved(affine, motion((0, 0, 0), (1000, 0, 0)))
    return {
        "mri": save_dicom(folder / "mri", mri, affine, "MR", "mri"),
        "same": save_dicom(folder / "same", pet, affine, "PT", "same"),
        "other": save_dicom(folder / "other", pet, moved(affine, TRUTH), "PT", "other", frame="other"),
        "nifti mri": save_nifti(folder / "mri.nii.gz", mri, affine),
        "nifti": save_nifti(folder / "pet.nii.gz", pet, affine),
        "away": save_nifti(folder / "away.nii.gz", pet, away),
    }


@pytest.fixture
def load(pair: dict[str, Path]) -> Load:
    def load(mri: str, functional: str) -> dict[str, Any]:
        images = {}
        for role, name in (("mri", mri), ("functional", functional)):
            reader = SourceReader(role=role)
            images[role] = LoadImage(reader=reader, ensure_channel_first=True, image_only=True)(str(pair[name]))
        return CheckPaird()(images)

    return load


@pytest.mark.parametrize(
    ("mri", "functional", "due"),
    [
        ("mri", "same", False),
        ("mri", "other", True),
        ("mri", "nifti", True),  # nobody says that they are in one space
        ("nifti mri", "nifti", False),
        ("nifti mri", "away", True),
    ],
)
def test_auto_registers_what_no_header_brings_together(load: Load, mri: str, functional: str, due: bool) -> None:
    data = load(mri, functional)
    out = RegisterFunctionald("auto", accept=True, timeout=AT_ONCE)(data)
    assert ("registration" in read_report(out)) is due
    assert "registration" not in read_report(RegisterFunctionald("none")(data))


def test_a_moved_image_is_not_registered_again(load: Load, tmp_path: Path) -> None:
    write_itk_transform(tmp_path / "t.tfm", TRUTH)
    data = MoveByTransformd("functional", tmp_path / "t.tfm")(load("mri", "other"))
    assert RegisterFunctionald("auto", timeout=AT_ONCE)(data)["report"] == data["report"]


def test_a_failed_registration_is_refused_unless_accepted(load: Load) -> None:
    data = load("mri", "other")
    affine = data["functional"].affine.clone()
    with pytest.raises(InputError, match=r"took longer than .*\(--accept-registration\)"):
        RegisterFunctionald("rigid", timeout=AT_ONCE)(data)
    out = RegisterFunctionald("rigid", accept=True, timeout=AT_ONCE)(data)
    report = read_report(out)
    assert report["registration"]["verdict"] == "failed"
    assert report["registration"]["matrix_lps"] == np.eye(4).tolist()
    [warning] = report["warnings"]
    assert warning.startswith("the registration is failed: it took longer")
    np.testing.assert_array_equal(out["functional"].affine, affine)


def test_nothing_is_written_of_a_failed_one(
    pair: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["fuse", str(pair["mri"]), str(pair["other"]), "-o", str(tmp_path / "out")]
    assert cli.main([*command, "--set", f"registration_timeout={AT_ONCE}"]) == 3
    assert "--accept-registration" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_picture_is_refused(tmp_path: Path) -> None:
    paths = [save_picture(tmp_path / f"{i}.png", smooth(i)) for i in range(2)]
    assert monai_fusion.fuse(*paths).fused.ndim == 2  # auto does not mind
    with pytest.raises(InputError, match="no registration moves"):
        monai_fusion.fuse(*paths, registration="rigid")


@pytest.mark.parametrize(("how", "says"), [({"mode": "elastic"}, "none, auto"), ({"timeout": 0}, "more than 0")])
def test_parameters(how: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        RegisterFunctionald(**how)


def test_the_inverse_of_a_transform_is_warned_of(load: Load, tmp_path: Path) -> None:
    found = {}
    for name, matrix in (("right", TRUTH), ("inverse", np.linalg.inv(TRUTH))):
        write_itk_transform(tmp_path / "t.tfm", matrix)
        found[name] = read_report(MoveByTransformd("functional", tmp_path / "t.tfm")(load("mri", "other")))
    assert found["right"]["warnings"] == []
    assert "worse by the transform than by their headers" in found["inverse"]["warnings"][0]
    registration = found["right"]["registration"]
    assert set(registration) == {"rule", "sha256", "matrix_lps", "similarity", "coverage"}
    assert registration["similarity"]["after"] > 0.1 + registration["similarity"]["before"]
    assert registration["coverage"] > 0.95


def test_without_overlap_there_is_no_picture(load: Load) -> None:
    with pytest.raises(InputError, match="do not overlap in space"):
        CheckOverlapd()(load("nifti mri", "away"))


# --- One whole run -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done(pair: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(pair["mri"], pair["other"], tmp_path_factory.mktemp("run") / "out", "--set", PATIENT)


def test_the_run_is_registered(done: Run) -> None:
    registration = done.report["registration"]
    assert (registration["verdict"], registration["mode"]) == ("good", "rigid")
    mri, _, affine = textured_pair()
    head = Volume.reduced(mri, affine)
    points = head.points(head.mask)
    assert mean_distance(np.array(registration["matrix_lps"]), TRUTH, points) < 0.5
    assert registration["moved_mm"] == pytest.approx(mean_distance(np.eye(4), TRUTH, points), abs=0.5)
    assert done.report["warnings"] == []
    assert f"registered (rigid), moved by {registration['moved_mm']:.1f} mm: good" in done.printed


def test_the_transform_is_saved_for_itk(done: Run) -> None:
    transform = sitk.ReadTransform(str(done.out / "mri_to_functional.tfm"))
    matrix = np.array(done.report["registration"]["matrix_lps"])
    for point in ([0.0, 0, 0], [50.0, -7, 12]):
        np.testing.assert_allclose(transform.TransformPoint(point), (matrix @ [*point, 1])[:3], atol=1e-9)


def test_the_uptake_is_interpolated_once(pair: dict[str, Path], done: Run) -> None:
    """SimpleITK resamples the original PET by the saved transform in one step, and finds the same voxels."""
    how: dict[str, Any] = {"functional_unit": "native", "functional_window": [0, 2e4]}
    transform_file = done.out / "mri_to_functional.tfm"
    again = monai_fusion.fuse(pair["mri"], pair["other"], functional_transform=transform_file, **how)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames
    mri, pet = (sitk.ReadImage(names(str(pair[name])), sitk.sitkFloat64) for name in ("mri", "other"))
    transform = sitk.ReadTransform(str(transform_file))
    expected = sitk.GetArrayFromImage(sitk.Resample(pet / 2e4, mri, transform, sitk.sitkLinear)).T
    axes = nib.orientations.ornt_transform(
        nib.io_orientation(again.affine), nib.io_orientation(np.diag([-1.0, -1, 1, 1]) @ itk_affine(mri))
    )
    found = nib.orientations.apply_orientation(again.sources["functional"], axes)
    inner = ndimage.binary_erosion(np.ones(expected.shape), iterations=8)
    np.testing.assert_allclose(found[inner], expected.clip(0, 1)[inner], atol=1e-4)


def itk_affine(image: sitk.Image) -> np.ndarray:
    """Index to LPS."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return affine


def test_one_starts_where_a_transform_leads(pair: dict[str, Path], tmp_path: Path) -> None:
    """`registration` asked for, and a rough transform: refined, and the report holds the whole way."""
    write_itk_transform(tmp_path / "rough.tfm", motion((5, -5, 5), (8, -10, 5)))
    how: dict[str, Any] = {"registration": "rigid", "functional_transform": tmp_path / "rough.tfm"}
    how["registration_timeout"] = 600
    registration = monai_fusion.fuse(pair["mri"], pair["other"], **how).report["registration"]
    assert registration["verdict"] == "good"
    assert "sha256" in registration["begun_with"]
    mri, _, affine = textured_pair()
    head = Volume.reduced(mri, affine)
    assert mean_distance(np.array(registration["matrix_lps"]), TRUTH, head.points(head.mask)) < 0.5
