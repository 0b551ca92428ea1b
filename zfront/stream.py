"""The stream that Tornado gets of a connection: some bytes were read already, and its last answer is seen.

Owns: how such a connection begins and ends. Must not know: requests.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Awaitable
from typing import Any, Final

from tornado.iostream import IOStream, UnsatisfiableReadError

from zfront.linger import Linger

TOO_LONG: Final = (  # RFC 6585, section 5
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Connection: close\r\nContent-Length: 18\r\n\r\nhead is too large\n"
)
BAD: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class DoorStream(IOStream):
    """A stream of a socket from which `ahead` was read."""

    def __init__(self, connection: socket.socket, ahead: bytes, linger: Linger) -> None:
        super().__init__(connection)
        self._ahead = ahead
        self._linger: Linger | None = linger
        self._if_endless = BAD

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """The bytes read ahead, then what the socket has."""
        if not self._ahead:
            return super().read_from_fd(buf)
        size = min(len(buf), len(self._ahead))
        buf[:size] = self._ahead[:size]
        self._ahead = self._ahead[size:]
        return size

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """So Tornado reads a request's head."""
        self._if_endless = TOO_LONG
        return super().read_until_regex(regex, max_bytes)

    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """So it reads the lines between the chunks of a body."""
        self._if_endless = BAD
        return super().read_until(delimiter, max_bytes)

    def close(self, exc_info: Any = False) -> None:
        """End the connection; where Tornado only hangs up, because there was no end in sight, say why."""
        if isinstance(exc_info, UnsatisfiableReadError) and not self.closed():
            with contextlib.suppress(OSError):
                self.socket.send(self._if_endless)
        super().close(exc_info)

    def close_fd(self) -> None:
        """What Tornado's close comes to."""
        if self._linger is None:
            super().close_fd()
        else:
            connection, self.socket = self.socket, None  # type: ignore[assignment]
            self._linger.end(connection)

    def let_go(self) -> None:
        """Close only this descriptor of the connection, which goes on under another."""
        self._linger = None
        self.close()


def take_over(stream: IOStream) -> int:
    """A descriptor of our own of its connection; all that Tornado has is freed."""
    descriptor = os.dup(stream.socket.fileno())
    if isinstance(stream, DoorStream):
        stream.let_go()
    else:
        stream.close()
    return descriptor
