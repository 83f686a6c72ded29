"""The two images of a pair as they are shown and measured, whatever they are fused to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from monai_fusion.viewer.grid import Grid, Scale
from monai_fusion.viewer.voxels import Voxels, voxels_of
from monai_fusion.viewer.windows import automatic_window
from monai_fusion.workflow import ReadPair

__all__ = ["Sources"]


@dataclass(frozen=True)
class Sources:
    """What is computed from the voxels is computed once, when it is first asked for or by `prepare`.

    Args:
        mri, functional: the sources' own voxels.
    """

    mri: Voxels
    functional: Voxels

    @classmethod
    def of(cls, pair: ReadPair) -> Sources:
        return cls(voxels_of(pair, "mri"), voxels_of(pair, "functional"))

    @cached_property
    def grid(self) -> Grid:
        """On which everything is shown."""
        i, j, k = self.mri.array.shape
        return Grid((i, j, k), self.mri.affine)

    @cached_property
    def windows(self) -> dict[str, tuple[float, float]]:
        """The automatic windows of both images."""
        return {"mri": automatic_window(self.mri, False), "functional": automatic_window(self.functional, True)}

    @cached_property
    def scales(self) -> dict[str, Scale]:
        """How the voxels of both images travel."""
        return {"mri": Scale.of(self.mri.array, False), "functional": Scale.of(self.functional.array, True)}

    @cached_property
    def stored(self) -> dict[str, bytes]:
        """Both images on the grid, as they travel."""
        shown = {"mri": self.grid.turn(self.mri.array), "functional": self.grid.resample(self.functional)}
        return {role: self.scales[role].store(volume) for role, volume in shown.items()}

    def prepare(self) -> None:
        """Computes everything: beside the fusion, which leaves a core free."""
        self.windows, self.stored  # noqa: B018
