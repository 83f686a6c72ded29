from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from scipy import ndimage
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from monai_fusion.networks import FusionStudent, FusionTeacher, start_from_screen, start_from_sum

SIZES = [(3, 3), (3, 8), (7, 5), (64, 65)]


@pytest.mark.parametrize(("hidden", "parameters"), [(2, 57), (4, 113), (6, 169)])
def test_student_has_the_papers_size(hidden: int, parameters: int) -> None:
    """57, 113 and 169 parameters: 0.22, 0.44 and 0.66 KB in Table 2."""
    student = FusionStudent(hidden)
    assert sum(p.numel() for p in student.parameters()) == parameters
    assert round(parameters * 4 / 1024, 2) in (0.22, 0.44, 0.66)


def test_teacher_has_the_papers_size() -> None:
    assert sum(p.numel() for p in FusionTeacher().parameters()) == 556_489


@pytest.mark.parametrize("hidden", [2, 4, 6])
def test_student_costs_27_multiply_adds_a_hidden_channel_a_pixel(hidden: int) -> None:
    """108 for the paper's four: 0.142 G at 1280x1024 (Table 3)."""
    height, width = 32, 40
    with FlopCounterMode(display=False) as counter:
        FusionStudent(hidden)(torch.rand(1, 2, height, width))
    assert counter.get_total_flops() == 2 * 27 * hidden * height * width
    assert hidden != 4 or round(27 * hidden * 1280 * 1024 / 1e9, 3) == 0.142


@pytest.mark.parametrize("network", [FusionStudent, FusionTeacher])
@pytest.mark.parametrize("size", SIZES)
def test_any_size(network: Callable[[], nn.Module], size: tuple[int, int]) -> None:
    net = network().eval()
    x = torch.rand(2, 2, *size)
    features, fused = net.forward_features(x)
    assert features.shape == (2, 4, *size)
    assert fused.shape == (2, 1, *size)
    torch.testing.assert_close(net(x), fused)
    assert fused.abs().max() < 1


@pytest.mark.parametrize("network", [FusionStudent, FusionTeacher])
def test_scripts(network: Callable[[], nn.Module]) -> None:
    net = network().eval()
    scripted = torch.jit.script(net)
    for size in SIZES:
        x = torch.rand(1, 2, *size)
        torch.testing.assert_close(scripted(x), net(x))
        torch.testing.assert_close(scripted.forward_features(x)[0], net.forward_features(x)[0])


def test_student_exports_to_onnx_for_any_size(tmp_path: Path) -> None:
    student = FusionStudent().eval()
    dynamic = {name: {0: "n", 2: "h", 3: "w"} for name in ("image", "pred")}
    torch.onnx.export(
        student,
        (torch.rand(1, 2, 16, 16),),
        tmp_path / "student.onnx",
        input_names=["image"],
        output_names=["pred"],
        dynamic_axes=dynamic,
        dynamo=False,
    )
    session = onnxruntime.InferenceSession(tmp_path / "student.onnx", providers=["CPUExecutionProvider"])
    for size in SIZES:
        x = torch.rand(1, 2, *size)
        [pred] = session.run(None, {"image": x.numpy()})
        np.testing.assert_allclose(pred, student(x).detach().numpy(), atol=1e-5)


def test_student_against_scipy() -> None:
    """conv, ReLU, conv, tanh by scipy.ndimage, whose "mirror" is reflection without the edge pixel."""
    torch.manual_seed(0)
    student = FusionStudent().double()
    x = torch.rand(1, 2, 9, 7, dtype=torch.float64)

    def conv(image: np.ndarray, layer: nn.Conv2d) -> np.ndarray:
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        return np.stack(
            [sum(ndimage.correlate(c, w, mode="mirror") for c, w in zip(image, ws)) + b for ws, b in zip(weight, bias)]
        )

    expected = np.tanh(conv(np.maximum(conv(x[0].numpy(), student.hidden), 0), student.output))
    np.testing.assert_allclose(student(x)[0].detach().numpy(), expected, atol=1e-12)


def test_teacher_connects_as_figure_2_says() -> None:
    """Each layer's input is the concatenation of the outputs that the paper's Figure 2 draws into it."""
    teacher = FusionTeacher().eval()
    inputs, outputs = {}, {}

    def keep(name: str, args: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        inputs[name], outputs[name] = args[0], torch.relu(out)

    for name, layer in teacher.named_children():
        layer.register_forward_hook(lambda _, args, out, name=name: keep(name, args, out))
    teacher(torch.rand(1, 2, 12, 16))
    sources = {
        "encoder2": ["encoder1"],
        "encoder3": ["encoder1", "encoder2"],
        "encoder4": ["encoder3"],
        "encoder5": ["encoder3", "encoder4"],
        "encoder6": ["encoder3", "encoder4", "encoder5"],
        "decoder6": ["encoder6"],
        "decoder5": ["encoder5", "decoder6"],
        "decoder4": ["encoder4", "decoder5"],
        "decoder3": ["encoder3", "decoder4"],
        "decoder1": ["encoder1", "decoder2"],
        "output": ["decoder1"],
    }
    for name, parts in sources.items():
        torch.testing.assert_close(inputs[name], torch.cat([outputs[p] for p in parts], dim=1))
    up = nn.functional.interpolate(outputs["decoder3"], size=(12, 16), mode="bicubic", align_corners=False)
    torch.testing.assert_close(inputs["decoder2"], torch.cat([outputs["encoder2"], up], dim=1))


def summed_by(start: Callable[[FusionStudent], FusionStudent], a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The last layer's sum of a student of zeros after a start."""
    student = FusionStudent()
    for parameter in student.parameters():
        nn.init.zeros_(parameter)
    start(student)
    with torch.no_grad():
        total: torch.Tensor = student.output(torch.relu(student.hidden(torch.stack([a, b])[None])))[0, 0]
    return total


def test_start_from_screen() -> None:
    """Nearly a + b - ab: the product replaced by the mean of its Fréchet-Hoeffding bounds, 1/16 off at most."""
    a, b = torch.meshgrid(torch.linspace(0, 1, 17), torch.linspace(0, 1, 17), indexing="ij")
    summed = summed_by(start_from_screen, a, b)
    product = (torch.minimum(a, b) + (a + b - 1).clamp_min(0)) / 2
    torch.testing.assert_close(summed, a + b - product)
    assert (summed - (a + b - a * b)).abs().max() == pytest.approx(1 / 16)


def test_start_from_sum() -> None:
    """0.85 (a + b), with a slope of 0.7 of that where it is above 0.9."""
    a, b = torch.meshgrid(torch.linspace(0, 1, 17), torch.linspace(0, 1, 17), indexing="ij")
    straight = 0.85 * (a + b)
    bent = torch.where(straight < 0.9, straight, 0.9 + 0.7 * (straight - 0.9))
    torch.testing.assert_close(summed_by(start_from_sum, a, b), bent)
