"""Applying the student to pictures and volumes. Importing this package is cheap: the kernels need no MONAI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_fusion.inferers.fusion import FusionInferer

__all__ = ["FusionInferer"]


def __getattr__(name: str) -> Any:
    if name == "FusionInferer":
        from monai_fusion.inferers.fusion import FusionInferer

        return FusionInferer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
