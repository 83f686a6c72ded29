"""Why there is no SUV."""

from __future__ import annotations

__all__ = ["SuvUnavailableError"]


class SuvUnavailableError(ValueError):
    """The header does not say enough for an SUV, or contradicts itself; the message completes "no SUV: ..."."""
