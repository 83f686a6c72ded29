"""The manifest, and what is wrong in which row."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_fusion.cohort.manifest import read_manifest
from monai_fusion.cohort.pairing import find_studies
from monai_fusion.errors import InputError


def manifest(folder: Path, text: str, name: str = "studies.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_columns_and_paths(tmp_path: Path) -> None:
    text = "id;mri;functional;functional_transform;patient_weight;injection_time;mri_frame;accept_registration\n"
    text += "a;in/m.nii;/data/p.nii;t.tfm;72.5;093000;1;yes\nb;m2;p2;;n/a;;;\n"
    studies = find_studies(manifest(tmp_path, "\ufeff" + text)).studies
    assert [study.id for study in studies] == ["a", "b"]
    assert (studies[0].mri, studies[0].functional) == ((tmp_path / "in/m.nii",), (Path("/data/p.nii"),))
    assert studies[0].settings == {
        "functional_transform": tmp_path / "t.tfm",
        "patient_weight": 72.5,
        "injection_time": "093000",
        "mri_frame": 1,
        "accept_registration": True,
    }
    assert studies[1].settings == {}


def test_tabs(tmp_path: Path) -> None:
    [study] = read_manifest(manifest(tmp_path, "mri\tid\tfunctional\nm,1\ta\tp\n", "studies.tsv"))
    assert study.mri == (tmp_path / "m,1",)


HEAD = "id,mri,functional\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,mri\na,m\n", ["row 1 has no column functional", "id, mri, functional"]),
        ("id,mri,functional,functional_transfrom\n", ["functional_transfrom", "functional_transform,"]),
        ("id,mri,functional,mri\n", ["mri twice"]),
        (HEAD, ["no rows"]),
        ("", ["row 1 has no column"]),
        (HEAD + "a,m,p\nb,,p\n,m,p\n", ["row 3: mri is missing", "row 4: id is missing"]),
        (HEAD + "a,m,p\nB,m2,p2\nA,m3,p3\n", ["row 4: has the id of row 2"]),
        (HEAD + "a,m,p\nb,m,p\n", ["row 3: has the pair of row 2"]),
        (HEAD + "a/../b,m,p\n", ["row 2: id must be"]),
        (HEAD + "a,m\n", ["row 2: functional is missing", "fewer cells"]),
        (HEAD + "a,m,p,q\n", ["row 2: has more"]),
        (HEAD + '"a,m,p\n', ["row", "quotes"]),
        (
            "id,mri,functional,patient_weight\na,m,p,70kg\nb,m,p2,-1\n",
            ["row 2: patient_weight", "row 3: patient_weight"],
        ),
        ("id,mri,functional,injection_time\na,m,p,$exit()\n", ["row 2: injection_time $exit(): give a DICOM time"]),
        ("id,mri,functional,registration\na,m,p,rigit\n", ["row 2: registration rigit: give one of none, auto, rigid"]),
        ("id,mri,functional,patient_weight\na,m,p,7_0\n", ["row 2: patient_weight 7_0: give a number of kg"]),
        ("id,mri,functional,mri_frame\na,m,p,-1\n", ["row 2: mri_frame -1"]),
        (HEAD + "".join(f"{i},,p\n" for i in range(12)), ["row 11: mri is missing; and 2 more"]),
    ],
)
def test_what_is_wrong_is_named(text: str, says: list[str], tmp_path: Path) -> None:
    path = manifest(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_manifest(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert [words for words in says if words not in message] == []


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "studies.csv").write_bytes(b"\xff\xfe\x00id")
    with pytest.raises(InputError, match="UTF-8"):
        read_manifest(tmp_path / "studies.csv")
    with pytest.raises(InputError, match="no such manifest or folder"):
        find_studies(tmp_path / "none")
