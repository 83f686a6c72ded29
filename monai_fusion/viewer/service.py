"""What lives as long as the server: its private folder, the addresses it answers, and the sessions it holds."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from monai_fusion.viewer.addresses import Addresses
from monai_fusion.viewer.private_folder import PrivateFolder
from monai_fusion.viewer.session import Session

if TYPE_CHECKING:
    from monai_fusion.data.phantom import DemoPair

__all__ = ["Options", "Service", "current_service", "start_service"]


@dataclass(frozen=True)
class Options:
    """What the administrator said on the command line.

    Args:
        mri, functional: paths to begin with; None to let the user choose.
        data_folder: the folder that users may browse; None for none.
    """

    mri: Path | None = None
    functional: Path | None = None
    data_folder: Path | None = None


@dataclass
class Service:
    """One for each process."""

    options: Options = field(default_factory=Options)
    folder: PrivateFolder = field(default_factory=PrivateFolder)
    addresses: Addresses = field(default_factory=Addresses)
    demo: DemoPair | None = None
    _sessions: dict[str, Session] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def session(self, name: str) -> Session:
        """The session of a browser's tab, new if it has none (or none any more).

        Args:
            name: Streamlit's name of the tab's session.
        """
        with self._lock:
            session = self._sessions.get(name)
            if session is None or session.closed:
                session = Session(name, self.folder.new("session"), self.addresses)
                self._sessions[name] = session
            session.seen = time.monotonic()
            return session

    def reap(self, is_active: Callable[[str], bool], seconds: float) -> None:
        """Closes the sessions whose tab has been gone for `seconds`.

        Args:
            is_active: is a tab connected to this session now?
        """
        now = time.monotonic()
        with self._lock:
            for session in self._sessions.values():
                if is_active(session.name):
                    session.seen = now
            gone = [session for session in self._sessions.values() if now - session.seen > seconds]
            for session in gone:
                del self._sessions[session.name]
        for session in gone:
            session.close()

    def close(self) -> None:
        """At the end of the server: nothing of any session is left."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.close()
        self.folder.remove()


_current: Service | None = None
_starting = threading.Lock()


def start_service(options: Options) -> Service:
    """Begins the service of this process; it ends with the process at the latest."""
    global _current
    with _starting:
        if _current is not None:
            _current.close()
        _current = Service(options)
        atexit.register(_current.close)
        return _current


def current_service() -> Service:
    """The service of this process: the page's way in."""
    return _current or start_service(Options())
