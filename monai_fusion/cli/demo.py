"""`monai-fusion demo`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from monai_fusion.cli.common import fuse_and_tell
from monai_fusion.cli.terminal import tell

__all__ = ["add_demo"]


def add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="make a real-looking MRI/PET pair and fuse it",
        description="Makes two DICOM series, an MRI and a PET from another scanner position, registers and fuses them. "
        "Needs the demo extra: pip install 'monai-fusion[demo]'.",
    )
    demo.add_argument("-o", "--output", metavar="OUT", default="demo_output", help="folder (default: %(default)s)")
    demo.set_defaults(command=_demo)


def _demo(args: argparse.Namespace) -> None:
    import numpy as np

    from monai_fusion.data.phantom import motion_matrix, write_demo_pair
    from monai_fusion.registration.similarity import mean_distance
    from monai_fusion.registration.volume import Volume

    folder = Path(args.output)
    tell(f"making an MRI and a PET series in {folder / 'input'}")
    pair = write_demo_pair(folder / "input")
    result = fuse_and_tell(pair.mri, pair.functional, folder / "fused", False)
    head = Volume.reduced(result.sources["mri"], result.affine)
    found = np.array(result.report["registration"]["matrix_lps"])
    error = mean_distance(found, motion_matrix(), head.points(head.mask))
    tell(f"the registration is {error:.2f} mm off the true motion, in the mean over the head")
