"""Every rule of the SUV, each against a closed form written out here from the Standard's and the papers' formulas."""

from __future__ import annotations

import json
from math import exp, log
from pathlib import Path
from typing import Any

import pytest
from pet_slices import header, moments, pet_slice, private
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedPETImageStorage

from monai_fusion.errors import InputError
from monai_fusion.suv import SuvEdits, SuvFactor, SuvUnavailableError, suv_factor

GRAMS, DOSE, HALF_LIFE, HOUR = 70e3, 370e6, 6586.2, 3600.0
RATE = log(2) / HALF_LIFE
START = GRAMS / (DOSE * exp(-RATE * HOUR))
ADMIN = GRAMS / DOSE
JAMES, JAMES128, JANMA = 57.8e3, 56.52e3, 9270 * 70e3 / (6680 + 216 * 70 / 1.75**2)
SURFACE, IDEAL = 71.84 * 70**0.425 * 175**0.725, 72.38e3
MONTH_LATER = {"SeriesDate": "20260131", "AcquisitionDate": "20260131"}


def factor(*slices: Dataset, unit: str = "BW", edits: dict[str, Any] | None = None, **tags: Any) -> SuvFactor:
    return suv_factor(header(*slices, **tags), unit, SuvEdits(**(edits or {})))


def one(*slices: Dataset, **options: Any) -> float:
    [value] = factor(*slices, **options).values
    return value


# --- Units, decay correction, body ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "options"),
    [
        (START, {}),
        (ADMIN, {"DecayCorrection": "ADMIN"}),
        (ADMIN, {"DecayCorrection": "ADMIN", "RadionuclideHalfLife": None, "AcquisitionTime": None}),
        (START * JAMES / GRAMS, {"unit": "LBM"}),
        (START * JAMES128 / GRAMS, {"unit": "LBMJAMES128"}),
        (START * JANMA / GRAMS, {"unit": "LBMJANMA"}),
        (START * SURFACE / GRAMS, {"unit": "BSA"}),
        (START * IDEAL / GRAMS, {"unit": "IBW"}),
        (START * (1.07 * 70 - 148 * 0.16) / 70, {"unit": "LBM", "PatientSex": "F"}),
        (START * (1.07 * 70 - 148 * 0.16 + 57.8) / 140, {"unit": "LBM", "PatientSex": "O"}),
        # half the half-life, twice as decayed
        (ADMIN * exp(2 * RATE * HOUR), {"RadionuclideHalfLife": HALF_LIFE / 2}),
        # SUV already
        (1.0, {"Units": "GML"}),
        (1.0, {"Units": "GML", "SUVType": "BW", "PatientWeight": None, "RadionuclideTotalDose": None}),
        (GRAMS / JAMES128, {"Units": "GML", "SUVType": "LBMJAMES128"}),
        (GRAMS / JAMES, {"Units": "GML", "SUVType": "LBM"}),
        (GRAMS / JANMA, {"Units": "GML", "SUVType": "LBMJANMA"}),
        (GRAMS / IDEAL, {"Units": "GML", "SUVType": "IBW"}),
        (GRAMS / SURFACE, {"Units": "CM2ML"}),
        (GRAMS / SURFACE, {"Units": "CM2ML", "SUVType": "BSA"}),
        (SURFACE / GRAMS, {"Units": "GML", "unit": "BSA"}),
        (JANMA / IDEAL, {"Units": "GML", "SUVType": "IBW", "unit": "LBMJANMA"}),
        (1.0, {"Units": "GML", "SUVType": "IBW", "unit": "IBW", "PatientSize": None}),
    ],
)
def test_by_hand(expected: float, options: dict[str, Any]) -> None:
    assert one(**options) == pytest.approx(expected, rel=1e-6)


def test_no_decay_correction() -> None:
    """Activity at the start of a frame is λT / (1 - e^(-λT)) of the mean, and decayed since the injection."""
    slices = [
        pet_slice(DecayCorrection="NONE", CorrectedImage=["ATTN"], AcquisitionTime=clock, ActualFrameDuration=frame)
        for clock, frame in (("110000", 600_000), ("111000", 600_000), ("112000", 1_200_000))
    ]
    expected = [
        ADMIN * RATE * T / (1 - exp(-RATE * T)) * exp(RATE * t) for t, T in ((3600, 600), (4200, 600), (4800, 1200))
    ]
    assert factor(*slices).values == pytest.approx(expected, rel=1e-6)


# --- The time that the voxels stand for -------------------------------------------------------------------------------


def reference(seconds: float) -> float:
    """The factor where so many seconds lie between injection and reference."""
    return ADMIN * exp(RATE * seconds)


@pytest.mark.parametrize(
    ("seconds", "tags"),
    [
        (3600, {"AcquisitionTime": "113000"}),  # the series time, whatever the bed position
        (3600.9, {"SeriesTime": "110000.9"}),  # within a second
        (3600.000005, {"SeriesTime": "110000.000005"}),  # as in a Siemens header
        (3600, {"SeriesDate": None}),
    ],
)
def test_series_time(seconds: float, tags: dict[str, Any]) -> None:
    assert one(**tags) == pytest.approx(reference(seconds), rel=1e-6)


@pytest.mark.parametrize("creator", [None, "GEMS_PETD_01"])
def test_ge_scan_time_where_the_series_was_made_later(creator: str | None) -> None:
    for series_time, seconds in (("120000", 3480), ("110000", 3600)):  # only where it is needed
        dataset = pet_slice(SeriesTime=series_time)
        private(dataset, 0x0009, 0x0D, "DT", "20260101105800", creator)
        assert one(dataset) == pytest.approx(reference(seconds), rel=1e-6)


def test_another_vendors_private_values_are_not_taken() -> None:
    dataset = private(pet_slice(SeriesTime="120000"), 0x0009, 0x0D, "DT", "20260101105800", "ACME 1.0")
    private(dataset, 0x7053, 0x00, "DS", "0.5", "ACME 1.0")
    assert header(dataset)["ge_scan_datetime"] is None
    assert header(dataset)["philips_suv_factors"] == [None]


def test_computed_back_slice_by_slice() -> None:
    """The beds lead back to 11:00:00 and 11:00:10: the mean activity of a frame falls on t_avg after its start."""
    slices, expected = [], []
    for clock, since, T in (("113000", 1800, 180), ("114000", 2390, 300)):  # noqa: N806 - the formula's T
        t_avg = log(RATE * T / (1 - exp(-RATE * T))) / RATE
        milliseconds = round(1000 * (since + t_avg), 3)
        slices.append(
            pet_slice(
                SeriesTime="120000",
                AcquisitionTime=clock,
                FrameReferenceTime=milliseconds,
                ActualFrameDuration=1000 * T,
            )
        )
        expected.append(reference(5400 - since if since == 1800 else 6000 - since))
    result = factor(*slices)
    assert result.values == pytest.approx(expected, rel=1e-6)
    assert result.warnings == []


@pytest.mark.parametrize("missing", ["FrameReferenceTime", "ActualFrameDuration"])
def test_else_the_earliest_acquisition_with_a_warning(missing: str) -> None:
    slices = [*moments("110500", "111500"), pet_slice(AcquisitionTime="110500")]
    for dataset in slices:
        dataset.SeriesTime = "120000"
    setattr(slices[1], missing, 0)
    result = factor(*slices)
    assert result.values == pytest.approx([reference(3900)], rel=1e-6)
    assert "earliest AcquisitionTime" in result.warnings[0]


# --- The injection ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "tags"),
    [
        (3600, {"RadiopharmaceuticalStartDateTime": None}),
        (3600, {"RadiopharmaceuticalStartTime": None}),
        (3600, {"RadiopharmaceuticalStartTime": "080000"}),  # the date-time goes first
        (3600, {"RadiopharmaceuticalStartDateTime": "20260101100000.00 "}),
        (3600, {"RadiopharmaceuticalStartDateTime": "20260101110000+0200", "TimezoneOffsetFromUTC": "+0100"}),
        (3600, {"RadiopharmaceuticalStartDateTime": "20260101000000-1000", "TimezoneOffsetFromUTC": "+0000"}),
        (7200, {"RadiopharmaceuticalStartDateTime": "20260101090000", "TimezoneOffsetFromUTC": "-0500"}),
        (3600, {"RadiopharmaceuticalStartDateTime": "20260101100000+0500"}),  # one clock, with a warning
        (1800, {"RadiopharmaceuticalStartDateTime": "20260101103000", "RadiopharmaceuticalStartTime": None}),
    ],
)
def test_injection(seconds: float, tags: dict[str, Any]) -> None:
    result = factor(**tags)
    assert result.values == pytest.approx([reference(seconds)], rel=1e-6)
    one_clock = "+0500" in str(tags.get("RadiopharmaceuticalStartDateTime"))
    assert ["one clock" in text for text in result.warnings] == [True] * one_clock


@pytest.mark.parametrize("told", ["time", "date-time", "edited"])
def test_injection_over_midnight(told: str) -> None:
    tags = {
        "SeriesDate": "20260102",
        "SeriesTime": "003000",
        "AcquisitionDate": "20260102",
        "AcquisitionTime": "003000",
    }
    tags |= {"RadiopharmaceuticalStartTime": "233000", "RadiopharmaceuticalStartDateTime": None}
    edits = None
    if told == "date-time":
        tags["RadiopharmaceuticalStartDateTime"] = "20260101233000"
    if told == "edited":
        tags["RadiopharmaceuticalStartTime"], edits = None, {"injection_time": "2330"}
    result = factor(**tags, edits=edits)
    assert result.values == pytest.approx([reference(3600)], rel=1e-6)
    assert any("midnight" in text for text in result.warnings) == (told != "date-time")


def test_dates_count() -> None:
    """A tracer of 78.4 h (Zr-89) scanned two days after: the dates, not the clock alone."""
    tags = {"RadionuclideHalfLife": 282_240, "SeriesDate": "20260103", "AcquisitionDate": "20260103"}
    assert one(**tags) == pytest.approx(ADMIN * exp(log(2) / 282_240 * (48 * 3600 + 3600)), rel=1e-6)


def test_a_scan_that_began_before_the_injection() -> None:
    """Dynamic: injected 30 s into the scan, this frame 40 minutes later."""
    tags = {"RadiopharmaceuticalStartDateTime": "20260101110030", "AcquisitionTime": "114000"}
    result = factor(**tags)
    assert result.values == pytest.approx([reference(-30)], rel=1e-6)
    assert "30 s after" in result.warnings[0]


# --- Other ways to say the same ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "says", "tags"),
    [
        (START, "taken as grams", {"PatientWeight": 70000}),
        (START, "taken as MBq", {"RadionuclideTotalDose": 370}),
        (START * JAMES / GRAMS, "taken as centimetres", {"PatientSize": 175, "unit": "LBM"}),
        (START * JAMES / GRAMS, "the mean of the formulas", {"PatientSex": "O", "unit": "LBM"}),
        (START, "one clock", {"RadiopharmaceuticalStartDateTime": "20260101100000+0500"}),
    ],
)
def test_corrected_with_a_warning(expected: float, says: str, tags: dict[str, Any]) -> None:
    result = factor(**tags)
    assert any(says in text for text in result.warnings)
    if tags.get("PatientSex") != "O":
        assert result.values == pytest.approx([expected], rel=1e-6)


@pytest.mark.parametrize("creator", [None, "Philips PET Private Group"])
def test_philips(creator: str | None) -> None:
    no_dose = {"RadionuclideTotalDose": None, "PatientWeight": None, "AcquisitionTime": None}
    suv = private(pet_slice(Units="CNTS", **no_dose), 0x7053, 0x00, "DS", "0.000728", creator)
    assert one(suv) == pytest.approx(0.000728, rel=1e-6)
    activity = private(pet_slice(Units="CNTS"), 0x7053, 0x09, "DS", "0.5", creator)
    assert one(activity) == pytest.approx(0.5 * START, rel=1e-6)
    private(activity, 0x7053, 0x00, "DS", "0", creator)
    assert one(activity) == pytest.approx(0.5 * START, rel=1e-6)
    # both: to an SUV at once; by the activity where the dose was edited
    both = private(pet_slice(Units="CNTS"), 0x7053, 0x09, "DS", "0.5", creator)
    private(both, 0x7053, 0x00, "DS", "0.000728", creator)
    assert one(both) == pytest.approx(0.000728, rel=1e-6)
    assert one(both, edits={"injected_dose": 185}) == pytest.approx(0.5 * 2 * START, rel=1e-6)
    assert one(both, unit="LBM") == pytest.approx(0.000728 * JAMES / GRAMS, rel=1e-6)
    # ignored where the units are not counts
    both.Units = "BQML"
    assert one(both) == pytest.approx(START, rel=1e-6)


def test_philips_factors_of_each_slice() -> None:
    slices = [private(pet_slice(Units="CNTS"), 0x7053, 0x00, "DS", value) for value in ("0.5", "0.25")]
    assert factor(*slices).values == [0.5, 0.25]


@pytest.mark.parametrize(
    ("code", "expected"), [("g/ml{SUVbw}", 1.0), ("Bq/ml", START), ("cm2/ml{SUVbsa}", GRAMS / SURFACE)]
)
def test_a_real_world_value_map_goes_before_units(code: str, expected: float) -> None:
    """highdicom applies the map, so its unit is the voxels': an SUV must not be converted twice."""
    unit, mapping, dataset = Dataset(), Dataset(), pet_slice()
    unit.CodeValue, unit.CodingSchemeDesignator = code, "UCUM"
    mapping.MeasurementUnitsCodeSequence = [unit]
    dataset.RealWorldValueMappingSequence = [mapping]
    assert one(dataset) == pytest.approx(expected, rel=1e-6)


def enhanced(**tags: Any) -> Dataset:
    """One Enhanced PET object of two frames: dose in MBq, and attributes of its own for the corrections."""
    dataset = pet_slice(SOPClassUID=EnhancedPETImageStorage, Units=None, DecayCorrection=None, CorrectedImage=None)
    dataset.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = 370
    values = {"AttenuationCorrected": "YES", "DecayCorrected": "YES", "DecayCorrectionDateTime": "20260101110000"}
    for keyword, value in {**values, **tags}.items():
        setattr(dataset, keyword, value)
    unit, mapping, shared = Dataset(), Dataset(), Dataset()
    unit.CodeValue = "Bq/ml"
    mapping.MeasurementUnitsCodeSequence = [unit]
    shared.RealWorldValueMappingSequence = [mapping]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = []
    for _ in range(2):
        frame, content = Dataset(), Dataset()
        content.FrameAcquisitionDateTime, content.FrameAcquisitionDuration = "20260101111000", 600_000
        frame.FrameContentSequence = [content]
        dataset.PerFrameFunctionalGroupsSequence.append(frame)
    del dataset.AcquisitionTime
    return dataset


def test_enhanced_pet() -> None:
    result = factor(enhanced())
    assert result.values == pytest.approx([START], rel=1e-6)
    assert result.warnings == []
    admin = enhanced(DecayCorrectionDateTime="20260101100000")
    assert one(admin) == pytest.approx(ADMIN, rel=1e-6)
    uncorrected = ADMIN * RATE * 600 / (1 - exp(-RATE * 600)) * exp(RATE * 4200)
    assert one(enhanced(DecayCorrected="NO")) == pytest.approx(uncorrected, rel=1e-6)
    in_bq = enhanced()
    in_bq.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = 370e6
    result = factor(in_bq)
    assert result.values == pytest.approx([START], rel=1e-6)
    assert "taken as Bq" in result.warnings[0]


def test_frames_of_one_object_whose_factors_differ() -> None:
    """The order of the frames in the volume is not known here."""
    dataset = enhanced(DecayCorrected="NO")
    dataset.PerFrameFunctionalGroupsSequence[1].FrameContentSequence[0].FrameAcquisitionDateTime = "20260101112000"
    with pytest.raises(SuvUnavailableError, match="differs from frame to frame"):
        factor(dataset)


# --- Real headers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 08:45:00 to 09:56:21
        ("GE_MEDICAL_AND_BQML", 52e3 / (152022720 * exp(-log(2) / 6586.2001953125 * 4281))),
        ("PHILIPS_CNTS_AND_SUV", 0.000728),  # the vendor's own factor
        # 12:50:00 to 13:54:31.843, no date-time of the injection
        ("RADIOPHARM_DATETIME_UNDEFINED", 102e3 / (412e6 * exp(-log(2) / 6586.2 * 3871.843))),
        # 08:30:45 to 10:48:29
        ("SIEMENS", 67e3 / (374e6 * exp(-log(2) / 6586.2 * 8264))),
    ],
)
def test_real_headers(shared: Path, name: str, expected: float) -> None:
    content = json.loads((shared / "data" / "dicom" / "pet_headers" / f"{name}-instances.json").read_text())
    slices = []
    for tags in content:
        philips = tags.pop("PhilipsPETPrivateGroup").get("SUVScaleFactor")
        absent = {"PatientSize": None, "RadiopharmaceuticalStartDateTime": None}
        dataset = pet_slice(**{**absent, **tags})
        if philips is not None:
            private(dataset, 0x7053, 0x00, "DS", philips, "Philips PET Private Group")
        slices.append(dataset)
    result = factor(*slices)
    assert result.values == pytest.approx([expected], rel=1e-6)
    assert result.warnings == []


# --- Edits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "edits", "tags"),
    [
        (START * 80 / 70, {"patient_weight": 80}, {}),
        (START, {"patient_weight": 70}, {"PatientWeight": None}),
        (START * 2, {"injected_dose": 185}, {}),
        (START, {"injected_dose": 370}, {"RadionuclideTotalDose": None}),
        (reference(1800), {"injection_time": "103000"}, {}),
        (reference(1800), {"injection_time": 103000}, {}),  # as a command line's parser may hand it on
        (reference(1800), {"injection_time": "1030"}, {"RadiopharmaceuticalStartDateTime": None}),
        (reference(7200), {"injection_time": "20260101090000.0"}, {}),
        (reference(7200), {"injection_time": "20260101100000+0200"}, {"TimezoneOffsetFromUTC": "+0100"}),
        (START * (1.07 * 70 - 148 * 0.16) / 70, {"patient_sex": "F"}, {"unit": "LBM"}),
        (START * (48 + 1.06 * 28) / 70, {"patient_size": 1.80}, {"unit": "IBW", "PatientSize": None}),
        # an SUV made with the header's weight
        (80 / 70, {"patient_weight": 80}, {"Units": "GML"}),
        (GRAMS / JAMES, {"patient_weight": 70}, {"Units": "GML", "SUVType": "LBM", "PatientWeight": None}),
    ],
)
def test_edits_go_first(expected: float, edits: dict[str, Any], tags: dict[str, Any]) -> None:
    result = factor(edits=edits, **tags)
    assert result.values == pytest.approx([expected], rel=1e-6)
    assert result.inputs[next(iter(edits))]["from"] == "edited"


@pytest.mark.parametrize("edits", [{"injected_dose": 370}, {"injection_time": "1000"}])
def test_an_suv_takes_no_other_dose(edits: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"SUVbw g/ml already; leave it out"):
        factor(Units="GML", edits=edits)


@pytest.mark.parametrize(
    "edits",
    [
        *({"patient_weight": value} for value in (0, -70, 501, float("nan"), float("inf"), "70 kg", True)),
        *({"injected_dose": value} for value in (0, -1, 370e6)),  # MBq, not Bq
        *({"patient_size": value} for value in (0, 175)),
        {"patient_sex": "male"},
        *({"injection_time": value} for value in ("", "25:00", "9", "20261301100000", "20260101", "noon", 93000)),
    ],
)
def test_edits_that_make_no_sense(edits: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(edits))):
        SuvEdits(**edits)


def test_where_everything_came_from() -> None:
    result = factor(edits={"patient_weight": 80})
    assert result.inputs["patient_weight"] == {"value": 80, "unit": "kg", "from": "edited", "in_header": 70}
    assert result.inputs["injected_dose"] == {"value": 370, "unit": "MBq", "from": "(0018,1074) RadionuclideTotalDose"}
    assert result.inputs["half_life"]["from"] == "(0018,1075) RadionuclideHalfLife"
    assert result.inputs["injection_time"]["from"] == "(0018,1078) RadiopharmaceuticalStartDateTime"
    assert result.inputs["reference"]["from"].startswith("(0008,0031) SeriesTime")
    assert result.inputs["time_from_injection"]["max"] == 3600
    assert "2026" not in json.dumps(result.inputs)  # no date


# --- No SUV -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "tags"),
    [
        ("weight is not known", {"PatientWeight": None}),
        ("weight is not known", {"PatientWeight": 0}),
        ("RadionuclideTotalDose is missing", {"RadionuclideTotalDose": None}),
        ("RadionuclideTotalDose is missing", {"RadionuclideTotalDose": 0}),
        ("RadionuclideTotalDose is missing", {"RadionuclideTotalDose": -370e6}),
        ("RadionuclideHalfLife is missing", {"RadionuclideHalfLife": 0}),
        ("RadionuclideHalfLife is missing", {"RadionuclideHalfLife": None}),
        ("does not hold ATTN", {"CorrectedImage": ["DECY"]}),
        ("does not hold ATTN", {"CorrectedImage": None}),
        ("does not hold DECY", {"CorrectedImage": "ATTN"}),
        ("does not hold DECY", {"CorrectedImage": "ATTN", "DecayCorrection": "ADMIN"}),
        ("does not hold ATTN", {"CorrectedImage": ["DECY"], "Units": "GML"}),
        ("is NONE, but", {"DecayCorrection": "NONE"}),
        ("DecayCorrection .* is missing", {"DecayCorrection": None}),
        ("Units .* are PROPCNTS", {"Units": "PROPCNTS"}),
        ("Units .* are CPS", {"Units": "CPS"}),
        ("Units .* are missing", {"Units": None}),
        ("without Philips's factor", {"Units": "CNTS"}),
        ("GML with SUVType BSA", {"Units": "GML", "SUVType": "BSA"}),
        ("CM2ML with SUVType BW", {"Units": "CM2ML", "SUVType": "BW"}),
        ("size is not known", {"unit": "LBM", "PatientSize": None}),
        ("sex is not known", {"unit": "LBM", "PatientSex": None}),
        ("AcquisitionTime .* is missing", {"AcquisitionTime": None}),
        ("-StartTime .* are missing", {"RadiopharmaceuticalStartDateTime": None, "RadiopharmaceuticalStartTime": None}),
        ("the injection lies after the scan", {"RadiopharmaceuticalStartDateTime": "20260101113000"}),
        ("more than 10 half-lives", MONTH_LATER),
        (
            "days before the scan",
            {"RadionuclideHalfLife": 282_240, "RadiopharmaceuticalStartDateTime": None},
        ),
        (
            "ActualFrameDuration .* is missing",
            {"DecayCorrection": "NONE", "CorrectedImage": "ATTN", "ActualFrameDuration": None},
        ),
    ],
)
def test_no_suv(reason: str, tags: dict[str, Any]) -> None:
    with pytest.raises(SuvUnavailableError, match=reason):
        factor(**tags)
