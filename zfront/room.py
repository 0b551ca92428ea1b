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
from zfront.transports import CHUNKED, STREAMS, chunked
from zfront.visit import Visit
from zrouter.resumption import Resumption
from zrouter.wire import Delivery, Resumed

# What a client that is turned away is told to wait.
RETRY_AFTER_S: Final = 5
# Of one burst, for all connections: what is made before it is written.
_WRITE_BYTES: Final = 1 << 20
# A bit of a connection's kind: it waits to be told what it missed.
WAITS: Final = 0x80


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
        self.resumption = Resumption(self._streams, self.audience.ids_of, self._hold, self._resume)
        self.max_connections = max_connections
        self.opened = 0  # connections parked since the start
        self.delivered = 0  # messages written to connections
        self.unheard = 0  # messages that came for an id that nobody is connected as any more
        self.resumed = 0  # messages written to clients that had missed them
        self.gaps = 0  # clients told that some of what they missed is gone
        self.turned_away = 0  # connections answered with 503
        self.closed: dict[str, int] = {}  # connections ended, by why
        self._changed = changed
        # By descriptor:
        self._kinds = bytearray()  # of its transport, with WAITS while the resumption has it
        self._numbers = array("Q")  # messages written so far, where the transport counts them
        self._ticks = Ticks()

    def is_full(self) -> bool:
        """Whether one more client would be too many."""
        return len(self.lot) >= self.max_connections

    def enter(self, descriptor: int, visit: Visit) -> None:
        """Write the head and park the descriptor; nothing but rows is kept."""
        self.opened += 1
        while descriptor >= len(self._kinds):
            self._kinds.extend(bytes(1024))
            self._numbers.extend([0] * 1024)
        self._kinds[descriptor] = visit.kind
        self.lot.park(descriptor)
        if visit.tick_s:
            self._ticks.add(descriptor, visit.tick_s, time.monotonic())
        for an_id in self.audience.add(descriptor, visit.ids):
            self._changed(an_id)
        if visit.kind == CHUNKED:
            head = chunked.HEAD
            self._numbers[descriptor] = 0
            if visit.welcome:
                head += chunked.welcome_chunk(visit.ids[0])
        else:
            head = STREAMS[visit.kind].HEAD
            self._hold(descriptor)
            self.resumption.begin(descriptor, visit.cursor)
        self.lot.write(descriptor, head)

    def deliver(self, messages: list[Delivery]) -> None:
        """Write each message to every connection of its id; the benchmark is `tests.bench saturated`.

        Messages of one burst for the same connection go out in one write.
        """
        find, numbers, kinds = self.audience.by_id.get, self._numbers, self._kinds
        escape, number_it = chunked.escape, chunked.message_chunk
        writes: dict[int, bytes | bytearray] = {}
        delivered = waiting = 0
        for an_id, message, position in messages:
            if waiting > _WRITE_BYTES:
                self.lot.write_all(writes)
                writes.clear()
                waiting = 0
            held = find(an_id)
            if held is None:
                self.unheard += 1
                continue
            if isinstance(held, int):
                kind = kinds[held]
                if kind == CHUNKED:
                    number = numbers[held] = numbers[held] + 1
                    made = number_it(number, escape(message))
                elif kind < WAITS:
                    made = STREAMS[kind].message(an_id, message, self._offset(position))
                else:
                    continue
                delivered += 1
                waiting += len(made)
                if held in writes:
                    _append(writes, held, made)
                else:
                    writes[held] = made
                continue
            escaped = None
            made_by_kind: dict[int, bytes] = {}
            made_number, made_numbered = 0, b""
            for connection in held:
                kind = kinds[connection]
                if kind == CHUNKED:
                    number = numbers[connection] = numbers[connection] + 1
                    if number != made_number:  # connections that have had as many messages share the bytes
                        if escaped is None:
                            escaped = escape(message)
                        made_number, made_numbered = number, number_it(number, escaped)
                    made = made_numbered
                elif kind < WAITS:
                    if kind not in made_by_kind:
                        made_by_kind[kind] = STREAMS[kind].message(an_id, message, self._offset(position))
                    made = made_by_kind[kind]
                else:
                    continue
                delivered += 1
                waiting += len(made)
                if connection in writes:
                    _append(writes, connection, made)
                else:
                    writes[connection] = made
        self.delivered += delivered
        self.resumption.delivered(messages[-1][2])
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
            "resumed": self.resumed,
            "gaps": self.gaps,
            "waiting": len(self.resumption),
            "turned_away": self.turned_away,
            **{f"closed_{why}": count for why, count in self.closed.items()},
        }

    def _offset(self, position: int) -> bytes:
        """Where a client is that has had the message at that position."""
        return b"%x.%x" % (self.resumption.here.epoch, position)

    def _streams(self) -> list[int]:
        """The connections that can be resumed."""
        kinds = self._kinds
        return [connection for connection in self.lot.parked() if kinds[connection] != CHUNKED]

    def _hold(self, connection: int) -> None:
        """Give it no messages until it has been told what it missed."""
        self._kinds[connection] |= WAITS

    def _resume(self, connection: int, missed: Resumed) -> None:
        """Tell it what it missed, and from now on what comes."""
        kind = self._kinds[connection] = self._kinds[connection] & ~WAITS
        stream = STREAMS[kind]
        parts: list[bytes] = []
        if missed.gap:
            self.gaps += 1
            before = missed.messages[0][2] - 1 if missed.messages else missed.position
            parts.append(stream.gap(missed.gap, self._offset(before)))
        for an_id, message, position in missed.messages:
            parts.append(stream.message(an_id, message, self._offset(position)))
        if not parts:
            parts.append(stream.opened(self._offset(missed.position)))
        self.resumed += len(missed.messages)
        self.lot.write(connection, b"".join(parts))

    def _end(self, connection: int, why: str) -> None:
        """End the response as HTTP wants it, then the connection."""
        self.lot.write(connection, chunked.LAST)
        self.lot.close(connection, why)

    def _left(self, descriptor: int, why: str) -> None:
        self.closed[why] = self.closed.get(why, 0) + 1
        self.resumption.end(descriptor)
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
