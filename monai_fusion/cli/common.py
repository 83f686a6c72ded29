"""What several commands share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_fusion.cli.quick_start import UNUSED, without
from monai_fusion.cli.terminal import tell, warn
from monai_fusion.errors import InputError

if TYPE_CHECKING:
    from monai_fusion.workflow import FusionResult

__all__ = ["find_device", "fuse_and_tell", "warn_of_bundle"]


def warn_of_bundle(folder: str | None) -> None:
    """Says what it means to run a bundle from elsewhere, as MONAI does (its advisory GHSA-873f-pvrv-4x83)."""
    if folder is not None and Path(folder).is_dir():
        warn(
            f"{folder}: the configuration of a bundle runs any Python that it names; "
            "go on only with one that comes from somebody you trust"
        )


def find_device(name: str) -> str:
    """The name of a device, if it is there.

    Raises:
        InputError: PyTorch cannot use it.
    """
    import torch

    try:
        torch.zeros(1, device=name).cpu()
    except (AssertionError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"--device {name}: cannot be used here ({reason}); choose cpu, or leave it out") from error
    return name


def fuse_and_tell(mri: Any, functional: Any, output: Any, quiet: bool, /, **values: Any) -> FusionResult:
    """Fuses with a progress bar, and says what was warned of and where the results are; gives what `fuse` gives."""
    with without(UNUSED if values.get("root") is None else ()):  # a bundle from elsewhere may use them
        from monai_fusion.workflow import fuse

    progress = not quiet and sys.stderr.isatty()
    result = fuse(mri, functional, output, **{"progress": progress, **values})
    for warning in result.report["warnings"]:
        warn(warning)
    if not quiet:
        found = result.report.get("registration", {})
        if "verdict" in found:
            tell(f"registered ({found['mode']}), moved by {found['moved_mm']:.1f} mm: {found['verdict']}")
        seconds = sum(result.report["seconds"].values())
        tell(f"fused {'x'.join(str(n) for n in result.fused.shape)} in {seconds:.1f} s; the results are in {output}:")
        for path in sorted(Path(output).iterdir()):
            if not path.name.startswith("."):
                tell(f"  {path.name}{'/' if path.is_dir() else ''}")
    return result
