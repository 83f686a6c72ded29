"""Adam with the whole matrix of second moments, for networks of a hundred parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["FullMatrixAdam"]


class FullMatrixAdam(torch.optim.Optimizer):
    r"""Adam whose second moment is a matrix, so that parameters that act together are scaled together.

    .. math::
        m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \quad G_t = \beta_2 G_{t-1} + (1 - \beta_2) g_t g_t^T, \quad
        w_t = w_{t-1} - \eta\, \left(\hat G_t^{1/2} + \epsilon \|\hat G_t\|^{1/2} I\right)^{-1} \hat m_t

    The full-matrix form of Duchi et al., "Adaptive Subgradient Methods", JMLR 2011, with the moving averages and the
    bias correction of Adam. Its memory is the square, its time the cube of the number of parameters: 113 take 3 ms.

    Args:
        params: of the network, float32; one group.
        lr: learning rate :math:`\eta`.
        betas: of the two averages.
        eps: of the largest root eigenvalue; directions in which there is less gradient are not scaled up further.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float = 0.005,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-4,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "eps": eps})
        if len(self.param_groups) != 1:
            raise ValueError(
                f"{len(self.param_groups)} groups of parameters; their moments are of all together, give one"
            )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        (group,) = self.param_groups
        params = [p for p in group["params"] if p.grad is not None]
        gradient = torch.cat([p.grad.flatten() for p in params])
        state = self.state[params[0]]  # of all: a checkpoint keeps what belongs to a parameter
        if not state:
            state["step"] = torch.zeros(())
            state["mean"] = torch.zeros_like(gradient)
            state["moments"] = gradient.new_zeros(len(gradient), len(gradient))
        state["step"] += 1
        beta, gamma = group["betas"]
        state["mean"].lerp_(gradient, 1 - beta)
        state["moments"].lerp_(torch.outer(gradient, gradient), 1 - gamma)

        count = int(state["step"])
        mean, moments = state["mean"].double() / (1 - beta**count), state["moments"].double() / (1 - gamma**count)
        values, axes = torch.linalg.eigh(moments)
        roots = values.clamp_min(0).sqrt()
        change = axes @ ((axes.T @ mean) / (roots + group["eps"] * roots[-1]).clamp_min(1e-30))
        for p, part in zip(params, change.split([p.numel() for p in params])):
            p.sub_(group["lr"] * part.view_as(p).to(p.dtype))
        return loss
