"""Small studies, sound and broken, for the tests of the cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from conftest import head, save_nifti

from monai_fusion.cohort.study import Study

SHAPE = (24, 24, 6)
MRI, PET = head(SHAPE)


def sound(folder: Path, name: str, **settings: Any) -> Study:
    """A study like no other one."""
    folder.mkdir(parents=True, exist_ok=True)
    number = sum(name.encode())
    mri = save_nifti(folder / f"{name}_mri.nii.gz", MRI + number)
    pet = save_nifti(folder / f"{name}_pet.nii.gz", PET + number)
    return Study(name, (mri,), (pet,), settings)


def missing(folder: Path, name: str) -> Study:
    study = sound(folder, name)
    study.mri[0].unlink()
    return study


def cut_short(folder: Path, name: str) -> Study:
    study = sound(folder, name)
    study.functional[0].write_bytes(study.functional[0].read_bytes()[:-40])
    return study


def with_nan(folder: Path, name: str) -> Study:
    study = sound(folder, name)
    save_nifti(study.mri[0], np.where(MRI > 800, np.nan, MRI))
    return study


#: A step in which studies called so hang or die: within a library, where `PyDLL` keeps the interpreter's lock and gives
#: Python no chance.
_FAULTS = """
import ctypes, os
from monai_fusion.data.collate import collate_study

def collate(studies):
    name = os.path.basename(studies[0]["image"].meta["filename_or_obj"])
    if name.startswith("hanging"):
        ctypes.PyDLL(None).sleep(600)
    if name.startswith("deadly"):
        os.kill(os.getpid(), 11)
    return collate_study(studies)
"""


def with_faults(folder: Path) -> dict[str, Any]:
    """Configuration by which a study called ``hanging`` hangs and one called ``deadly`` ends its process."""
    program = folder / "faults.py"
    program.write_text(_FAULTS)
    return {"dataloader#collate_fn": f"$__import__('runpy').run_path({str(program)!r})['collate']"}


def write_manifest(path: Path, studies: list[Study]) -> Path:
    rows = [f"{study.id},{study.mri[0]},{study.functional[0]}" for study in studies]
    path.write_text("\n".join(["id,mri,functional", *rows]) + "\n")
    return path
