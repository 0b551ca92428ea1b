"""Fan-out: from the link to each client of an id. The hot path of a frontend (`tests.bench saturated`).

Owns: which connections get a message, in which bytes, and that one burst is one write for each connection.
Must not know: HTTP requests, ZeroMQ, who comes and goes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from zfront.connections.no_park import NoParkSockets
from zfront.connections.parked_sockets import ParkedSockets
from zfront.connections.rows import AWAITS_RESUME, Rows
from zfront.connections.subscriptions import Subscriptions
from zfront.transports import CHUNKED, MESSAGES, POLL, chunked, poll
from zfront.transports.chunks import with_headers
from zrouter.link.resumption import Resumption
from zrouter.wire import Delivery as Message

# Of one burst, for all connections: what is made before it is written.
_WRITE_BYTES: Final = 1 << 20


class FanOut:
    """See the module's docstring.

    `headers(connection)` are more lines for the answer to its poll. `answered(connection)` is told of each
    poll that has had its answer.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        rows: Rows,
        parked: ParkedSockets | NoParkSockets,
        resumption: Resumption,
        headers: Callable[[int], bytes],
        answered: Callable[[int], None],
    ) -> None:
        self.delivered = 0  # messages written to connections
        self.unheard = 0  # messages that came for an id that nobody is connected as any more
        self._subscriptions = subscriptions
        self._rows = rows
        self._parked = parked
        self._resumption = resumption
        self._headers = headers
        self._answered = answered

    def deliver(self, messages: list[Message]) -> None:
        """Write each message to every connection of its id.

        Messages of one burst for the same connection go out in one write.
        """
        find, numbers, kinds = self._subscriptions.by_id.get, self._rows.numbers, self._rows.kinds
        escape, number_it = chunked.escape, chunked.message_chunk
        writes: dict[int, bytes | bytearray] = {}
        delivered = waiting = before = 0
        for an_id, message, position in messages:
            if waiting > _WRITE_BYTES:
                writes = self._make_hub(writes, before, position)
                waiting = 0
            before = position
            held = find(an_id)
            if held is None:
                self.unheard += 1
                continue
            escaped = None
            made_by_kind: dict[int, bytes] = {}
            made_number, made_numbered = 0, b""
            for connection in (held,) if isinstance(held, int) else held:
                kind = kinds[connection]
                if kind == CHUNKED:
                    number = numbers[connection] = numbers[connection] + 1
                    if number != made_number:  # connections that have had as many messages share the bytes
                        if escaped is None:
                            escaped = escape(message)
                        made_number, made_numbered = number, number_it(number, escaped)
                    made = made_numbered
                elif kind < AWAITS_RESUME:
                    if kind not in made_by_kind:
                        made_by_kind[kind] = MESSAGES[kind](an_id, message, self.offset(position))
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
        self._resumption.delivered(messages[-1][2])
        self.write(writes, messages[-1][2])

    def _make_hub(
        self, writes: dict[int, bytes | bytearray], before: int, position: int
    ) -> dict[int, bytes | bytearray]:
        """Write what was made up to the message before the one at that position; what has to wait.

        Those of one publish share a position, and a poll's answer can't be for a part of them: there may be
        one more for it. What polls get is made once for all of them.
        """
        if before != position:
            self.write(writes, position - 1)
            return {}
        kinds = self._rows.kinds
        self._parked.write_all({one: data for one, data in writes.items() if kinds[one] != POLL})
        return {one: data for one, data in writes.items() if kinds[one] == POLL}

    def write(self, writes: dict[int, bytes | bytearray], position: int) -> None:
        """Write to each connection what is for it; a poll's is its answer: all up to that position."""
        kinds = self._rows.kinds
        polls = [] if POLL not in kinds else [one for one in writes if kinds[one] == POLL]
        for connection in polls:
            answer = poll.answer(writes[connection], self.offset(position))
            writes[connection] = with_headers(answer, self._headers(connection))
        self._parked.write_all(writes)
        for connection in polls:
            self._answered(connection)

    def offset(self, position: int) -> bytes:
        """Where a client is that has had the message at that position."""
        return b"%x.%x" % (self._resumption.here.epoch, position)


def _append(writes: dict[int, bytes | bytearray], connection: int, more: bytes) -> None:
    """Add to what a connection gets, in time that grows with `more` only."""
    earlier = writes[connection]
    if type(earlier) is bytearray:
        earlier += more
    else:
        writes[connection] = bytearray(earlier + more)
