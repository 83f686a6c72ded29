"""The one-pass kernel against the module it replaces."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from threading import Barrier, current_thread

import numpy as np
import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.networks import FusionStudent, FusionTeacher

pytest.importorskip("numba")
from monai_fusion.inferers.kernels import cpu
from monai_fusion.inferers.kernels.cpu import CpuStudent


def module(student: FusionStudent, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The module in float64."""
    stacked = torch.from_numpy(np.stack([first, second], axis=1)).double()
    with torch.no_grad():
        return student.double()(stacked)[:, 0].numpy()


def random_student(hidden: int, seed: int) -> FusionStudent:
    torch.manual_seed(seed)
    return FusionStudent(hidden)


@pytest.mark.parametrize("hidden", [2, 4, 6])
def test_equals_the_module(hidden: int) -> None:
    """Random weights, 70 random shapes a width, values to ten times the range."""
    rng = np.random.default_rng(hidden)
    for seed in range(70):
        student = random_student(hidden, seed)
        shape = (rng.integers(1, 4), rng.integers(3, 130), rng.integers(3, 130))
        first, second = rng.uniform(-10, 10, (2, *shape)).astype(np.float32)
        fused = CpuStudent(student.state_dict(), threads=1 + seed % 3)(first, second)
        np.testing.assert_allclose(fused, module(student, first, second), atol=1e-5)


@pytest.mark.parametrize("size", [(3, 3), (3, 64), (64, 3), (31, 33), (257, 100)])
def test_threads_change_nothing(size: tuple[int, int]) -> None:
    student = random_student(4, 0)
    first, second = np.random.default_rng(0).random((2, 3, *size), dtype=np.float32)
    fused = [CpuStudent(student.state_dict(), threads=n)(first, second) for n in (1, 2, 5)]
    assert np.array_equal(fused[0], fused[1])
    assert np.array_equal(fused[0], fused[2])


def test_callers_do_not_disturb_each_other() -> None:
    """Many threads calling one kernel and others at once, each with its own images and weights."""
    rng = np.random.default_rng(0)
    kernels = [CpuStudent(random_student(4, seed).state_dict(), threads=2) for seed in range(2)]
    images = rng.random((16, 2, 2, 90, 70), dtype=np.float32)
    expected = [kernels[i % 2](*pair) for i, pair in enumerate(images)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            together = list(pool.map(lambda i: kernels[i % 2](*images[i]), range(16)))
            assert all(np.array_equal(a, b) for a, b in zip(together, expected))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_waits_for_no_thread_of_its_parent() -> None:
    """As a worker of PyTorch's DataLoader."""
    kernel = CpuStudent(random_student(4, 0).state_dict(), threads=2)
    first, second = np.random.default_rng(0).random((2, 2, 70, 50), dtype=np.float32)
    expected = kernel(first, second)
    child = get_context("fork").Process(target=_exit_if_equal, args=(kernel, first, second, expected))
    child.start()
    child.join(20)
    child.kill()
    assert child.exitcode == 7


def _exit_if_equal(kernel: CpuStudent, first: np.ndarray, second: np.ndarray, expected: np.ndarray) -> None:
    os._exit(7 if np.array_equal(kernel(first, second), expected) else 8)


def test_an_error_in_a_helper_reaches_the_caller() -> None:
    barrier = Barrier(2)

    def run(strip: tuple[int, int, int]) -> None:
        barrier.wait(20)
        if current_thread().name == "fusion":
            raise MemoryError

    with pytest.raises(MemoryError):
        cpu._share(run, [(0, 0, 3), (1, 0, 3)], 2)


def test_nan_stays_nan() -> None:
    """Where a 5x5 neighbourhood holds NaN, and nowhere else."""
    student = random_student(4, 1)
    first, second = np.random.default_rng(1).random((2, 1, 40, 50), dtype=np.float32)
    first[0, 20, 30] = np.nan
    fused = CpuStudent(student.state_dict())(first, second)
    expected = np.isnan(module(student, first, second))
    assert expected[0, 18:23, 28:33].all()
    assert np.array_equal(np.isnan(fused), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_integers_and_windows_need_no_copy(dtype: type) -> None:
    student = random_student(4, 2)
    first, second = np.random.default_rng(2).integers(0, 200, (2, 2, 40, 33)).astype(dtype)
    windows = ((1 / 100, -0.3), (1 / 150, 0.0))
    scaled = [np.clip(image.astype(np.float64) * s + o, 0, 1) for image, (s, o) in zip((first, second), windows)]
    fused = CpuStudent(student.state_dict())(first, second, windows=windows, clip=True)
    np.testing.assert_allclose(fused, module(student, *scaled), atol=1e-5)


def test_any_strides() -> None:
    student = random_student(4, 3)
    volume = np.random.default_rng(3).random((20, 30, 40, 2), dtype=np.float32)
    first, second = volume[::2, ::-1, ::-1, 0], volume[1::2, ::-1, ::-1, 1]
    out = np.zeros((40, 30, 10), np.float32).transpose(2, 1, 0)
    CpuStudent(student.state_dict())(first, second, out)
    np.testing.assert_allclose(out, module(student, first, second), atol=1e-5)


def test_refuses_what_it_cannot_run() -> None:
    image = np.zeros((1, 8, 8), np.float32)
    with pytest.raises(InputError, match="student's weights only"):
        CpuStudent(FusionTeacher().state_dict())
    kernel = CpuStudent(FusionStudent().state_dict())
    for first, second in ((image, image[:, :5]), (image[:, :2], image[:, :2])):
        with pytest.raises(InputError, match="one shape"):
            kernel(first, second)
