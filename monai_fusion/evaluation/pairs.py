"""A data set as a folder: one subfolder a source, pictures that belong together called the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from monai_fusion.data.picture_formats import PICTURE_SUFFIXES
from monai_fusion.errors import InputError
from monai_fusion.metrics.protocol import read_grey

__all__ = ["PairFolder"]

_MRI, _VISIBLE, _INFRARED = ("mri", "mr"), ("visible", "vis", "vi"), ("infrared", "ir")
_MIN_SIZE = 41  # of VIF's windows


class PairFolder:
    """The pairs of a data set, in the order of their names (without suffix).

    The first of the two sources goes where the MRI goes. If it is not stated, it is the subfolder called ``mri``,
    ``mr``, ``visible``, ``vis`` or ``vi``, in upper or lower case, else the first in the alphabet.

    Args:
        folder: the data set.
        sources: the subfolders of the first and of the second source; None where there are two.

    Attributes:
        sources: the same, as found.
        names: every name that occurs in either subfolder.

    Raises:
        InputError: no such folder, not two subfolders, or no picture in them.
    """

    def __init__(self, folder: str | Path, sources: Sequence[str | Path] | None = None) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InputError(f"{self.folder}: no such folder; name a data set, a folder with one subfolder a source")
        self.sources = self._find_sources() if sources is None else self._check_sources(sources)
        self._files = [_pictures(self.folder / source) for source in self.sources]
        self.names = sorted(set().union(*self._files))
        if not self.names:
            raise InputError(
                f"{self.folder}: no picture ({', '.join(PICTURE_SUFFIXES)}) in {' and '.join(self.sources)}"
            )

    @property
    def title(self) -> str:
        """The name of the data set's folder."""
        return self.folder.resolve().name

    @property
    def is_medical(self) -> bool:
        """False for infrared and visible pictures by their subfolders' names: they show no head to have lesions in."""
        return not any(source.casefold() in _VISIBLE + _INFRARED for source in self.sources)

    def _find_sources(self) -> tuple[str, str]:
        found = sorted(path.name for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        if len(found) != 2:
            raise InputError(
                f"{self.folder}: {len(found)} subfolders ({', '.join(found) or 'none'}), not one for each of two "
                "sources; name the two (--sources MRI PET)"
            )
        found.sort(key=lambda name: name.casefold() not in _MRI + _VISIBLE)
        return found[0], found[1]

    def _check_sources(self, sources: Sequence[str | Path]) -> tuple[str, str]:
        if isinstance(sources, str) or len(sources) != 2 or str(sources[0]) == str(sources[1]):
            raise InputError(f"{self.folder}: sources {sources!r}; name two subfolders (--sources MRI PET)")
        for source in sources:
            if not (self.folder / source).is_dir():
                raise InputError(f"{self.folder / source}: no such folder; check the names of the sources (--sources)")
        return str(sources[0]), str(sources[1])

    def read(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Reads a pair as grey (BT.601).

        Returns:
            Twice ``(1, 1, H, W)`` float32, values in [0, 1] that are whole 255ths.

        Raises:
            InputError: a partner is missing or doubled, not readable, too small, or the two differ in size.
        """
        pair = []
        for source, files in zip(self.sources, self._files):
            paths = files.get(name, [])
            if len(paths) != 1:
                found = ", ".join(path.name for path in paths) or "none"
                raise InputError(f"{self.folder / source}: not one picture called {name} (found: {found})")
            pair.append(read_grey(paths[0]) / 255)
        sizes = [f"{image.shape[2]}x{image.shape[1]}" for image in pair]
        if sizes[0] != sizes[1]:
            raise InputError(
                f"{self.folder}: {name} is {sizes[0]} in {self.sources[0]}, {sizes[1]} in {self.sources[1]}"
            )
        if min(pair[0].shape[1:]) < _MIN_SIZE:
            raise InputError(f"{self.folder}: {name} is {sizes[0]}; the metrics need {_MIN_SIZE}x{_MIN_SIZE} pixels")
        return pair[0][None], pair[1][None]


def _pictures(folder: Path) -> dict[str, list[Path]]:
    """Name without suffix, and the files called so: one, if all is well."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith("."):
            found.setdefault(path.stem, []).append(path)
    return found
