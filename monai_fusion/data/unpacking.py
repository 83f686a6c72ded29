"""Which files unpack to so much more than they are that they are not to be trusted: one rule for every format."""

from __future__ import annotations

__all__ = ["is_bomb"]

_MAX_RATIO = 300  # a mostly black PET packs a hundredfold
_COUNTS_FROM = 256 << 20


def is_bomb(packed: int, unpacked: int) -> bool:
    """Whether something unpacks to more than 256 MiB and to more than 300 times of what it is.

    Args:
        packed: bytes as it is stored.
        unpacked: bytes that would be held or written.
    """
    return unpacked > _COUNTS_FROM and unpacked > _MAX_RATIO * packed
