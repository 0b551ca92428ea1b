"""What the connections of one process have seen, and which message is the next one on each of them.

Owns: the counters of messages and of what was wrong, the series' numbering. Must not know: how messages are
framed, sockets.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from typing import Final

from zflood.latency import Latencies

# More kinds of errors than this are counted together: a server's words are in some.
_KINDS: Final = 100
# The series' line (zfront/transports/chunked.py). Messages of other servers are only counted and timed.
_NUMBERED: Final = re.compile(rb"Recvd msg #(\d{1,18}): '")


class Tally:
    """What all connections of one process have seen."""

    def __init__(self) -> None:
        self.ended = 0  # streams that the server brought to their end: a last chunk, a close frame
        self.chunks = 0  # messages: chunks, events, WebSocket messages or answers, as the transport has them
        self.errors: Counter[str] = Counter()
        self.cuts: Counter[str] = Counter()  # of clients that connect again: how their servers went
        self.latencies = Latencies()

    def message(self, body: bytes) -> None:
        """One message that has no number."""
        self.chunks += 1
        self.latencies.read(body)

    def error(self, kind: str) -> None:
        """One error of this kind."""
        is_known = kind in self.errors or len(self.errors) < _KINDS
        self.errors[kind if is_known else "errors of other kinds"] += 1

    def cut(self, kind: str) -> None:
        """One connection whose client connects again was cut in this way."""
        self.cuts[kind] += 1


class Numbers:
    """Counts messages, and checks that those that carry a number come each once and in order."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._last = array("Q")  # by connection (a descriptor)

    def begin(self, connection: int) -> None:
        """This connection is a new one: its next message is number 1."""
        while connection >= len(self._last):
            self._last.extend([0] * 1024)
        self._last[connection] = 0

    def message(self, connection: int, body: bytes) -> None:
        """One message came. The hot path."""
        tally = self._tally
        tally.chunks += 1
        numbered = _NUMBERED.match(body)
        if numbered is not None:
            expected = self._last[connection] + 1
            number = self._last[connection] = int(numbered[1])
            if number != expected:
                tally.error("repeated message" if number < expected else "missing message")
        tally.latencies.read(body)
