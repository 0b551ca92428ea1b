"""What the connections of one process have seen, and how far each of them has come.

Owns: the counters of messages and of what was wrong, the series' numbering, the offsets that a client comes
back with. Must not know: how messages are framed, sockets, what a witness does with what it is told.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from typing import Final, Protocol

from zflood.latency import Latencies

# More kinds of errors than this are counted together: a server's words are in some.
_KINDS: Final = 100
# The series' line (zfront/transports/chunked.py). Messages of other servers are only counted and timed.
_NUMBERED: Final = re.compile(rb"Recvd msg #(\d{1,18}): '")


class Witness(Protocol):
    """Is told all that a connection is given, in order (`zflood/check/client_log.py`)."""

    def opened(self, connection: int, offset: str) -> None:
        """The server says that all messages from here on come."""

    def message(self, connection: int, body: bytes, offset: str) -> None:
        """A message; the offset is empty where the transport has none."""

    def gap(self, connection: int, reason: str, offset: str) -> None:
        """The server says that messages before this are gone."""


class Tally:
    """What all connections of one process have seen."""

    def __init__(self, witness: Witness | None = None) -> None:
        self.ended = 0  # streams that the server brought to their end: a last chunk, a close frame
        self.chunks = 0  # messages: chunks, events, lines, WebSocket messages, of answers what is in them
        self.gaps = 0  # notices that messages are gone
        self.errors: Counter[str] = Counter()
        self.cuts: Counter[str] = Counter()  # of clients that connect again: how their servers went
        self.latencies = Latencies()
        self.witness = witness

    def error(self, kind: str) -> None:
        """One error of this kind."""
        is_known = kind in self.errors or len(self.errors) < _KINDS
        self.errors[kind if is_known else "errors of other kinds"] += 1

    def cut(self, kind: str) -> None:
        """One connection whose client connects again was cut in this way."""
        self.cuts[kind] += 1


class Progress:
    """Counts messages, and checks that those that carry a number come each once and in order.

    Remembers the last offset of each connection: what its client says when it comes back.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._witness = tally.witness
        self._last = array("Q")  # by connection (a descriptor)
        self._offsets: list[str] = []

    def begin(self, connection: int, since: str = "") -> None:
        """This connection is a new one: its next message is number 1, and comes after `since`."""
        while connection >= len(self._last):
            self._last.extend([0] * 1024)
            self._offsets += [""] * 1024
        self._last[connection] = 0
        self._offsets[connection] = since

    def offset(self, connection: int) -> str:
        """How far it has come; empty: nobody has said."""
        return self._offsets[connection]

    def message(self, connection: int, body: bytes, offset: str = "") -> None:
        """One message came. The hot path."""
        tally = self._tally
        tally.chunks += 1
        if offset:
            self._offsets[connection] = offset
        numbered = _NUMBERED.match(body)
        if numbered is not None:
            expected = self._last[connection] + 1
            number = self._last[connection] = int(numbered[1])
            if number != expected:
                tally.error("repeated message" if number < expected else "missing message")
        if not tally.latencies.read(body):
            tally.error("stamp from the future")
        if self._witness is not None:
            self._witness.message(connection, body, offset)

    def came_to(self, connection: int, offset: str) -> None:
        """It has had all up to this offset."""
        self._offsets[connection] = offset

    def opened(self, connection: int, offset: str) -> None:
        """From this offset on it gets all."""
        self._offsets[connection] = offset
        if self._witness is not None:
            self._witness.opened(connection, offset)

    def gap(self, connection: int, reason: str, offset: str) -> None:
        """Messages up to this offset are gone."""
        self._tally.gaps += 1
        self._offsets[connection] = offset
        if self._witness is not None:
            self._witness.gap(connection, reason, offset)
