"""Which MRI belongs to which PET or SPECT: a manifest says it, or a folder shows it by rules that the user states."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from monai_fusion.cohort.study import Study
from monai_fusion.errors import InputError

__all__ = ["LeftOver", "PairingRules", "StudyPairing", "find_studies", "format_pairing"]


@dataclass(frozen=True)
class PairingRules:
    """What a folder leaves open.

    Args:
        mri: which image, where a patient has several: a pattern of the file's name (BIDS); a SeriesInstanceUID,
            modality or pattern of the description (DICOM).
        functional: the same.
        days: how many days apart the two may have been scanned (DICOM).
        across_sessions: may the two be of different sessions (BIDS)?
    """

    mri: str | None = None
    functional: str | None = None
    days: int = 0
    across_sessions: bool = False


@dataclass(frozen=True)
class LeftOver:
    """What is fused with nothing.

    Args:
        what: its kind, without anything of a patient but a BIDS label.
        why: the reason.
        path: where it lies.
    """

    what: str
    why: str
    path: Path


@dataclass
class StudyPairing:
    """What was paired, and what was left over."""

    studies: list[Study] = field(default_factory=list)
    left_over: list[LeftOver] = field(default_factory=list)


def find_studies(source: Path, rules: PairingRules | None = None, progress: bool = False) -> StudyPairing:
    """The studies of a cohort.

    Args:
        source: a manifest (``.csv``, ``.tsv``), a BIDS-like folder (with subfolders ``sub-*``), or one with DICOM.
        rules: for folders.
        progress: show a bar while DICOM headers are read.

    Raises:
        InputError: there is no such thing, the manifest is wrong, or nothing could be paired.
    """
    rules = rules or PairingRules()
    if source.is_file():
        from monai_fusion.cohort.manifest import read_manifest

        return StudyPairing(read_manifest(source))
    if not source.is_dir():
        raise InputError(f"{source}: there is no such manifest or folder; check the path")
    if any(path.is_dir() for path in source.glob("sub-*")):
        from monai_fusion.cohort.bids import pair_bids

        pairing = pair_bids(source, rules)
    else:
        from monai_fusion.cohort.dicom_pairs import pair_dicom

        pairing = pair_dicom(source, rules, progress)
    if not pairing.studies:
        raise InputError(f"{source}: no two images could be paired: {summarize(pairing)}")
    return pairing


def summarize(pairing: StudyPairing) -> str:
    """One line: how many, and why some are left."""
    kinds = Counter(left.why for left in pairing.left_over)
    text = f"{len(pairing.studies)} pairs, {len(pairing.left_over)} left over"
    return text + "".join(f"; {n} x {why}" for why, n in kinds.most_common())


def format_pairing(pairing: StudyPairing, paths: bool = False) -> list[str]:
    """What was paired and what was not, a line each.

    Args:
        paths: name the files, too; they may name patients.
    """
    lines = [summarize(pairing), ""]
    for study in pairing.studies:
        settings = "".join(f" {name}" for name in study.settings)
        lines.append(f"pair       {study.id}{f' (with{settings})' if settings else ''}")
        if paths:
            lines += [f"           {_place(study.mri)}", f"           {_place(study.functional)}"]
    for left in pairing.left_over:
        lines.append(f"left over  {left.what}: {left.why}")
        if paths:
            lines.append(f"           {left.path}")
    return lines


def _place(files: tuple[Path, ...]) -> str:
    return str(files[0]) if len(files) == 1 else f"{files[0].parent} ({len(files)} files)"
