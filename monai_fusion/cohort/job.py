"""What the process that fuses is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_fusion.cohort.study import Study

__all__ = ["FusionOpening", "StudyJob"]


@dataclass(frozen=True)
class FusionOpening:
    """What a process is opened with, and what is the same for all its studies.

    Args:
        bundle: the bundle's folder; None for the one shipped.
        settings: ids of its configuration and their values, which are data.
        fingerprint: the hash of all that is the same for all studies, see `hash_configuration`.
        version: of this package, on the machine that leads the run.
        memory: bytes that the process may use.
        configuration: ids and what stands for them in the place of its configuration (``--set``), see `open_bundle`.
    """

    bundle: Path | None
    settings: Mapping[str, Any]
    fingerprint: str
    version: str
    memory: int
    configuration: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyJob:
    """A study to fuse.

    Args:
        study: it.
        output: the folder of the cohort.
        timeout: seconds that it may take; 0 for any time.
    """

    study: Study
    output: Path
    timeout: float = 0.0
