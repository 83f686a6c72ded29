"""Addresses under which a browser fetches volumes and exports: unguessable, each of one session, gone when that ends.

They take the place of Streamlit's media store, which names large files by samples of them: two volumes of one size
that differ in a few slices get one name there, and a session the other's file.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from monai_fusion.data.source import hash_files

__all__ = ["Addresses", "Content"]

_BYTES_OF_A_TOKEN = 32


class Content:
    """What lies at an address, made when it is first asked for and then kept.

    Args:
        make: gives the bytes, or a file.
        media_type: of the answer.
        name: under which a browser keeps it; None for what is not to be kept as a file.
        fresh: make it anew each time that it is asked for.
    """

    def __init__(
        self,
        make: Callable[[], bytes | Path],
        media_type: str = "application/octet-stream",
        name: str | None = None,
        fresh: bool = False,
    ) -> None:
        self._make: Callable[[], bytes | Path] | None = make
        self._fresh = fresh
        self._made: bytes | Path = b""
        self._lock = threading.Lock()
        self._sha256 = ""
        self.media_type = media_type
        self.name = name

    def get(self) -> tuple[bytes | Path, str]:
        """The whole content and its SHA-256; if making it fails, the next call tries again."""
        with self._lock:
            if self._make is None:
                return self._made, self._sha256
            made = self._make()
            digest = _sha256(made)
            if not self._fresh:
                self._made, self._sha256, self._make = made, digest, None
            return made, digest


class Addresses:
    """The addresses of all sessions. Safe to use from several threads."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], tuple[str, Content]] = {}
        self._lock = threading.Lock()

    def publish(self, owner: str, content: Content, route: Literal["vol", "export"]) -> str:
        """A new address, ``/vol/TOKEN`` or ``/export/TOKEN``, of something of the session `owner`."""
        token = secrets.token_urlsafe(_BYTES_OF_A_TOKEN)
        with self._lock:
            self._entries[route, token] = (owner, content)
        return f"/{route}/{token}"

    def find(self, route: str, token: str) -> Content | None:
        """What lies at an address; None for a guessed or revoked one."""
        with self._lock:
            entry = self._entries.get((route, token))
        return None if entry is None else entry[1]

    def revoke(self, urls: Iterable[str]) -> None:
        """Takes addresses back."""
        with self._lock:
            for url in urls:
                _, route, token = url.split("/", 2)
                self._entries.pop((route, token), None)

    def revoke_all(self, owner: str) -> None:
        """Takes back all addresses of a session."""
        with self._lock:
            self._entries = {key: entry for key, entry in self._entries.items() if entry[0] != owner}


def _sha256(content: bytes | Path) -> str:
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else hash_files([content])
