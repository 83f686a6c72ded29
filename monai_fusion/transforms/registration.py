"""Placing the functional image in the MRI's patient coordinates. Nothing is interpolated: only the affine changes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform

from monai_fusion.data.report import REPORT_KEY, read_report, write_report
from monai_fusion.data.source import LPS_TO_RAS, hash_files, name_of
from monai_fusion.data.transform_file import read_itk_transform
from monai_fusion.errors import InputError
from monai_fusion.registration.procedure import MODES, match, register
from monai_fusion.transforms.pair import SMALL_OVERLAP, frames_differ, overlap

__all__ = ["MoveByTransformd", "RegisterFunctionald"]


def _move(image: Any, matrix_lps: np.ndarray) -> Any:
    """Multiplies the affine by the inverse of a transform from fixed to moving, so that the one resampling that follows
    brings source voxels to the output grid."""
    image.affine = torch.from_numpy(LPS_TO_RAS @ np.linalg.inv(matrix_lps) @ LPS_TO_RAS) @ image.affine
    return image


def _voxels_and_affine(image: Any) -> tuple[np.ndarray, np.ndarray]:
    return torch.as_tensor(image)[0].numpy(), np.asarray(image.affine, dtype=np.float64)


class MoveByTransformd(MapTransform):
    """Places the functional image by a transform made elsewhere.

    The report says how well the images match by it and by the headers, and warns where the headers do better.

    Args:
        keys: the functional volume, loaded by `SourceReader`.
        transform: a file for `read_itk_transform`; None leaves everything as it is.
        fixed_key: the MRI it was registered to.

    Raises:
        InputError: no such transform, or a picture, which no transform moves.
    """

    def __init__(self, keys: KeysCollection, transform: str | Path | None = None, fixed_key: str = "mri") -> None:
        super().__init__(keys)
        self._path = None if transform is None else Path(transform)
        self.fixed_key = fixed_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        if self._path is None:
            return out
        matrix = read_itk_transform(self._path)
        report = read_report(out)
        for key in self.key_iterator(out):
            if out[key].ndim != 4:
                raise InputError(
                    f"{name_of(out[key].meta, key)}: a picture, which no transform moves; give registered pictures"
                )
            numbers = match(*_voxels_and_affine(out[self.fixed_key]), *_voxels_and_affine(out[key]), matrix)
            similarity = numbers["similarity"]
            if similarity["before"] is not None and similarity["after"] < similarity["before"]:
                report["warnings"].append(
                    "the images match worse by the transform than by their headers "
                    f"(similarity {similarity['after']:.3f}, {similarity['before']:.3f}): is it the inverse?"
                )
            out[key] = _move(out[key], matrix)
            report["registration"] = {
                "rule": "transform from a file",
                "sha256": hash_files([self._path]),
                "matrix_lps": matrix.tolist(),
                **numbers,
            }
        out[REPORT_KEY] = write_report(report)
        return out


class RegisterFunctionald(Transform):
    """Registers the functional image to the MRI, and refuses a registration that cannot be trusted.

    Reads ``mri`` and ``functional``, loaded by `SourceReader` and checked by `CheckPaird`. The transform, how well the
    images match and the verdict go into the report.

    Args:
        mode: ``"rigid"`` or ``"affine"``; ``"none"``; or ``"auto"``, which registers rigidly if the two images have
            different frames of reference or hardly overlap, and were not moved by a transform already. After
            `MoveByTransformd`, ``"rigid"`` and ``"affine"`` begin where that transform leads.
        accept: go on with a registration that failed.
        timeout: seconds; a registration that takes longer has failed.

    Raises:
        InputError: no such mode; a picture; or the registration failed and is not to be accepted.
    """

    def __init__(self, mode: str = "auto", accept: bool = False, timeout: float = 300.0) -> None:
        if mode not in ("none", "auto", *MODES):
            raise InputError(f"registration {mode!r}: choose none, auto, rigid or affine")
        if not timeout > 0:
            raise InputError(f"registration_timeout {timeout}: give seconds, more than 0")
        self.mode = mode
        self._accept = accept
        self._timeout = timeout

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        report = read_report(out)
        mri, functional = out["mri"], out["functional"]
        if not self._is_due(report, mri, functional):
            return out
        if functional.ndim != 4:
            raise InputError(
                f"{name_of(functional.meta, 'functional')}: a picture, which no registration moves; "
                "leave the registration out (--registration none)"
            )
        found = register(
            *_voxels_and_affine(mri),
            *_voxels_and_affine(functional),
            "affine" if self.mode == "affine" else "rigid",
            timeout=self._timeout,
        )
        reasons = "; ".join(found.reasons)
        if found.verdict == "failed" and not self._accept:
            names = " and ".join(name_of(out[role].meta, role) for role in ("mri", "functional"))
            raise InputError(
                f"{names}: the registration failed: {reasons}; check that both show the same head, give a transform "
                "(--functional-transform), or look at the result nevertheless (--accept-registration)"
            )
        if found.verdict != "good":
            report["warnings"].append(f"the registration is {found.verdict}: {reasons}; look at the edges")
        given = report.get("registration", {})
        told = found.report()
        if given:
            told["begun_with"] = given
            told["matrix_lps"] = (np.array(given["matrix_lps"]) @ found.matrix_lps).tolist()
        out["functional"] = _move(functional, found.matrix_lps)
        report["registration"] = told
        out[REPORT_KEY] = write_report(report)
        return out

    def _is_due(self, report: dict[str, Any], mri: Any, functional: Any) -> bool:
        if self.mode != "auto":
            return self.mode != "none"
        if functional.ndim != 4 or "registration" in report:
            return False
        return frames_differ(report) or max(overlap(mri, functional), overlap(functional, mri)) < SMALL_OVERLAP
