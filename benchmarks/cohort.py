"""A cohort of 200 small studies, 15 of them broken in ten ways: undisturbed, disturbed, and by one and two workers.

    make bench-cohort

writes `benchmarks/results/cohort.json`. The studies are pairs of 32x32x8 NIfTI. Disturbed means: a worker is killed
(SIGKILL) three times and the whole run once, which is then run again; its store must hold what the undisturbed one's
does, the fused voxels must be the same, and nothing half-written may be left. The workers use one thread each.

Throughput is measured on these, and on larger pairs (96x96x48), by one worker and by two by turns. Rates are from the
first studies' end to the last one's, so that starting up is not in them. What a study costs beside the work on it is
the time in which a worker was not at work on one. Other programs on the machine slow all of it, so the load is
reported, and processor time beside the clock's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

STUDIES, LARGER, KILLED_WORKERS = 200, 24, 3
PROGRAM = "import sys; from monai_fusion.cli import main; sys.exit(main(sys.argv[1:]))"


# --- Studies, sound and broken -----------------------------------------------------------------------------------


def gone(mri: Path, pet: Path) -> None:
    mri.unlink()


def cut_short(mri: Path, pet: Path) -> None:
    pet.write_bytes(pet.read_bytes()[:-400])


def wrong_checksum(mri: Path, pet: Path) -> None:
    content = bytearray(mri.read_bytes())
    content[-8] ^= 1
    mri.write_bytes(content)


def no_nifti(mri: Path, pet: Path) -> None:
    pet.write_bytes(b"no image\n" * 100)


def change(path: Path, edit: Callable[[nib.Nifti1Image, np.ndarray], nib.Nifti1Image]) -> None:
    image = nib.load(path)
    nib.save(edit(image, np.array(image.dataobj)), path)


def not_a_number(mri: Path, pet: Path) -> None:
    change(pet, lambda image, array: nib.Nifti1Image(np.where(array > 15000, np.nan, array), image.affine))


def no_orientation(mri: Path, pet: Path) -> None:
    def edit(image: nib.Nifti1Image, array: np.ndarray) -> nib.Nifti1Image:
        bare = nib.Nifti1Image(array, None)
        bare.set_sform(None, 0)
        bare.set_qform(None, 0)
        return bare

    change(mri, edit)


def constant(mri: Path, pet: Path) -> None:
    change(mri, lambda image, array: nib.Nifti1Image(np.full_like(array, 7), image.affine))


def several_frames(mri: Path, pet: Path) -> None:
    change(pet, lambda image, array: nib.Nifti1Image(np.stack([array, array], -1), image.affine))


def complex_voxels(mri: Path, pet: Path) -> None:
    change(mri, lambda image, array: nib.Nifti1Image(array.astype(np.complex64), image.affine))


def a_picture(mri: Path, pet: Path) -> None:
    """A folder that holds no DICOM."""
    pet.unlink()
    pet.mkdir()
    (pet / "notes.txt").write_text("no image\n")


#: What is done to a study, how often, and the beginning of its cause.
BROKEN: dict[Callable[[Path, Path], None], tuple[int, str]] = {
    gone: (2, "MRI: there is no such file or folder"),
    cut_short: (2, "functional image: not a readable NIfTI file, or cut short"),
    wrong_checksum: (2, "MRI: not a readable NIfTI file, or cut short (CRC"),
    no_nifti: (2, "functional image: not a readable NIfTI file"),
    not_a_number: (2, "functional image: # of # voxels are NaN or infinite"),
    no_orientation: (1, "MRI: the header has neither sform nor qform"),
    constant: (1, "MRI: every voxel has the value #"),
    several_frames: (1, "functional image: a #-D file of # frames"),
    complex_voxels: (1, "MRI: colour or complex voxels"),
    a_picture: (1, "functional image: none of its # files is DICOM"),
}


def write_studies(
    folder: Path, count: int, shape: tuple[int, int, int] = (32, 32, 8), sound: bool = False
) -> tuple[Path, dict[str, str]]:
    """The manifest, and the beginning of the cause by the id of each broken study."""
    from conftest import head, save_nifti

    folder.mkdir()
    mri, pet = head(shape)
    broken = [] if sound else [way for way, (times, _) in BROKEN.items() for _ in range(times)]
    places = np.linspace(0, count - 1, len(broken)).round().astype(int).tolist()
    rows, expected = ["id,mri,functional"], {}
    for i in range(count):
        paths = [folder / f"{i:03}_{name}.nii.gz" for name in ("mri", "pet")]
        for path, array in zip(paths, (mri, pet)):
            save_nifti(path, array + i)  # like no other one
        if i in places:
            way = broken[places.index(i)]
            way(*paths)
            expected[f"{i:03}"] = BROKEN[way][1]
        rows.append(f"{i:03},{paths[0].name},{paths[1].name}")
    (folder / "studies.csv").write_text("\n".join(rows) + "\n")
    return folder / "studies.csv", expected


# --- Runs --------------------------------------------------------------------------------------------------------


def start(manifest: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM, "cohort", str(manifest), "-o", str(out), "--workers", str(workers)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def rows(out: Path, query: str) -> list[tuple[Any, ...]]:
    try:
        with sqlite3.connect(f"file:{out / 'cohort.sqlite'}?mode=ro", uri=True) as database:
            return database.execute(query).fetchall()
    except sqlite3.OperationalError:  # not there yet
        return []


def count(out: Path) -> int:
    found = rows(out, "SELECT count(*) FROM study")
    return int(found[0][0]) if found else 0


def await_count(out: Path, wanted: int, run: subprocess.Popen[bytes]) -> None:
    while count(out) < wanted and run.poll() is None:
        time.sleep(0.005)


def run_timed(manifest: Path, out: Path, workers: int) -> dict[str, Any]:
    """A run and its rate, once as many studies are done as there are workers."""
    load = os.getloadavg()[0]
    before = os.times()
    run = start(manifest, out, workers)
    began = time.perf_counter()
    await_count(out, workers, run)
    first, warm = time.perf_counter(), [row[0] for row in rows(out, "SELECT id FROM study")]
    ticks = processor_seconds(run)
    await_count(out, total(manifest), run)
    last, at_last = time.perf_counter(), processor_seconds(run)
    run.wait()
    counted = total(manifest) - len(warm)
    later = f"FROM effort WHERE id NOT IN ({', '.join(map(repr, warm))})"
    worked = rows(out, f"SELECT sum(seconds), sum(cpu_seconds), max(peak_mib) {later}")[0]
    after = os.times()
    whole = after.children_user + after.children_system - before.children_user - before.children_system
    median = float(np.median([row[0] for row in rows(out, f"SELECT seconds {later}")]))
    return {
        "workers": workers,
        "exit_code": run.returncode,
        "load_before": round(load, 1),
        "seconds_to_the_first": round(first - began, 1),
        "seconds": round(last - first, 2),
        "studies_a_second": round(counted / (last - first), 2),
        "seconds_in_the_worker_median": round(median, 4),
        "processor_seconds_a_study_in_the_worker": round(worked[1] / counted, 4),
        "processor_seconds_a_study_in_the_scheduler": round((at_last[0] - ticks[0]) / counted, 4),
        "processor_seconds_a_study_in_the_dask_worker": round((at_last[1] - ticks[1]) / counted, 4),
        "processor_seconds_of_the_whole_run": round(whole, 1),
        "idle_seconds_a_study": round((workers * (last - first) - worked[0]) / counted, 4),
        "peak_mib_of_a_worker": round(worked[2]),
    }


def total(manifest: Path) -> int:
    return len(manifest.read_text().splitlines()) - 1


def processor_seconds(run: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Of the process with the scheduler, and of the Dask workers, but for those that fuse."""
    try:
        main = psutil.Process(run.pid)
        workers = [p for p in main.children() if "spawn_main" in " ".join(p.cmdline())]
        return sum(main.cpu_times()[:2]), sum(sum(p.cpu_times()[:2]) for p in workers)
    except psutil.Error:
        return 0.0, 0.0


def run_disturbed(manifest: Path, out: Path, workers: int) -> dict[str, Any]:
    """Kills a worker three times, Dask's or the process of it that fuses, then the whole run; and runs it again."""
    kinds = []
    run = start(manifest, out, workers)
    for i in range(KILLED_WORKERS):
        await_count(out, (i + 1) * total(manifest) // 8, run)
        family = psutil.Process(run.pid).children(recursive=True)
        fusing = [process for process in family if "study_process" in " ".join(process.cmdline())]
        while not fusing:
            time.sleep(0.01)
            family = psutil.Process(run.pid).children(recursive=True)
            fusing = [process for process in family if "study_process" in " ".join(process.cmdline())]
        victim = fusing[0] if i == 1 else fusing[0].parent()
        assert victim is not None
        kinds.append("process that fuses" if i == 1 else "Dask worker")
        victim.kill()
    await_count(out, total(manifest) // 2, run)
    family = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGKILL)
    run.wait()
    _, alive = psutil.wait_procs(family, timeout=30)
    before = count(out)
    again = start(manifest, out, workers)
    again.wait()
    deaths = rows(out, "SELECT sum(deaths) FROM effort")[0][0]
    return {
        "killed": kinds,
        "studies_recorded_when_the_run_was_killed": before,
        "processes_left_by_the_killed_run": len(alive),
        "exit_code": again.returncode,
        "deaths_counted_by_the_second_run": deaths,
    }


def describe(out: Path, expected: dict[str, str]) -> dict[str, Any]:
    """What is in the folder of a cohort at the end."""
    studies = rows(out, "SELECT id, state, key, reason, cause, warnings FROM study ORDER BY id")
    states = [row[1] for row in studies]
    causes = {row[0]: row[4] for row in studies if row[1] == "failed"}
    results = sorted((out / "studies").glob("*/*"))
    voxels = hashlib.sha256()
    for path in results:
        voxels.update(np.asarray(nib.load(path / "fused.nii.gz").dataobj).tobytes())
    return {
        "states": {state: states.count(state) for state in ("done", "failed", "skipped")},
        "causes": {cause: list(causes.values()).count(cause) for cause in sorted(set(causes.values()))},
        "failed_for_the_right_reason": causes.keys() == expected.keys()
        and all(causes[name].startswith(cause) for name, cause in expected.items()),
        "folders_of_results": len(results),
        "folders_without_report": sum(not (path / "report.json").exists() for path in results),
        "unfinished": len(list(out.rglob("*unfinished*"))),
        "store_sha256": hashlib.sha256(json.dumps(studies).encode()).hexdigest(),
        "voxels_sha256": voxels.hexdigest(),
    }


def compare(two: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """The ratio on the clock, which other programs spoil, and by processor time: what two free cores can do.

    Then one worker needs its own core alone, while two share theirs with Dask.
    """
    names = [f"processor_seconds_a_study_in_the_{name}" for name in ("worker", "scheduler", "dask_worker")]
    return {
        "two_workers": two,
        "one_worker": one,
        "times_the_throughput_of_one_worker": round(two["studies_a_second"] / one["studies_a_second"], 2),
        "times_by_processor_time": round(2 * one[names[0]] / sum(two[name] for name in names), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=STUDIES)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "cohort.json")
    arguments = parser.parse_args()

    from monai_fusion.atomic import write_beside
    from monai_fusion.evaluation.machine import describe_machine, describe_versions

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest, expected = write_studies(folder / "in", arguments.studies)
        larger, _ = write_studies(folder / "larger", LARGER, (96, 96, 48), sound=True)
        two = run_timed(manifest, folder / "two", 2)
        one = run_timed(manifest, folder / "one", 1)
        larger_two = run_timed(larger, folder / "larger_two", 2)
        larger_one = run_timed(larger, folder / "larger_one", 1)
        disturbed = run_disturbed(manifest, folder / "disturbed", 2)
        ends = {kind: describe(folder / kind, expected) for kind in ("two", "one", "disturbed")}
    result = {
        "machine": describe_machine(),
        "versions": describe_versions(),
        "studies": arguments.studies,
        "broken": sum(times for times, _ in BROKEN.values()),
        "ways": len(BROKEN),
        "small": compare(two, one),
        "larger": compare(larger_two, larger_one),
        "disturbed": disturbed,
        "ends": ends,
        "stores_identical": len({end["store_sha256"] for end in ends.values()}) == 1,
        "voxels_identical": len({end["voxels_sha256"] for end in ends.values()}) == 1,
    }
    with write_beside(arguments.output) as path:
        path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
