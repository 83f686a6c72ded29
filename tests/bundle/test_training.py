"""The training configurations on a handful of small pictures, with a perceptual network of random weights."""

import csv
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow
from PIL import Image
from scipy.ndimage import gaussian_filter

from monai_fusion.data.streamed_patches import StreamedPatches
from monai_fusion.errors import InputError, OutputError
from monai_fusion.networks import FusionTeacher

ABLATIONS = {
    "no_intensity": "intensity",
    "no_gradient": "gradient",
    "no_perception": "perceptual",
    "no_refresh": "refresh",
    "no_distillation": "distillation",
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Four pairs of 96x64: six patches of 32x32 each."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for role in ("visible", "infrared"):
        (folder / role).mkdir()
        for i in range(4):
            smooth = gaussian_filter(rng.random((64, 96)), 2)
            grey = (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)
            Image.fromarray(grey).save(folder / role / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory):
    rng, arrays, in_channels = np.random.default_rng(0), {}, 3
    for block, (count, channels) in enumerate(zip((2, 2, 3, 3, 3), (64, 128, 256, 512, 512)), start=1):
        for i in range(1, count + 1):
            weight = rng.standard_normal((channels, in_channels, 3, 3), dtype=np.float32) * (2 / 9 / in_channels) ** 0.5
            arrays |= {f"block{block}_conv{i}_w": weight, f"block{block}_conv{i}_b": np.zeros(channels, np.float32)}
            in_channels = channels
    file = tmp_path_factory.mktemp("vgg") / "vgg16.npz"
    np.savez(file, **arrays)
    return file


@pytest.fixture(scope="module")
def teacher_file(tmp_path_factory):
    torch.manual_seed(1)
    file = tmp_path_factory.mktemp("teacher") / "teacher.pt"
    torch.save(FusionTeacher().state_dict(), file)
    return file


@pytest.fixture
def settings(pictures, vgg_file, teacher_file, tmp_path):
    """Overrides for both kinds of training."""
    return {
        "dataset_dir": str(pictures),
        "vgg_weights": str(vgg_file),
        "output_dir": str(tmp_path / "run"),
        "patch_size": 32,
        "batch_size": 6,
        "max_epochs": 3,
        "learning_rate": 0.0005,
        "device": "$torch.device('cpu')",
    }


@contextmanager
def fails(kind, message):
    """MONAI wraps what a run raises: one of the causes is ours."""
    with pytest.raises(RuntimeError) as caught:
        yield
    error = caught.value
    while error is not None and not isinstance(error, kind):
        error = error.__cause__
    assert error is not None, caught.value
    assert re.search(message, str(error))


def configs(bundle, *names):
    return [str(bundle / "configs" / f"{name}.json") for name in names]


def train(bundle, *names, **overrides):
    workflow = ConfigWorkflow(
        configs(bundle, *names),
        meta_file=str(bundle / "configs" / "metadata.json"),
        logging_file=str(bundle / "configs" / "logging.conf"),
        workflow_type="train",
        bundle_root=str(bundle),
        **overrides,
    )
    workflow.initialize()
    workflow.run()
    return workflow


def student(teacher_file, settings):
    return {**settings, "teacher_weights": str(teacher_file)}


def curves(folder):
    with (Path(folder) / "curves.csv").open() as file:
        return [
            {name: float(value) for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)
        ]


def weights(folder):
    return torch.load(Path(folder) / "model.pt", weights_only=True)


def test_teacher_and_student(bundle, settings, teacher_file, pictures):
    train(bundle, "train_teacher", **settings, val_dataset_dir=str(pictures), val_crops=2, val_size=48)
    rows = curves(settings["output_dir"])
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert {"loss", "intensity", "gradient", "perceptual", "refresh"} < set(rows[0])
    assert {"val_SSIM", "val_VIF", "val_Qabf", "val_SD", "val_SCD", "val_CC"} < set(rows[0])
    assert rows[0]["refresh"] == 0.0  # the first epoch only records
    assert rows[2]["loss"] < rows[0]["loss"]
    assert sum(value.numel() for value in weights(settings["output_dir"]).values()) == 556489

    folder = settings["output_dir"] + "_student"
    overrides = student(teacher_file, settings) | {"output_dir": folder, "learning_rate": 0.0}
    train(bundle, "train_student", **overrides)
    rows = curves(folder)
    assert "distillation" in rows[0]
    assert rows[0]["refresh"] == 0.0
    trained, teacher = weights(folder), torch.load(teacher_file, weights_only=True)
    assert sum(value.numel() for value in trained.values()) == 113
    for part in ("weight", "bias"):  # it began with the teacher's last layer
        assert torch.equal(trained[f"output.{part}"], teacher[f"output.{part}"])


@pytest.mark.parametrize(("name", "term"), ABLATIONS.items())
def test_every_ablation_removes_its_term(bundle, settings, teacher_file, name, term):
    train(bundle, "train_student", f"ablations/{name}", **student(teacher_file, settings) | {"max_epochs": 1})
    terms = set(curves(settings["output_dir"])[0]) - {"epoch", "loss"}
    assert terms == {"intensity", "gradient", "perceptual", "distillation", "refresh"} - {term}


def test_the_published_presets_loss_is_that_of_the_published_program(bundle, settings, teacher_file):
    overrides = student(teacher_file, settings) | {"max_epochs": 1, "batch_size": 24}
    train(bundle, "train_student", "student_published", **overrides)
    row = curves(settings["output_dir"])[0]
    expected = row["intensity"] + 0.1 * row["gradient"] + 2 * row["perceptual"] + 5 * row["distillation"]
    assert row["loss"] == pytest.approx(expected, rel=1e-5)
    assert 0 < row["distillation"] < 2  # squared norms of unit vectors


@pytest.mark.parametrize(("name", "parameters"), [("large", 169), ("small", 57)])
def test_the_other_sizes_of_table_2(bundle, settings, teacher_file, name, parameters):
    train(bundle, "train_student", f"ablations/{name}", **student(teacher_file, settings) | {"max_epochs": 1})
    assert sum(value.numel() for value in weights(settings["output_dir"]).values()) == parameters


def test_not_digestible_is_another_distance(bundle, settings, teacher_file):
    values = []
    for names in (["train_student"], ["train_student", "ablations/no_digestible_distillation"]):
        folder = f"{settings['output_dir']}_{len(names)}"
        train(bundle, *names, **student(teacher_file, settings) | {"max_epochs": 1, "output_dir": folder})
        values.append(curves(folder)[0]["distillation"])
    assert abs(values[0] - values[1]) > 1e-3


def command(bundle, names, overrides, launcher=()):
    listed = "[" + ",".join(f"'{path}'" for path in configs(bundle, *names)) + "]"
    options = [f"--{name}={value}" for name, value in overrides.items()]
    fixed = [
        f"--bundle_root={bundle}",
        f"--config_file={listed}",
        f"--meta_file={bundle / 'configs' / 'metadata.json'}",
    ]
    return [sys.executable, *launcher, "-m", "monai.bundle", "run", *fixed, *options]


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def test_killed_and_resumed_is_bit_for_bit_the_uninterrupted_run(bundle, settings, teacher_file):
    overrides = student(teacher_file, settings) | {"max_epochs": 6}
    train(bundle, "train_student", **overrides | {"output_dir": settings["output_dir"] + "_whole"})

    process = subprocess.Popen(
        command(bundle, ["train_student"], overrides), env=environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    checkpoint, began = Path(settings["output_dir"]) / "checkpoint.pt", time.monotonic()
    while not checkpoint.exists():
        assert process.poll() is None
        assert time.monotonic() - began < 120
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = torch.load(checkpoint, weights_only=True)["epoch"]
    assert 1 <= done < 6
    assert not (Path(settings["output_dir"]) / "model.pt").exists()

    train(bundle, "train_student", **overrides)
    resumed, whole = weights(settings["output_dir"]), weights(settings["output_dir"] + "_whole")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert curves(settings["output_dir"]) == curves(settings["output_dir"] + "_whole")


def launchers(nodes, port):
    """The arguments of torchrun on each node: two processes in all, on 127.0.0.1."""
    if nodes == 1:
        return [["--nproc_per_node=2", f"--master_port={port}"]]
    common = ["--nnodes=2", "--nproc_per_node=1", "--master_addr=127.0.0.1", f"--master_port={port}"]
    return [[*common, f"--node_rank={rank}"] for rank in (0, 1)]


def on_nodes(bundle, overrides, launchers, extra=("", "")):
    """The exit code and the complaints of each node's torchrun."""
    processes = [
        subprocess.Popen(
            command(
                bundle, ["train_teacher", "multi_gpu_train"], overrides, ["-m", "torch.distributed.run", *arguments]
            ) + [option] * bool(option),
            env={**environment(), "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}, stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL, text=True,
        )
        for arguments, option in zip(launchers, extra)
    ]  # fmt: skip
    try:
        errors = [process.communicate(timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, said) for process, said in zip(processes, errors)]


@pytest.mark.parametrize("nodes", [1, 2])
def test_two_processes_are_one_with_the_doubled_batch(bundle, settings, nodes):
    # Adam's first steps are as large for a gradient of rounding errors as for any other, but for its eps
    overrides = settings | {"max_epochs": 1, "learning_rate": 1e-4, "optimizer#eps": 1e-5}
    train(bundle, "train_teacher", **overrides | {"output_dir": settings["output_dir"] + "_one"})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    del overrides["device"]
    overrides |= {"batch_size": 3}
    assert [code for code, _ in on_nodes(bundle, overrides, launchers(nodes, port))] == [0] * nodes
    two, one = weights(settings["output_dir"]), weights(settings["output_dir"] + "_one")
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=0, atol=1e-5)
    assert any(not torch.equal(one[name], value) for name, value in _untrained().items())
    scores = [
        torch.load(Path(settings["output_dir"] + end) / "checkpoint.pt", weights_only=True)["memory"]["scores"]
        for end in ("", "_one")
    ]
    torch.testing.assert_close(scores[0], scores[1], rtol=0, atol=1e-4)  # every rank's patches are in the memory
    if nodes == 2:  # a machine that does not find the checkpoint would begin anew while the other goes on
        elsewhere = [f"--output_dir={settings['output_dir']}{end}" for end in ("", "_elsewhere")]
        ends = on_nodes(bundle, overrides | {"max_epochs": 2}, launchers(nodes, port), elsewhere)
        assert all(code != 0 and "1 of 2 processes find this checkpoint" in errors for code, errors in ends)


def test_patches_streamed_from_a_store_train_as_those_of_the_pictures(
    bundle, settings, teacher_file, pictures, tmp_path
):
    pytest.importorskip("zarr", minversion="3", reason="Zarr 3 is not installed")
    overrides = student(teacher_file, settings) | {"max_epochs": 2}
    train(bundle, "train_student", **overrides)
    StreamedPatches.write_grid(tmp_path / "patches.zarr", pictures, 32)
    streamed = {"dataset_dir": str(tmp_path / "patches.zarr"), "output_dir": settings["output_dir"] + "_streamed"}
    train(bundle, "train_student", **overrides | streamed)
    held, other = weights(settings["output_dir"]), weights(streamed["output_dir"])
    assert all(torch.equal(other[name], held[name]) for name in held)


def _untrained():
    torch.manual_seed(0)
    return FusionTeacher().state_dict()


def test_a_full_disk_leaves_the_last_checkpoint(bundle, settings, teacher_file, monkeypatch):
    overrides = student(teacher_file, settings)
    train(bundle, "train_student", **overrides | {"max_epochs": 1})
    checkpoint = Path(settings["output_dir"]) / "checkpoint.pt"
    before = checkpoint.read_bytes()
    save = torch.save

    def fill_up(state, path):
        save(state, path)
        with open(path, "r+b") as file:
            file.truncate(100)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fill_up)
    with fails(OutputError, "checkpoint.pt: cannot be written .No space left"):
        train(bundle, "train_student", **overrides)
    assert checkpoint.read_bytes() == before
    assert {path.name for path in checkpoint.parent.iterdir()} == {"checkpoint.pt", "curves.csv", "model.pt"}


def test_a_checkpoint_of_another_training_set_is_refused(bundle, settings, teacher_file):
    overrides = student(teacher_file, settings)
    train(bundle, "train_student", **overrides | {"max_epochs": 1})
    with fails(InputError, "24 patches as float16, this run 12"):
        train(bundle, "train_student", **overrides, patch_limit=2)


@pytest.mark.parametrize("policy", ["raise", "skip"])
def test_a_damaged_picture(bundle, settings, teacher_file, pictures, tmp_path, policy):
    damaged = tmp_path / "pictures"
    for picture in pictures.rglob("*.png"):
        (damaged / picture.parent.name).mkdir(parents=True, exist_ok=True)
        content = picture.read_bytes()
        name = damaged / picture.parent.name / picture.name
        name.write_bytes(content[: len(content) // 2] if picture.name == "2.png" else content)
    overrides = student(teacher_file, settings) | {"dataset_dir": str(damaged), "max_epochs": 1, "on_damaged": policy}
    if policy == "raise":
        with fails(InputError, r"2\.png"):
            train(bundle, "train_student", **overrides)
        assert not Path(settings["output_dir"]).exists()
    else:
        with pytest.warns(UserWarning, match=r"2\.png"):
            workflow = train(bundle, "train_student", **overrides)
        assert len(workflow.train_dataset) == 18


def test_a_loss_that_is_no_number_stops_before_it_reaches_the_weights(bundle, settings, teacher_file):
    with fails(InputError, "not finite in step 2 "):
        train(bundle, "train_student", **student(teacher_file, settings) | {"learning_rate": float("inf")})
    assert not (Path(settings["output_dir"]) / "model.pt").exists()


def test_mlflow_gets_the_curves(bundle, settings, teacher_file, pictures):
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    overrides = student(teacher_file, settings) | {"val_dataset_dir": str(pictures), "val_crops": 2, "val_size": 48}
    train(bundle, "train_student", "mlflow", **overrides)
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{settings['output_dir']}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("mmdrfuse").experiment_id])
    assert run.info.status == "FINISHED"
    rows = curves(settings["output_dir"])
    for name in ("loss", "distillation", "refresh", "val_VIF"):
        recorded = client.get_metric_history(run.info.run_id, name)
        assert [(point.step, point.value) for point in recorded] == [(row["epoch"], row[name]) for row in rows]


def test_training_needs_no_reader_of_medical_images():
    """A GPU machine may have torch, MONAI, ignite, NumPy, Pillow and scikit-image, and nothing else."""
    program = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"itk", "nibabel", "SimpleITK", "pydicom", "highdicom", "nilearn", "streamlit",
                                  "tensorboard", "tqdm", "numba"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import monai_fusion.data.patches, monai_fusion.engines, monai_fusion.handlers.checkpoint, monai_fusion.handlers.curves
import monai_fusion.losses, monai_fusion.metrics, monai_fusion.networks
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
