"""The evaluation of methods on a data set, from the folder of pairs to the folder of results."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from monai_fusion.data.output import OutputFolder
from monai_fusion.errors import InputError, OutputError
from monai_fusion.escaping import printable
from monai_fusion.evaluation.figures import new_figure, write_bars, write_boxes, write_lesions
from monai_fusion.evaluation.machine import describe_machine, describe_versions
from monai_fusion.evaluation.measure import Measured, Summary, measure_pair, summarize
from monai_fusion.evaluation.methods import Method
from monai_fusion.evaluation.pairs import PairFolder
from monai_fusion.evaluation.sheet import write_extremes
from monai_fusion.evaluation.statistics import RESAMPLES, compare, draw_pairs
from monai_fusion.evaluation.tables import interval_table, markdown_table, write_pairs, write_tests
from monai_fusion.metrics.protocol import PROTOCOLS
from monai_fusion.metrics.published import find_published

__all__ = ["Evaluation", "EvaluationFolder"]

_INCOMPLETE = 5


class EvaluationFolder(OutputFolder):
    """Where the results of an evaluation go, all at once."""

    NAMES = ("pairs.csv", "tests.csv", "table.md", "figures", "summary.json", "run.json")


class Evaluation:
    """Runs every method on every pair of a data set, and writes what came out.

    ``pairs.csv``: every number of every pair. ``summary.json``: ``{method: {metric: {mean, low, high}}}``, with 95 %
    bootstrap intervals over the pairs. ``tests.csv``: the first method against every other, Wilcoxon's test, corrected
    by Holm. ``table.md``: means and intervals, with published rows where there are any for this data set. ``figures``:
    ``bars.png``, ``boxes.png``, ``extremes.png`` (the worst and best pairs) and ``lesions.png``. ``run.json``: how,
    when and on what, and the pairs that were skipped.

    A pair that cannot be used is named on stderr and skipped.

    Args:
        pairs: the data set.
        methods: what to evaluate, the one of interest first.
        output_dir: for the results; None to write nothing.
        protocol: how fused images become grey levels, a key of `PROTOCOLS`: ``"paper"`` or ``"product"``.
        lesions: measure what happens to lesions as well.
        seed: of the lesions; those of the i-th name of `pairs` are drawn with (seed, i), the same for every method.
        progress: show a bar on stderr; None: where that is a terminal.

    Attributes:
        skipped: after `run`, each skipped pair and why.
        summary: after `run`, what is in ``summary.json``.
        table: after `run`, what is in ``table.md``.

    Raises:
        InputError: unknown protocol, or Matplotlib is missing.
    """

    def __init__(
        self,
        pairs: PairFolder,
        methods: Sequence[Method],
        output_dir: str | Path | None,
        protocol: str = "product",
        lesions: bool = True,
        seed: int = 2,
        progress: bool | None = None,
    ) -> None:
        if protocol not in PROTOCOLS:
            raise InputError(f"protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}")
        if output_dir is not None:
            new_figure(1, 1)  # what is missing is missed before the work, not after
        self.pairs = pairs
        self.methods = list(methods)
        self.output = None if output_dir is None else EvaluationFolder(output_dir)
        self.protocol = protocol
        self.lesions = lesions
        self.seed = seed
        self.progress = progress
        self.skipped: dict[str, str] = {}
        self.summary: Summary = {}
        self.table = ""

    @property
    def exit_code(self) -> int:
        """0, or 5 if pairs were skipped."""
        return _INCOMPLETE if self.skipped else 0

    def run(self) -> None:
        """
        Raises:
            InputError: no pair can be read, or a method fails.
            OutputError: the results cannot be written.
        """
        start = time.perf_counter()
        try:
            if self.output is not None:
                self.output.open()
            names, measured = self._measure()
            self.summary = summarize(measured, draw_pairs(len(names)))
            self.table = self._describe_table(len(names))
            if self.output is not None:
                self._write(self.output, names, measured, start)
        except OSError as error:
            if isinstance(error, OutputError) or self.output is None:
                raise
            raise OutputError(
                f"{self.output.path}: the results cannot be written ({error.strerror or error}); "
                "free some space or choose another output folder"
            ) from error
        finally:
            if self.output is not None:
                self.output.rollback()  # nothing, once they are committed

    def _measure(self) -> tuple[list[str], dict[str, list[Measured]]]:
        """The pairs that could be read, and every method on each."""
        names: list[str] = []
        measured: dict[str, list[Measured]] = {method.name: [] for method in self.methods}
        self.skipped = {}
        hidden = None if self.progress is None else not self.progress  # None: where stderr is no terminal
        for i, name in enumerate(tqdm(self.pairs.names, unit="pair", disable=hidden, leave=False)):
            try:
                sources = self.pairs.read(name)
            except InputError as error:
                self.skipped[name] = str(error)
                tqdm.write(f"warning: pair {printable(name)} skipped: {error}", file=sys.stderr)
                continue
            names.append(name)
            seed = [self.seed, i] if self.lesions else None
            for method in self.methods:
                measured[method.name].append(measure_pair(method, *sources, self.protocol, seed))
        if not names:
            raise InputError(f"{self.pairs.folder}: none of the {len(self.pairs.names)} pairs can be used")
        return names, measured

    def _describe_table(self, count: int) -> str:
        published = find_published(self.pairs.title)
        text = f"{self.pairs.title}: means over {count} pairs, protocol {self.protocol}"
        if published is not None:
            text += f"; published rows: the paper's protocol, {published.title}, {published.pairs} pairs"
        return (
            f"{text}.\n\n{markdown_table(self.summary, published)}\n"
            f"95 % bootstrap intervals over the pairs:\n\n{interval_table(self.summary)}"
        )

    def _write(self, output: OutputFolder, names: list[str], measured: dict[str, list[Measured]], start: float) -> None:
        write_pairs(output.file("pairs.csv"), names, measured)
        rows = {method: [pair.row for pair in pairs] for method, pairs in measured.items()}
        metrics = list(next(iter(rows.values()))[0])
        values = {method: {name: [row[name] for row in rows[method]] for name in metrics} for method in rows}
        write_tests(output.file("tests.csv"), compare(values))
        output.file("table.md").write_text(self.table, encoding="utf-8")
        figures = output.file("figures")
        write_bars(figures / "bars.png", self.summary)
        write_boxes(figures / "boxes.png", measured)
        write_extremes(figures / "extremes.png", self.pairs, names, self.methods, measured, self.protocol)
        if self.lesions:
            write_lesions(figures / "lesions.png", self.summary)
        _write_json(output.file("summary.json"), self.summary)
        _write_json(output.file("run.json"), self._describe(len(names), time.perf_counter() - start))
        output.commit()

    def _describe(self, count: int, seconds: float) -> dict[str, Any]:
        return {
            "dataset": self.pairs.title,
            "sources": list(self.pairs.sources),
            "protocol": self.protocol,
            "pairs": count,
            "skipped": self.skipped,
            "methods": {method.name: method.facts for method in self.methods},
            "lesions": {"seed": self.seed} if self.lesions else None,
            "interval": f"95 % percentile bootstrap over pairs, {RESAMPLES} resamples",
            "tests": "Wilcoxon signed rank, two-sided, first method against each other, Holm-corrected a metric",
            "machine": describe_machine(),
            "seconds": round(seconds, 1),
            "versions": describe_versions(),
            "notice": "For research use only. Not for diagnostic use.",
        }


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
