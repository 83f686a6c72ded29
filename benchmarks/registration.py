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
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monai_fusion.atomic import write_beside
from monai_fusion.data.phantom import motion_matrix, write_demo_pair
from monai_fusion.data.reader import SourceReader
from monai_fusion.data.source import LPS_TO_RAS
from monai_fusion.evaluation.machine import describe_machine
from monai_fusion.registration.procedure import register
from monai_fusion.registration.similarity import mean_distance
from monai_fusion.registration.verdict import Evidence, judge
from monai_fusion.registration.volume import Volume

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
DISPLACEMENTS, FAILURES, RIVAL_RUNS = 50, 20, 20
MOST_MM, MOST_DEGREES = 30.0, 20.0


@dataclass(frozen=True)
class Pair:
    """An MRI and a functional image, affines to RAS, and the true transform from one to the other (LPS), if known."""

    name: str
    mri: np.ndarray
    mri_affine: np.ndarray
    functional: np.ndarray
    functional_affine: np.ndarray
    truth: np.ndarray | None

    @cached_property
    def targets(self) -> np.ndarray:
        head = Volume.reduced(self.mri, self.mri_affine)
        return head.points(head.mask)[::50]

    @cached_property
    def middle(self) -> np.ndarray:
        """Of the functional image's mask, LPS."""
        functional = Volume.reduced(self.functional, self.functional_affine)
        return functional.points(functional.mask).mean(axis=0)

    def displaced(self, motion: np.ndarray) -> Pair:
        """The functional image moved in space by a 4x4 in LPS; its voxels stay as they are."""
        affine = LPS_TO_RAS @ motion @ LPS_TO_RAS @ self.functional_affine
        return replace(self, functional_affine=affine, truth=None if self.truth is None else motion @ self.truth)


def spm(functional: str) -> Pair:
    mri, uptake = (nib.load(SHARED / "volumes" / f"{name}.nii.gz") for name in ("T1", functional))
    arrays = (image.get_fdata(dtype=np.float32) for image in (mri, uptake))
    return Pair(f"SPM {functional}", next(arrays), mri.affine, next(arrays), uptake.affine, None)


def demo() -> Pair:
    with tempfile.TemporaryDirectory() as folder:
        files = write_demo_pair(Path(folder))
        return Pair("demo", *read(files.mri, "mri"), *read(files.functional, "functional"), motion_matrix())


def siemens() -> Pair:
    mri, affine = read(SHARED / "dicom" / "siemens_prisma_t1_sag", "mri")
    return Pair("Siemens series", mri, affine, *functional_of(mri, affine), np.eye(4))


def read(path: Path, role: Any) -> tuple[np.ndarray, np.ndarray]:
    reader = SourceReader(role=role)
    array, meta = reader.get_data(reader.read(str(path)))
    return np.asarray(array, dtype=np.float32), np.asarray(meta["affine"])


def functional_of(mri: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An uptake that rises and falls with the MRI's intensity, blurred by 6 mm, on voxels of 2 mm, with noise."""
    head = Volume(mri, affine).mask
    level = np.clip(mri / np.percentile(mri[head], 99), 0, 1)
    uptake = (head * (0.15 + np.sin(np.pi * level**1.3))).astype(np.float32)
    uptake = ndimage.gaussian_filter(uptake, 6 / np.sqrt(8 * np.log(2)) / np.linalg.norm(affine[:3, :3], axis=0))
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in mri.shape], [1])).reshape(4, -1)
    corners = (affine @ ends)[:3]
    grid = np.diag([2.0, 2.0, 2.0, 1.0])
    grid[:3, 3] = corners.min(axis=1) - 8
    shape = tuple(np.ceil((np.ptp(corners, axis=1) + 16) / 2).astype(int))
    index = np.linalg.inv(affine) @ grid
    uptake = ndimage.affine_transform(uptake, index[:3, :3], index[:3, 3], output_shape=shape, order=1)
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=shape), 1.0)
    return (uptake + 0.15 * np.sqrt(uptake.clip(0)) * noise / noise.std()).clip(0), grid


def displacement(seed: int, center: np.ndarray) -> np.ndarray:
    """A turn of up to 20 degrees about any axis through the head's middle, and a shift of up to 30 mm, LPS."""
    rng = np.random.default_rng(seed)
    axis, shift = rng.normal(size=3), rng.normal(size=3)
    turn = Rotation.from_rotvec(axis / np.linalg.norm(axis) * np.deg2rad(rng.uniform(0, MOST_DEGREES))).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = center - turn @ center + shift / np.linalg.norm(shift) * rng.uniform(0, MOST_MM)
    return matrix


def about(center: np.ndarray, signs: tuple[float, float, float]) -> np.ndarray:
    matrix = np.diag([*signs, 1.0])
    matrix[:3, 3] = center - np.array(signs) * center
    return matrix


def mirrored(pair: Pair, seed: int) -> Pair:
    return pair.displaced(about(pair.middle, (-1, 1, 1)))


def turned(pair: Pair, seed: int) -> Pair:
    return pair.displaced(about(pair.middle, [(1, -1, -1), (-1, 1, -1), (-1, -1, 1)][seed % 3]))


def noise(pair: Pair, seed: int) -> Pair:
    values = np.random.default_rng(seed).normal(size=pair.functional.shape)
    return replace(pair, functional=np.abs(ndimage.gaussian_filter(values, 1.5)).astype(np.float32))


def trunk(pair: Pair, seed: int) -> Pair:
    """A body with lungs, liver, heart, spine and kidneys, in the field of view of the PET."""
    rng = np.random.default_rng(seed)
    shape = pair.functional.shape
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    points = index @ pair.functional_affine[:3, :3].T + pair.functional_affine[:3, 3]
    points = points - points.reshape(-1, 3).mean(axis=0) + rng.uniform(-10, 10, 3)
    uptake = np.zeros(shape)
    organs = [  # middle and half axes in mm, uptake
        ((0, 0, 0), (140, 95, 1e4), 1.0),
        ((65, 0, 60), (48, 70, 110), 0.35),
        ((-65, 0, 60), (48, 70, 110), 0.35),
        ((-20, 25, 20), (35, 35, 40), 4.0),
        ((60, 5, -70), (70, 70, 55), 2.5),
        ((0, -65, 0), (18, 18, 1e4), 1.6),
        ((50, -50, -110), (22, 20, 40), 6.0),
        ((-50, -50, -110), (22, 20, 40), 6.0),
    ]
    for middle, axes, value in organs:
        size = np.array(axes) * rng.uniform(0.85, 1.15, 3)
        uptake[(((points - middle) / size) ** 2).sum(axis=-1) < 1] = value
    uptake = ndimage.gaussian_filter(uptake, 1.2)
    return replace(pair, functional=(uptake + 0.1 * rng.normal(size=shape)).clip(0).astype(np.float32))


def halved(pair: Pair, seed: int) -> Pair:
    """Half of the head is missing: voxels set to zero, or (odd seeds) not there at all."""
    axis, side = seed % 3, seed // 3 % 2
    plane = ndimage.center_of_mass(Volume(pair.functional, pair.functional_affine).mask)[axis]
    keep = [slice(None)] * 3
    keep[axis] = slice(None, round(plane)) if side else slice(round(plane), None)
    if seed % 2:
        affine = pair.functional_affine.copy()
        affine[:3, 3] += affine[:3, axis] * (keep[axis].start or 0)
        return replace(pair, functional=pair.functional[tuple(keep)], functional_affine=affine)
    functional = np.zeros_like(pair.functional)
    functional[tuple(keep)] = pair.functional[tuple(keep)]
    return replace(pair, functional=functional)


WRONG: dict[str, Callable[[Pair, int], Pair]] = {
    "mirrored": mirrored,
    "turned": turned,
    "noise": noise,
    "trunk": trunk,
    "half a head": halved,
}


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
    """Method, data set, kind and seed, so that a part of them is a part of everything."""
    for seed in range(-1, DISPLACEMENTS):
        for name in MAIN:
            yield "ours", name, "right", seed
        for i, kind in enumerate(WRONG):
            if 0 <= seed < FAILURES:
                yield "ours", MAIN[(seed + i) % len(MAIN)], kind, seed
        if seed < FAILURES / 2:
            yield "ours", "SPM SPECT", "right", seed
            if seed >= 0:
                yield "ours", "SPM SPECT", "mirrored", seed
    for seed in range(-1, RIVAL_RUNS):
        for method in RIVALS:
            for name in MAIN:
                yield method, name, "right", seed


PAIRS: dict[str, Callable[[], Pair]] = {
    "SPM PET": partial(spm, "PET"),
    "demo": demo,
    "Siemens series": siemens,
    "SPM SPECT": partial(spm, "SPECT"),
}
MAIN = list(PAIRS)[:3]


def measure(pair: Pair, method: str, kind: str, seed: int) -> dict[str, Any]:
    """One registration. Seed -1 is the pair as it is."""
    motion = np.eye(4) if seed < 0 else displacement(seed, pair.middle)
    wrong = pair if kind == "right" else WRONG[kind](pair, seed)
    moved = wrong.displaced(motion)
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
    told: dict[str, Any] = {}
    for method in ("ours", *RIVALS):
        for name, pair in pairs.items():
            right = [r for r in rows if (r["method"], r["pair"], r["kind"]) == (method, name, "right")]
            undisplaced = [np.array(r["matrix"]) for r in right if r["seed"] < 0]
            displaced = [r for r in right if r["seed"] >= 0]
            if not displaced or not undisplaced:
                continue
            against = [
                mean_distance(np.array(r["matrix"]), np.array(r["motion"]) @ undisplaced[0], pair.targets)
                for r in displaced
            ]
            entry = {"runs": len(displaced), "error_to_undisplaced_mm": spread(against)}
            if pair.truth is not None:
                truth = [
                    mean_distance(np.array(r["matrix"]), np.array(r["motion"]) @ pair.truth, pair.targets)
                    for r in displaced
                ]
                entry["error_to_truth_mm"] = spread(truth)
            if method == "ours":
                entry["verdicts"] = verdicts(displaced)
                entry["restarts_mm"] = spread(
                    [mm for r in right if r["evidence"] for mm in r["evidence"]["restarts_mm"] if mm]
                )
                entry["beyond_2_mm_and_good"] = sum(
                    mm > 2 and verdict_of(r)[0] == "good" for mm, r in zip(against, displaced)
                )
            entry["seconds"] = spread([r["seconds"] for r in displaced])
            entry["cpu_seconds"] = spread([r["cpu_seconds"] for r in displaced])
            told.setdefault(method, {})[name] = entry
    main_rows = [row for row in rows if row["pair"] in MAIN]
    told["failures"] = {kind: verdicts([row for row in main_rows if row["kind"] == kind]) for kind in WRONG}
    told["failures"]["mirrored SPECT"] = verdicts([r for r in rows if r["kind"] != "right" and r["pair"] not in MAIN])
    return told


def verdict_of(row: dict[str, Any]) -> tuple[str, list[str]]:
    return ("failed", ["nothing found"]) if row["evidence"] is None else judge(Evidence(**row["evidence"]))


def verdicts(rows: list[dict[str, Any]]) -> dict[str, int]:
    found = [verdict_of(row)[0] for row in rows]
    return {name: found.count(name) for name in ("good", "doubtful", "failed")}


def spread(values: list[float]) -> dict[str, float]:
    return {"median": round(float(np.median(values)), 3), "most": round(float(np.max(values)), 3)}


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
