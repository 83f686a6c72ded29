"""Registration of a PET or SPECT to an MRI, and the evidence whether it can be trusted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from monai_fusion.registration.coverage import coverage, cut_off
from monai_fusion.registration.elastix import Elastix, ElastixError, Job
from monai_fusion.registration.similarity import Similarity, mean_distance
from monai_fusion.registration.starts import MIRRORED, TURNED, first_starts, nearby_starts, wrong_starts
from monai_fusion.registration.verdict import Evidence, Verdict, judge, similarity_report
from monai_fusion.registration.volume import Volume

__all__ = ["MODES", "Mode", "Registration", "match", "register"]

_COARSE: dict[str, Any] = {"smoothing_mm": (16.0, 8.0, 4.0), "iterations": 128}
_FINE: dict[str, Any] = {"smoothing_mm": (8.0, 4.0, 2.0), "iterations": 256}
_CHECK: dict[str, Any] = {"smoothing_mm": (8.0, 4.0), "iterations": 128}
_RESULT = "result"
_RESTARTS = {"restart 1": 1, "restart 2": 2}  # and their seeds
_LEAST_OVERLAP = 0.5  # of another's, for two similarities to be compared: in a corner anything seems similar
_MOST_TARGETS = 5000
_NOWHERE = "no place was found where the two images match"

Mode = Literal["rigid", "affine"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True)
class Registration:
    """What `register` found.

    Args:
        mode: ``"rigid"`` or ``"affine"``.
        matrix_lps: 4x4, LPS, mm: points of the fixed MRI to points of the moving functional image, as ITK has it.
        verdict: ``"good"``, ``"doubtful"`` or ``"failed"``.
        reasons: what speaks against it, in words.
        evidence: what the verdict rests on; None if no transform was found, and the matrix is that of the start.
        start: what led to the result: a name of `first_starts`, or ``"given"``.
        moved_mm: how far the head was moved from where the headers have it, in the mean.
        seconds: how long it took.
    """

    mode: Mode
    matrix_lps: np.ndarray
    verdict: Verdict
    reasons: list[str]
    evidence: Evidence | None
    start: str | None
    moved_mm: float
    seconds: float

    def report(self) -> dict[str, Any]:
        """As the report of a run holds it: JSON values only."""
        told = {
            "mode": self.mode,
            "rule": "mutual information (elastix)",
            "matrix_lps": self.matrix_lps.tolist(),
            "verdict": self.verdict,
            "reasons": self.reasons,
            "start": self.start,
            "moved_mm": round(self.moved_mm, 2),
            "seconds": round(self.seconds, 1),
            "parameters": {"coarse": _COARSE, "fine": _FINE, "checks": _CHECK, "seed": Job.seed},
        }
        return told if self.evidence is None else {**told, **self.evidence.report()}


def register(
    fixed: np.ndarray,
    fixed_affine: np.ndarray,
    moving: np.ndarray,
    moving_affine: np.ndarray,
    mode: Mode = "rigid",
    *,
    start: np.ndarray | None = None,
    timeout: float = 300.0,
) -> Registration:
    """Finds the rigid or affine transform by which a functional image matches an MRI, and whether to trust it.

    By elastix's default map (Mattes mutual information, adaptive stochastic gradient descent): coarsely from several
    starts, then finely from the best of them; and for the verdict, from two starts near it, with the functional image
    mirrored, and with it turned by half a turn about each axis. The same input gives the same result.

    Args:
        fixed: the MRI, ``(I, J, K)``.
        fixed_affine: 4x4, voxel index to RAS in mm.
        moving: the PET or SPECT, ``(I, J, K)``.
        moving_affine: 4x4, voxel index to RAS in mm.
        mode: ``"rigid"`` or ``"affine"``.
        start: begin here, not at `first_starts`; 4x4, LPS, mm, fixed to moving.
        timeout: seconds; a registration that takes longer has failed.

    Raises:
        ValueError: `mode` is neither.
    """
    if mode not in MODES:
        raise ValueError(f"mode {mode!r}: choose rigid or affine")
    began = time.perf_counter()
    images = Volume.reduced(fixed, fixed_affine), Volume.reduced(moving, moving_affine)
    similarity = Similarity(*images)
    targets = images[0].points(images[0].mask)
    targets = targets[:: max(1, len(targets) // _MOST_TARGETS)]
    starts = first_starts(*images) if start is None else {"given": np.asarray(start, dtype=float)}
    matrix = next(iter(starts.values()))
    before = _Pose(matrix, *similarity(matrix))

    verdict: Verdict = "failed"
    evidence, began_at = None, None
    try:
        with Elastix(*images, timeout) as elastix:
            coarse = _run(elastix, similarity, {name: Job(m, **_COARSE) for name, m in starts.items()})
            began_at = _best(coarse)
            poses = _run(elastix, similarity, _fine_jobs(coarse[began_at].matrix, targets.mean(axis=0), mode))
        if _RESULT not in poses:
            raise ElastixError(_NOWHERE)
    except ElastixError as error:
        reasons = [str(error)]
    else:
        result = poses[_RESULT]
        matrix = result.matrix
        evidence = Evidence(
            before=before.compared_with(result) or 0.0,
            after=result.similarity,
            restarts_mm=[
                mean_distance(matrix, poses[name].matrix, targets) if name in poses else None for name in _RESTARTS
            ],
            coverage=coverage(*images, matrix),
            cut_off=cut_off(*images, matrix),
            mirrored=poses[MIRRORED].compared_with(result) if MIRRORED in poses else None,
            turned={name: poses[name].compared_with(result) if name in poses else None for name in TURNED},
            scales=np.linalg.svd(matrix[:3, :3], compute_uv=False).tolist(),
        )
        verdict, reasons = judge(evidence)
    return Registration(
        mode=mode,
        matrix_lps=matrix,
        verdict=verdict,
        reasons=reasons,
        evidence=evidence,
        start=began_at,
        moved_mm=mean_distance(matrix, np.eye(4), targets),
        seconds=time.perf_counter() - began,
    )


def match(
    fixed: np.ndarray, fixed_affine: np.ndarray, moving: np.ndarray, moving_affine: np.ndarray, matrix_lps: np.ndarray
) -> dict[str, Any]:
    """How well two images match by a transform made elsewhere, as the report of a `Registration` says it.

    Args:
        fixed, fixed_affine, moving, moving_affine: see `register`.
        matrix_lps: 4x4, LPS, mm, fixed to moving.
    """
    images = Volume.reduced(fixed, fixed_affine), Volume.reduced(moving, moving_affine)
    similarity = Similarity(*images)
    before, after = (_Pose(matrix, *similarity(matrix)) for matrix in (np.eye(4), matrix_lps))
    return {
        "similarity": similarity_report(before.compared_with(after) or 0.0, after.similarity),
        "coverage": round(coverage(*images, matrix_lps), 4),
    }


@dataclass(frozen=True)
class _Pose:
    """A place of the functional image: similarity there, and the share of the MRI that it is taken over."""

    matrix: np.ndarray
    similarity: float
    overlap: float

    def compared_with(self, other: _Pose) -> float | None:
        """The similarity, or None if it is taken over so much less than the other's that it says nothing."""
        return self.similarity if self.overlap >= _LEAST_OVERLAP * other.overlap else None


def _fine_jobs(matrix: np.ndarray, center: np.ndarray, mode: Mode) -> dict[str, Job]:
    """What is run from the best of the coarse results: the result, the restarts, and what must not match."""
    wrong = wrong_starts(matrix, center)
    restarts = zip(_RESTARTS.items(), nearby_starts(matrix, center))
    return {
        _RESULT: Job(matrix, mode, **_FINE),
        **{name: Job(start, mode, seed=seed, **_CHECK) for (name, seed), start in restarts},
        MIRRORED: Job(wrong[MIRRORED], mode, **_CHECK),
        **{name: Job(wrong[name], **_COARSE) for name in TURNED},
    }


def _run(elastix: Elastix, similarity: Similarity, jobs: Mapping[str, Job]) -> dict[str, _Pose]:
    """The poses that elastix finds, by the names of the jobs."""
    found = zip(jobs, elastix.run(list(jobs.values())))
    return {name: _Pose(matrix, *similarity(matrix)) for name, matrix in found if matrix is not None}


def _best(poses: Mapping[str, _Pose]) -> str:
    """The pose of the highest similarity that can be compared with the one of the largest overlap."""
    if not poses:
        raise ElastixError(_NOWHERE)
    largest = max(poses.values(), key=lambda pose: pose.overlap)
    return max(poses, key=lambda name: poses[name].compared_with(largest) or 0.0)
