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


def hanging(folder: Path, name: str) -> Study:
    """In a library that gives Python no chance: `PyDLL` keeps the interpreter's lock."""
    return sound(folder, name, functional_window="$__import__('ctypes').PyDLL(None).sleep(600)")


def deadly(folder: Path, name: str) -> Study:
    return sound(folder, name, functional_window="$__import__('os').kill(__import__('os').getpid(), 11)")


def write_manifest(path: Path, studies: list[Study]) -> Path:
    rows = [f"{study.id},{study.mri[0]},{study.functional[0]}" for study in studies]
    path.write_text("\n".join(["id,mri,functional", *rows]) + "\n")
    return path
