"""What the user keeps: files that are whole or not there, each at an address of its own."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_fusion.atomic import write_beside
from monai_fusion.errors import InputError
from monai_fusion.transforms.color import COLOR_MAPS
from monai_fusion.viewer.addresses import Content
from monai_fusion.viewer.case import Case
from monai_fusion.viewer.measure import table, to_csv
from monai_fusion.viewer.scroll import write_scroll
from monai_fusion.viewer.session_file import write_session_file

__all__ = ["Exports", "Kept"]

#: Files that the bundle writes, and what they are.
_VOLUME = {
    "fused.nii.gz": ("NIfTI, grey", "application/gzip"),
    "fused_color.nii.gz": ("NIfTI, colour", "application/gzip"),
    "fused_dicom.zip": ("DICOM objects", "application/zip"),
    "contact_sheet.png": ("Contact sheet", "image/png"),
}
_REGISTERED = {"mri_to_functional.tfm": ("Transform, ITK", "text/plain")}
_PICTURE = {"fused.png": ("PNG", "image/png")}


@dataclass(frozen=True)
class Kept:
    """Args:
    label: what the page calls it.
    content: the file.
    """

    label: str
    content: Content


class Exports:
    """The files of one case. The bundle writes its own once, when the first is asked for.

    Args:
        case: what is kept.
        folder: an empty folder of the session.
        look: gives what the browser shows now: ``palette``, ``windows``, ``layout``, ``rois`` (with their numbers), ...
    """

    def __init__(self, case: Case, folder: Path, look: Callable[[], Mapping[str, Any]]) -> None:
        self._case = case
        self._folder = folder
        self._look = look
        self._lock = threading.Lock()

    def all(self) -> list[Kept]:
        """All that this case can be kept as."""
        made = _PICTURE if self._case.is_picture else _VOLUME
        if "verdict" in self._case.pair.report.get("registration", {}):
            made = made | _REGISTERED
        kept = [
            Kept(label, Content(lambda name=name: self._written(name), media, name, fresh=True))  # type: ignore[misc]
            for name, (label, media) in made.items()
        ]
        own: list[tuple[str, str, str, Callable[[], bytes | Path]]] = [
            ("Report", "report.json", "application/json", self._report),
            ("Measurements", "measurements.csv", "text/csv", self._measurements),
            ("This view", "view.session.json", "application/json", self._session_file),
        ]
        if not self._case.is_picture:
            own.append(("Scroll, animated PNG", "scroll.png", "image/png", self._scroll))
        kept += [Kept(label, Content(make, media, name, fresh=True)) for label, name, media, make in own]
        return kept

    def _written(self, name: str) -> Path:
        """A file of the bundle, in the colours that are shown now."""
        color_map = self._look().get("palette")
        color_map = color_map if color_map in COLOR_MAPS else "rainbow"
        folder = self._folder / color_map
        with self._lock:
            if not (folder / "report.json").is_file():
                self._case.pair.fuse(folder, color_map=color_map, **self._case.choice.scaling)
            path = folder / name
            if name == "fused_dicom.zip" and not path.is_file():
                _zip_dicom(folder / "dicom", path)
        if not path.is_file():
            raise InputError(f"{name}: this pair cannot be written so; the report says why")
        return path

    def _report(self) -> bytes:
        report = {**self._case.result.report, "edited": self._case.edited}
        return json.dumps(report, indent=2, allow_nan=False).encode()

    def _measurements(self) -> bytes:
        look = self._look()
        return to_csv(table(look.get("rois", []), look.get("distances", [])))

    def _session_file(self) -> bytes:
        return write_session_file(self._case, self._look())

    def _scroll(self) -> Path:
        path = self._folder / "scroll.png"
        with self._lock, write_beside(path) as unfinished:
            write_scroll(unfinished, self._case, self._look())
        return path


def _zip_dicom(folder: Path, path: Path) -> None:
    """All DICOM objects below a folder, in one zip."""
    files = sorted(folder.rglob("*.dcm")) if folder.is_dir() else []
    if not files:
        raise InputError("the MRI's grid is sheared, which DICOM cannot say; keep the NIfTI file")
    with write_beside(path) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
        for file in files:
            z.write(file, Path("dicom") / file.relative_to(folder))
