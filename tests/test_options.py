"""Each option takes what it says and nothing else."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_fusion.errors import InputError
from monai_fusion.options import OPTIONS, check_option, check_options, read_option
from monai_fusion.workflow import bundle_root

GOOD: dict[str, list[tuple[Any, Any]]] = {
    "mri": [("a.nii", Path("a.nii")), (["a", Path("b")], [Path("a"), Path("b")]), (("a",), [Path("a")])],
    "output_dir": [("$x", Path("$x"))],
    "mri_series": [("$1", "$1"), ("x" * 1024, "x" * 1024)],
    "mri_frame": [(0, 0), (np.int64(3), 3)],
    "mri_uneven": [("resample", "resample")],
    "mri_window": [([0, 10], [0.0, 10.0]), ((-5, np.float32(0.5)), [-5.0, 0.5])],
    "functional_percentiles": [([None, 99.9], [None, 99.9])],
    "functional_unit": [("suvBW", "SUVbw"), ("native", "native")],
    "patient_weight": [(500, 500.0), (0.1, 0.1)],
    "injection_time": [("093000", "093000"), ("20261128093000.5+0100", "20261128093000.5+0100"), (103000, "103000")],
    "patient_sex": [("O", "O")],
    "accept_registration": [(True, True)],
    "axis": [("coronal", "coronal"), (2, 2)],
    "color_map": [("pet_20_step", "pet_20_step"), (None, None)],
    "backend": [("module", "module")],
    "device": [("cpu", torch.device("cpu")), ("cuda:1", torch.device("cuda:1")), (torch.device("cpu"),) * 2],
    "calibration": [("soft_clip", "soft_clip")],
    "protocol": [("paper", "paper")],
    "sources": [(("MRI", Path("PET")), ["MRI", "PET"])],
    "method": [("model", ["model"]), (["mean", Path("a.pt")], ["mean", Path("a.pt")])],
    "seed": [(0, 0)],
}
BAD: dict[str, list[Any]] = {
    "mri": ["", "a\0b", [], [1], b"a", {"_target_": "x"}],
    "mri_series": ["", "x" * 1025, 1, ["a"]],
    "mri_frame": [-1, True, 1.0, "1"],
    "mri_uneven": ["guess", 1],
    "mri_window": [[1, 1], [2, 1], [0], [0, 1, 2], [0, math.inf], [math.nan, 1], ["0", "1"], "01", [None, 1], 5],
    "mri_percentiles": [[-1, 50], [1, 101], [None, None]],
    "functional_unit": ["SUVx", 1],
    "patient_weight": [0, -1, 500.1, math.nan, math.inf, True, "70", [70]],
    "injected_dose": [0, 1e6],
    "injection_time": ["noon", "25:00", "", True, [93000]],
    "patient_size": [0, 3.1],
    "patient_sex": ["m", "", 1],
    "registration": ["deformable"],
    "registration_timeout": [0, 1e9],
    "accept_registration": [1, "yes"],
    "axis": ["up", 3, True, 1.5],
    "color_map": ["jet", ["pet"]],
    "device": ["abacus", 1],
    "sources": [["MRI"], "AB", ["a", "b", "c"]],
    "method": [b"a", {"a": 1}],
    "seed": [-1],
}


@pytest.mark.parametrize(("name", "given", "taken"), [(n, *case) for n, cases in GOOD.items() for case in cases])
def test_takes(name: str, given: Any, taken: Any) -> None:
    assert check_option(name, given) == taken
    assert type(check_option(name, given)) is type(taken)


@pytest.mark.parametrize(("name", "given"), [(name, given) for name, cases in BAD.items() for given in cases])
def test_refuses_by_name(name: str, given: Any) -> None:
    with pytest.raises(InputError, match=f"^{name} .*: give "):
        check_option(name, given)


@pytest.mark.parametrize(
    ("name", "text", "taken"),
    [
        ("patient_weight", "72.5", 72.5),
        ("patient_weight", "7e1", 70.0),
        ("mri_frame", "2", 2),
        ("accept_registration", "No", False),
        ("axis", "1", 1),
        ("axis", "axial", "axial"),
        ("functional_transform", "a.tfm", Path("a.tfm")),
    ],
)
def test_reads_text(name: str, text: str, taken: Any) -> None:
    assert read_option(name, text) == taken


@pytest.mark.parametrize(
    ("name", "text"),
    [("patient_weight", t) for t in ("7_0", "nan", "inf", "70kg", "0x10", "")]
    + [("mri_frame", t) for t in ("1.0", "1_0", "x", "9" * 10)]
    + [("accept_registration", "perhaps"), ("axis", "3")],
)
def test_refuses_text(name: str, text: str) -> None:
    with pytest.raises(InputError, match=f"^what the user calls it {text}.*: give "):
        read_option(name, text, "what the user calls it")


def test_a_message_is_short() -> None:
    with pytest.raises(InputError) as refused:
        check_option("mri_window", ["x" * 100_000])
    assert len(str(refused.value)) < 200


def test_what_is_no_option_is_left_alone() -> None:
    assert check_options({"inferer#sw_batch_size": "$1", "mri_frame": None}) == {
        "inferer#sw_batch_size": "$1",
        "mri_frame": None,
    }


def test_each_is_an_id_of_the_bundle() -> None:
    ids = {name for file in ("inference", "evaluate") for name in _configuration(file)}
    assert OPTIONS.keys() <= ids
    for file in ("inference", "evaluate"):  # and its default is one of its values
        for name, default in _configuration(file).items():
            if name in OPTIONS and not str(default).startswith("$"):
                check_option(name, default)


def _configuration(file: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bundle_root() / "configs" / f"{file}.json").read_text())
    return content
