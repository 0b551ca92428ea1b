"""A way between a client and its router that can be cut without a word, as a firewall does it.

Owns: the bytes of each connection, and which connections are cut. Must not know: what they mean.
"""

from __future__ import annotations

import selectors
import socket
import threading
from typing import Final

_BYTES: Final = 65536


class Relay:
    """Listens at `address`, and is connected to the router for each connection that it has."""

    def __init__(self, router: str) -> None:
        host, _, port = router.removeprefix("tcp://").rpartition(":")
        self._router = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self.accepted = 0
        self._ways: dict[socket.socket, socket.socket] = {}
        self._silent: list[socket.socket] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """From now on nothing comes through the connections that there are, and none of them ends."""
        with self._lock:
            for end in self._ways:
                self._selector.unregister(end)
            self._silent += self._ways
            self._ways.clear()

    def close(self) -> None:
        """End all connections."""
        self._is_closed = True
        self._thread.join()
        for end in (*self._ways, *self._silent, self._listener):
            end.close()

    def _run(self) -> None:
        while not self._is_closed:
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj in self._ways:
                        self._carry(key.fileobj)

    def _accept(self) -> None:
        near = self._listener.accept()[0]
        self.accepted += 1
        try:
            far = socket.create_connection(self._router, timeout=5)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            self._ways[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _carry(self, source: socket.socket) -> None:
        try:
            data = source.recv(_BYTES)
        except OSError:
            data = b""
        if data:
            self._ways[source].sendall(data)
            return
        for end in (source, self._ways[source]):
            del self._ways[end]
            self._selector.unregister(end)
            end.close()
