"""Do the two images belong together? Checked before anything is computed from them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.transforms import Transform

from monai_fusion.data.dicom_series import MODALITIES
from monai_fusion.data.report import REPORT_KEY, read_report, write_report
from monai_fusion.data.source import facts_of, name_of
from monai_fusion.errors import InputError

__all__ = ["SMALL_OVERLAP", "CheckOverlapd", "CheckPaird", "frames_differ", "overlap"]

#: A smaller part of the MRI in the functional image's field of view is worth a warning.
SMALL_OVERLAP = 0.5


def overlap(fixed: Any, moving: Any) -> float:
    """The share of one image's grid that lies within the other's field of view, by their affines alone.

    Args:
        fixed, moving: ``MetaTensor`` volumes ``(1, I, J, K)`` in the same patient coordinates.

    Returns:
        0 to 1, sampled on 32 points an axis.
    """
    fixed_shape, moving_shape = tuple(fixed.shape[1:]), tuple(moving.shape[1:])
    fixed_affine, moving_affine = (np.asarray(image.affine, dtype=np.float64) for image in (fixed, moving))
    cells = (np.arange(32) + 0.5) / 32
    grid = np.meshgrid(*[cells * size - 0.5 for size in fixed_shape], indexing="ij")
    points = np.stack([g.ravel() for g in grid] + [np.ones(grid[0].size)])
    index = (np.linalg.inv(moving_affine) @ fixed_affine @ points)[:3]
    limit = np.asarray(moving_shape, dtype=float)[:, None] - 0.5
    return float(((index >= -0.5) & (index <= limit)).all(axis=0).mean())


def frames_differ(report: dict[str, Any]) -> bool:
    """Whether the two images of a report are in different frames of reference; two without any are taken for one."""
    frames = [report[role].get("frame_of_reference_uid") for role in ("mri", "functional")]
    return bool(frames[0] != frames[1])


class CheckPaird(Transform):
    """Begins the report with what was read, and refuses two images that cannot be fused.

    Reads ``mri`` and ``functional``, loaded by `SourceReader`. Where they lie is not looked at: a registration may
    still move them (`CheckOverlapd`).

    Raises:
        InputError: a picture with a volume, pictures of different size, a colour MRI, or a PET or SPECT in the place of
            the MRI.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        mri, functional = data["mri"], data["functional"]
        facts = {"mri": facts_of(mri.meta), "functional": facts_of(functional.meta)}
        report = read_report(data)
        warnings = [f"{role}: {text}" for role in facts for text in facts[role].pop("warnings")]
        for role in facts:
            facts[role].pop("pet", None)  # holds dates; what is to be told of it, ConvertToSUVd has told

        names = {role: name_of(data[role].meta, role) for role in facts}
        pictures = [role for role in facts if facts[role]["kind"] == "picture"]
        if mri.shape[0] != 1:
            raise InputError(f"{names['mri']}: a colour picture; the MRI must be grey (is it the other image?)")
        if len(pictures) == 1:
            raise InputError(
                f"{names[pictures[0]]}: a picture, and the other image is a volume; give two pictures or two volumes"
            )
        if pictures:
            if mri.shape[1:] != functional.shape[1:]:
                sizes = " and ".join(f"{names[r]} {'x'.join(map(str, data[r].shape[:0:-1]))}" for r in pictures)
                raise InputError(f"{sizes} pixels; two pictures must be registered and of one size")
        else:
            warnings += self._check_modalities(names, facts)

        report.update(facts)
        report["warnings"] = warnings
        return {**data, REPORT_KEY: write_report(report)}

    @staticmethod
    def _check_modalities(names: dict[str, str], facts: dict[str, dict[str, Any]]) -> list[str]:
        """Refuses a PET or SPECT in the place of the MRI; warns of other modalities than the network is meant for."""
        modalities = {role: facts[role].get("modality", "") for role in facts}
        if modalities["mri"] in MODALITIES["functional"]:
            raise InputError(f"{names['mri']}: is {modalities['mri']}, not MR; are the two images swapped?")
        return [
            f"{role}: its modality is {modality}, not {' or '.join(MODALITIES[role])}"
            for role, modality in modalities.items()
            if modality and modality not in MODALITIES[role]
        ]


class CheckOverlapd(Transform):
    """Refuses two volumes that share no space, where they lie now.

    Different frames of reference without a registration and a small overlap are warned about in the report: whether
    the images match is then known only to who looks at them.

    Raises:
        InputError: the volumes do not overlap.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        mri, functional = data["mri"], data["functional"]
        if mri.ndim != 4:
            return dict(data)
        report = read_report(data)
        if "registration" not in report and frames_differ(report):
            both = all(report[role].get("frame_of_reference_uid") for role in ("mri", "functional"))
            what = "have different frames of reference" if both else "do not both name their frame of reference"
            report["warnings"].append(f"the two images {what}: that they match was not checked, look at the edges")
        covered = overlap(mri, functional)
        report["overlap"] = round(covered, 4)
        if covered == 0:
            names = " and ".join(name_of(data[role].meta, role) for role in ("mri", "functional"))
            raise InputError(
                f"{names} do not overlap in space; check that they show the same body part of the same patient, or "
                "register them first (--registration rigid, --functional-transform)"
            )
        if covered < SMALL_OVERLAP:
            report["warnings"].append(
                f"the functional image covers only {covered:.0%} of the MRI; outside of it there is no uptake"
            )
        return {**data, REPORT_KEY: write_report(report)}
