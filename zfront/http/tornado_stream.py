"""The stream that Tornado gets of a connection: some bytes were read already, and its last answer is seen.

Owns: how such a connection begins and ends. Must not know: requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable
from typing import Any, Final

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, UnsatisfiableReadError

from zfront.date_header import NOW
from zfront.http.lingering_close import LingeringClose
from zfront.http.unparked import Unparked
from zfront.requests.normalization import as_tornado_reads, chunk_size
from zfront.transports.chunks import with_headers

TOO_LONG: Final = (  # RFC 6585, section 5
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Connection: close\r\nContent-Length: 18\r\n\r\nhead is too large\n"
)
_LINE_BYTES: Final = 4096  # of a chunk's size with its extensions, or of a trailer field
_TRAILER_BYTES: Final = 8192
BAD: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_BARE: Final = b"HTTP/1.1 400 Bad Request\r\n\r\n"  # Tornado's, without a length or a date


class TornadoStream(IOStream):
    """A stream of a socket from which `ahead` was read.

    A client that has closed its sending half after a request is still answered (RFC 9112, section 9.6).
    """

    def __init__(
        self, connection: socket.socket, ahead: bytes, linger: LingeringClose, unparked: Unparked
    ) -> None:
        super().__init__(connection)
        self._ahead = ahead
        self._linger: LingeringClose | None = linger
        self._unparked = unparked
        unparked.add(self)
        self._if_endless = BAD
        self._is_half_closed = False
        self._is_at_trailers = False  # the last chunk was read, and what follows it up to the empty line

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """The bytes read ahead, then what the socket has."""
        if not self._ahead:
            size = super().read_from_fd(buf)
            if size == 0 and not self.reading():
                self._is_half_closed = True
                return None
            return size
        size = min(len(buf), len(self._ahead))
        buf[:size] = self._ahead[:size]
        self._ahead = self._ahead[size:]
        return size

    def _handle_events(self, fd: Any, events: int) -> None:
        """Tornado's: while it has nothing to read it looks for the end, which it has seen here."""
        super()._handle_events(fd, events)
        if self._is_half_closed and not self.closed() and self._state is not None:
            self._state &= ~IOLoop.READ
            self.io_loop.update_handler(self.fileno(), self._state)

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """So Tornado reads a request's head."""
        self._if_endless = TOO_LONG
        head = super().read_until_regex(regex, max_bytes)
        return asyncio.ensure_future(_converted(head))

    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """So it reads the lines between the chunks of a body: chunks with extensions, and trailers, too."""
        self._if_endless = BAD
        return asyncio.ensure_future(self._read_size())

    async def _read_size(self) -> bytes:
        line = chunk_size(await super().read_until(b"\r\n", _LINE_BYTES))
        if line.strip(b"0") == b"\r\n" and line != b"\r\n":
            left = _TRAILER_BYTES
            while (trailer := await super().read_until(b"\r\n", _LINE_BYTES)) != b"\r\n" and left > 0:
                left -= len(trailer)
            self._is_at_trailers = left > 0
        return line

    def read_bytes(self, num_bytes: int, partial: bool = False) -> Awaitable[bytes]:
        """So it reads bodies, and the empty line at the end of one in chunks."""
        if self._is_at_trailers and num_bytes == 2:
            self._is_at_trailers = False
            end: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            end.set_result(b"\r\n")
            return end
        return super().read_bytes(num_bytes, partial)

    def close(self, exc_info: Any = False) -> None:
        """End the connection; where Tornado only hangs up, because there was no end in sight, say why."""
        if isinstance(exc_info, UnsatisfiableReadError) and not self.closed():
            with contextlib.suppress(OSError):
                self.socket.send(with_headers(self._if_endless, NOW.line))
        super().close(exc_info)

    def write(self, data: bytes | memoryview) -> asyncio.Future[None]:
        """Tornado's bare 400 becomes a whole one."""
        return super().write(with_headers(BAD, NOW.line) if data == _BARE else data)

    def may_use_api(self) -> None:
        """Its client has shown so."""
        self._unparked.may_use_api(self)

    def stay(self) -> None:
        """It is held in place of being parked."""
        self._unparked.remove(self)

    def cut(self) -> None:
        """Close it; nothing that its client should still see is under way."""
        self._linger = None
        self.close()

    def close_fd(self) -> None:
        """What Tornado's close comes to."""
        self._unparked.remove(self)
        if self._linger is None:
            super().close_fd()
        else:
            connection, self.socket = self.socket, None  # type: ignore[assignment]
            self._linger.end(connection)

    def let_go(self) -> None:
        """Close only this descriptor of the connection, which goes on under another."""
        self._linger = None
        self.close()


async def _converted(head: Awaitable[bytes]) -> bytes:
    return as_tornado_reads(await head)


def take_over(stream: IOStream) -> int:
    """A descriptor of our own of its connection; all that Tornado has is freed."""
    descriptor = os.dup(stream.socket.fileno())
    if isinstance(stream, TornadoStream):
        stream.let_go()
    else:
        stream.close()
    return descriptor
