"""Starting quickly."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["UNUSED", "without"]

#: What MONAI imports wherever it is installed, and fusing needs nothing of: half of the time of the start.
UNUSED = ("jsonschema", "matplotlib", "pandas", "sklearn", "tensorboard", "zarr")


class _Absent(MetaPathFinder):
    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in self._names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


@contextmanager
def without(names: Sequence[str]) -> Iterator[None]:
    """Imports within find none of these packages, as if they were not installed; who imports one later gets it.

    For a program of its own, not for a library: what is imported here stays without them.
    """
    absent = _Absent(names)
    sys.meta_path.insert(0, absent)
    try:
        yield
    finally:
        sys.meta_path.remove(absent)
