"""The training engine: a MONAI trainer whose step is an objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from ignite.engine import Engine
from monai.engines import Trainer
from monai.engines.utils import IterationEvents
from monai.inferers import Inferer
from monai.utils import ensure_tuple
from torch import nn
from torch.utils.data import DataLoader

from monai_fusion.engines.objective import Objective
from monai_fusion.errors import InputError

__all__ = ["FusionTrainer"]


class FusionTrainer(Trainer):
    """Minimises an `Objective` over the batches of a loader.

    `monai.engines.SupervisedTrainer` has a label and one loss of it; here the targets are the sources, the teacher and
    the records, so the objective takes the network and the batch. After a step ``engine.state.output`` has its scalars,
    detached and still on the device.

    Args:
        device: of the network; batches are moved there.
        max_epochs: to be done in all, those before a resumption included.
        train_data_loader: of batches that are mappings of tensors. A `DistributedSampler` is told the epoch.
        network: what is trained.
        optimizer: of its parameters.
        objective: see `Objective`.
        inferer: applies the network to the images: `monai.inferers.SimpleInferer`.
        epoch_length: steps an epoch; None for the loader's length.
        train_handlers: MONAI's or ignite's.

    Raises:
        InputError: while running, when the loss is no longer finite; before the weights are changed by it.
    """

    def __init__(
        self,
        device: str | torch.device,
        max_epochs: int,
        train_data_loader: DataLoader[Any],
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        objective: Objective,
        inferer: Inferer,
        epoch_length: int | None = None,
        train_handlers: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(
            device=device,
            max_epochs=max_epochs,
            data_loader=train_data_loader,
            epoch_length=epoch_length,
            non_blocking=True,
            prepare_batch=_to_device,
            handlers=ensure_tuple(train_handlers) if train_handlers else None,
            event_names=[*IterationEvents],
        )
        self.network, self.optimizer = network, optimizer
        self.objective, self.inferer = objective, inferer

    def _iteration(self, engine: Engine, batchdata: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        batch = self.prepare_batch(batchdata, self.state.device, self.non_blocking)
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        terms = self.objective(partial(self.inferer, network=self.network), batch)
        if not torch.isfinite(terms["loss"]):
            named = ", ".join(f"{name} {float(value.detach()):g}" for name, value in terms.items())
            raise InputError(
                f"the loss is not finite in step {engine.state.iteration} ({named}); lower the learning rate"
            )
        terms["loss"].backward()
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        self.optimizer.step()
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return {name: value.detach() for name, value in terms.items()}


def _to_device(
    batch: Mapping[str, torch.Tensor], device: torch.device, non_blocking: bool = False
) -> dict[str, torch.Tensor]:
    return {name: value.to(device, non_blocking=non_blocking) for name, value in batch.items()}
