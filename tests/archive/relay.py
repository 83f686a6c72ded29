"""Something between a client and an archive: it may end TLS, as a reverse proxy does, or count what passes."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress


class Relay:
    """Passes connections to 127.0.0.1 on to another port of it.

    Args:
        port: where to.
        tls: the server's side of TLS; None passes everything on as it is.
        passed: called with the number of bytes that were sent by the client; where it returns True, all ends.
    """

    def __init__(
        self, port: int, tls: ssl.SSLContext | None = None, passed: Callable[[int], bool] = lambda count: False
    ) -> None:
        self._to, self._tls, self._passed = port, tls, passed
        self._count = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with suppress(OSError):  # a client that does not trust us goes away
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", self._to))
            threading.Thread(target=self._copy, args=(server, client), daemon=True).start()
            self._copy(client, server, count=True)

    def _copy(self, source: socket.socket, target: socket.socket, count: bool = False) -> None:
        with suppress(OSError):
            while block := source.recv(1024):
                target.sendall(block)
                if count:
                    self._count += len(block)
                    if self._passed(self._count):
                        self.close()
                        break
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
