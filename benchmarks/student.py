"""Times the student as different programs run it, side by side in one run, and checks that they agree.

    make bench-student

writes `benchmarks/results/student.json`: ``{shape: {backend: nanoseconds a pixel}}``, the same as ratios to the module
in eager mode, the largest difference of each backend to float64, the machine, and its roofline: what the bytes need at
the copy rate and the multiply-adds at the matrix product's rate, both measured in the same run. Backends that are not
installed are left out (`pip install openvino`; torch.compile needs a C++ compiler). Needs torch alone, and MONAI for:

``first_call`` is what the kernel costs a process before it computes: the import of Numba, and the first call, compiled
or loaded from the disk. ``worth_loading`` follows: the pixels of a volume from which `FusionInferer` is faster with
the kernel, loaded from the cache, than with the module; ``backend="auto"`` goes by it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monai_fusion.atomic import write_beside
from monai_fusion.evaluation.machine import describe_machine
from monai_fusion.networks import FusionStudent

SHAPES = {"256x256": (1, 2, 256, 256), "1280x1024": (1, 2, 1024, 1280), "180x256x256": (180, 2, 256, 256)}
SECONDS_A_BACKEND = 2.0

MULTIPLY_ADDS_A_PIXEL = 108  # of the student with four hidden channels
BYTES_A_PIXEL = 12  # two sources read, one output written, float32

Program = Callable[[torch.Tensor], torch.Tensor]


def programs(student: FusionStudent) -> dict[str, Program]:
    """What runs the student here."""
    found: dict[str, Program] = {"eager": student, "torchscript": torch.jit.freeze(torch.jit.script(student))}
    if importlib.util.find_spec("numba"):
        from monai_fusion.inferers.kernels.cpu import CpuStudent

        kernel = CpuStudent(student.state_dict(), threads=torch.get_num_threads())
        found["numba"] = lambda x: torch.from_numpy(kernel(x[:, 0].numpy(), x[:, 1].numpy()))[:, None]
    if importlib.util.find_spec("onnx"):
        with tempfile.TemporaryDirectory() as folder:
            model = export_onnx(student, Path(folder))
            if importlib.util.find_spec("onnxruntime"):
                found["onnxruntime"] = onnxruntime_program(model)
            if importlib.util.find_spec("openvino"):
                found["openvino"] = openvino_program(model)
    if shutil.which("c++"):
        found["torch.compile"] = torch.compile(student, dynamic=False)
    return found


def export_onnx(student: FusionStudent, folder: Path) -> Path:
    path = folder / "student.onnx"
    axes = {name: {0: "n", 2: "h", 3: "w"} for name in ("image", "pred")}
    names = {"input_names": ["image"], "output_names": ["pred"]}
    torch.onnx.export(student, (torch.rand(1, 2, 16, 16),), path, dynamic_axes=axes, dynamo=False, **names)
    return path


def onnxruntime_program(model: Path) -> Program:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"image": x.numpy()})[0])


def openvino_program(model: Path) -> Program:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    return lambda x: torch.from_numpy(request.infer({0: x.numpy()})[0].copy())


def seconds(program: Program, image: torch.Tensor) -> float:
    """The median of the runs that fit into `SECONDS_A_BACKEND`, three at least, after one to warm up."""
    program(image)
    times: list[float] = []
    while len(times) < 3 or sum(times) < SECONDS_A_BACKEND:
        start = time.perf_counter()
        program(image)
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def roofline() -> dict[str, float]:
    """What a pixel needs at least on this CPU, from its copy rate and its matrix product rate of this moment."""
    source, target = torch.rand(2, 1 << 26)
    copy = source.numel() * 2 * 4 / seconds(lambda x: target.copy_(x), source)
    matrix = torch.rand(2048, 2048)
    product = 2048**3 / seconds(lambda x: torch.mm(x, x), matrix)
    return {
        "copy_gigabytes_a_second": round(copy / 1e9, 2),
        "multiply_adds_a_nanosecond": round(product / 1e9, 2),
        "bytes_ns_a_pixel": round(BYTES_A_PIXEL / copy * 1e9, 3),
        "multiply_adds_ns_a_pixel": round(MULTIPLY_ADDS_A_PIXEL / product * 1e9, 3),
    }


FIRST_CALL = """if True:
    import json, time, numpy
    from monai_fusion.inferers.fusion import FusionInferer
    from monai_fusion.networks import FusionStudent
    begin = time.perf_counter()
    from monai_fusion.inferers.kernels.cpu import CpuStudent
    imported = time.perf_counter()
    kernel = CpuStudent(FusionStudent().state_dict())
    kernel(*numpy.zeros((2, 8, 64, 64), numpy.float32))
    print(json.dumps({"import": imported - begin, "call": time.perf_counter() - imported}))
"""


def first_call() -> dict[str, float]:
    """Seconds of a new process, the median of three."""
    with tempfile.TemporaryDirectory() as cache:

        def run(folder: str) -> dict[str, float]:
            environment = {**os.environ, "PYTHONPATH": sys.path[0], "NUMBA_CACHE_DIR": folder}
            done = subprocess.run([sys.executable, "-c", FIRST_CALL], env=environment, capture_output=True, check=True)
            return dict(json.loads(done.stdout))

        compiled = [run(f"{cache}/{i}") for i in range(3)]
        loaded = [run(f"{cache}/0") for _ in range(3)]

    def median(name: str, runs: list[dict[str, float]]) -> float:
        return round(sorted(run[name] for run in runs)[1], 3)

    return {
        "import": median("import", compiled + loaded),
        "compiled": median("call", compiled),
        "from_the_cache": median("call", loaded),
    }


def worth_loading(student: FusionStudent, load: float) -> dict[str, float]:
    """Pixels of a volume from which it pays to load the kernel, which takes `load` seconds."""
    from monai.data import MetaTensor

    from monai_fusion.inferers import FusionInferer

    in_the_file = torch.rand(1, 2, 64, 256, 256).permute(0, 1, 4, 3, 2)
    volume = MetaTensor(in_the_file, affine=torch.diag(torch.tensor([-1.0, -1, 1, 1])))  # as DICOM is read
    pixels = volume.numel() / 2
    times = {
        name: seconds(lambda x, name=name: FusionInferer(backend=name)(x, student), volume) / pixels * 1e9
        for name in ("module", "numba")
    }
    gain = times["module"] - times["numba"]
    return {**{name: round(t, 2) for name, t in times.items()}, "from_pixels": round(load / gain * 1e9)}


def machine() -> dict[str, object]:
    info = Path("/proc/cpuinfo")
    avx512 = info.is_file() and "avx512f" in info.read_text()
    return {**describe_machine(), "avx512": avx512, "torch": torch.__version__}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "student.json")
    args = parser.parse_args()

    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    student = FusionStudent().eval()
    found = programs(student)
    result: dict[str, object] = {}
    ratios: dict[str, dict[str, float]] = {}
    for shape_name, shape in SHAPES.items():
        image = torch.rand(shape)
        pixels = image.numel() / 2
        times = {name: seconds(program, image) for name, program in found.items()}
        result[shape_name] = {name: round(t / pixels * 1e9, 3) for name, t in times.items()}
        ratios[shape_name] = {name: round(times["eager"] / t, 2) for name, t in times.items()}
    image = torch.rand(SHAPES["256x256"])
    outputs = {name: program(image).cpu() for name, program in found.items()}
    exact = student.double()(image.double())
    result["times_faster_than_eager"] = ratios
    result["difference_to_float64"] = {name: float((out - exact).abs().max()) for name, out in outputs.items()}
    student.float()
    result["roofline"] = roofline()
    if "numba" in found and importlib.util.find_spec("monai"):
        result["first_call"] = cost = first_call()
        result["worth_loading"] = worth_loading(student, cost["import"] + cost["from_the_cache"])
    result["machine"] = machine()

    with write_beside(args.output) as path:
        path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
