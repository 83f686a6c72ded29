"""The report: what was read, what was done to it, and what to be wary of.

Between the steps it travels in the data dictionary under the key ``"report"``, as JSON text: MONAI's collate and
decollate keep text whole, and turn numbers and lists into tensors.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from typing import Any

__all__ = ["REPORT_KEY", "read_report", "write_report"]

REPORT_KEY = "report"


def read_report(data: Mapping[Hashable, Any]) -> dict[str, Any]:
    """The report so far; empty at the beginning."""
    report: dict[str, Any] = json.loads(data.get(REPORT_KEY, "{}"))
    return report


def write_report(report: dict[str, Any]) -> str:
    """The text to store under `REPORT_KEY`; NaN is refused, as it is no JSON."""
    return json.dumps(report, indent=2, allow_nan=False)
