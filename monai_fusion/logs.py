"""Keeping the libraries quiet: what they log and warn of may hold patient data."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = ["quiet"]


@contextmanager
def quiet(names: Sequence[str]) -> Iterator[None]:
    """Silences loggers (and those below them) and the warnings of pydicom and highdicom for a while."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="NvImgCodecPydicomReader")
            warnings.filterwarnings("ignore", module="pydicom|highdicom")
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
