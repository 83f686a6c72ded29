"""What can be evaluated: networks and rivals, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_fusion.data.source import hash_files
from monai_fusion.errors import InputError
from monai_fusion.metrics import RIVALS
from monai_fusion.networks import FusionStudent, FusionTeacher, load_checkpoint
from monai_fusion.networks.checkpoint import read_state
from monai_fusion.transforms.calibration import CalibrateOutputd, find_calibration

__all__ = ["Method", "find_weights", "open_methods", "open_network"]


@dataclass(frozen=True)
class Method:
    """A way to fuse.

    Attributes:
        name: as it stands in tables.
        fuse: takes the two sources, each ``(N, 1, H, W)`` float32 in [0, 1], and returns the fused images of that
            shape on the CPU, not clipped unless the method does it.
        facts: what identifies it, for the record.
    """

    name: str
    fuse: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    facts: dict[str, Any] = field(default_factory=dict)


def open_methods(
    names: Sequence[str | Path],
    bundle_root: str | Path,
    metadata: Mapping[str, Any],
    inferer: Callable[..., torch.Tensor],
    device: torch.device,
    calibration: str | None = None,
    rivals: bool = True,
) -> list[Method]:
    """Opens methods, and all rivals behind them.

    Args:
        names: each a key of `RIVALS`, the name of a file in the bundle's ``models`` without ``.pt``, or a weights file.
        bundle_root: the bundle's folder.
        metadata: the bundle's metadata, for the order of the channels and the output's calibration.
        inferer: takes an image ``(N, 2, H, W)`` and a network.
        device: where the networks run.
        calibration: of weights files that are not the bundle's; none by default.
        rivals: append those of `RIVALS` that are not named.

    Raises:
        InputError: no method, one named twice, an unknown one, or weights that do not fit.
    """
    names = [names] if isinstance(names, (str, Path)) else list(names)
    if not names:
        raise InputError(f"no method to evaluate; name one (--method): {_choices(Path(bundle_root))}")
    doubled = [str(name) for i, name in enumerate(names) if str(name) in map(str, names[:i])]
    if doubled:
        raise InputError(f"method {doubled[0]} is named twice; name it once")
    methods = []
    for name in names:
        if str(name) in RIVALS:
            methods.append(Method(str(name), RIVALS[str(name)], {"kind": "rival"}))
            continue
        path, calibrate = find_weights(name, Path(bundle_root), metadata, calibration)
        network = open_network(path)
        others = [Path(other).stem for other in names if other is not name]
        methods.append(
            Method(
                str(name) if path.stem in (*others, *RIVALS) else path.stem,
                _Network(network.to(device), calibrate, _channel_order(metadata), inferer, device),
                {
                    "kind": type(network).__name__,
                    "parameters": sum(parameter.numel() for parameter in network.parameters()),
                    "calibration": calibrate,
                    "sha256": hash_files([path]),
                },
            )
        )
    if rivals:
        named = {method.name for method in methods}
        methods += [Method(name, fuse, {"kind": "rival"}) for name, fuse in RIVALS.items() if name not in named]
    return methods


def find_weights(
    name: str | Path, bundle_root: Path, metadata: Mapping[str, Any], calibration: str | None = None
) -> tuple[Path, str]:
    """The weights file of a method, and how its output is calibrated (see `find_calibration`).

    Raises:
        InputError: neither a file nor a model of the bundle.
    """
    shipped = bundle_root / "models" / f"{name}.pt"
    path = shipped if shipped.is_file() else Path(name)
    if not path.is_file():
        raise InputError(f"{name}: no such method; choose {_choices(bundle_root)}")
    if calibration is not None and path.resolve().parent != (bundle_root / "models").resolve():
        return path, calibration
    return path, find_calibration(path, bundle_root, metadata)


def open_network(path: Path) -> nn.Module:
    """A student of any width, or a teacher, whichever the weights are of.

    Raises:
        InputError: weights of neither.
    """
    state = read_state(path)
    if any(key.startswith(("encoder", "decoder", "conv00.")) for key in state):
        return load_checkpoint(FusionTeacher(), path)
    first = next((value for value in state.values() if value.ndim == 4 and value.shape[1] == 2), None)
    return load_checkpoint(FusionStudent() if first is None else FusionStudent(first.shape[0]), path)


def _choices(bundle_root: Path) -> str:
    models = sorted(path.stem for path in (bundle_root / "models").glob("*.pt"))
    return f"{', '.join([*models, *RIVALS])}, or a weights file"


def _channel_order(metadata: Mapping[str, Any]) -> list[str]:
    return list(metadata["network_data_format"]["inputs"]["image"]["channel_def"].values())


@dataclass(frozen=True)
class _Network:
    """A network as a function of the two sources."""

    network: nn.Module
    calibration: str
    channel_order: list[str]
    inferer: Callable[..., torch.Tensor]
    device: torch.device

    def __call__(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        sources = {"mri": first, "functional": second}
        image = torch.cat([sources[name] for name in self.channel_order], dim=1).to(self.device)
        fused = self.inferer(image, self.network).cpu()
        if self.calibration == "none":
            return fused  # clipped where it is looked at: the published program stretches what the network gives
        calibrated: torch.Tensor = CalibrateOutputd("pred", self.calibration)({"pred": fused})["pred"]
        return calibrated
