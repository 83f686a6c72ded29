"""The frame around one study: times, progress, the report, and results that appear all at once or not at all."""

from __future__ import annotations

import inspect
import json
import platform
import time
from collections.abc import Sequence
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import IterationEvents
from monai.inferers import Inferer
from monai.transforms import Transform
from tqdm import tqdm

import monai_fusion
from monai_fusion.data.output import REPORT_FILE, OutputFolder
from monai_fusion.data.report import REPORT_KEY, read_report, write_report
from monai_fusion.data.source import hash_files
from monai_fusion.errors import InputError
from monai_fusion.transforms.save import writing

__all__ = ["StudyHandler", "describe"]

_PACKAGES = ("monai", "torch", "numpy", "nibabel", "pydicom", "highdicom", "SimpleITK", "itk-elastix")
_STAGES = ("reading", "fusing", "writing")


class StudyHandler:
    """Attached to the bundle's evaluator, which runs one study.

    Writes ``report.json`` and moves the results into the output folder once everything is done; on any error removes
    what was written.

    Args:
        output: the output folder, or None to write nothing.
        checkpoint: the weights file, whose hash names the model in the report.
        metadata: the bundle's metadata.
        channel_order: the keys of the network's input channels.
        steps: name and instantiated part of the bundle, described in the report as they really ran.
        progress: show a progress bar over reading, fusing and writing.
    """

    def __init__(
        self,
        output: OutputFolder | None,
        checkpoint: str | Path,
        metadata: dict[str, Any],
        channel_order: Sequence[str],
        steps: dict[str, Any],
        progress: bool = False,
    ) -> None:
        self.output = output
        self.checkpoint = Path(checkpoint)
        self.metadata = metadata
        self.channel_order = list(channel_order)
        self.steps = steps
        self.progress = progress
        self._bar: tqdm[Any] | None = None
        self._times: list[float] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, self._stage)
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self._describe)
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self._stage)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._fail)

    def _start(self, engine: Any) -> None:
        if engine.state.epoch_length not in (None, 1):
            raise InputError("the dataset holds several pairs; run one pair at a time, each into its own output folder")
        if self.output is not None:
            self.output.open()
        self._times = [time.perf_counter()]
        self._bar = tqdm(total=len(_STAGES), desc=_STAGES[0], unit="stage", disable=not self.progress, leave=False)

    def _stage(self, engine: Any) -> None:
        """The end of a stage."""
        self._times.append(time.perf_counter())
        if self._bar is not None:
            self._bar.update()
            self._bar.set_description(_STAGES[min(len(self._times) - 1, len(_STAGES) - 1)])

    def _describe(self, engine: Any) -> None:
        """Puts into the report what the writers need to know: model and steps."""
        report = json.loads(engine.state.batch[REPORT_KEY][0])
        report["channel_order"] = self.channel_order
        report["model"] = {
            "name": self.metadata["name"],
            "version": self.metadata["version"],
            "sha256": hash_files([self.checkpoint]),
        }
        report["steps"] = {name: describe(step) for name, step in self.steps.items()}
        engine.state.batch[REPORT_KEY] = [write_report(report)]

    def _finish(self, engine: Any) -> None:
        self._stage(engine)
        [study] = engine.state.batch
        report = read_report(study)
        for role in ("mri", "functional"):
            files = report[role].pop("files", None)  # paths may hold names
            if files is not None:
                report[role]["file_count"] = len(files)
        seconds = [round(b - a, 3) for a, b in zip(self._times, self._times[1:])]
        report["seconds"] = dict(zip(_STAGES, seconds))
        report["device"] = str(engine.state.device)
        report["backend"] = getattr(engine.inferer, "used_backend", None)
        report["versions"] = _versions()
        report["notice"] = "For research use only. Not for diagnostic use."
        text = write_report(report)
        engine.state.output[0][REPORT_KEY] = text
        if self.output is not None:
            with writing(self.output.file(REPORT_FILE)) as path:
                path.write_text(text + "\n", encoding="utf-8")
            with writing(path):
                self.output.commit()
        self._close_bar()

    def _fail(self, engine: Any, error: BaseException) -> None:
        self._close_bar()
        if self.output is not None:
            self.output.rollback()
        raise error

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()


def describe(step: Any) -> Any:
    """A part of the bundle as JSON: its class and what its constructor was given, nested parts included.

    Arguments that are no plain values and no MONAI parts (networks, folders, functions), or that the part keeps in
    private attributes, are left out.
    """
    if isinstance(step, Enum):
        return describe(step.value)
    if isinstance(step, torch.dtype):
        return str(step)
    if isinstance(step, (list, tuple)):
        return [describe(item) for item in step]
    if isinstance(step, (Transform, Inferer)):
        arguments = [name for name in inspect.signature(type(step)).parameters if name in vars(step)]
        described = {name: describe(getattr(step, name)) for name in arguments if _is_told(getattr(step, name))}
        return {"class": f"{type(step).__module__}.{type(step).__qualname__}", **described}
    return step


def _is_told(value: Any) -> bool:
    plain = (Enum, torch.dtype, Transform, Inferer, bool, int, float, str, type(None))
    if isinstance(value, (list, tuple)):
        return all(_is_told(item) for item in value)
    return isinstance(value, plain)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "monai_fusion": monai_fusion.__version__}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
