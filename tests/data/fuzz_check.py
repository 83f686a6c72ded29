"""Reads a damaged file and says what came of it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_inputs import FORMATS, Sound, sound
from fuzz_mutations import mutations_of

from monai_fusion.errors import FusionError

__all__ = ["Fuzzer"]

#: What may come of a file, and what may not.
GOOD, BAD = (
    ("refused", "same", "other voxels", "other geometry"),
    ("crash", "silently wrong", "unclear refusal", "refused although sound"),
)
_ALLOWED = {
    "any": GOOD,
    "same": ("same",),
    "refused": ("refused",),
    "same or refused": ("same", "refused"),
    "same place": ("same", "refused", "other voxels"),
}


class Fuzzer:
    """Damages the sound files of each format; they are made once, and are the same in each process.

    Args:
        folder: for the files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sound: dict[str, tuple[Sound, dict[str, Any]]] = {}

    def cases(self) -> list[tuple[str, str]]:
        """All formats with all their mutations."""
        return [(name, kind) for name in FORMATS for kind in mutations_of(name)]

    def damage(self, name: str, kind: str, rng: np.random.Generator) -> dict[str, bytes]:
        """The files of a format after a mutation."""
        return mutations_of(name)[kind][1](self.sound_files(name)[0].files, rng)

    def read(self, name: str, kind: str, files: dict[str, bytes]) -> tuple[str, str]:
        """
        Args:
            name, kind, files: what `damage` took and gave.

        Returns:
            One of `GOOD` or `BAD`, and what was said or seen.
        """
        original, expected = self.sound_files(name)
        if files == original.files:
            return "same", "nothing was changed"
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            inside = Path(folder) / "input"
            inside.mkdir()
            original.write(inside, files)
            outcome, detail = _outcome(original, inside, expected)
        if outcome in GOOD and outcome not in _ALLOWED[mutations_of(name)[kind][0]]:
            outcome = "refused although sound" if outcome == "refused" else "silently wrong"
        return outcome, detail

    def sound_files(self, name: str) -> tuple[Sound, dict[str, Any]]:
        if name not in self.sound:
            made = sound(name)
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                self.sound[name] = made, made.read(made.write(Path(folder)))
        return self.sound[name]


def _outcome(original: Sound, folder: Path, expected: Mapping[str, Any]) -> tuple[str, str]:
    try:
        found = original.read(folder)
    except FusionError as error:
        text = str(error)
        if "\n" in text.strip() or len(text) < 20:
            return "unclear refusal", repr(text)
        return "refused", text
    except Exception as error:
        return "crash", f"{type(error).__name__}: {error}"
    for value in found.values():
        if isinstance(value, np.ndarray) and not np.isfinite(value).all():
            return "silently wrong", "NaN or infinity"
    if found.keys() != expected.keys():
        return "silently wrong", f"it holds {list(found)}"
    other = [key for key in found if not _equal(found[key], expected[key])]
    if not other:
        return "same", ""
    return ("other voxels" if other == ["array"] else "other geometry"), ", ".join(other)


def _equal(one: Any, other: Any) -> bool:
    return bool(np.array_equal(one, other)) if isinstance(one, np.ndarray) else bool(one == other)
