"""Browsing the folder that the administrator named, and nothing outside of it."""

from __future__ import annotations

import os
from pathlib import Path

from monai_fusion.errors import InputError

__all__ = ["check_links", "find_inside", "subfolders"]


def find_inside(root: Path, relative: str) -> Path:
    """A folder or file below `root`.

    Raises:
        InputError: it is not there, or it lies outside, also by way of a link.
    """
    inside = root.resolve()
    try:
        path = (inside / relative).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{relative}: there is no such folder any more; choose another") from error
    if not path.is_relative_to(inside):
        raise InputError(f"{relative}: lies outside of the folder that may be browsed; choose another")
    return path


def subfolders(root: Path, relative: str) -> list[str]:
    """The names of the folders in a folder, hidden ones and links that lead out left away."""
    folder = find_inside(root, relative)
    inside = root.resolve()
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name.lower())
        return [
            entry.name
            for entry in entries
            if not entry.name.startswith(".") and entry.is_dir() and entry.resolve().is_relative_to(inside)
        ]
    except OSError as error:
        raise InputError(f"{relative}: cannot be read; choose another folder") from error


def check_links(root: Path, path: Path) -> None:
    """Refuses a folder in which a link leads out of `root`: a reader would follow it.

    Raises:
        InputError: there is such a link.
    """
    inside = root.resolve()
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            entry = Path(folder, name)
            if entry.is_symlink() and not entry.resolve().is_relative_to(inside):
                raise InputError(f"{name}: a link that leads out of the folder that may be browsed; choose another")
