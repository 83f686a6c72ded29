"""The bundle as MONAI sees it, run by MONAI's own commands, and the three ways in that share it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import monai.bundle
import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch
from conftest import AFFINE, head, save_dicom, save_nifti
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from torch.nn import functional as F

import monai_fusion
from monai_fusion import cli
from monai_fusion.networks import FusionStudent, load_checkpoint

RESULTS = {"fused.nii.gz", "fused_color.nii.gz", "dicom", "contact_sheet.png", "report.json"}
SIZES = [(1, 2, 16, 16), (3, 2, 33, 50), (1, 2, 3, 3), (1, 2, 128, 97)]


@pytest.fixture(scope="module")
def files(bundle: Path) -> dict[str, str]:
    """The arguments by which MONAI's commands find a bundle's files."""
    configs = bundle / "configs"
    return {"meta_file": str(configs / "metadata.json"), "config_file": str(configs / "inference.json")}


@pytest.fixture(scope="module")
def metadata(files: dict[str, str]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(files["meta_file"]).read_text())
    return content


# --- MONAI's commands --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3])
def test_verify_net_in_out(files: dict[str, str], n: int) -> None:
    monai.bundle.verify_net_in_out(net_id="network_def", device="cpu", n=n, **files)


def test_verify_net_in_out_notices_a_wrong_description(files: dict[str, str]) -> None:
    wrong = {"_meta_#network_data_format#outputs#pred#num_channels": 3}
    with pytest.raises(ValueError, match="channel number"):
        monai.bundle.verify_net_in_out(net_id="network_def", device="cpu", **files, **wrong)


@pytest.mark.parametrize("use_trace", [False, True], ids=["scripted", "traced"])
def test_torchscript_export(bundle: Path, files: dict[str, str], tmp_path: Path, use_trace: bool) -> None:
    path = tmp_path / "model.ts"
    checkpoint = bundle / "models" / "model.pt"
    monai.bundle.ckpt_export("network_def", str(path), str(checkpoint), use_trace=use_trace, **files)
    network = load_checkpoint(FusionStudent(), checkpoint)
    exported = torch.jit.load(path)
    for size in SIZES:
        x = torch.rand(size)
        torch.testing.assert_close(exported(x), network(x), atol=1e-5, rtol=0)


def test_onnx_export(bundle: Path, files: dict[str, str], tmp_path: Path) -> None:
    """One ONNX file for every number and size of slices."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    path = tmp_path / "model.onnx"
    checkpoint = bundle / "models" / "model.pt"
    free = {0: "slices", 2: "rows", 3: "columns"}
    monai.bundle.onnx_export(
        "network_def",
        str(path),
        str(checkpoint),
        use_trace=True,
        converter_kwargs={
            "dynamo": False,
            "input_names": ["image"],
            "output_names": ["pred"],
            "dynamic_axes": {"image": free, "pred": free},
        },
        **files,
    )
    network = load_checkpoint(FusionStudent(), checkpoint)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size in SIZES:
        x = torch.rand(size)
        [exported] = session.run(["pred"], {"image": x.numpy()})
        np.testing.assert_allclose(exported, network(x).detach().numpy(), atol=1e-5, rtol=0)


def test_create_workflow(bundle: Path, files: dict[str, str]) -> None:
    workflow = monai.bundle.create_workflow(
        workflow_type="infer", bundle_root=str(bundle), logging_file=False, output_dir=None, **files
    )
    assert workflow.check_properties() == []
    assert isinstance(workflow.network_def, FusionStudent)


def test_load(bundle: Path) -> None:
    """`monai.bundle.load` finds network and weights in the folder, without a download."""
    network = monai.bundle.load(bundle.name, bundle_dir=str(bundle.parent), workflow_type="inference", device="cpu")
    assert isinstance(network, FusionStudent)
    weights = torch.load(bundle / "models" / "model.pt", weights_only=True)
    torch.testing.assert_close(dict(network.state_dict()), dict(weights), atol=0, rtol=0)


# --- Metadata ----------------------------------------------------------------------------------------------------

_TEXT = {"type": "string", "minLength": 1}
_TENSOR_KEYS: dict[str, dict[str, Any]] = {
    "type": _TEXT,
    "format": _TEXT,
    "num_channels": {"type": "integer", "minimum": 1},
    "spatial_shape": {"type": "array", "minItems": 2, "maxItems": 2},
    "dtype": {"const": "float32"},
    "value_range": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    "is_patch_data": {"type": "boolean"},
    "channel_def": {"type": "object", "additionalProperties": _TEXT},
}
_TENSOR = {
    "type": "object",
    "required": list(_TENSOR_KEYS),
    "properties": _TENSOR_KEYS,
}
_VERSIONS = {"type": "object", "additionalProperties": {"type": "string", "pattern": r"^\d+(\.\d+)+$"}}
_TENSORS = {"type": "object", "additionalProperties": _TENSOR}
_REQUIRED: dict[str, dict[str, Any]] = {
    "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
    "changelog": {"type": "object", "additionalProperties": _TEXT},
    "monai_version": _TEXT,
    "pytorch_version": _TEXT,
    "numpy_version": _TEXT,
    "required_packages_version": _VERSIONS,
    "name": _TEXT,
    "task": _TEXT,
    "description": _TEXT,
    "authors": _TEXT,
    "copyright": _TEXT,
    "network_data_format": {
        "type": "object",
        "required": ["inputs", "outputs"],
        "properties": {"inputs": _TENSORS, "outputs": _TENSORS},
    },
}
"""The mandatory keys of the MONAI Bundle Specification, 2024 names; MONAI's own schema file would be a download."""


def test_metadata_is_as_specified(files: dict[str, str], metadata: dict[str, Any], tmp_path: Path) -> None:
    """By MONAI's `verify_metadata`, which takes a schema file that is there already in place of a download."""
    pytest.importorskip("jsonschema")
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object", "required": list(_REQUIRED), "properties": _REQUIRED}))
    monai.bundle.verify_metadata(files["meta_file"], filepath=str(schema))
    assert metadata["schema"].endswith("/meta_schema_20240725.json")


def test_versions_agree(metadata: dict[str, Any]) -> None:
    changes = [Version(v) for v in metadata["changelog"]]
    assert changes == sorted(changes, reverse=True)
    assert metadata["version"] == str(changes[0]) == monai_fusion.__version__
    stated = {
        **metadata["required_packages_version"],
        "monai": metadata["monai_version"],
        "torch": metadata["pytorch_version"],
        "numpy": metadata["numpy_version"],
    }
    assert stated.pop("monai_fusion") == monai_fusion.__version__
    tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    ranges = {r.name: r.specifier for r in map(Requirement, project["dependencies"])}
    outside = {name: v for name, v in stated.items() if v not in ranges[canonicalize_name(name)]}
    assert not outside


def test_channels_are_numbered_from_zero(metadata: dict[str, Any]) -> None:
    tensors = metadata["network_data_format"]
    for tensor in (tensors["inputs"]["image"], tensors["outputs"]["pred"]):
        assert list(tensor["channel_def"]) == [str(i) for i in range(tensor["num_channels"])]
    assert set(tensors["inputs"]["image"]["channel_def"].values()) == {"mri", "functional"}


# --- What the bundle computes ------------------------------------------------------------------------------------


@pytest.fixture
def first_channel_bundle(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle whose student gives the tanh of its first input channel."""
    root = tmp_path / "bundle"
    shutil.copytree(bundle, root)
    weights = {key: torch.zeros_like(value) for key, value in FusionStudent().state_dict().items()}
    weights["hidden.weight"][0, 0, 1, 1] = weights["output.weight"][0, 0, 1, 1] = 1
    torch.save(weights, root / "models" / "model.pt")
    return root


@pytest.mark.parametrize("order", [["mri", "functional"], ["functional", "mri"]], ids="-".join)
def test_channel_order_is_that_of_the_metadata(first_channel_bundle: Path, order: list[str], tmp_path: Path) -> None:
    meta_file = first_channel_bundle / "configs" / "metadata.json"
    metadata = json.loads(meta_file.read_text())
    tensors = metadata["network_data_format"]
    tensors["inputs"]["image"]["channel_def"] = dict(zip("01", order))
    tensors["outputs"]["pred"]["calibration"] = "inverse_tanh"
    meta_file.write_text(json.dumps(metadata))

    volumes = dict(zip(("mri", "functional"), head()))
    scales = {"mri": 1200.0, "functional": 25000.0}
    paths = {name: save_nifti(tmp_path / f"{name}.nii.gz", array) for name, array in volumes.items()}
    windows = {f"{name}_window": [0.0, scale] for name, scale in scales.items()}
    result = monai_fusion.fuse(**paths, root=first_channel_bundle, **windows)

    # float32's step below 1 is 6e-8, and atanh's slope up to the highest value here is below 2
    np.testing.assert_allclose(result.fused, volumes[order[0]] / scales[order[0]], atol=1e-6)
    assert result.report["channel_order"] == order
    uptake = np.where(volumes["mri"] > 0, volumes["functional"], np.nan)
    warmth = result.color[..., 0].astype(int) - result.color[..., 2]  # of the rainbow, whichever channel the uptake is
    assert warmth.flat[np.nanargmax(uptake)] > 50
    assert warmth.flat[np.nanargmin(uptake)] < -50


def fused_by_hand(mri: Path, functional: Path, bundle: Path, report: dict[str, Any]) -> np.ndarray:
    """Fuses two volumes on one grid by nibabel, numpy and two convolutions, on RAS axes, axial slices."""
    network = json.loads((bundle / "configs" / "metadata.json").read_text())["network_data_format"]
    weights = torch.load(bundle / "models" / "model.pt", weights_only=True)
    sources = {}
    for role, path in (("mri", mri), ("functional", functional)):
        volume = nib.as_closest_canonical(nib.load(path)).get_fdata(dtype=np.float32)
        low, high = (report["intensity"][role][end] for end in ("low", "high"))
        sources[role] = np.clip((volume - low) / (high - low), 0, 1).astype(np.float32)
    image = np.stack([sources[name] for name in network["inputs"]["image"]["channel_def"].values()])
    slices = image[:, ::-1, ::-1].transpose(3, 0, 2, 1)  # patient's right on the left, front on top
    x = torch.from_numpy(slices.copy())
    for layer, activation in (("hidden", torch.relu), ("output", torch.tanh)):
        padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = activation(F.conv2d(padded, weights[f"{layer}.weight"], weights[f"{layer}.bias"]))
    assert network["outputs"]["pred"]["calibration"] == "soft_clip"
    x = torch.atanh(x)  # of weights that stay below 1 here
    x = torch.where(x < 0.6, x, 0.6 + 0.2 * torch.log(1 + (x - 0.6).clamp_min(0) / 0.2))
    return x[:, 0].clamp(0, 1).numpy().transpose(2, 1, 0)[::-1, ::-1]


@pytest.mark.parametrize("functional", ["head", "PET", "SPECT"])
def test_equals_a_computation_by_hand(
    functional: str, bundle: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Also of the real templates, whose SPECT is stored mirrored."""
    if functional == "head":
        pair = [save_nifti(tmp_path / f"{i}.nii.gz", array) for i, array in enumerate(head())]
    else:
        volumes = request.getfixturevalue("shared") / "data" / "volumes"
        pair = [volumes / f"{name}.nii.gz" for name in ("T1", functional)]
    result = monai_fusion.fuse(*pair)
    fused = nib.as_closest_canonical(nib.Nifti1Image(result.fused, result.affine)).get_fdata()
    np.testing.assert_allclose(fused, fused_by_hand(*pair, bundle, result.report), atol=2e-5)
    assert fused.std() > 0.05


# --- Three ways in -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def overrides(files: dict[str, str]) -> dict[str, Any]:
    """Two nested steps of the configuration, and other values than the bundle's for them."""
    steps = json.loads(Path(files["config_file"]).read_text())["preprocessing"]["transforms"]
    [window] = [i for i, s in enumerate(steps) if s["_target_"].endswith("WindowIntensityd") and s["keys"] == "mri"]
    return {"inferer#axis": "coronal", f"preprocessing#transforms#{window}#percentiles": [0.0, 50.0]}


@pytest.fixture(scope="module")
def ways(
    bundle: Path, files: dict[str, str], overrides: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The same DICOM pair and overrides through each way in: its name and output folder, and what MONAI printed."""
    folder = tmp_path_factory.mktemp("ways")
    mri, pet = head()
    pair = {
        "mri": str(save_dicom(folder / "mri", mri, AFFINE, "MR", "mri")),
        "functional": str(save_dicom(folder / "pet", pet, AFFINE, "PT", "pet")),
    }
    out = {name: folder / name for name in ("bundle", "cli", "python")}

    options = {"bundle_root": bundle, "config_file": files["config_file"], **pair, "output_dir": out["bundle"]}
    command = [sys.executable, "-m", "monai.bundle", "run"]
    for name, value in {**options, **overrides}.items():
        command += [f"--{name}", str(value)]
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not any(elsewhere.iterdir())
    (folder / "printed.txt").write_text(done.stdout + done.stderr)

    settings = [f"--set={name}={json.dumps(value)}" for name, value in overrides.items()]
    assert cli.main(["fuse", pair["mri"], pair["functional"], "--output", str(out["cli"]), "--quiet", *settings]) == 0
    monai_fusion.fuse(pair["mri"], pair["functional"], out["python"], **overrides)
    return {**out, "printed": folder / "printed.txt"}


def read_report(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def test_bundle_run(ways: dict[str, Path]) -> None:
    assert {path.name for path in ways["bundle"].iterdir()} == RESULTS
    assert "phantom" not in ways["printed"].read_text().lower()  # the patient's name and ID


def test_a_nested_override_has_its_effect(ways: dict[str, Path]) -> None:
    report = read_report(ways["bundle"])
    assert report["steps"]["inferer"]["axis"] == "coronal"
    mri = np.round(head()[0])
    assert report["intensity"]["mri"]["low"] == mri[mri > 0].min()
    assert report["intensity"]["mri"]["high"] == np.median(mri[mri > 0])


@pytest.mark.parametrize("way", ["cli", "python"])
def test_every_way_gives_the_same(ways: dict[str, Path], way: str) -> None:
    for name in ("fused.nii.gz", "fused_color.nii.gz"):
        expected, given = (nib.load(ways[w] / name) for w in ("bundle", way))
        assert np.array_equal(np.asarray(given.dataobj), np.asarray(expected.dataobj))
        assert given.header == expected.header
    reports = [read_report(ways[w]) for w in ("bundle", way)]
    for report in reports:
        assert set(report.pop("seconds")) == {"reading", "fusing", "writing"}
    assert reports[0] == reports[1]
    uids = [
        {pydicom.dcmread(f).SOPInstanceUID for f in (ways[w] / "dicom" / "fused").iterdir()} for w in ("bundle", way)
    ]
    assert uids[0] == uids[1]
