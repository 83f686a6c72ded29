"""Loading the weights when the run starts."""

from __future__ import annotations

from pathlib import Path

from ignite.engine import Engine, Events
from torch import nn

from monai_fusion.networks import load_checkpoint

__all__ = ["WeightsLoader"]


class WeightsLoader:
    """Loads a checkpoint into the network when the evaluator starts.

    In place of `monai.handlers.CheckpointLoader`: it takes the published program's layout too, reads with
    ``weights_only``, and names the first key that does not fit.

    Args:
        network: a `FusionStudent` or `FusionTeacher`.
        checkpoint: see `load_checkpoint`.
    """

    def __init__(self, network: nn.Module, checkpoint: str | Path) -> None:
        self.network = network
        self.checkpoint = checkpoint

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._load)

    def _load(self, engine: Engine) -> None:
        load_checkpoint(self.network, self.checkpoint)
