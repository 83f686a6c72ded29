"""`monai-fusion evaluate`."""

from __future__ import annotations

import argparse
from typing import Any

from monai_fusion.cli.common import find_device, warn_of_bundle
from monai_fusion.cli.terminal import tell

__all__ = ["add_evaluate"]

_DESCRIPTION = """\
Measures fusion methods on a data set, with every rival that costs nothing beside them.

DATASET is a folder with one subfolder a source, for example MRI and PET, with pictures (PNG, JPEG, TIFF) that belong
together called the same. The first source goes where the MRI goes: the subfolder called MRI, else the visible one,
else the first in the alphabet.
"""

_EPILOG = """\
what lies in OUT:
  table.md       means and 95 % intervals of all methods, with published rows where there are any
  summary.json   {method: {metric: {mean, low, high}}}
  pairs.csv      every number of every pair
  tests.csv      the first method against every other: Wilcoxon's test, corrected by Holm
  figures/       bars, box plots, worst and best pairs, lesions kept against the metrics
  run.json       how, when, on what, and the pairs that were skipped

examples:
  monai-fusion evaluate data/mri_pet -o out
  monai-fusion evaluate data/mri_pet -o out --method model --method run3/student.pt --protocol paper

exit code: 0 done, 5 done but pairs were skipped, 2 wrong usage, 3 input refused, 4 output not written,
130 interrupted, 1 anything else. For research use only. Not for diagnostic use.
"""


def add_evaluate(commands: Any) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="measure fusion methods on a data set",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    evaluate.add_argument("dataset", metavar="DATASET", help="folder with one subfolder a source")
    evaluate.add_argument("-o", "--output", metavar="OUT", required=True, help="folder for the results")
    evaluate.add_argument(
        "--method",
        metavar="NAME_OR_CHECKPOINT",
        action="append",
        help="a model of the bundle, a rival, or a weights file; may be repeated, the first is tested (default: model)",
    )
    evaluate.add_argument(
        "--protocol",
        choices=["product", "paper"],
        default="product",
        help="product: clipped, as the user sees it (default); paper: each image stretched to its minimum and maximum",
    )
    evaluate.add_argument("--sources", nargs=2, metavar=("FIRST", "SECOND"), help="the subfolders, MRI first")
    evaluate.add_argument("--no-rivals", action="store_true", help="measure what is named alone")
    evaluate.add_argument(
        "--calibration",
        choices=["none", "inverse_tanh", "soft_clip"],
        help="of weights files that are not the bundle's (default: none)",
    )
    evaluate.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    evaluate.add_argument(
        "--bundle", metavar="DIR", help="another bundle folder than the one shipped; it may run any program"
    )
    evaluate.add_argument("-q", "--quiet", action="store_true", help="no progress bar, no table")
    evaluate.set_defaults(command=_evaluate)


def _evaluate(args: argparse.Namespace) -> int:
    from monai_fusion.evaluation.workflow import evaluate

    warn_of_bundle(args.bundle)
    values: dict[str, Any] = {"protocol": args.protocol, "rivals": not args.no_rivals}
    if args.sources is not None:
        values["sources"] = args.sources
    if args.calibration is not None:
        values["calibration"] = args.calibration
    if args.device is not None:
        values["device"] = find_device(args.device)
    if args.quiet:
        values["progress"] = False
    done = evaluate(args.dataset, args.output, args.method or ["model"], args.bundle, **values)
    if not args.quiet:
        tell(*done.table.split("\n"), f"the results are in {args.output}")
    return done.exit_code
