"""What the process that fuses is told beside the study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Opening"]


@dataclass(frozen=True)
class Opening:
    """What is the same for all studies of a run.

    Args:
        output: the folder of the cohort.
        bundle: the bundle's folder; None for the one shipped.
        settings: ids of its configuration and their values.
        configuration: their hash, see `hash_configuration`.
        version: of this package, on the machine that leads the run.
        timeout: seconds that a study may take; 0 for any time.
        memory: bytes that a worker may use.
    """

    output: Path
    bundle: Path | None
    settings: Mapping[str, Any]
    configuration: str
    version: str
    timeout: float
    memory: int
