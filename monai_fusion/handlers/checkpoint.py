"""Checkpoints that training resumes from, and the weights at its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_fusion.atomic import write_beside
from monai_fusion.errors import InputError

__all__ = ["TrainingCheckpoint", "WeightsSaver"]


class _Stateful(Protocol):
    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


class TrainingCheckpoint:
    """Saves everything a run needs after every epoch, and starts from it where there is one.

    One file, written beside and renamed: a run that is killed, or whose disk is full, leaves the last whole one. Data
    order and records depend on nothing but seed, epoch and index, so a run that was killed at any step ends, resumed,
    with the weights of one that was not: bit for bit on a CPU.

    In place of `monai.handlers.CheckpointSaver`, which removes its oldest file before it writes the next.

    Args:
        path: of the checkpoint. Removed by the user to begin anew.
        objects: what has a state: network, optimizer, schedule, memory, curves; None where a configuration has none.
            The epoch is added.
    """

    def __init__(self, path: str | Path, objects: Mapping[str, _Stateful | None]) -> None:
        self.path = Path(path)
        self.objects = {name: item for name, item in objects.items() if item is not None}

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._save)

    def _load(self, engine: Engine) -> None:
        found, processes = idist.all_reduce(int(self.path.exists())), idist.get_world_size()
        if not found:
            return
        if found != processes:  # on machines without a common disk
            raise InputError(
                f"{self.path}: {found} of {processes} processes find this checkpoint; copy it to where all do, "
                "or remove it to begin anew"
            )
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            for name, item in self.objects.items():
                item.load_state_dict(state[name])
            engine.state.epoch, engine.state.iteration = state["epoch"], state["iteration"]
        except InputError as error:
            raise InputError(f"{self.path}: {error}, or remove the file to begin anew") from error
        except Exception as error:  # torch raises many kinds on what is no checkpoint, or one of another network
            raise InputError(
                f"{self.path}: training cannot resume from it ({error}); remove it to begin anew"
            ) from error
        engine.logger.info(f"resumed after epoch {engine.state.epoch}")

    def _save(self, engine: Engine) -> None:
        if idist.get_rank() == 0:
            state: dict[str, Any] = {name: item.state_dict() for name, item in self.objects.items()}
            state |= {"epoch": engine.state.epoch, "iteration": engine.state.iteration}
            with write_beside(self.path) as path:
                torch.save(state, path)


class WeightsSaver:
    """Saves the network's state dictionary when training is complete, as the bundle's inference loads it.

    Args:
        path: of the weights.
        network: a `FusionStudent` or `FusionTeacher`.
    """

    def __init__(self, path: str | Path, network: nn.Module) -> None:
        self.path, self.network = Path(path), network

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.COMPLETED, self._save)

    def _save(self, engine: Engine) -> None:
        if idist.get_rank() == 0:
            with write_beside(self.path) as path:
                torch.save({name: value.detach().cpu() for name, value in self.network.state_dict().items()}, path)
