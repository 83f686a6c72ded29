"""`monai-fusion cohort`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_fusion.cli.common import warn_of_bundle
from monai_fusion.cli.fuse import add_options, read_configuration, read_values
from monai_fusion.cli.terminal import tell
from monai_fusion.errors import InputError

if TYPE_CHECKING:
    from monai_fusion.cohort.run import CohortResult

__all__ = ["add_cohort"]

_DESCRIPTION = """\
Fuses many studies, each as `monai-fusion fuse` does, on a Dask cluster: on this machine, or where --scheduler says.

COHORT is
  a manifest        .csv or .tsv with the columns id, mri, functional, and if needed functional_transform,
                    mri_series, functional_series, mri_frame, functional_frame, patient_weight, ...
  a BIDS-like tree  sub-*/[ses-*/]anat/*_T1w.nii.gz and pet/*_pet.nii.gz
  a DICOM tree      paired by patient, by day (--days) and by the rules for the choice among series

Each study ends done, failed or skipped, which OUT/cohort.sqlite says. Run again, what is done is not done twice;
studies that failed are tried again when their files or the configuration change, or with --retry-failed.
"""

_EPILOG = """\
what lies in OUT:
  studies/ID/KEY/  the results of a study, as of `monai-fusion fuse`; another configuration has another KEY
  cohort.sqlite    state and reason of each study
  report.html      counts, failures by cause, times, contact sheets

examples:
  monai-fusion cohort studies.csv -o out --dry-run
  monai-fusion cohort studies.csv -o out --workers 4 --memory 6GiB --timeout 600
  monai-fusion cohort bids/ -o out --functional-series '*trc-FDG*' --registration rigid
  monai-fusion cohort dicom/ -o out --days 30 --mri-series '*MPRAGE*' --deidentify
  monai-fusion cohort studies.csv -o out --scheduler tls://head:8786

exit code: 0 all done, 5 some studies failed or were skipped, 2 wrong usage, 3 input refused, 4 output not written,
130 interrupted, 1 anything else. For research use only. Not for diagnostic use.
"""


def add_cohort(commands: Any) -> None:
    cohort = commands.add_parser(
        "cohort",
        help="fuse many studies, on several cores or machines",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cohort.add_argument("cohort", metavar="COHORT", help="manifest, BIDS-like folder, or folder with DICOM")
    cohort.add_argument("-o", "--output", metavar="OUT", required=True, help="folder for the results, made if missing")

    pairing = cohort.add_argument_group("what belongs together")
    pairing.add_argument("--dry-run", action="store_true", help="list what would be paired and what not, and end")
    pairing.add_argument("--paths", action="store_true", help="name the files in that list; they may name patients")
    pairing.add_argument(
        "--days", type=int, default=0, metavar="N", help="DICOM: the two were scanned at most so many days apart (0)"
    )
    pairing.add_argument(
        "--across-sessions", action="store_true", help="BIDS: a subject's only MRI and only PET may be of two sessions"
    )

    running = cohort.add_argument_group("how to run")
    running.add_argument("--workers", type=int, metavar="N", help="processes here (default: one a GPU, or one a core)")
    running.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster, instead of workers here")
    running.add_argument("--dashboard", action="store_true", help="Dask's dashboard on 127.0.0.1 (needs bokeh)")
    running.add_argument(
        "--timeout", type=float, default=3600, metavar="S", help="a study is stopped after S seconds (3600; 0: never)"
    )
    running.add_argument(
        "--memory", metavar="SIZE", help="a worker may use, as 6GiB; larger studies are skipped (default: its share)"
    )
    running.add_argument("--max-failures", type=int, metavar="N", help="begin no more studies after N failed")
    running.add_argument("--retry-failed", action="store_true", help="try those again that failed before")
    running.add_argument("-q", "--quiet", action="store_true", help="no progress bar, no summary")
    add_options(cohort)
    cohort.set_defaults(command=_cohort)


def _cohort(args: argparse.Namespace) -> int:
    _check_options(args)
    warn_of_bundle(args.bundle)
    from monai_fusion.cohort.pairing import PairingRules, find_studies, format_pairing, summarize

    source = Path(args.cohort)
    settings = _settings(args)
    # in a folder they choose the images that are paired, in a manifest's images the series
    choice = {} if source.is_file() else {role: settings.pop(f"{role}_series", None) for role in ("mri", "functional")}
    rules = PairingRules(**choice, days=args.days, across_sessions=args.across_sessions)
    progress = not args.quiet and sys.stderr.isatty()
    pairing = find_studies(source, rules, progress)
    if args.dry_run:
        tell(*format_pairing(pairing, args.paths))
        return 0
    if not args.quiet:
        tell(summarize(pairing))

    from monai_fusion.cohort.cluster import require_dask
    from monai_fusion.cohort.run import CohortRun

    require_dask()
    result = CohortRun(
        Path(args.output).absolute(),
        settings,
        configuration=read_configuration(args.set),
        bundle=None if args.bundle is None else Path(args.bundle).absolute(),
        scheduler=args.scheduler,
        workers=args.workers,
        timeout=args.timeout,
        memory=None if args.memory is None else _bytes(args.memory),
        max_failures=args.max_failures,
        retry_failed=args.retry_failed,
        dashboard=args.dashboard,
        progress=progress,
        tell=tell,
    ).run(pairing.studies)
    if not args.quiet:
        _tell(result, args.output)
    return result.exit_code


def _check_options(args: argparse.Namespace) -> None:
    for option, least in (("workers", 1), ("timeout", 0), ("max_failures", 1), ("days", 0)):
        value = getattr(args, option)
        if value is not None and not value >= least:
            raise InputError(f"--{option.replace('_', '-')} {value:g}: must be at least {least}")


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """Ids of the configuration and their values; workers may have another working folder."""
    settings = read_values(args)
    if args.device is not None:
        settings["device"] = args.device
    return {name: value.absolute() if isinstance(value, Path) else value for name, value in settings.items()}


def _bytes(text: str) -> int:
    from monai_fusion.cohort.cluster import require_dask

    require_dask()
    from dask.utils import parse_bytes

    try:
        return int(parse_bytes(text))
    except ValueError as error:
        raise InputError(f"--memory {text}: is no size; write it as 6GiB or 800MB") from error


def _tell(result: CohortResult, output: str) -> None:
    from monai_fusion.cohort.study import STATES
    from monai_fusion.cohort.summary import group_causes

    counts = ", ".join(f"{result.count(state)} {state}" for state in STATES)
    tell(f"{counts} of {len(result.studies)} studies, {result.computed} of them now; the results are in {output}")
    for state, cause, ids in group_causes(result.studies):
        tell(f"  {len(ids)} {state}: {cause}")
    if result.exit_code:
        tell(f"which they are: {Path(output) / 'report.html'}")
