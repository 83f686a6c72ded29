from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SliceInferer

from monai_fusion.errors import InputError
from monai_fusion.inferers import FusionInferer
from monai_fusion.inferers.kernels import choice
from monai_fusion.networks import FusionStudent, FusionTeacher


@pytest.fixture
def student() -> FusionStudent:
    torch.manual_seed(1)
    return FusionStudent().eval()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_equals_the_network_slice_by_slice(axis: int, student: FusionStudent) -> None:
    """Against MONAI's SliceInferer, where the volume is stored as it is displayed (rows P, columns L)."""
    volume = torch.rand(1, 2, 9, 8, 7)
    order = {2: (1, 0), 1: (2, 0), 0: (2, 1)}[axis]  # rows, columns of the display, of a RAS volume: all flipped
    flipped = volume.flip([order[0] + 2, order[1] + 2])
    permuted = flipped.permute(0, 1, axis + 2, order[0] + 2, order[1] + 2)
    with torch.no_grad():
        expected = SliceInferer(roi_size=(-1, -1), spatial_dim=0)(permuted.contiguous(), student)
    fused = FusionInferer(axis=axis)(volume, student)
    back = fused.flip([order[0] + 2, order[1] + 2]).permute(0, 1, axis + 2, order[0] + 2, order[1] + 2)
    torch.testing.assert_close(back, expected, atol=1e-6, rtol=0)


def test_result_does_not_depend_on_the_chunk(student: FusionStudent) -> None:
    volume = torch.rand(1, 2, 40, 33, 50)
    results = [FusionInferer(sw_batch_size=n)(volume, student) for n in (1, 7, 8, 64)]
    for result in results[1:]:
        torch.testing.assert_close(result, results[0], atol=1e-6, rtol=0)


def test_picture_and_batch(student: FusionStudent) -> None:
    picture = torch.rand(2, 2, 20, 31)
    torch.testing.assert_close(FusionInferer()(picture, student), student(picture).detach())
    batch = torch.rand(2, 2, 6, 7, 8)
    singly = torch.cat([FusionInferer()(item[None], student) for item in batch])
    torch.testing.assert_close(FusionInferer()(batch, student), singly)


def test_metatensor_keeps_its_metadata_and_names_its_axis(student: FusionStudent) -> None:
    affine = torch.diag(torch.tensor([1.0, 1, 6, 1], dtype=torch.float64))
    volume = MetaTensor(torch.rand(1, 2, 6, 7, 8), meta={"affine": affine[None], "slice_axis": torch.tensor([1])})
    fused = FusionInferer()(volume, student)
    assert isinstance(fused, MetaTensor)
    assert torch.equal(fused.affine, volume.affine)
    torch.testing.assert_close(fused.as_tensor(), FusionInferer(axis="coronal")(volume, student).as_tensor())
    assert not torch.allclose(fused.as_tensor(), FusionInferer(axis="axial")(volume, student).as_tensor())


def test_refuses_slices_too_small(student: FusionStudent) -> None:
    with pytest.raises(InputError, match="2x9 pixels"):
        FusionInferer(axis=0)(torch.rand(1, 2, 9, 2, 9), student)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("backend", ["module", "triton"])
def test_gpu_gives_what_the_cpu_gives(backend: str, student: FusionStudent) -> None:
    volume = torch.rand(1, 2, 40, 33, 50)
    expected = FusionInferer()(volume, student)
    inferer = FusionInferer(backend=backend)
    fused = inferer(volume.cuda(), student.cuda())
    assert (fused.is_cuda, inferer.used_backend) == (True, backend)
    torch.testing.assert_close(fused.cpu(), expected, atol=1e-5, rtol=0)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_a_large_volume_needs_no_second_copy() -> None:
    """512x512x600: 1.26 GB in, 0.63 GB out, and less than 4 GB at the peak."""
    program = """if True:
        import resource, torch
        from monai_fusion.inferers import FusionInferer
        from monai_fusion.networks import FusionStudent

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

        torch.set_num_threads(1)
        volume = torch.empty(1, 2, 512, 512, 600).uniform_()
        before = peak()
        fused = FusionInferer()(volume, FusionStudent().eval())
        print(fused.numel() * 4, peak() - before, peak())
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    output, grown, peak = map(int, done.stdout.split())
    assert output == 512 * 512 * 600 * 4
    assert grown < output + 0.4e9  # some slices at a time, no copy of a volume
    assert peak < 4e9


def test_compiled_pass_gives_what_the_module_gives(student: FusionStudent) -> None:
    pytest.importorskip("numba")
    for shape in ((1, 2, 20, 31, 17), (3, 2, 20, 31)):
        image = torch.rand(shape)
        slow, fast = FusionInferer(backend="module"), FusionInferer(backend="numba")
        torch.testing.assert_close(fast(image, student), slow(image, student), atol=1e-5, rtol=0)
        assert (slow.used_backend, fast.used_backend) == ("module", "numba")


def test_backend_is_chosen_by_what_can_run(student: FusionStudent) -> None:
    image = torch.rand(1, 2, 8, 8)
    automatic = FusionInferer()
    automatic(image.double(), student.double())
    assert automatic.used_backend == "module"
    automatic(image, FusionTeacher().eval())
    assert automatic.used_backend == "module"
    with pytest.raises(InputError, match="FusionStudent on the CPU in float32; choose"):
        FusionInferer(backend="numba")(image, FusionTeacher().eval())
    with pytest.raises(InputError, match="FusionStudent on the GPU in float32, float16, bfloat16; choose"):
        FusionInferer(backend="triton")(image, student.float())
    with pytest.raises(InputError, match="choose one of auto, module, numba, triton"):
        FusionInferer(backend="fast")


class _Claimed(torch.Tensor):
    """An image that says it is on the GPU."""

    device = torch.device("cuda")


def test_on_the_gpu_the_module_computes_where_triton_cannot(
    student: FusionStudent, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.rand(1, 2, 8, 8).as_subclass(_Claimed)
    with pytest.warns(UserWarning, match=r"slow: triton cannot compile|slow: there is no triton"):
        assert choice.choose_backend("auto", student, image) == (student, "module")
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda _: None)
    with pytest.warns(UserWarning, match="there is no triton for the compiled kernel; it comes with PyTorch"):
        assert choice.choose_backend("auto", student, image) == (student, "module")
    with pytest.raises(InputError, match="backend triton: not installed"):
        choice.choose_backend("triton", student, image)


def test_the_cpu_kernel_is_taken_where_it_is_worth_its_loading(
    student: FusionStudent, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(choice, "_WORTH_LOADING", 64)
    assert choice.choose_backend("auto", student, torch.rand(1, 2, 7, 9))[1] == "module"
    assert choice.choose_backend("auto", student, torch.rand(1, 2, 8, 8))[1] == "numba"
    assert choice.choose_backend("auto", student, torch.rand(1, 2, 8, 8, 1))[1] == "numba"
