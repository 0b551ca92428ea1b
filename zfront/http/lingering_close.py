"""Connections that end with an answer that must be seen: nothing more is said, what still comes is read away.

Owns: those connections until the client has closed too, for a short time. Must not know: HTTP.

Closing a socket that has bytes to read resets it, and the reset may take the answer away from the client
before it is read (RFC 9112, section 9.6).
"""

from __future__ import annotations

import socket
from typing import Final

from tornado.ioloop import IOLoop

from zfront.faults import Faults

_LINGER_S: Final = 2.0
_LINGER_BYTES: Final = 16 << 20
_AT_ONCE: Final = 64  # connections; more are closed without it. They come out of the reserve of descriptors


class LingeringClose:
    """See the module's docstring."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._loop = IOLoop.current()
        self._room_bytes: dict[socket.socket, int] = {}
        self._ends: dict[socket.socket, object] = {}

    def end(self, connection: socket.socket) -> None:
        """Close this non-blocking connection, but not before the client has had time to read."""
        try:
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # it has gone
            connection.close()
            return
        self._room_bytes[connection] = _LINGER_BYTES
        if self._read_away(connection) or len(self._ends) >= _AT_ONCE:
            self._close(connection)
            return
        self._ends[connection] = self._loop.call_later(_LINGER_S, self._close, connection)
        self._loop.add_handler(connection, self._arrived, IOLoop.READ)

    def _arrived(self, connection: socket.socket, events: int) -> None:
        try:
            if connection in self._ends and self._read_away(connection):
                self._close(connection)
        except Exception as error:
            self._faults.ended(error, connection.close)

    def _read_away(self, connection: socket.socket) -> bool:
        """Take what is there; whether that was the end."""
        try:
            data = connection.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self._room_bytes[connection] -= len(data)
        return not data or self._room_bytes[connection] < 0

    def _close(self, connection: socket.socket) -> None:
        end = self._ends.pop(connection, None)
        if end is not None:
            self._loop.remove_timeout(end)
            self._loop.remove_handler(connection)
        del self._room_bytes[connection]
        connection.close()
