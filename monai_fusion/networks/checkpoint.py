"""Loading weights: our own state dictionaries, and those in the layout of the published program."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_fusion.errors import InputError

__all__ = ["load_checkpoint", "read_state"]

#: Layer names of the published program (github.com/yanglinDeng/MMDRFuse) and ours; each holds ``.weight``, ``.bias``.
#: The student's and the teacher's first keys are the same, so the network decides which table applies.
_PUBLISHED_STUDENT = {"conv1.1": "hidden", "conv2.1": "output"}
_PUBLISHED_TEACHER = {
    **{f"conv{i}.1": f"encoder{i}" for i in range(1, 7)},
    **{f"conv{i}{i}.1": f"decoder{i}" for i in range(1, 7)},
    "conv00.1": "output",
}


def load_checkpoint(network: nn.Module, path: str | Path) -> nn.Module:
    """Loads weights into a student or teacher, in place, and puts it into evaluation mode.

    Args:
        network: a `FusionStudent` or `FusionTeacher`.
        path: a file of ``torch.save``: a state dictionary with our keys or the published program's, bare or under
            ``"model"`` or ``"state_dict"``. Read with ``weights_only=True``: no code in it is run.

    Raises:
        InputError: not readable, or the first key that is missing, unknown or of another shape.
    """
    path = Path(path)
    network.load_state_dict(_fit(network, read_state(path), path))
    return network.eval()


def read_state(path: str | Path) -> dict[str, torch.Tensor]:
    """Reads the state dictionary of a weights file, with the keys it has there; see `load_checkpoint`.

    Raises:
        InputError: not readable, or no weights.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such weights file; check the path (--checkpoint)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch guesses about a strange file
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on what is no weights file
        raise InputError(f"{path}: not a weights file that can be read safely; give one of torch.save") from error
    return _state_dict(content, path)


def _state_dict(content: Any, path: Path) -> dict[str, torch.Tensor]:
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise InputError(f"{path}: holds no state dictionary; save network.state_dict() with torch.save")
    return content


def _fit(network: nn.Module, state: dict[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """The state under the network's own keys; refuses at the first key that does not fit."""
    own = network.state_dict()
    table = _PUBLISHED_TEACHER if "encoder1.weight" in own else _PUBLISHED_STUDENT
    names = {f"{old}.{part}": f"{new}.{part}" for old, new in table.items() for part in ("weight", "bias")}
    kind = type(network).__name__
    fitted = {}
    for key, value in state.items():
        target = names.get(key, key)
        if target not in own:
            raise InputError(f"{path}: its key {key!r} is none of {kind}'s; give weights of this network")
        if own[target].shape != value.shape:
            raise InputError(
                f"{path}: its key {key!r} has shape {tuple(value.shape)}, {kind} wants {tuple(own[target].shape)}; "
                "give weights of this network and width"
            )
        if not torch.isfinite(value).all():
            raise InputError(f"{path}: its key {key!r} holds NaN or infinity; the weights are broken")
        fitted[target] = value
    for key in own:
        if key not in fitted:
            raise InputError(f"{path}: the key {key!r} of {kind} is missing; give weights of this network")
    return fitted
