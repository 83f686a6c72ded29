"""Writing the results, each format a step of the bundle's postprocessing that a user can leave out."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.transforms import Transform
from monai.utils import convert_to_tensor

import monai_fusion
from monai_fusion.data.deidentify import Deidentifier, require_dicognito
from monai_fusion.data.output import OutputFolder
from monai_fusion.data.report import REPORT_KEY, read_report, write_report
from monai_fusion.errors import OutputError
from monai_fusion.slices import SlicePlan
from monai_fusion.transforms.color import color_table

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from monai_fusion.data.dicom_common import FusedStudy

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

    color_key = "fused_color"

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
    """Volumes: ``fused.nii.gz`` (float32, 0 to 1) and, where there is colour, ``fused_color.nii.gz`` (RGB24) on the
    MRI's grid."""

    def save(self, data: dict[Hashable, Any], report: dict[str, Any]) -> dict[Hashable, Any]:
        from monai_fusion.data.nifti import RGB24, write_nifti

        if not self.is_volume(data):
            return {}
        fused = convert_to_tensor(data["pred"], track_meta=False)[0].float().cpu().numpy()
        volumes = {"fused.nii.gz": fused}
        if self.color_key in data:
            color = convert_to_tensor(data[self.color_key], track_meta=False).permute(3, 2, 1, 0).contiguous().numpy()
            volumes["fused_color.nii.gz"] = color.view(RGB24)[..., 0].T

        def write(name: str) -> None:
            with writing(self.output.file(name)) as path:
                write_nifti(path, volumes[name], self.affine(data), report["mri"])

        with ThreadPoolExecutor() as pool:  # compressing lets other threads run
            list(pool.map(write, volumes))
        return {}


class SavePictured(_Save):
    """Pictures: ``fused.png``, in colour where the functional picture has colour (``chroma_key``), else grey."""

    chroma_key = "chroma"

    def save(self, data: dict[Hashable, Any], report: dict[str, Any]) -> dict[Hashable, Any]:
        from monai_fusion.data.picture import write_png

        if not self.is_volume(data):
            with writing(self.output.file("fused.png")) as path:
                if self.chroma_key in data and self.color_key in data:
                    picture = convert_to_tensor(data[self.color_key], track_meta=False).permute(1, 2, 0)
                else:
                    picture = (convert_to_tensor(data["pred"], track_meta=False)[0].cpu() * 255).round().to(torch.uint8)
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
    """Volumes: ``contact_sheet.png``, both sources and the fused images, slice by slice."""

    def save(self, data: dict[Hashable, Any], report: dict[str, Any]) -> dict[Hashable, Any]:
        from monai_fusion.data.contact_sheet import write_contact_sheet

        if self.is_volume(data):
            names = report["channel_order"]
            image = convert_to_tensor(data["image"], track_meta=False).cpu()
            rows = {name: image[i : i + 1] for i, name in enumerate(names)}
            rows["fused"] = convert_to_tensor(data["pred"], track_meta=False).cpu()
            if self.color_key in data:
                rows["colour"] = convert_to_tensor(data[self.color_key], track_meta=False)
            with writing(self.output.file("contact_sheet.png")) as path:
                write_contact_sheet(path, rows, self.affine(data), self.plan(data))
        return {}


class SaveDicomd(_Save):
    """Volumes: ``dicom/``, everything below which belongs into an archive.

    ``fused/`` the grey volume as a derived MR series, ``fused_color/`` the same in colour (if it was asked for),
    ``registration.dcm`` where the functional image was moved, ``blending.dcm`` where it is asked for. A sheared grid
    (possible in NIfTI) has no place in DICOM: nothing is written then, and the report warns.

    Args:
        output: the folder of the run.
        color_map: of the functional image in the presentation state, as for `ColorizeFusedd`.
        presentation_state: write ``blending.dcm``, by which a viewer blends both sources itself.
        deidentify: take the patient out of what is written.

    Raises:
        InputError: what de-identification needs is not installed.
    """

    def __init__(
        self,
        output: OutputFolder,
        color_map: str = "rainbow",
        presentation_state: bool = False,
        deidentify: bool = False,
    ) -> None:
        super().__init__(output)
        self.color_map = color_map
        self.presentation_state = presentation_state
        self.deidentify = deidentify
        if deidentify:
            require_dicognito()

    def save(self, data: dict[Hashable, Any], report: dict[str, Any]) -> dict[Hashable, Any]:
        from monai_fusion.data.dicom_blending import blending_obstacle
        from monai_fusion.data.dicom_common import FusedStudy
        from monai_fusion.data.dicom_writer import DicomWriter

        if not self.is_volume(data):
            return {}
        affine = self.affine(data)
        directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        if not np.allclose(directions.T @ directions, np.eye(3), atol=1e-3):
            report["warnings"].append("no DICOM series was written: the MRI's grid is sheared, which DICOM cannot say")
            return {REPORT_KEY: write_report(report)}
        shape = tuple(data["pred"].shape[1:])
        axis = int(data["pred"].meta["slice_axis"])
        study = FusedStudy.of(report, _identity(report), affine, shape, axis, self.deidentify)
        obstacle = blending_obstacle(study) if self.presentation_state else None
        if obstacle:
            report["warnings"].append(f"no blending presentation state was written: {obstacle}")
        clean = Deidentifier(report) if self.deidentify else None
        writer = DicomWriter()
        with writing(self.output.file("dicom")) as folder:
            for name, instance in self._objects(study, data, blending=self.presentation_state and not obstacle):
                writer.write(instance if clean is None else clean(instance), folder / name)
        return {REPORT_KEY: write_report(report)}

    def _objects(self, study: FusedStudy, data: dict[Hashable, Any], blending: bool) -> Iterator[tuple[str, Dataset]]:
        """The results one by one: their file below ``dicom/``, and the object."""
        from monai_fusion.data.dicom_blending import blending_state
        from monai_fusion.data.dicom_color import color_objects
        from monai_fusion.data.dicom_grey import grey_series
        from monai_fusion.data.dicom_registration import spatial_registration

        fused = convert_to_tensor(data["pred"], track_meta=False)[0].float().cpu()
        for k, instance in enumerate(grey_series(study, fused)):
            yield f"fused/{k + 1:04d}.dcm", instance
        if self.color_key in data:
            color = convert_to_tensor(data[self.color_key], track_meta=False)
            for k, instance in enumerate(color_objects(study, color)):
                yield f"fused_color/{k + 1:04d}.dcm", instance
        registration = spatial_registration(study)
        if registration is not None:
            yield "registration.dcm", registration
        if blending:
            yield "blending.dcm", blending_state(study, color_table(self.color_map))


#: The modules whose steps change none of the voxels.
_WRITERS = (__name__, "monai_fusion.transforms.deidentify")


def _identity(report: dict[str, Any]) -> str:
    """A hash of all that the result was made from and by, for its UIDs.

    Where the files lie does not count, nor what is found on the way: the last digits of a registration differ between
    machines. Nor does what is written beside, and whether the patient is taken out of it.
    """
    found = ("files", "pet", "warnings")
    sources = [{k: v for k, v in report[role].items() if k not in found} for role in ("mri", "functional")]
    registration = report.get("registration", {})
    transform = registration.get("begun_with", registration).get("sha256")  # a transform made elsewhere
    steps = _without_writers(report["steps"])
    parts = [sources, transform, report["model"], steps, monai_fusion.__version__]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _without_writers(step: Any) -> Any:
    """The description of a step without the steps within it that only write."""
    if isinstance(step, dict):
        return {key: _without_writers(value) for key, value in step.items()}
    if isinstance(step, list):
        return [_without_writers(item) for item in step if not _writes(item)]
    return step


def _writes(step: Any) -> bool:
    return isinstance(step, dict) and str(step.get("class", "")).rpartition(".")[0] in _WRITERS
