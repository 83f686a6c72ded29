"""Opening the bundle and running it: what the command line, the viewer and Python scripts share."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, ReferenceResolver

from monai_fusion.data.report import REPORT_KEY, read_report
from monai_fusion.errors import InputError, reason_of
from monai_fusion.logs import quiet
from monai_fusion.options import check_options
from monai_fusion.shipped import shipped
from monai_fusion.transforms.intensity import WindowIntensityd

__all__ = ["FusionResult", "PairFuser", "ReadPair", "bundle_root", "fuse", "open_bundle", "read_pair"]

#: A file or a folder, or the files of one DICOM series.
PairPath = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class FusionResult:
    """What `fuse` gives.

    Args:
        fused: ``(I, J, K)`` on the MRI's grid, or ``(H, W)`` for pictures; float32 in [0, 1].
        color: the same with colour, ``(..., 3)`` uint8; None if ``color_map`` was None.
        sources: ``"mri"`` and ``"functional"`` as the network saw them: on this grid, in [0, 1].
        affine: 4x4, voxel index to RAS in mm.
        report: what ``report.json`` holds.
        output_dir: where the files were written, or None.
    """

    fused: np.ndarray
    color: np.ndarray | None
    sources: dict[str, np.ndarray]
    affine: np.ndarray
    report: dict[str, Any]
    output_dir: Path | None


def bundle_root(name: str = "mmdrfuse") -> Path:
    """The folder of a bundle that comes with this package."""
    return shipped("bundles", name)


def open_bundle(
    config: str = "inference.json",
    root: str | Path | None = None,
    configuration: Mapping[str, Any] | None = None,
    **values: Any,
) -> ConfigWorkflow:
    """Opens a workflow of a bundle, ready to run.

    Args:
        config: a file in the bundle's ``configs``.
        root: the bundle's folder; the one shipped with this package by default. Its configuration runs any Python.
        configuration: ids and what stands for them in the place of the bundle's configuration, as on MONAI's command
            line: text that begins with ``$`` is run, ``@`` and ``%`` are followed, a ``_target_`` is built. Never for
            what comes from outside the program.
        values: ids and their values. They are data: checked (see `OPTIONS`), handed over as they are, and at no depth
            parsed. Nested ids with ``#`` or ``::`` by ``**{"inferer#sw_batch_size": 4}``.

    Raises:
        InputError: no such bundle, or an id or a value that its configuration cannot have.
    """
    root = bundle_root() if root is None else Path(root)
    file = root / "configs" / config
    values, configuration = check_options(values), configuration or {}
    with quiet(_CHATTY), _building(file):
        workflow = ConfigWorkflow(
            config_file=str(file),
            meta_file=str(root / "configs" / "metadata.json"),
            logging_file=False,
            workflow_type="infer",
            bundle_root=_as_data(str(root)),
        )
        for name, value in values.items():
            _check_id(workflow.parser, name, file)
            workflow.parser[name] = _as_data(value)
        for name, value in configuration.items():
            if parent := next((given for given in values if _is_below(name, given)), None):
                raise InputError(f"{name}: {parent} is given as a whole; set one of the two")
            _check_id(workflow.parser, name, file)
            workflow.parser[name] = value
        workflow.initialize()
    return workflow


class _Given:
    """Gives a value when it is called: the one thing that MONAI's parser does not look into, nor changes."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __call__(self) -> Any:
        return self._value


def _as_data(value: Any) -> dict[str, _Given]:
    """What to put into a configuration so that its id is this very value, whatever text is in it."""
    return {"_target_": _Given(value)}


def _is_below(name: str, parent: str) -> bool:
    split = ReferenceResolver.split_id
    return split(name)[:-1][: len(split(parent))] == split(parent)


@contextmanager
def _building(file: Path) -> Iterator[None]:
    """Tells what a bundle's configuration cannot be opened or built with."""
    try:
        yield
    except Exception as error:  # a configuration may call anything
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise reason_of(error) or InputError(
            f"{file}: cannot be opened or built ({cause}); check the bundle (--bundle) and what was set (--set)"
        ) from error


def _check_id(parser: ConfigParser, name: str, file: Path) -> None:
    """Refuses an id that nothing would read; a component may be given more arguments than the configuration names."""
    parent, _ = ReferenceResolver.split_id(name, last=True)
    if not name or (name not in parser and not (parent and isinstance(parser.get(parent), dict))):
        raise InputError(f"{file}: there is no {name!r} to set; look the ids up in this file (--set ID=VALUE)")


def fuse(
    mri: PairPath,
    functional: PairPath,
    output_dir: str | Path | None = None,
    root: str | Path | None = None,
    configuration: Mapping[str, Any] | None = None,
    **values: Any,
) -> FusionResult:
    """Fuses an MRI with a PET or SPECT by the bundle's ``inference.json``.

    Args:
        mri: a NIfTI file, the folder or the files of a DICOM series, or a picture; its grid is that of the result.
        functional: the PET or SPECT, in any of these forms (a picture goes with a picture only).
        output_dir: where to write the results; None to write nothing.
        root, configuration, values: see `open_bundle`. The values a user may want: ``axis``, ``color_map``,
            ``functional_window``, ``functional_percentiles``, ``registration``, ``accept_registration``,
            ``functional_transform``, ``mri_series``, ``functional_series``, ``device``.

    Raises:
        InputError: an input that cannot be fused without guessing; nothing is written.
        OutputError: the results cannot be written.
    """
    with _telling_reason():
        values |= {"mri": mri, "functional": functional, "output_dir": output_dir}
        return _run(open_bundle(root=root, configuration=configuration, **values), output_dir)


class PairFuser:
    """The bundle opened once, to fuse one pair after the other: what is the same for all pairs is built once.

    Args:
        root, configuration, values: as for `fuse`, for all pairs.

    Raises:
        InputError: the bundle cannot be opened, or none of its parts can be built, with these values.
    """

    def __init__(
        self, root: str | Path | None = None, configuration: Mapping[str, Any] | None = None, **values: Any
    ) -> None:
        values |= {"mri": "mri", "functional": "functional", "output_dir": "output"}
        self._workflow = open_bundle(root=root, configuration=configuration, **values)
        with quiet(_CHATTY), _building(self._workflow.config_root_path / "inference.json"):
            network = self._workflow.network_def
            self._workflow.evaluator  # noqa: B018 - what cannot be built is told now, not with the first pair
        self._workflow.network_def = network

    def fuse(
        self, mri: PairPath, functional: PairPath, output_dir: str | Path | None = None, **values: Any
    ) -> FusionResult:
        """As the function `fuse`, but for ``root`` and ``configuration``.

        Args:
            values: for this pair alone; no ids of the network.
        """
        parser = self._workflow.parser
        usual: dict[str, Any] = {}
        with _telling_reason():
            images = {"mri": mri, "functional": functional, "output_dir": output_dir}
            try:
                for name, value in check_options({**images, **values}).items():
                    _check_id(parser, name, self._workflow.config_root_path / "inference.json")
                    usual[name] = parser[name]
                    parser[name] = _as_data(value)
                with quiet(_CHATTY):
                    self._workflow.initialize()
                return _run(self._workflow, output_dir)
            finally:
                for name, value in usual.items():
                    parser[name] = value  # and MONAI forgets what it built: nothing of the pair is kept


class ReadPair:
    """An MRI and a functional image that were read, moved and matched once, to be fused as often as wanted.

    Made by `read_pair`. What it fuses is what `fuse` would, to the bit: the steps of the bundle's preprocessing that
    come after reading run again, on the voxels that are kept here.

    Args:
        data: what the steps before the scaling gave: ``mri`` and ``functional`` as MetaTensors ``(C, ...)``, each in
            its own unit on its own grid, with its affine to RAS in mm after any move; and the report.
        steps: how many steps of the preprocessing that were.
        opening: how to open the bundle again.
    """

    def __init__(self, data: dict[Hashable, Any], steps: int, opening: dict[str, Any]) -> None:
        self.data = data
        self._steps = steps
        self._opening = opening

    @property
    def report(self) -> dict[str, Any]:
        """What the report says so far: facts of the two images, and how they were matched."""
        return read_report(self.data)

    def fuse(self, output_dir: str | Path | None = None, **values: Any) -> FusionResult:
        """Fuses without reading and registering again.

        Args:
            output_dir: as for `fuse`.
            values: of ids that the steps after reading use: windows, percentiles, ``color_map``, ``backend``, ...

        Raises:
            InputError, OutputError: as `fuse`.
        """
        with _telling_reason():
            workflow = open_bundle(**{**self._opening, **values, "output_dir": output_dir})
            with quiet(_CHATTY), _building(workflow.config_root_path / "inference.json"):
                dataset = workflow.parser.get_parsed_content("dataset")
            dataset.data, dataset.transform = [self.data], partial(dataset.transform, start=self._steps)
            return _run(workflow, output_dir)


def read_pair(
    mri: PairPath,
    functional: PairPath,
    root: str | Path | None = None,
    on_step: Callable[[int, int], None] | None = None,
    configuration: Mapping[str, Any] | None = None,
    **values: Any,
) -> ReadPair:
    """Reads and matches two images by the bundle's preprocessing, up to the step that scales them.

    Args:
        mri, functional, root, configuration, values: as for `fuse`.
        on_step: told before each step how many are done and how many there are; what it raises ends the reading.

    Raises:
        InputError: as `fuse`.
    """
    images = {"mri": mri, "functional": functional, "output_dir": None}
    opening = {"root": root, "configuration": configuration, **images, **values}
    with _telling_reason():
        workflow = open_bundle(**opening)
        with quiet(_CHATTY), _building(workflow.config_root_path / "inference.json"):
            preprocessing = workflow.parser.get_parsed_content("preprocessing")
        steps = next(i for i, step in enumerate(preprocessing.transforms) if isinstance(step, WindowIntensityd))
        data: dict[Hashable, Any] = {role: workflow.parser.get_parsed_content(role) for role in ("mri", "functional")}
        with quiet(_CHATTY):
            for i in range(steps):
                if on_step is not None:
                    on_step(i, steps)
                data = preprocessing(data, start=i, end=i + 1)
    return ReadPair(data, steps, opening)


@contextmanager
def _telling_reason() -> Iterator[None]:
    """Raises the `FusionError` behind what MONAI raises, if there is one."""
    try:
        yield
    except Exception as error:
        reason = reason_of(error)
        if reason is None:
            raise
        raise reason from reason.__cause__


def _run(workflow: ConfigWorkflow, output_dir: str | Path | None) -> FusionResult:
    """Runs an opened workflow on its one pair."""
    with quiet(_CHATTY):
        with _building(workflow.config_root_path / "inference.json"):
            workflow.evaluator  # noqa: B018 - built here, and kept for the run
        workflow.run()
    [study] = workflow.evaluator.state.output
    fused, color = study["pred"], study.get("fused_color")
    report = json.loads(study[REPORT_KEY])
    image = torch.as_tensor(study["image"]).cpu().numpy()
    return FusionResult(
        fused=torch.as_tensor(fused)[0].float().cpu().numpy(),
        color=None if color is None else torch.as_tensor(color).movedim(0, -1).numpy(),
        affine=np.asarray(fused.affine, dtype=np.float64),
        sources=dict(zip(report["channel_order"], image)),
        report=report,
        output_dir=None if output_dir is None else Path(output_dir),
    )


#: Who logs about every run that which is no news to a user of this package: the configuration is our own, errors are
#: raised, what nibabel repairs in a header is refused, and nvImageCodec, a GPU decoder, is not used.
_CHATTY = ("monai.bundle.workflows", "monai.data.nvimgcodec_pydicom_plugin", "ignite", "nibabel.global")
