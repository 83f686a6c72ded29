"""Training curves as a table that any program reads."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events

from monai_fusion.atomic import write_beside

__all__ = ["CurveWriter"]


class CurveWriter:
    """Writes, after every epoch, the mean of each scalar of the trainer's output, and the last validation's metrics.

    They become the trainer's ``engine.state.metrics`` too, which is what handlers behind this one (TensorBoard, MLflow)
    record of an epoch.

    One row an epoch: ``epoch``, ``seconds``, the scalars in the order in which they were met, the metrics. It is part
    of a checkpoint: a resumed run's table is that of an uninterrupted one, but for the seconds.

    Args:
        path: of the CSV file.
        evaluator: the validation engine whose metrics are written too. Attach the validation before this.
    """

    def __init__(self, path: str | Path, evaluator: Engine | None = None) -> None:
        self.path, self.evaluator = Path(path), evaluator
        self.rows: list[dict[str, float]] = []
        self._sums: dict[str, torch.Tensor] = {}
        self._steps, self._began = 0, 0.0

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _begin(self, engine: Engine) -> None:
        self._sums, self._steps, self._began = {}, 0, time.perf_counter()

    def _add(self, engine: Engine) -> None:
        self._steps += 1
        scalars: dict[str, torch.Tensor] = engine.state.output  # type: ignore[assignment]
        for name, value in scalars.items():
            self._sums[name] = self._sums.get(name, 0) + value

    def _write(self, engine: Engine) -> None:
        row = {"epoch": engine.state.epoch, "seconds": round(time.perf_counter() - self._began, 2)}
        row |= {name: float(total) / self._steps for name, total in self._sums.items()}
        if self.evaluator is not None:
            row |= {name: float(value) for name, value in self.evaluator.state.metrics.items()}
        self.rows.append(row)
        engine.state.metrics.update(row)
        if idist.get_rank() == 0:
            names = list(dict.fromkeys(name for each in self.rows for name in each))
            with write_beside(self.path) as path, path.open("w", newline="") as file:
                writer = csv.DictWriter(file, names)
                writer.writeheader()
                writer.writerows(self.rows)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = list(state["rows"])
