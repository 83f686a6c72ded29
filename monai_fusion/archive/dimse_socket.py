"""Socket options that pynetdicom leaves as they are: a limit to hanging, and no waiting for acknowledgements."""

from __future__ import annotations

import socket
from typing import Any

from pynetdicom import evt

__all__ = ["socket_handlers"]


def socket_handlers(timeout: float) -> list[Any]:
    """Event handlers for an association.

    They limit how long a send or receive may hang in the middle, which pynetdicom's own timeouts do not, and switch off
    Nagle's algorithm here and delayed acknowledgements for a peer that has it on. Together they cost 40 ms for each
    instance, either way.

    Args:
        timeout: in seconds.
    """
    return [(evt.EVT_CONN_OPEN, _open, [timeout]), (evt.EVT_DATA_SENT, _acknowledge_at_once)]


def _open(event: evt.Event, timeout: float) -> None:
    if (connection := _socket(event)) is not None:
        connection.settimeout(timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _acknowledge_at_once(event: evt.Event) -> None:
    """Linux forgets the option with each packet that is sent; other systems do not have it."""
    if (connection := _socket(event)) is not None and hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _socket(event: evt.Event) -> socket.socket | None:
    transport = event.assoc.dul.socket
    return None if transport is None else transport.socket
