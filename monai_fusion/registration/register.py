"""Registration of a PET or SPECT to an MRI, and the evidence whether it can be trusted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from monai_fusion.registration.coverage import coverage, cut_off
from monai_fusion.registration.elastix import Elastix, ElastixError, Job
from monai_fusion.registration.similarity import Similarity, mean_distance
from monai_fusion.registration.starts import MIRRORED, TURNED, first_starts, nearby_starts, wrong_starts
from monai_fusion.registration.verdict import Evidence, Verdict, judge
from monai_fusion.registration.volume import Volume

__all__ = ["Mode", "Registration", "register"]

_COARSE: dict[str, Any] = {"smoothing_mm": (16.0, 8.0, 4.0), "iterations": 128}
_FINE: dict[str, Any] = {"smoothing_mm": (8.0, 4.0, 2.0), "iterations": 256}
_ATTEMPTS = {"first": 121212, "restart 1": 1, "restart 2": 2}  # and their seeds
_LEAST_OVERLAP = 0.5  # of the largest one's, for a pose to be compared by its similarity
_MOST_TARGETS = 5000

Mode = Literal["rigid", "affine"]


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
            "rule": f"{self.mode} registration by mutual information",
            "matrix_lps": self.matrix_lps.tolist(),
            "verdict": self.verdict,
            "reasons": self.reasons,
            "start": self.start,
            "moved_mm": round(self.moved_mm, 2),
            "seconds": round(self.seconds, 1),
            "parameters": {"coarse": _COARSE, "fine": _FINE, "seeds": list(_ATTEMPTS.values())},
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
    timeout: float = 120.0,
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
    if mode not in ("rigid", "affine"):
        raise ValueError(f"mode {mode!r}: choose rigid or affine")
    began = time.perf_counter()
    images = Volume.reduced(fixed, fixed_affine), Volume.reduced(moving, moving_affine)
    similarity = Similarity(*images)
    targets = images[0].points(images[0].mask())
    targets = targets[:: max(1, len(targets) // _MOST_TARGETS)]
    starts = first_starts(*images) if start is None else {"given": np.asarray(start, dtype=float)}
    matrix = next(iter(starts.values()))
    before, _ = similarity(matrix)

    verdict: Verdict = "failed"
    evidence, began_at = None, None
    try:
        with Elastix(*images, timeout) as elastix:
            coarse = _run(elastix, similarity, {name: Job(m, **_COARSE) for name, m in starts.items()})
            began_at = _best(coarse)
            poses = _run(elastix, similarity, _fine_jobs(coarse[began_at].matrix, targets.mean(axis=0), mode))
        attempts = {name: poses[name] for name in _ATTEMPTS if name in poses}
        best = _best(attempts)
    except ElastixError as error:
        reasons = [str(error)]
    else:
        matrix = attempts[best].matrix
        evidence = Evidence(
            before=before,
            after=attempts[best].similarity,
            restarts_mm=[
                mean_distance(matrix, attempts[name].matrix, targets) if name in attempts else None
                for name in _ATTEMPTS
                if name != best
            ],
            coverage=coverage(*images, matrix),
            cut_off=cut_off(*images, matrix),
            mirrored=_similarity(poses, MIRRORED),
            turned={name: _similarity(poses, name) for name in TURNED},
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


@dataclass(frozen=True)
class _Pose:
    matrix: np.ndarray
    similarity: float
    overlap: float


def _fine_jobs(matrix: np.ndarray, center: np.ndarray, mode: Mode) -> dict[str, Job]:
    """What is run from the best of the coarse results: `_ATTEMPTS`, and what must not match."""
    wrong = wrong_starts(matrix, center)
    attempts = zip(_ATTEMPTS.items(), [matrix, *nearby_starts(matrix, center)])
    jobs = {name: Job(start, mode, seed=seed, **_FINE) for (name, seed), start in attempts}
    jobs[MIRRORED] = Job(wrong[MIRRORED], mode, **_FINE)
    return jobs | {name: Job(wrong[name], **_COARSE) for name in TURNED}


def _run(elastix: Elastix, similarity: Similarity, jobs: Mapping[str, Job]) -> dict[str, _Pose]:
    """The poses that elastix finds, by the names of the jobs."""
    found = zip(jobs, elastix.run(list(jobs.values())))
    return {name: _Pose(matrix, *similarity(matrix)) for name, matrix in found if matrix is not None}


def _best(poses: Mapping[str, _Pose]) -> str:
    """The pose of the highest similarity; one that compares next to nothing may seem similar, and does not count."""
    if not poses:
        raise ElastixError("elastix found no place where the two images match")
    least = _LEAST_OVERLAP * max(pose.overlap for pose in poses.values())
    return max(poses, key=lambda name: (poses[name].overlap >= least, poses[name].similarity))


def _similarity(poses: Mapping[str, _Pose], name: str) -> float | None:
    return poses[name].similarity if name in poses else None
