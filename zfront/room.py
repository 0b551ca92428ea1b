"""The room: every parked client of this worker, and the hot path from the link to its descriptor.

Owns: what ties audience, lot and transport together: counters, ticks, delivery. Must not know: HTTP requests,
ZeroMQ. The hot path is `deliver`.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable
from typing import Final

from zfront.audience import Audience
from zfront.held import HeldLot
from zfront.lot import Lot
from zfront.ticks import Ticks
from zfront.transports import chunked
from zfront.visit import Visit
from zrouter.wire import Pair

# What a client that is turned away is told to wait.
RETRY_AFTER_S: Final = 5
# Of one burst, for all connections: what is made before it is written.
_WRITE_BYTES: Final = 1 << 20


class Room:
    """See the module's docstring. `changed(id)` is told when the connections of an id are more or fewer."""

    def __init__(
        self,
        max_connections: int,
        outbox_bytes: int,
        changed: Callable[[bytes], None],
        kind: type[Lot] | type[HeldLot] = Lot,
    ) -> None:
        self.audience = Audience()
        self.lot = kind(outbox_bytes, self._left)
        self.max_connections = max_connections
        self.opened = 0  # connections parked since the start
        self.delivered = 0  # messages written to connections
        self.unheard = 0  # messages that came for an id that nobody is connected as any more
        self.turned_away = 0  # connections answered with 503
        self.closed: dict[str, int] = {}  # connections ended, by why
        self._changed = changed
        self._numbers = array("Q")  # messages written so far, by descriptor
        self._ticks = Ticks()

    def is_full(self) -> bool:
        """Whether one more client would be too many."""
        return len(self.lot) >= self.max_connections

    def enter(self, descriptor: int, visit: Visit) -> None:
        """Write the head and park the descriptor; nothing but rows is kept."""
        head = chunked.HEAD
        if visit.welcome:
            head += chunked.welcome_chunk(visit.ids[0])
        self.opened += 1
        while descriptor >= len(self._numbers):
            self._numbers.extend([0] * 1024)
        self._numbers[descriptor] = 0
        self.lot.park(descriptor)
        if visit.tick_s:
            self._ticks.add(descriptor, visit.tick_s, time.monotonic())
        for an_id in self.audience.add(descriptor, visit.ids):
            self._changed(an_id)
        self.lot.write(descriptor, head)

    def deliver(self, pairs: Iterable[Pair]) -> None:
        """Write each message to every connection of its id; the benchmark is `tests.bench saturated`.

        Messages of one burst for the same connection go out in one write.
        """
        find, numbers = self.audience.by_id.get, self._numbers
        escape, encode = chunked.escape, chunked.message_chunk
        writes: dict[int, bytes | bytearray] = {}
        delivered = waiting = 0
        for an_id, message in pairs:
            if waiting > _WRITE_BYTES:
                self.lot.write_all(writes)
                writes.clear()
                waiting = 0
            held = find(an_id)
            if held is None:
                self.unheard += 1
                continue
            escaped = escape(message)
            waiting += len(escaped) * (1 if isinstance(held, int) else len(held))
            if isinstance(held, int):
                number = numbers[held] = numbers[held] + 1
                delivered += 1
                if held in writes:
                    _append(writes, held, encode(number, escaped))
                else:
                    writes[held] = encode(number, escaped)
                continue
            delivered += len(held)
            made_number, made = 0, b""
            for connection in held:
                number = numbers[connection] = numbers[connection] + 1
                if number != made_number:  # connections that have had as many messages share the bytes
                    made_number, made = number, encode(number, escaped)
                if connection in writes:
                    _append(writes, connection, made)
                else:
                    writes[connection] = made
        self.delivered += delivered
        self.lot.write_all(writes)

    def is_ticking(self) -> bool:
        """Whether somebody waits for ticks."""
        return bool(self._ticks)

    def tick(self) -> None:
        """Write a tick to every connection that is due."""
        for connection, number in self._ticks.due(time.monotonic()):
            an_id = self.audience.ids_of(connection)[0]
            self.lot.write(connection, chunked.tick_chunk(number, an_id))

    def evict(self, ids: Iterable[bytes]) -> None:
        """End every connection of these ids."""
        for an_id in ids:
            for connection in self.audience.listeners(an_id):
                self._end(connection, "evicted")

    def end_some(self, count: int) -> int:
        """End so many connections because the frontend stops; how many there were."""
        parked = self.lot.parked()[:count]
        for connection in parked:
            self._end(connection, "shutdown")
        return len(parked)

    def report(self) -> dict[str, int | float | str]:
        """Figures for `zrouter stats`."""
        return {
            "opened": self.opened,
            "delivered": self.delivered,
            "unheard": self.unheard,
            "turned_away": self.turned_away,
            **{f"closed_{why}": count for why, count in self.closed.items()},
        }

    def _end(self, connection: int, why: str) -> None:
        """End the response as HTTP wants it, then the connection."""
        self.lot.write(connection, chunked.LAST_CHUNK)
        self.lot.close(connection, why)

    def _left(self, descriptor: int, why: str) -> None:
        self.closed[why] = self.closed.get(why, 0) + 1
        self._ticks.remove(descriptor)
        for an_id in self.audience.remove(descriptor):
            self._changed(an_id)


def _append(writes: dict[int, bytes | bytearray], connection: int, more: bytes) -> None:
    """Add to what a connection gets, in time that grows with `more` only."""
    earlier = writes[connection]
    if type(earlier) is bytearray:
        earlier += more
    else:
        writes[connection] = bytearray(earlier + more)
