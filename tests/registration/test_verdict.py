from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monai_fusion.registration.starts import TURNED
from monai_fusion.registration.verdict import Evidence, judge

GOOD = Evidence(
    restarts_mm=[0.2, 0.3],
    coverage=0.99,
    cut_off=0.2,
    before=1.1,
    after=1.2,
    mirrored=1.19,
    turned=dict.fromkeys(TURNED, 1.1),
    scales=[1.0, 1.0, 1.0],
)
BACK_TO_FRONT = "turned by 180 degrees about the head-foot axis"


def test_nothing_speaks_against_a_good_one() -> None:
    assert judge(GOOD) == ("good", [])
    assert judge(replace(GOOD, mirrored=None, turned=dict.fromkeys(TURNED), before=0.0)) == ("good", [])


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        ({"restarts_mm": [0.2, 1.1]}, "doubtful", "other starts end 1.1 mm away"),
        ({"restarts_mm": [5.0, None]}, "failed", "other starts end 5.0 mm away"),
        ({"restarts_mm": [0.2, None]}, "doubtful", "from another start no match was found"),
        ({"coverage": 0.94}, "doubtful", "only 94% of the uptake lies in the head"),
        ({"coverage": 0.5}, "failed", "only 50% of the uptake lies in the head"),
        ({"cut_off": 0.9}, "doubtful", "ends in a plane within the head (90%"),
        ({"before": 1.202}, "doubtful", "match better by their headers"),
        ({"mirrored": 1.1995}, "doubtful", "do not tell left from right"),
        ({"mirrored": 1.2005}, "doubtful", "do not tell left from right"),
        ({"mirrored": 1.202}, "failed", "matches better mirrored left to right"),
        ({"turned": {**GOOD.turned, BACK_TO_FRONT: 1.18}}, "doubtful", "upside down or back to front"),
        ({"turned": {**GOOD.turned, BACK_TO_FRONT: 1.21}}, "failed", f"matches better {BACK_TO_FRONT}"),
        ({"scales": [1.0, 1.0, 0.85]}, "doubtful", "scaled by 0.85 to 1.00"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_speaks_against_it(change: dict[str, Any], verdict: str, reason: str) -> None:
    found, reasons = judge(replace(GOOD, **change))
    assert found == verdict
    assert reason in reasons[0]


def test_the_worst_counts_and_everything_is_told() -> None:
    verdict, reasons = judge(replace(GOOD, coverage=0.5, cut_off=0.9))
    assert verdict == "failed"
    assert len(reasons) == 2
