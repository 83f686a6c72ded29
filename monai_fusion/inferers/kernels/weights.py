"""The student's weights as the kernels take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from monai_fusion.errors import InputError

__all__ = ["StudentWeights", "read_weights"]


class StudentWeights(NamedTuple):
    """Of a student with C hidden channels, float32.

    Args:
        hidden: ``(C, 18)``: nine of the first source, row by row, then nine of the second.
        hidden_bias: ``(C,)``.
        output: ``(C, 9)``.
        output_bias: one number.
    """

    hidden: np.ndarray
    hidden_bias: np.ndarray
    output: np.ndarray
    output_bias: np.float32


def read_weights(state: Mapping[str, torch.Tensor]) -> StudentWeights:
    """
    Args:
        state: the state dictionary of a `FusionStudent`.

    Raises:
        InputError: it is no student's.
    """
    try:
        tensors = [state[f"{layer}.{part}"] for layer in ("hidden", "output") for part in ("weight", "bias")]
    except KeyError as error:
        raise InputError(f"the weights have no {error}; the fast kernels run a student's weights only") from error
    hidden, hidden_bias, output, output_bias = (t.detach().float().cpu().numpy() for t in tensors)
    channels = len(hidden_bias)
    if hidden.shape != (channels, 2, 3, 3) or output.shape != (1, channels, 3, 3):
        raise InputError("the weights are no student's; the fast kernels run a student's weights only")
    return StudentWeights(
        np.ascontiguousarray(hidden.reshape(channels, 18)),
        np.ascontiguousarray(hidden_bias),
        np.ascontiguousarray(output.reshape(channels, 9)),
        np.float32(output_bias[0]),
    )
