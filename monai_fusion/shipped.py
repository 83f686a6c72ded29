"""Finding what is shipped with the package but is no part of it: bundles and the viewer."""

from __future__ import annotations

from pathlib import Path

__all__ = ["shipped"]


def shipped(*parts: str) -> Path:
    """A path below `bundles` or `apps`: in the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package.joinpath(*parts)
    return installed if installed.exists() else package.parent.joinpath(*parts)
