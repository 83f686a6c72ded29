"""Fuses an MRI with a PET or SPECT of the same patient, and reproduces how the fusing network is trained.

`fuse` is the way in for Python scripts; everything else is in the modules. Importing this package is cheap: MONAI,
torch and the readers are loaded when they are needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_fusion.workflow import FusionResult, fuse

__version__ = "0.1.0"
__all__ = ["FusionResult", "__version__", "fuse"]


def __getattr__(name: str) -> Any:
    if name in ("fuse", "FusionResult"):
        from monai_fusion import workflow

        return getattr(workflow, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
