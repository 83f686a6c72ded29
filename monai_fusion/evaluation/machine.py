"""What to write beside a result: when, on what, and with which versions."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import monai_fusion

__all__ = ["describe_machine", "describe_versions"]

_PACKAGES = ("monai", "torch", "numpy", "scipy", "pillow")


def describe_machine() -> dict[str, Any]:
    """The processor, how many of its threads were used, and the GPU if there is one; no names of hosts or people."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0] if models else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "date": time.strftime("%Y-%m-%d"),
    }


def describe_versions() -> dict[str, str]:
    packages = {package: version(package) for package in _PACKAGES}
    return {"monai_fusion": monai_fusion.__version__, "python": platform.python_version(), **packages}
