"""A pair that is looked at: chosen, read once, fused, and fused again when the user asks for it."""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_fusion.data.transform_file import write_itk_transform
from monai_fusion.viewer.grid import Grid
from monai_fusion.viewer.images import KINDS, FoundImage
from monai_fusion.viewer.nudge import Nudge
from monai_fusion.viewer.sources import Sources
from monai_fusion.viewer.voxels import Voxels
from monai_fusion.workflow import FusionResult, ReadPair, read_pair

__all__ = ["Case", "Choice", "open_case", "refuse"]

#: Told how much is done, 0 to 1, and what comes now; may raise to end the work.
Step = Callable[[float, str], None]

#: Names of the two windows and the bundle's ids.
_WINDOWS = {"mri": "mri_window", "functional": "functional_window"}


@dataclass(frozen=True)
class Choice:
    """What the user chose, all that a case follows from.

    Args:
        mri, functional: the images.
        registered: 4x4, LPS mm, of a registration that `nudge` begins at.
        nudge: moved by hand after that.
        restart: register again from there.
        corrections: ids of the bundle (``patient_weight``, ...) and their values.
        windows: what the fusion takes for black and white, ``"mri"`` and ``"functional"``; the bundle's own by default.
        place: where the images can be found again, for a session file.
        accept: show them even if their registration failed, which then stands over the images.
    """

    mri: FoundImage
    functional: FoundImage
    registered: np.ndarray | None = None
    nudge: Nudge = field(default_factory=Nudge)
    restart: bool = False
    corrections: Mapping[str, Any] = field(default_factory=dict)
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    place: Mapping[str, Any] = field(default_factory=dict)
    accept: bool = False

    def reading(self, folder: Path, center: np.ndarray | None) -> dict[str, Any]:
        """Overrides of the bundle that its reading steps use.

        Args:
            folder: for the transform of a nudge.
            center: of the MRI in RAS mm, about which a nudge turns.
        """
        overrides: dict[str, Any] = dict(self.corrections)
        if self.accept:
            overrides["accept_registration"] = True
        for role, image in (("mri", self.mri), ("functional", self.functional)):
            if image.series is not None:
                overrides[f"{role}_series"] = image.series
        if self.restart:
            overrides["registration"] = "rigid"
        if self.nudge:
            assert center is not None
            registered = np.eye(4) if self.registered is None else self.registered
            name = folder / f"by_hand_{secrets.token_hex(4)}.tfm"
            write_itk_transform(name, self.nudge.after(registered, center))
            overrides["functional_transform"] = name
        return overrides

    @property
    def scaling(self) -> dict[str, Any]:
        """Overrides of the bundle that its later steps use."""
        return {_WINDOWS[role]: [float(low), float(high)] for role, (low, high) in self.windows.items()}


@dataclass(frozen=True)
class Case:
    """A pair, read and fused.

    Args:
        choice: what it follows from.
        pair: what was read.
        result: of the fusion.
        sources: its two images.
        measured: the numbers of the regions that were asked for last, see `actions.measured`.
    """

    choice: Choice
    pair: ReadPair
    result: FusionResult
    sources: Sources
    measured: dict[str, dict[str, Any]] = field(default_factory=dict, compare=False)

    @property
    def mri(self) -> Voxels:
        """Its own voxels."""
        return self.sources.mri

    @property
    def functional(self) -> Voxels:
        """Its own voxels, where they were moved to."""
        return self.sources.functional

    @property
    def grid(self) -> Grid:
        """On which everything is shown."""
        return self.sources.grid

    @property
    def is_picture(self) -> bool:
        return self.result.fused.ndim == 2

    @property
    def has_own_colors(self) -> bool:
        """Is the functional image a picture in colour?"""
        return self.is_picture and self.pair.data["functional"].shape[0] == 3

    @property
    def slice_axis(self) -> int | None:
        """Along which the MRI was acquired; None for a picture."""
        return None if self.is_picture else int(self.pair.data["mri"].meta["slice_axis"])

    @property
    def center(self) -> np.ndarray:
        """Of the MRI, in RAS mm."""
        middle = [(n - 1) / 2 for n in self.mri.array.shape]
        return np.asarray((self.mri.affine @ [*middle, 1.0])[:3])

    @property
    def registered(self) -> np.ndarray | None:
        """The transform that moved the functional image: 4x4, LPS mm, MRI to functional; None if nothing moved it."""
        matrix = self.pair.report.get("registration", {}).get("matrix_lps")
        return None if matrix is None else np.array(matrix)

    @property
    def edited(self) -> list[str]:
        """What was changed by hand, for every place where numbers are shown; no time, for it may hold a date."""
        values = self.choice.corrections
        told = {name: "" if name == "injection_time" else f" {value}" for name, value in values.items()}
        texts = [f"{name.replace('_', ' ')}{value} (edited)" for name, value in told.items()]
        return texts + (["position moved by hand"] if self.choice.nudge else [])


def open_case(choice: Choice, folder: Path, step: Step, center: np.ndarray | None = None) -> Case:
    """Reads, matches and fuses a pair.

    Args:
        choice: what to read.
        folder: of the session.
        step: told how far it is.
        center: of the MRI, if the choice has a nudge.

    Raises:
        InputError: the pair cannot be fused without guessing.
    """
    names = {0: "Reading the MRI", 1: f"Reading the {KINDS.get(choice.functional.modality, 'functional image')}"}

    def on_step(done: int, count: int) -> None:
        step(0.6 * done / count, names.get(done, "Matching the two images"))

    pair = read_pair(choice.mri.path, choice.functional.path, on_step=on_step, **choice.reading(folder, center))
    sources = Sources.of(pair)
    with ThreadPoolExecutor(1) as beside:
        prepared = beside.submit(sources.prepare)
        case = _fuse(choice, pair, sources, step)
        step(0.9, "Preparing the pictures")
        prepared.result()
    return case


def refuse(case: Case, windows: Mapping[str, tuple[float, float]], step: Step) -> Case:
    """Fuses again with other windows; nothing is read or registered again."""
    return _fuse(replace(case.choice, windows=dict(windows)), case.pair, case.sources, step)


def _fuse(choice: Choice, pair: ReadPair, sources: Sources, step: Step) -> Case:
    step(0.6, "Fusing")
    # colour is the browser's work, and the compiled kernel is ready: the server loaded it when it started
    return Case(choice, pair, pair.fuse(color_map=None, backend=_backend(), **choice.scaling), sources)


def _backend() -> str:
    compiled = importlib.util.find_spec("numba") is not None and not torch.cuda.is_available()
    return "numba" if compiled else "auto"
