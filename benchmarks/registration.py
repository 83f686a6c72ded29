"""Measures registration on known displacements and deliberate failures, beside the defaults of elastix and SimpleITK.

    make bench-registration

writes `benchmarks/results/registration.json`: a row a registration with all its evidence, and a summary. A run that is
stopped goes on where it was. Data sets: the T1 and PET templates of SPM, the demo pair, and the Siemens series with a
functional volume made from it; the SPECT template, whose left and right are hardest to tell, in fewer runs. Needs the
data beside the checkout (`../shared`), the extra `demo`, and an hour or more.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from registration_pairs import HARD, MAIN, PAIRS, WHOLE_BODY_SHIFT, WRONG, Pair, displacement

from monai_fusion.atomic import write_beside
from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.evaluation.machine import describe_machine
from monai_fusion.registration import register
from monai_fusion.registration.similarity import mean_distance
from monai_fusion.registration.verdict import Evidence, judge

DISPLACEMENTS, FAILURES, SPECT_RUNS, HARD_RUNS, RIVAL_RUNS = 50, 20, 10, 5, 10


def elastix_default(pair: Pair) -> np.ndarray:
    """elastix's default rigid map on the images as they are, as its documentation shows it."""
    import itk

    images = []
    for array, affine in ((pair.mri, pair.mri_affine), (pair.functional, pair.functional_affine)):
        lps = LPS_TO_RAS @ affine
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        image = itk.image_from_array(np.ascontiguousarray(array.T, dtype=np.float32))
        image.SetSpacing(spacing.tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        image.SetDirection(itk.matrix_from_array(np.ascontiguousarray(lps[:3, :3] / spacing)))
        images.append(image)
    parameters = itk.ParameterObject.New()
    parameters.AddParameterMap(itk.ParameterObject.GetDefaultParameterMap("rigid"))
    method = itk.ElastixRegistrationMethod.New(*images, parameter_object=parameters)
    method.UpdateLargestPossibleRegion()
    return matrix_of(method.GetCombinationTransform().TransformPoint)


def simpleitk_default(pair: Pair) -> np.ndarray:
    """ITK's v4 framework by SimpleITK: mutual information, gradient descent, three levels, started by moments."""
    import SimpleITK as sitk

    images = []
    for array, affine in ((pair.mri, pair.mri_affine), (pair.functional, pair.functional_affine)):
        lps = LPS_TO_RAS @ affine
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        image = sitk.GetImageFromArray(np.ascontiguousarray(array.T, dtype=np.float32))
        image.SetSpacing(spacing.tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
        images.append(image)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(50)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.2, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsGradientDescent(1.0, 100, 1e-6, 10)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    moments = sitk.CenteredTransformInitializerFilter.MOMENTS
    start = sitk.CenteredTransformInitializer(*images, sitk.Euler3DTransform(), moments)
    method.SetInitialTransform(start, inPlace=False)
    return matrix_of(method.Execute(*images).TransformPoint)


def matrix_of(transform_point: Callable[[list[float]], Any]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = list(transform_point([0.0, 0.0, 0.0]))
    for axis in range(3):
        matrix[:3, axis] = np.array(list(transform_point(np.eye(3)[axis].tolist()))) - matrix[:3, 3]
    return matrix


RIVALS = {"elastix, default rigid map": elastix_default, "SimpleITK, v4 framework": simpleitk_default}


def cpu_seconds() -> float:
    """Of this process and of those that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def run_ours(pair: Pair) -> tuple[np.ndarray, dict[str, Any]]:
    found = register(pair.mri, pair.mri_affine, pair.functional, pair.functional_affine)
    return found.matrix_lps, {
        "evidence": None if found.evidence is None else vars(found.evidence),
        "start": found.start,
    }


def tasks() -> Iterator[tuple[str, str, str, int]]:
    """Method, data set, kind and seed, in an order in which a part of them is a part of everything."""
    for seed in range(-1, FAILURES):
        yield from (("ours", name, "right", seed) for name in MAIN)
        if seed >= 0:
            yield from (("ours", MAIN[(seed + i) % len(MAIN)], kind, seed) for i, kind in enumerate(WRONG))
    yield from (("ours", "SPM SPECT", "right", seed) for seed in range(-1, SPECT_RUNS))
    yield from (("ours", "SPM SPECT", "mirrored", seed) for seed in range(SPECT_RUNS))
    yield from (("ours", "SPM PET", kind, seed) for seed in range(HARD_RUNS) for kind in HARD)
    yield from ((method, name, "right", seed) for seed in range(-1, RIVAL_RUNS) for method in RIVALS for name in MAIN)
    yield from (("ours", name, "right", seed) for seed in range(FAILURES, DISPLACEMENTS) for name in MAIN)


def measure(pair: Pair, method: str, kind: str, seed: int) -> dict[str, Any]:
    """One registration. Seed -1 is the pair as it is."""
    motion = np.eye(4) if seed < 0 else displacement(seed, pair.middle)
    changed = pair if kind == "right" else {**HARD, **WRONG}[kind](pair, seed)
    moved = changed.displaced(motion)
    wall, cpu = time.perf_counter(), cpu_seconds()
    if method == "ours":
        matrix, told = run_ours(moved)
    else:
        matrix, told = RIVALS[method](moved), {}
    row = {"method": method, "pair": pair.name, "kind": kind, "seed": seed, **told}
    row |= {"seconds": round(time.perf_counter() - wall, 2), "cpu_seconds": round(cpu_seconds() - cpu, 2)}
    return row | {"matrix": matrix.tolist(), "motion": motion.tolist()}


def summary(rows: list[dict[str, Any]], pairs: dict[str, Pair]) -> dict[str, Any]:
    """Errors in mm over the head, verdicts, and times."""

    def chosen(method: str, kind: str, names: Iterable[str]) -> list[dict[str, Any]]:
        return [r for r in rows if (r["method"], r["kind"]) == (method, kind) and r["pair"] in names]

    told: dict[str, Any] = {}
    for method in ("ours", *RIVALS):
        for name, pair in pairs.items():
            found = chosen(method, "right", [name])
            undisplaced = [np.array(row["matrix"]) for row in found if row["seed"] < 0]
            displaced = [row for row in found if row["seed"] >= 0]
            if undisplaced and displaced:
                entry = told.setdefault(method, {})[name] = measured(displaced, undisplaced[0], pair)
                if pair.truth is not None:
                    entry["error_to_truth_mm"] = spread(errors(displaced, pair.truth, pair))
    told["hard"] = {}
    for kind in HARD:
        found = chosen("ours", kind, ["SPM PET"])
        [right] = (np.array(r["matrix"]) for r in chosen("ours", "right", ["SPM PET"]) if r["seed"] < 0)
        if found:
            expected = right.copy()
            if kind == "whole-body PET":
                expected[:3, 3] += WHOLE_BODY_SHIFT
            told["hard"][kind] = measured(found, expected, pairs["SPM PET"])
    told["wrong"] = {kind: verdicts(chosen("ours", kind, MAIN)) for kind in WRONG}
    told["wrong"]["mirrored SPECT"] = verdicts(chosen("ours", "mirrored", ["SPM SPECT"]))
    return told


def measured(rows: list[dict[str, Any]], undisplaced: np.ndarray, pair: Pair) -> dict[str, Any]:
    off = errors(rows, undisplaced, pair)
    entry: dict[str, Any] = {"runs": len(rows), "error_to_undisplaced_mm": spread(off)}
    if rows[0]["method"] == "ours":
        restarts = [mm for row in rows if row["evidence"] for mm in row["evidence"]["restarts_mm"] if mm is not None]
        entry["restarts_mm"] = spread(restarts)
        entry["verdicts"] = verdicts(rows)
        entry["good_but_2_mm_off"] = sum(mm > 2 and verdict_of(row) == "good" for mm, row in zip(off, rows))
    return entry | {times: spread([row[times] for row in rows]) for times in ("seconds", "cpu_seconds")}


def errors(rows: list[dict[str, Any]], undisplaced: np.ndarray, pair: Pair) -> list[float]:
    """How far each result is from a result without displacement, displaced alike; mean over the head in mm."""
    right = (np.array(row["motion"]) @ undisplaced for row in rows)
    return [mean_distance(np.array(row["matrix"]), matrix, pair.targets) for row, matrix in zip(rows, right)]


def verdict_of(row: dict[str, Any]) -> str:
    """By the thresholds as they are now."""
    return "failed" if row["evidence"] is None else judge(Evidence(**row["evidence"]))[0]


def verdicts(rows: list[dict[str, Any]]) -> dict[str, int]:
    found = [verdict_of(row) for row in rows]
    return {name: found.count(name) for name in ("good", "doubtful", "failed")}


def spread(values: list[float]) -> dict[str, float]:
    return {
        name: round(float(f(values)), 3) for name, f in (("least", np.min), ("median", np.median), ("most", np.max))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "registration.json")
    parser.add_argument("--summary", action="store_true", help="measure nothing, judge and count what is there")
    args = parser.parse_args()

    pairs = {name: make() for name, make in PAIRS.items()}
    rows: list[dict[str, Any]] = json.loads(args.output.read_text())["rows"] if args.output.exists() else []
    done = {(row["method"], row["pair"], row["kind"], row["seed"]) for row in rows}
    for method, name, kind, seed in () if args.summary else tasks():
        if (method, name, kind, seed) not in done:
            rows.append(measure(pairs[name], method, kind, seed))
            save(args.output, rows, pairs)
            print(method, name, kind, seed, rows[-1]["seconds"], flush=True)
    save(args.output, rows, pairs)
    print(json.dumps(summary(rows, pairs), indent=2))


def save(path: Path, rows: list[dict[str, Any]], pairs: dict[str, Pair]) -> None:
    told = {"machine": describe_machine(), "summary": summary(rows, pairs), "rows": rows}
    with write_beside(path) as file:
        file.write_text(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
