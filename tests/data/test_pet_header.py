"""The facts of a PET's header: one value a slice where it is per slice, and never an exception."""

from __future__ import annotations

import json
from datetime import datetime, time, timedelta, timezone
from typing import Any

import pytest
from pet_slices import header, moments, pet_slice, private
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from monai_fusion.data.dicom_time import combine, parse_datetime, parse_offset, parse_time, seconds_between


def test_a_sound_header() -> None:
    facts = header(*moments("110000", "110500.25"))
    assert facts["acquisition_datetimes"] == ["2026-01-01T11:00:00", "2026-01-01T11:05:00.250000"]
    assert facts["frame_durations_ms"] == [600000, 600000]
    assert (facts["weight_kg"], facts["size_m"], facts["sex"]) == (70, 1.75, "M")
    assert (facts["dose"], facts["half_life_s"]) == (370e6, 6586.2)
    assert (facts["units"], facts["decay_correction"]) == ("BQML", "START")
    assert facts["corrected"] == ["ATTN", "DECY", "SCAT"]
    assert facts["in_slice_order"]
    assert facts["warnings"] == []
    assert json.loads(json.dumps(facts)) == facts


def test_nothing_that_names_the_patient() -> None:
    dataset = pet_slice(PatientName="Doe^Jane", PatientID="4711", PatientBirthDate="19500505", StudyInstanceUID="1.2.3")
    text = json.dumps(header(dataset))
    assert not [word for word in ("Doe", "4711", "1950", "1.2.3") if word in text]


@pytest.mark.parametrize(
    ("keyword", "value", "key"),
    [
        ("PatientWeight", "seventy", "weight_kg"),
        ("PatientWeight", "NaN", "weight_kg"),
        ("PatientWeight", "-70", "weight_kg"),
        ("PatientWeight", "0", "weight_kg"),
        ("PatientWeight", "70\\71", "weight_kg"),
        ("RadionuclideTotalDose", "inf", "dose"),
        ("RadionuclideHalfLife", "6586.2 s", "half_life_s"),
        ("RadiopharmaceuticalStartDateTime", "2026-01-01 10:00", "injection_datetime"),
        ("RadiopharmaceuticalStartDateTime", "20260101", "injection_datetime"),  # a day is no moment
        ("RadiopharmaceuticalStartTime", "10", "injection_time"),
        ("SeriesTime", "256161", "series_datetime"),
    ],
)
def test_damaged_values_count_as_missing(keyword: str, value: str, key: str) -> None:
    dataset = pet_slice()
    holder = dataset if keyword in dataset else dataset.RadiopharmaceuticalInformationSequence[0]
    damage(holder, keyword, value.encode())
    facts = header(dataset)
    assert facts[key] is None
    assert any(keyword in text and "counts as missing" in text for text in facts["warnings"])


def damage(dataset: Dataset, keyword: str, value: bytes) -> None:
    """The bytes as they may lie in a file: pydicom makes a value of them when it is first asked for."""
    element = dataset[keyword]
    dataset[element.tag] = RawDataElement(element.tag, element.VR, len(value), value, 0, False, True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("value", [b"\xff\xfe\x80", b"", b"\0\0", b"a\\b\\1", b"9" * 40])
def test_never_raises(value: bytes) -> None:
    keywords = [element.keyword for element in pet_slice()]
    for keyword in keywords:
        dataset = pet_slice()
        damage(dataset, keyword, value)
        json.dumps(header(dataset))
    dataset = pet_slice()
    for keyword in keywords:
        damage(dataset, keyword, value)
    private(dataset, 0x7053, 0x00, "UN", value)
    private(dataset, 0x0009, 0x0D, "UN", value)
    json.dumps(header(dataset))
    json.dumps(header(Dataset()))


def test_values_that_differ_from_slice_to_slice() -> None:
    facts = header(pet_slice(), pet_slice(PatientWeight=71), pet_slice(Units="GML"))
    assert facts["weight_kg"] is None
    assert facts["units"] == ""
    assert sum("differs from slice to slice" in text for text in facts["warnings"]) == 2


def test_several_injections() -> None:
    dataset = pet_slice()
    dataset.RadiopharmaceuticalInformationSequence.append(dataset.RadiopharmaceuticalInformationSequence[0])
    facts = header(dataset)
    assert facts["dose"] is None
    assert "several injections" in facts["warnings"][0]


def test_private_values_as_bytes() -> None:
    """As an implicit little endian file without the creator gives them."""
    dataset = private(pet_slice(), 0x7053, 0x00, "UN", b"0.0005 ")
    private(dataset, 0x0009, 0x0D, "UN", b"20260101110000.00 ")
    facts = header(dataset)
    assert facts["philips_suv_factors"] == [0.0005]
    assert facts["ge_scan_datetime"] == "2026-01-01T11:00:00"


# --- DICOM's times ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("101530.25", time(10, 15, 30, 250000)),
        ("1015", time(10, 15)),
        ("10:15:30", time(10, 15, 30)),
        ("101530 ", time(10, 15, 30)),
        *((text, None) for text in ("10", "", None, "246000", "101530.", "10153", 101530.5e9, "-1015")),
    ],
)
def test_time(text: Any, expected: time | None) -> None:
    assert parse_time(text) == expected


EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("20260101101530.5", None, datetime(2026, 1, 1, 10, 15, 30, 500000)),
        ("202601011015", EAST, datetime(2026, 1, 1, 10, 15, tzinfo=EAST)),
        ("20260101101530+0200", None, datetime(2026, 1, 1, 8, 15, 30, tzinfo=timezone.utc)),
        ("20260101101530-0330", EAST, datetime(2026, 1, 1, 13, 45, 30, tzinfo=timezone.utc)),
        *((text, None, None) for text in ("20260101", "2026010110", "20260230101530", "", None)),
    ],
)
def test_datetime(text: Any, offset: timezone | None, expected: datetime | None) -> None:
    assert parse_datetime(text, offset) == expected


def test_offset_and_date() -> None:
    assert parse_offset("-0330") == timezone(-timedelta(hours=3, minutes=30))
    assert [parse_offset(text) for text in ("", "2", "+2500", "+0175", None)] == [None] * 5
    assert combine("20260101", "1015", EAST) == datetime(2026, 1, 1, 10, 15, tzinfo=EAST)
    assert combine("2026.01.01", "1015") == datetime(2026, 1, 1, 10, 15)
    assert [combine(*pair) for pair in (("", "1015"), ("20260101", ""), ("20261301", "1015"))] == [None] * 3


def test_seconds_between() -> None:
    """With offsets by UTC, over the summer time's change too; with one offset alone by the clock."""
    winter, summer = parse_datetime("20260329013000+0100"), parse_datetime("20260329033000+0200")
    assert winter is not None
    assert summer is not None
    assert seconds_between(winter, summer) == 3600
    assert seconds_between(winter, summer.replace(tzinfo=None)) == 7200
    assert seconds_between(summer, winter) == -3600
