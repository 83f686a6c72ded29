"""Runs of elastix in processes of their own, which a time limit can end: elastix has been seen to run without an end.

The voxels go through a pipe, so nothing of the patient is written to disk, whatever happens.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from scipy import ndimage

from monai_fusion.registration.volume import Volume

__all__ = ["Elastix", "ElastixError", "Job"]

_AROUND_HEAD_MM = 10.0
_WORKER = Path(__file__).with_name("elastix_worker.py")


class ElastixError(RuntimeError):
    """elastix found nothing, broke down, or did not come to an end in time."""


@dataclass(frozen=True)
class Job:
    """One run of elastix.

    Args:
        start: 4x4, LPS, mm, fixed to moving: where it begins; it may mirror.
        transform: ``"rigid"`` or ``"affine"``, what is put before `start`.
        smoothing_mm: the resolutions, coarse to fine; both images are smoothed with half of it as sigma.
        iterations: at each resolution.
        seed: of the random samples.
    """

    start: np.ndarray
    transform: str = "rigid"
    smoothing_mm: tuple[float, ...] = (16.0, 8.0, 4.0, 2.0)
    iterations: int = 256
    seed: int = 121212

    def message(self, fixed: Volume, moving: Volume) -> dict[str, Any]:
        """What the worker is told: elastix's own default map, and only what follows from the images changed.

        Its pyramid halves voxels, not millimetres; thick slices would be smoothed until nothing is left of them. By
        default it gives up where less than a quarter of the samples have a partner, which is usual for partial
        coverage. Starts are given by moving the moving image, so it is not to look for one. (An affine transform is
        sought in the head and 1 cm around it: in the whole image a shrunken head wins, for less air is compared.)
        """
        started = Volume(moving.array, np.linalg.inv(self.start) @ moving.affine)
        pyramids = {
            f"{name}ImagePyramidSchedule": [
                str(max(1, round(mm / spacing))) for mm in self.smoothing_mm for spacing in volume.spacing
            ]
            for name, volume in (("Fixed", fixed), ("Moving", moving))
        }
        parameters = {
            **pyramids,
            "AutomaticTransformInitialization": ["false"],
            "MaximumNumberOfIterations": [str(self.iterations)],
            "NumberOfResolutions": [str(len(self.smoothing_mm))],
            "RandomSeed": [str(self.seed)],
            "RequiredRatioOfValidSamples": ["0.05"],
            "WriteResultImage": ["false"],
        }
        return {"transform": self.transform, "parameters": parameters, "moving": _geometry(started)}


class Elastix:
    """Some processes, each with the same pair of images, that work off jobs; a context manager.

    Each runs on one thread with a fixed seed, so the same jobs give the same transforms, however many run at a time.

    Args:
        fixed, moving: the images.
        seconds: after that time all processes are killed, whatever they do.
        processes: how many; by default one a core, four at most.
    """

    def __init__(self, fixed: Volume, moving: Volume, seconds: float, processes: int | None = None) -> None:
        self._images = (fixed, moving)
        self._seconds = seconds
        self._count = processes or min(4, os.cpu_count() or 1)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        self._timer = threading.Timer(seconds, self._kill)
        self._timer.daemon = True
        self._late = False

    def __enter__(self) -> Elastix:
        environment = {**os.environ, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
        fixed, moving = self._images
        arrays = [np.ascontiguousarray(a.T) for a in (fixed.array, moving.array, _around_head(fixed))]
        told = [(array.shape, array.dtype.name) for array in arrays]
        task = json.dumps({"seconds": self._seconds, "fixed": _geometry(fixed), "arrays": told}).encode()
        try:
            for _ in range(self._count):
                process = subprocess.Popen(
                    [sys.executable, str(_WORKER)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=environment,
                )
                self._processes.append(process)
                self._idle.put(process)
            self._timer.start()
            for process in self._processes:
                assert process.stdin is not None
                try:
                    process.stdin.write(task + b"\n")
                    for array in arrays:
                        process.stdin.write(array.data)
                    process.stdin.flush()
                except OSError:  # it ended; who runs a job will be told
                    pass
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        for process in self._processes:
            process.kill()
            process.communicate()

    def _kill(self) -> None:
        self._late = True
        for process in self._processes:
            process.kill()

    def run(self, jobs: Sequence[Job]) -> list[np.ndarray | None]:
        """Works off jobs side by side.

        Returns:
            For each job the whole transform (its start included), 4x4, LPS, mm, fixed to moving; None where elastix
            gave up.

        Raises:
            ElastixError: a process did not come to an end in time, or broke down.
        """
        with ThreadPoolExecutor(self._count) as threads:
            return list(threads.map(self._run, jobs))

    def _run(self, job: Job) -> np.ndarray | None:
        process = self._idle.get()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(job.message(*self._images)).encode() + b"\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
        except (OSError, ValueError) as error:
            if self._late:
                raise ElastixError(f"it took longer than {self._seconds:g} s and was stopped") from error
            raise ElastixError("elastix ended without an answer; check that itk-elastix is installed") from error
        finally:
            self._idle.put(process)
        if answer is None:
            return None
        found = np.eye(4)
        origin, *axes = np.array(answer)
        found[:3] = np.column_stack([*(np.array(axes) - origin), origin])
        return job.start @ found


def _around_head(fixed: Volume) -> np.ndarray:
    """The head and 1 cm around it, as 0 and 1."""
    around = ndimage.distance_transform_edt(~fixed.mask, sampling=fixed.spacing.tolist()) <= _AROUND_HEAD_MM
    return around.astype(np.uint8)


def _geometry(volume: Volume) -> dict[str, Any]:
    return {
        "spacing": volume.spacing.tolist(),
        "origin": volume.affine[:3, 3].tolist(),
        "direction": (volume.affine[:3, :3] / volume.spacing).tolist(),
    }
