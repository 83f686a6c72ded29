"""Body measures against values worked out by hand from the published formulas."""

from __future__ import annotations

import pytest

from monai_fusion.suv import SUV_TYPES, Body, body_measure

MAN, WOMAN = Body(70, 1.75, "M"), Body(60, 1.60, "F")


@pytest.mark.parametrize(
    ("suv_type", "body", "expected"),
    [
        ("BW", MAN, 70_000),
        ("LBM", MAN, 57_800),  # 1.10 * 70 - 120 * (70 / 175)^2 = 77 - 120 * 0.16
        ("LBMJAMES128", MAN, 56_520),  # 77 - 128 * 0.16
        ("LBM", WOMAN, 43_387.5),  # 1.07 * 60 - 148 * (60 / 160)^2 = 64.2 - 148 * 0.140625
        ("LBMJAMES128", WOMAN, 43_387.5),  # the 128 is for men
        ("LBMJANMA", Body(80, 2.0, "M"), 741_600 / 11),  # BMI 20: 9270 * 80 / (6680 + 4320)
        ("LBMJANMA", Body(80, 2.0, "F"), 741_600 / 13.66),  # 9270 * 80 / (8780 + 4880)
        ("BSA", Body(1, 0.01, ""), 71.84),  # 1 kg and 1 cm
        ("BSA", Body(16, 0.16, ""), 71.84 * 16**1.15),
        ("BSA", MAN, 18_481.430),  # 71.84 * exp(0.425 ln 70 + 0.725 ln 175) = 71.84 * exp(5.5500805)
        ("IBW", Body(None, 1.52, "M"), 48_000),
        ("IBW", Body(None, 1.75, "M"), 72_380),  # 48.0 + 1.06 * 23
        ("IBW", Body(None, 1.62, "F"), 54_600),  # 45.5 + 0.91 * 10
        ("LBM", Body(70, 1.75, "O"), 54_510),  # (57.8 + 74.9 - 148 * 0.16) / 2 = (57.8 + 51.22) / 2
        ("IBW", Body(70, 1.62, "O"), 56_600),  # (48.0 + 10.6 + 54.6) / 2
    ],
)
def test_by_hand(suv_type: str, body: Body, expected: float) -> None:
    assert body_measure(suv_type, body) == pytest.approx(expected, rel=1e-6)


def test_every_type_of_the_standard() -> None:
    assert set(SUV_TYPES) == {"BW", "LBM", "LBMJAMES128", "LBMJANMA", "BSA", "IBW"}


@pytest.mark.parametrize(
    ("suv_type", "body", "reason"),
    [
        ("BW", Body(None, 1.75, "M"), "weight is not known"),
        ("LBM", Body(70, None, ""), "size and sex is not known"),
        ("LBMJANMA", Body(70, 1.75, "X"), "none of M, F and O"),
        ("LBM", Body(250, 1.5, "F"), "nothing positive"),  # 267.5 - 148 * (250 / 150)^2 < 0
    ],
)
def test_what_is_not_known(suv_type: str, body: Body, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        body_measure(suv_type, body)
