"""As parked_sockets.py, without parking: each connection keeps its Tornado handler, stream and coroutine.

Owns: the streams of held connections. Must not know: ids, transports. It is what a plain Tornado server would
do, and there to measure what parking saves: `zfront serve --no-park`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamBufferFullError, StreamClosedError

from zfront.connections.parked_sockets import CLIENT_BYTES, RATE, UNWANTED, Heard
from zfront.connections.work_budget import WorkBudget


class NoParkSockets:
    """As ParkedSockets; a connection goes by its descriptor here, too."""

    def __init__(
        self,
        outbox_bytes: int,
        on_close: Callable[[int, str], None],
        on_data: Callable[[int, bytes], Heard] = lambda descriptor, data: UNWANTED,
        rate: float = RATE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = WorkBudget(rate, rate)
        self.cut_bytes = 0
        self._outbox_bytes = outbox_bytes
        self._on_close = on_close
        self._streams: dict[int, IOStream] = {}
        self._ended: dict[int, tuple[IOStream, str]] = {}  # `on_close` has yet to be told of these

    def __len__(self) -> int:
        return len(self._streams) + len(self._ended)

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._streams

    async def hold(self, stream: IOStream, enter: Callable[[int], None]) -> None:
        """Keep the caller's coroutine, and all that hangs on it, until the connection ends."""
        descriptor = stream.socket.fileno()
        stream.max_write_buffer_size = self._outbox_bytes
        self._streams[descriptor] = stream
        enter(descriptor)
        said = 0
        try:
            while said <= CLIENT_BYTES:  # unread bytes would hide the end behind them
                said += len(await stream.read_bytes(4096, partial=True))
        except StreamClosedError:
            pass
        if self._streams.get(descriptor) is stream:
            self.close(descriptor, "gone" if said <= CLIENT_BYTES else "chatty")

    def park(self, descriptor: int) -> None:
        """Nothing: it stays where it is."""

    def write_all(self, writes: Mapping[int, bytes | bytearray]) -> None:
        """Send to each client what is for it."""
        for descriptor, data in writes.items():
            self.write(descriptor, bytes(data))

    def write(self, descriptor: int, data: bytes) -> None:
        """Send to a client, or keep for it what the kernel does not take; too much ends the connection."""
        stream = self._streams.get(descriptor)
        if stream is None:
            return
        piece = max(1, self._outbox_bytes // 4)
        try:
            # The stream adds its bound to what it is given before it tries to send any of it.
            for start in range(0, len(data), piece):
                stream.write(data[start : start + piece])
        except StreamBufferFullError:
            self.close(descriptor, "slow")
        except StreamClosedError:
            self.close(descriptor, "reset")

    def owe(self, descriptor: int, size: int) -> bool:
        """So much may wait for it."""
        stream = self._streams.get(descriptor)
        if stream is not None:
            stream.max_write_buffer_size = self._outbox_bytes + size
        return True

    def settle(self, descriptor: int) -> None:
        """Nothing is counted here."""

    write_ahead = write  # nothing is saved here

    def end(self, descriptor: int, last: bytes, why: str) -> None:
        """Send last words, and end the connection with them."""
        if last:
            self.write(descriptor, last)
        self.close(descriptor, why)

    def close(self, descriptor: int, why: str) -> None:
        """End a connection."""
        stream = self._streams.pop(descriptor, None)
        if stream is None:
            return
        if not self._ended:
            IOLoop.current().add_callback(self._bury)
        self._ended[descriptor] = stream, why

    def _bury(self) -> None:
        """Tell of those that were ended, not in the middle of what ended them; see ParkedSockets."""
        while self._ended:
            descriptor, (stream, why) = next(iter(self._ended.items()))
            self._on_close(descriptor, why)
            del self._ended[descriptor]
            stream.close()

    def has_paused(self) -> bool:
        """Nobody is: Tornado reads when it likes."""
        return False

    def go_on(self) -> None:
        """Nothing."""

    def descriptors(self) -> list[int]:
        """The descriptors that are held."""
        return list(self._streams)
