"""Writing the results, each format a step of the bundle's postprocessing that a user can leave out."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

import monai_fusion
from monai_fusion.data.output import OutputFolder
from monai_fusion.data.report import REPORT_KEY, read_report, write_report
from monai_fusion.errors import OutputError
from monai_fusion.slices import SlicePlan

__all__ = ["SaveContactSheetd", "SaveDicomd", "SaveNiftid", "SavePictured", "SaveTransformd", "writing"]


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Turns an operating system's error while writing `path` into an `OutputError` that says what to do."""
    try:
        yield path
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path.parents[1]}: {path.name} cannot be written ({reason}); "
            "free some space or choose another output folder"
        ) from error


class _Save(Transform):
    """Base: skips what the data has no use for (pictures have no slices, volumes are no picture).

    Args:
        output: the folder of the run.
        axis: which slices, as for `FusionInferer`.
    """

    def __init__(self, output: OutputFolder, axis: str | int = "acquisition") -> None:
        self.output = output
        self.axis = axis

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return {**data, **self.save(dict(data), read_report(data))}

    @abstractmethod
    def save(self, data: dict[Hashable, Any], report: dict[str, Any]) -> dict[Hashable, Any]:
        """Writes; returns what is to be changed in the data."""

    @staticmethod
    def is_volume(data: dict[Hashable, Any]) -> bool:
        return bool(data["pred"].ndim == 4)

    @staticmethod
    def affine(data: dict[Hashable, Any]) -> np.ndarray:
        return np.asarray(data["pred"].affine, dtype=np.float64)

    def plan(self, data: dict[Hashable, Any]) -> SlicePlan:
        return SlicePlan.for_volume(self.affine(data), self.axis, int(data["pred"].meta["slice_axis"]))


class SaveNiftid(_Save):
    """Volumes: ``fused.nii.gz`` (float32, 0 to 1) and ``fused_color.nii.gz`` (RGB24) on the MRI's grid."""

    def save(self, data: dict[Hashable, Any], report: dict[str, Any]) -> dict[Hashable, Any]:
        from monai_fusion.data.nifti import RGB24, write_nifti

        if self.is_volume(data):
            with writing(self.output.file("fused.nii.gz")) as path:
                fused = torch.as_tensor(data["pred"])[0].float().cpu().numpy()
                write_nifti(path, fused, self.affine(data), report["mri"])
            with writing(self.output.file("fused_color.nii.gz")) as path:
                color = torch.as_tensor(data["fused_color"]).permute(1, 2, 3, 0).contiguous().numpy()
                write_nifti(path, color.view(RGB24)[..., 0], self.affine(data), report["mri"])
        return {}


class SavePictured(_Save):
    """Pictures: ``fused.png``, in colour where the functional picture has colour (``chroma_key``), else grey."""

    chroma_key = "chroma"

    def save(self, data: dict[Hashable, Any], report: dict[str, Any]) -> dict[Hashable, Any]:
        from monai_fusion.data.picture import write_png

        if not self.is_volume(data):
            with writing(self.output.file("fused.png")) as path:
                if self.chroma_key in data:
                    picture = torch.as_tensor(data["fused_color"]).permute(1, 2, 0)
                else:
                    picture = (torch.as_tensor(data["pred"])[0].cpu() * 255).round().to(torch.uint8)
                write_png(path, picture.contiguous().numpy())
        return {}


class SaveTransformd(_Save):
    """Volumes that were registered: ``mri_to_functional.tfm``, from the MRI to the functional image (ITK, LPS)."""

    def save(self, data: dict[Hashable, Any], report: dict[str, Any]) -> dict[Hashable, Any]:
        from monai_fusion.data.transform_file import write_itk_transform

        if "verdict" in report.get("registration", {}):
            with writing(self.output.file("mri_to_functional.tfm")) as path:
                write_itk_transform(path, np.array(report["registration"]["matrix_lps"]))
        return {}


class SaveContactSheetd(_Save):
    """Volumes: ``contact_sheet.png``, both sources and both fused images, slice by slice."""

    def save(self, data: dict[Hashable, Any], report: dict[str, Any]) -> dict[Hashable, Any]:
        from monai_fusion.data.contact_sheet import write_contact_sheet

        if self.is_volume(data):
            names = report["channel_order"]
            rows = {name: torch.as_tensor(data["image"])[i : i + 1].cpu() for i, name in enumerate(names)}
            rows["fused"] = torch.as_tensor(data["pred"]).cpu()
            rows["colour"] = torch.as_tensor(data["fused_color"])
            with writing(self.output.file("contact_sheet.png")) as path:
                write_contact_sheet(path, rows, self.affine(data), self.plan(data))
        return {}


class SaveDicomd(_Save):
    """Volumes: ``dicom/``, the fused grey volume as a derived MR series.

    A sheared grid (possible in NIfTI) has no place in DICOM: nothing is written then, and the report warns.
    """

    def save(self, data: dict[Hashable, Any], report: dict[str, Any]) -> dict[Hashable, Any]:
        from monai_fusion.data.dicom_writer import write_dicom_series

        if not self.is_volume(data):
            return {}
        affine = self.affine(data)
        directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        if not np.allclose(directions.T @ directions, np.eye(3), atol=1e-3):
            report["warnings"].append("no DICOM series was written: the MRI's grid is sheared, which DICOM cannot say")
            return {REPORT_KEY: write_report(report)}
        fused = torch.as_tensor(data["pred"])[0].float().cpu().numpy()
        with writing(self.output.file("dicom")) as folder:
            slice_axis = int(data["pred"].meta["slice_axis"])
            write_dicom_series(folder, fused, affine, slice_axis, report, self._identity(report))
        return {}

    @staticmethod
    def _identity(report: dict[str, Any]) -> str:
        """A hash of all that the result was made from and by, never of what came out (the last digits of a registration
        depend on the machine); where the files lie does not count."""
        sources = [{k: v for k, v in report[role].items() if k != "files"} for role in ("mri", "functional")]
        steps = [_given_transform(report), report["model"], report["steps"], monai_fusion.__version__]
        return hashlib.sha256(json.dumps([sources, steps], sort_keys=True).encode()).hexdigest()


def _given_transform(report: dict[str, Any]) -> str | None:
    """The hash of the transform made elsewhere, if there was one."""
    registration = report.get("registration", {})
    return registration.get("begun_with", registration).get("sha256")
