"""Pairs in a folder laid out as BIDS does: ``sub-*/[ses-*/]anat/*_T1w.nii.gz`` and ``pet/*_pet.nii.gz``."""

from __future__ import annotations

import fnmatch
from pathlib import Path

from monai_fusion.cohort.pairing import LeftOver, PairingRules, StudyPairing
from monai_fusion.cohort.study import Study

__all__ = ["pair_bids"]

_ROLES = {"mri": ("anat", "*_T1w.nii*", "T1w"), "functional": ("pet", "*_pet.nii*", "PET")}


def pair_bids(root: Path, rules: PairingRules) -> StudyPairing:
    """Pairs the T1-weighted image and the PET of each session, where it has one of each.

    A PET or T1-weighted image of a session that lacks the other is paired across sessions only if the rules say so and
    the subject has one of each. Several that fit are not chosen among: they are left over.

    Args:
        root: the folder with ``sub-*``.
        rules: patterns of the file's name in place of the usual ones, and whether sessions count.
    """
    pairing = StudyPairing()
    for subject in sorted(path for path in root.glob("sub-*") if path.is_dir()):
        sessions = sorted(path for path in subject.glob("ses-*") if path.is_dir()) or [subject]
        groups = [subject] if rules.across_sessions else sessions
        for group in groups:
            folders = sessions if rules.across_sessions else [group]
            _pair(pairing, group.relative_to(root).as_posix().replace("/", "_"), folders, rules, group)
    return pairing


def _pair(pairing: StudyPairing, label: str, folders: list[Path], rules: PairingRules, place: Path) -> None:
    found: dict[str, list[Path]] = {}
    for role, (folder, usual, _) in _ROLES.items():
        wanted = getattr(rules, role) or usual
        files = [path for each in folders for path in sorted((each / folder).glob("*.nii*"))]
        found[role] = [path.absolute() for path in files if fnmatch.fnmatchcase(path.name, wanted)]
    if not any(found.values()):
        pairing.left_over.append(LeftOver(label, "no image that fits", place))
        return
    for role, (_, _, name) in _ROLES.items():
        if not found[role]:
            other = next(paths for paths in found.values() if paths)[0]
            pairing.left_over.append(LeftOver(label, f"no {name} beside", other))
            return
        if len(found[role]) > 1:
            why = f"several {name} images fit; state which by --{role}-series '*PATTERN*'"
            pairing.left_over.append(LeftOver(label, why, found[role][0]))
            return
    pairing.studies.append(Study(label, tuple(found["mri"]), tuple(found["functional"])))
