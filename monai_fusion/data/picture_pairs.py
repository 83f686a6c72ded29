"""Finding pairs of an infrared and a visible picture of one scene, and reading them.

Needs Pillow, NumPy and torch, no reader of medical images. Two layouts are known:

- a folder with two subfolders, whose pictures belong together by their names without suffix: ``infrared`` and
  ``visible`` (LLVIP), ``ir`` and ``vis`` or ``vi`` (RoadScene, MSRS), or any other two that are named. Where a
  subfolder holds ``train`` instead of pictures, that is read: LLVIP's own layout, ``infrared/train/*.jpg``; its
  ``test`` is not;
- a folder of pictures that show the pair side by side: two squares, left visible, right infrared. What is not twice as
  wide as high may be an ordinary picture: it is cut in two only where the sides are named.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from PIL import Image

from monai_fusion.data.picture_formats import PICTURE_FORMATS, PICTURE_SUFFIXES
from monai_fusion.errors import InputError
from monai_fusion.metrics.protocol import read_grey

__all__ = ["CHANNELS", "OnDamaged", "PicturePair", "PictureSource", "find_pairs", "gather_pairs", "read_pair"]

#: The order of the two in a pair of patches.
CHANNELS = ("visible", "infrared")

#: What to do about a pair that cannot be used: an `InputError`, or a warning that names it and go on without.
OnDamaged = Literal["raise", "skip"]

_FOLDER_NAMES = {"visible": ("visible", "vis", "vi"), "infrared": ("infrared", "ir")}
_SIDES = ("left", "right")


@dataclass(frozen=True)
class PicturePair:
    """A pair that has not been read yet.

    Attributes:
        name: the path of the visible picture below the folder that was searched.
        visible: the picture.
        infrared: the picture; the same file where the two stand side by side.
        sides: which halves of the file are visible and infrared, or None where the two are files of their own.
    """

    name: str
    visible: Path
    infrared: Path
    sides: tuple[str, str] | None = None


#: A folder whose layout is found out, a pair, or several of either.
PictureSource = str | Path | PicturePair | Sequence["PictureSource"]


def gather_pairs(source: PictureSource, on_damaged: OnDamaged = "raise") -> list[PicturePair]:
    """The pairs of one or several sources, one source after the other; raises as `find_pairs` does."""
    if isinstance(source, PicturePair):
        return [source]
    if isinstance(source, str | Path):
        return find_pairs(source, on_damaged=on_damaged)
    return [pair for part in source for pair in gather_pairs(part, on_damaged)]


def find_pairs(
    folder: str | Path, visible: str | None = None, infrared: str | None = None, on_damaged: OnDamaged = "raise"
) -> list[PicturePair]:
    """Finds the pairs in a folder, in the order of their names.

    Args:
        folder: either layout of this module.
        visible: the subfolder of the visible pictures, or ``"left"`` or ``"right"``; None to find out.
        infrared: the same for the infrared ones. Name both or neither.
        on_damaged: what to do about a picture without its partner.

    Raises:
        InputError: no such folder, no pictures in it, several ways to understand it, or a partner is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name one with pairs of an infrared and a visible picture")
    if (visible is None) != (infrared is None) or (visible is not None and visible == infrared):
        raise InputError(f"{folder}: visible={visible}, infrared={infrared}; name both of the two or neither")
    roles = _find_roles(folder) if visible is None or infrared is None else {"visible": visible, "infrared": infrared}
    if set(roles.values()) == set(_SIDES):
        return _side_by_side(folder, (roles["visible"], roles["infrared"]))
    return _two_folders(folder, roles, on_damaged)


def _find_roles(folder: Path) -> Mapping[str, str]:
    """Which subfolder, or half of a picture, is which."""
    subfolders = sorted(path.name for path in folder.iterdir() if path.is_dir())
    found = {role: [n for n in subfolders if n.casefold() in names] for role, names in _FOLDER_NAMES.items()}
    counts = tuple(len(names) for names in found.values())
    pictures = _pictures(folder).values()
    if counts == (1, 1) and not pictures:
        return {role: names[0] for role, names in found.items()}
    if counts == (0, 0) and pictures and all(map(_may_be_two_squares, pictures)):
        return dict(zip(CHANNELS, _SIDES))
    what = [name for names in found.values() for name in names] + ["pictures"] * bool(pictures)
    known = " and ".join("/".join(names) for names in _FOLDER_NAMES.values())
    raise InputError(
        f"{folder}: which is visible and which infrared is not clear (found: {', '.join(what) or 'neither'}); "
        f"name the two subfolders, or left and right for two in one picture, or call the subfolders {known}"
    )


def _may_be_two_squares(path: Path) -> bool:
    """Twice as wide as high, or not readable: then reading it will tell."""
    try:
        with Image.open(path, formats=PICTURE_FORMATS) as image:
            return image.width == 2 * image.height
    except Exception:  # Pillow raises many kinds
        return True


def _pictures(folder: Path) -> dict[str, Path]:
    """The pictures directly in a folder by their name without suffix, in order."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and not path.is_dir():
            if path.stem in found:
                raise InputError(f"{path}: {found[path.stem].name} has the same name; keep one of the two")
            found[path.stem] = path
    return found


def _side_by_side(folder: Path, sides: tuple[str, str]) -> list[PicturePair]:
    pairs = [PicturePair(path.name, path, path, sides) for path in _pictures(folder).values()]
    if not pairs:
        raise InputError(f"{folder}: holds no picture ({', '.join(PICTURE_SUFFIXES)}); choose another folder")
    return pairs


def _two_folders(folder: Path, roles: Mapping[str, str], on_damaged: OnDamaged) -> list[PicturePair]:
    subfolders = {role: _with_pictures(folder / roles[role]) for role in CHANNELS}
    found = {role: _pictures(subfolder) for role, subfolder in subfolders.items()}
    for role, other in (CHANNELS, CHANNELS[::-1]):
        for stem, path in found[role].items():
            if stem not in found[other]:
                reason = f"{path}: there is no {other} picture {stem} in {subfolders[other]}"
                if on_damaged != "skip":
                    raise InputError(f"{reason}; add it, or skip damaged pairs")
                warnings.warn(f"{reason}; left out", stacklevel=2)
    stems = [stem for stem in found["visible"] if stem in found["infrared"]]
    if not stems:
        raise InputError(f"{folder}: no picture in {roles['visible']} has a namesake in {roles['infrared']}")
    files = [(found["visible"][stem], found["infrared"][stem]) for stem in stems]
    return [PicturePair(visible.relative_to(folder).as_posix(), visible, infrared) for visible, infrared in files]


def _with_pictures(folder: Path) -> Path:
    """The folder itself or its ``train``, whichever holds pictures."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name the subfolders of the visible and of the infrared pictures")
    holding = [path for path in (folder, folder / "train") if path.is_dir() and _pictures(path)]
    if len(holding) != 1:
        both = "both in it and in its train" if holding else "neither in it nor in its train"
        raise InputError(f"{folder}: pictures are {both}; name the one folder that holds them")
    return holding[0]


def read_pair(pair: PicturePair) -> torch.Tensor:
    """Reads a pair as grey.

    Returns:
        ``(2, H, W)`` uint8, visible and infrared.

    Raises:
        InputError: not readable or cut short, not of one size, or a picture of one single grey level, as what was
            written by a failed program often is.
    """
    if pair.sides is None:
        pictures = [read_grey(pair.visible)[0], read_grey(pair.infrared)[0]]
        if pictures[0].shape != pictures[1].shape:
            sizes = [f"{width}x{height}" for height, width in (picture.shape for picture in pictures)]
            raise InputError(f"{pair.visible} is {sizes[0]}, but {pair.infrared} is {sizes[1]}; register them first")
    else:
        pictures = _halves(pair.visible, pair.sides)
    for path, role, picture in zip((pair.visible, pair.infrared), CHANNELS, pictures):
        if picture.min() == picture.max():
            raise InputError(f"{path}: the {role} picture is {int(picture.min())} everywhere; export it again")
    return torch.stack(pictures).to(torch.uint8)


def _halves(path: Path, sides: Sequence[str]) -> list[torch.Tensor]:
    picture = read_grey(path)[0]
    if picture.shape[1] % 2:
        raise InputError(f"{path}: {picture.shape[1]} pixels across are not two pictures; crop them to the same width")
    halves = dict(zip(_SIDES, picture.chunk(2, dim=1)))
    return [halves[side] for side in sides]
