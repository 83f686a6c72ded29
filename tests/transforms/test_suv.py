"""From files to SUV through the real reader, in the transform and in a whole run."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
import torch
from conftest import AFFINE, SUV_BW, head, save_dicom, save_nifti
from monai.data import MetaTensor
from monai.transforms import LoadImaged
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from runs import Run, run

import monai_fusion
from monai_fusion import cli
from monai_fusion.data.reader import SourceReader
from monai_fusion.data.source import facts_of
from monai_fusion.errors import InputError
from monai_fusion.transforms import ConvertToSUVd


def load(path: Path) -> MetaTensor:
    reader = SourceReader("functional")
    return LoadImaged("functional", reader=reader, ensure_channel_first=True)({"functional": path})["functional"]


def convert(image: MetaTensor, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """Voxels and facts."""
    out = ConvertToSUVd("functional", **options)({"functional": image})["functional"]
    return out[0].numpy(), facts_of(out.meta)


@pytest.fixture
def pet(tmp_path: Path) -> Path:
    return save_dicom(tmp_path / "pet", head()[1], AFFINE, "PT", "pet")


def edit(folder: Path, change: Callable[[Dataset, int], object]) -> Path:
    """Changes each file; it is given its number too."""
    for i, file in enumerate(sorted(folder.iterdir())):
        dataset = pydicom.dcmread(file)
        change(dataset, i)
        dataset.save_as(file)
    return folder


# --- IBSI's twelve series ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ibsi(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ibsi")
    with tarfile.open(shared / "data" / "dicom" / "ibsi_suv_dro.tar.xz") as archive:
        archive.extractall(folder)
    return folder / "ibsi_suv_dro"


@pytest.mark.parametrize("name", ["0_0", "2_0", "2_1", "2_3", "2_4", "2_5", "3_0", "3_1", "3_2", "3_3", "4_0", "4_2"])
def test_ibsi(ibsi: Path, name: str) -> None:
    """Minimum, median and maximum of the object are SUVbw 0.20, 1.00 and 4.00."""
    suv, facts = convert(load(ibsi / f"DRO_{name}" / "PT"))
    inside = suv[suv > 0]
    found = [inside.min(), np.median(inside), inside.max()]
    np.testing.assert_allclose(found, [0.2, 1, 4], atol=0.04 if name == "2_3" else 0.01)  # stored in steps of 0.04
    assert facts["units"] == "SUVbw g/ml"
    assert "pet" not in facts
    says = {"3_0": "taken as MBq", "4_2": "over midnight"}.get(name)
    assert [says in text for text in facts["warnings"]] == ([True] if says else [])


# --- The transform on a series ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "scale", "name"),
    [
        ("auto", SUV_BW, "SUVbw g/ml"),
        ("native", 1.0, "Bq/ml"),
        ("SUVbw", SUV_BW, "SUVbw g/ml"),
        ("suvbsa", SUV_BW / 70e3 * 71.84 * 70**0.425 * 175**0.725, "SUVbsa cm2/ml"),
        ("SUVlbm", SUV_BW / 70 * (1.10 * 70 - 120 * 0.16 + 1.07 * 70 - 148 * 0.16) / 2, "SUVlbm g/ml"),  # sex O
        ("SUVibw", SUV_BW / 70 * (48.0 + 1.06 * 23 + 45.5 + 0.91 * 23) / 2, "SUVibw g/ml"),
    ],
)
def test_units(pet: Path, unit: str, scale: float, name: str) -> None:
    image = load(pet)
    before = image[0].numpy().copy()
    suv, facts = convert(image, unit=unit)
    np.testing.assert_allclose(suv, before * scale, rtol=1e-6)
    np.testing.assert_array_equal(image[0].numpy(), before)  # not in place
    assert facts["units"] == facts["suv"]["unit"] == name
    assert suv.dtype == np.float32


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
def test_each_slice_by_its_own_header(tmp_path: Path, up: bool) -> None:
    """Without decay correction the factors differ; files lie in any order, and the axis may run either way."""
    affine = AFFINE if up else AFFINE @ np.diag([1, 1, -1, 1])
    folder = save_dicom(tmp_path / "pet", head()[1], affine, "PT", "pet")

    def change(dataset: Dataset, i: int) -> None:
        dataset.DecayCorrection, dataset.CorrectedImage = "NONE", ["ATTN", "SCAT"]
        dataset.AcquisitionTime, dataset.ActualFrameDuration = f"11{i:02d}00", 60000

    edit(folder, change)
    for i, file in enumerate(sorted(folder.iterdir())):
        file.rename(folder / f"{(7 * i) % 20:02d}_{i}.dcm")
    suv, facts = convert(load(folder))
    rate = np.log(2) / 6586.2
    for file, plane in zip(facts["files"], suv.transpose(2, 1, 0), strict=True):
        dataset = pydicom.dcmread(file)
        since = 3600 + 60 * int(dataset.AcquisitionTime[2:4])
        factor = 70e3 / 370e6 * rate * 60 / (1 - np.exp(-rate * 60)) * np.exp(rate * since)
        np.testing.assert_allclose(plane, dataset.pixel_array * factor, rtol=1e-6)
    assert facts["suv"]["factor"]["max"] / facts["suv"]["factor"]["min"] == pytest.approx(np.exp(rate * 19 * 60))
    assert facts["suv"]["inputs"]["time_from_injection"] == {
        "min": 3600,
        "max": 3600 + 19 * 60,
        "unit": "s",
        "from": "reference minus injection",
    }


def test_slices_that_were_resampled(pet: Path) -> None:
    """Factors that differ have no slice to go to then."""
    image = load(edit(pet, lambda ds, i: ds.update({"Units": "CNTS"}) or ds.add_new(0x70531000, "DS", str(1 + i))))
    assert convert(image)[1]["units"] == "SUVbw g/ml"
    suv, facts = convert(image[..., ::2])
    np.testing.assert_array_equal(suv, image[0, ..., ::2].numpy())
    assert "20 slices became 10" in facts["warnings"][0]


def test_an_enhanced_object_made_of_a_series(pet: Path, tmp_path: Path) -> None:
    suv, _ = convert(load(pet))
    slices = [pydicom.dcmread(file) for file in sorted(pet.iterdir())]
    enhanced = highdicom.legacy.LegacyConvertedEnhancedPETImage(slices, generate_uid(), 9, generate_uid(), 1)
    enhanced.save_as(tmp_path / "enhanced.dcm")
    same, facts = convert(load(tmp_path / "enhanced.dcm"))
    assert facts["units"] == "SUVbw g/ml"
    np.testing.assert_allclose(np.sort(same.ravel()), np.sort(suv.ravel()), rtol=1e-6)


def test_a_real_world_value_map_is_not_converted_twice(pet: Path) -> None:
    """Stored values whose map gives SUVbw by a slope of 0.0003, beside Units BQML."""

    def change(dataset: Dataset, i: int) -> None:
        unit, mapping = Dataset(), Dataset()
        unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "g/ml{SUVbw}", "UCUM", "SUVbw"
        mapping.MeasurementUnitsCodeSequence = [unit]
        mapping.LUTLabel, mapping.LUTExplanation = "SUV", "SUVbw"
        mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped = 0, 65535
        mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 0.0003, 0.0
        dataset.RealWorldValueMappingSequence = [mapping]

    stored = load(pet)[0].numpy()
    suv, facts = convert(load(edit(pet, change)))
    np.testing.assert_allclose(suv, stored * 0.0003, rtol=1e-6)
    assert facts["suv"]["inputs"]["units"]["from"].startswith("(0040,9096)")


@pytest.mark.parametrize(
    ("facts", "unit"),
    [
        ({"kind": "dicom", "modality": "NM", "units": ""}, "counts"),
        ({"kind": "dicom", "modality": "NM", "units": "Bq/ml"}, "Bq/ml"),  # a real-world value map said so
    ],
)
def test_spect_keeps_its_unit(facts: dict[str, Any], unit: str) -> None:
    image = MetaTensor(torch.rand(1, 4, 4, 4), meta={"source": json.dumps({**facts, "warnings": []})})
    values, after = convert(image)
    np.testing.assert_array_equal(values, image[0].numpy())
    assert after["units"] == unit
    assert after["warnings"] == []
    with pytest.raises(InputError, match="only a DICOM PET"):
        convert(image, unit="SUVbw")


@pytest.mark.parametrize("change", [{"PatientWeight": None}, {"Units": "PROPCNTS"}, {"CorrectedImage": ["DECY"]}])
def test_without_an_suv(pet: Path, change: dict[str, Any]) -> None:
    """Left in its own unit with a warning, but refused where an SUV was asked for by name."""
    image = load(edit(pet, lambda dataset, i: [setattr(dataset, *tag) for tag in change.items()]))
    values, facts = convert(image)
    np.testing.assert_array_equal(values, image[0].numpy())
    assert facts["suv"]["type"] is None
    assert facts["units"] == ("proportional counts" if "Units" in change else "Bq/ml")
    assert len(facts["warnings"]) == 1
    assert "no SUV, because" in facts["warnings"][0]
    assert "pet" not in facts
    with pytest.raises(InputError, match=r"no SUVbw, because .*--patient-weight"):
        convert(image, unit="SUVbw")


def test_an_unknown_unit() -> None:
    with pytest.raises(InputError, match="choose auto, native, SUVbw"):
        ConvertToSUVd("functional", unit="SUV")


# --- Whole runs -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    mri, pet = head()
    return save_dicom(folder / "mri", mri, AFFINE, "MR", "mri"), save_dicom(folder / "pet", pet, AFFINE, "PT", "pet")


@pytest.fixture(scope="module")
def edited(pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    options = ("--patient-weight", "84", "--injected-dose", "185", "--injection-time", "20260101103000")
    return run(*pair, tmp_path_factory.mktemp("edited") / "out", *options, "--functional-window", "0", "8")


def test_the_report_of_an_edited_run(edited: Run) -> None:
    suv = edited.report["functional"]["suv"]
    factor = 84e3 / (185e6 * 2 ** (-1800 / 6586.2))
    assert suv["factor"] == {"min": pytest.approx(factor), "max": pytest.approx(factor), "from": "Bq/ml"}
    assert (suv["type"], suv["unit"], edited.report["functional"]["units"]) == ("BW", "SUVbw g/ml", "SUVbw g/ml")
    assert suv["edited"] == ["patient_weight", "injected_dose", "injection_time"]
    assert suv["inputs"]["patient_weight"] == {"value": 84, "unit": "kg", "from": "edited", "in_header": 70}
    assert suv["inputs"]["injected_dose"] == {"value": 185, "unit": "MBq", "from": "edited", "in_header": 370}
    assert suv["inputs"]["time_from_injection"]["max"] == 1800
    window = edited.report["intensity"]["functional"]
    assert (window["low"], window["high"], window["unit"]) == (0, 8, "SUVbw g/ml")
    assert edited.report["warnings"] == []


def test_no_dates_in_the_report(edited: Run) -> None:
    text = (edited.out / "report.json").read_text()
    assert "2026-" not in text
    assert "20260101" not in text
    assert "acquisition_datetimes" not in text
    assert "2026" not in edited.printed


def test_no_dates_even_where_the_step_is_left_out(pair: tuple[Path, Path]) -> None:
    report = monai_fusion.fuse(*pair, **{"preprocessing#transforms#2#_disabled_": True}).report
    assert "ConvertToSUVd" not in json.dumps(report["steps"])
    assert report["functional"]["units"] == "BQML"
    assert "pet" not in report["functional"]


def test_a_window_in_suv_is_a_window_in_bq(pair: tuple[Path, Path], edited: Run) -> None:
    factor = edited.report["functional"]["suv"]["factor"]["min"]
    native = monai_fusion.fuse(*pair, functional_unit="native", functional_window=[0, 8 / factor])
    np.testing.assert_allclose(native.fused, edited.fused.get_fdata(), atol=1e-5)


def test_auto_changes_nothing_of_the_picture(pair: tuple[Path, Path]) -> None:
    """Percentiles scale with the image: one factor for all slices leaves the fused volume as it was."""
    auto, native = (monai_fusion.fuse(*pair, functional_unit=unit) for unit in ("auto", "native"))
    assert auto.report["functional"]["units"] == "SUVbw g/ml"
    assert native.report["functional"]["units"] == "Bq/ml"
    np.testing.assert_allclose(auto.fused, native.fused, atol=1e-5)
    windows = [result.report["intensity"]["functional"]["high"] for result in (auto, native)]
    assert windows[0] / windows[1] == pytest.approx(SUV_BW)


def test_differing_factors_change_the_picture_by_these_factors(tmp_path: Path) -> None:
    """Two factors, for the lower and the upper slices: auto fuses what native fuses of a PET multiplied by them."""
    mri, pet = head()
    factors = np.repeat([0.001, 0.002], 10)
    auto_folder = save_dicom(tmp_path / "auto", pet, AFFINE, "PT", "pet")
    edit(auto_folder, lambda ds, i: ds.update({"Units": "CNTS"}) or ds.add_new(0x70531000, "DS", str(factors[i])))
    mri_folder = save_dicom(tmp_path / "mri", mri, AFFINE, "MR", "mri")
    auto = monai_fusion.fuse(mri_folder, auto_folder)
    image = load(auto_folder)
    z = (image.affine.numpy() @ np.stack([np.zeros(20), np.zeros(20), np.arange(20), np.ones(20)]))[2]
    expected = image[0].numpy() * np.where(z < np.median(z), 0.001, 0.002).astype(np.float32)
    suv = save_nifti(tmp_path / "suv.nii.gz", expected, image.affine.numpy())
    other = monai_fusion.fuse(mri_folder, suv, registration="none")
    np.testing.assert_allclose(auto.fused, other.fused, atol=1e-5)
    native = monai_fusion.fuse(mri_folder, auto_folder, functional_unit="native")
    assert np.abs(auto.fused - native.fused).max() > 0.05


def test_a_pet_without_weight_is_fused_with_a_warning(pair: tuple[Path, Path], tmp_path: Path) -> None:
    mri, _ = pair
    pet = edit(save_dicom(tmp_path / "pet", head()[1], AFFINE, "PT", "pet"), lambda ds, i: ds.pop("PatientWeight"))
    result = run(mri, pet, tmp_path / "out")
    assert "no SUV, because the patient's weight is not known; its unit is Bq/ml" in result.printed
    assert result.report["functional"]["suv"]["type"] is None
    assert result.report["intensity"]["functional"]["unit"] == "Bq/ml"
    assert "pet" not in result.report["functional"]
    with_weight = run(mri, pet, tmp_path / "edited", "--patient-weight", "70")
    assert with_weight.report["functional"]["suv"]["edited"] == ["patient_weight"]
    np.testing.assert_allclose(with_weight.fused.get_fdata(), result.fused.get_fdata(), atol=1e-5)
    assert with_weight.series[0].SOPInstanceUID != result.series[0].SOPInstanceUID  # made in another way


def test_a_window_in_the_wrong_unit_is_warned_about(pair: tuple[Path, Path]) -> None:
    for window, unit in (([0, 25000], "auto"), ([0, 8], "native")):
        [warning] = monai_fusion.fuse(*pair, functional_window=window, functional_unit=unit).report["warnings"]
        assert "is it meant in another unit?" in warning


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--patient-weight", "0"), "--patient-weight 0.0: give a number of kg"),
        (("--patient-weight", "nan"), "--patient-weight nan: give a number of kg"),
        (("--patient-weight", "501"), "--patient-weight 501.0: give a number of kg"),
        (("--injected-dose", "370e6"), "of MBq"),
        (("--injection-time", "ten"), "HHMMSS"),
        (("--patient-sex", "m"), "give one of M, F, O"),
        (("--functional-unit", "SUL"), "give one of auto, native, SUVbw"),
        (("--injection-time", "20260101120000", "--functional-unit", "SUVbw"), "after the scan"),
    ],
)
def test_refused(
    pair: tuple[Path, Path], tmp_path: Path, options: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(path) for path in pair]
    assert cli.main(["fuse", *arguments, "--output", str(tmp_path / "out"), *options]) == 3
    printed = capsys.readouterr().err
    assert says in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_values_for_an_image_without_header(nifti_pair: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"pet\.nii\.gz: only a DICOM PET has an SUV"):
        monai_fusion.fuse(*nifti_pair, patient_weight=70)
    assert monai_fusion.fuse(*nifti_pair).report["warnings"] == []
