"""What each client of a process saw, in order, on record.

Owns: the events of a client. Must not know: transports, sockets, who compares.

| event | when |
|---|---|
| [CLIENT, client, at_ns, transport, [id, ...]] | it connects for the first time |
| [BEGIN, client, at_ns] | it asks on a new connection |
| [UP, client, at_ns] | it is answered |
| [OPEN, client, at_ns, offset] | the server says that all from here on comes |
| [MESSAGE, client, at_ns, number, offset] | a message; the offset is empty where the transport has none |
| [GAP, client, at_ns, reason, offset] | the server says that messages before this are gone |
| [END, client, at_ns, kind] | its connection ended; kind says how, if it was not in order |
| [LEAVE, client, at_ns] | it hung up itself, which is the end of it |

A client keeps its number when it connects again. Times are nanoseconds of the realtime clock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from zflood.check.log_format import SEEN, Log
from zflood.check.numbers import find

CLIENT, BEGIN, UP, OPEN, MESSAGE, GAP, END, LEAVE = range(8)


class ClientLog:
    """Of one process. `client_of` says which client a connection is of."""

    def __init__(self, folder: Path, transport: str, client_of: Sequence[int]) -> None:
        """Raises RecordError: as Record."""
        self.unnumbered = 0  # messages without a number, which are not recorded
        self._record = Log(folder, SEEN)
        self._transport = transport
        self._client_of = client_of
        self._known: set[int] = set()

    def begins(self, client: int, path: str) -> None:
        """It asks for this path on a new connection."""
        now = time.time_ns()
        if client not in self._known:
            self._known.add(client)
            self._record.add((CLIENT, client, now, self._transport, ids_of(path)))
        self._record.add((BEGIN, client, now))

    def answered(self, client: int) -> None:
        """Its connection is of use."""
        self._record.add((UP, client, time.time_ns()))

    def opened(self, connection: int, offset: str) -> None:
        """See `zflood.swarm.tally.Witness`."""
        self._record.add((OPEN, self._client_of[connection], time.time_ns(), offset))

    def message(self, connection: int, body: bytes, offset: str) -> None:
        """See `zflood.swarm.tally.Witness`. The hot path."""
        number = find(body)
        if number is None:
            self.unnumbered += 1
        else:
            self._record.add((MESSAGE, self._client_of[connection], time.time_ns(), number, offset))

    def gap(self, connection: int, reason: str, offset: str) -> None:
        """See `zflood.swarm.tally.Witness`."""
        self._record.add((GAP, self._client_of[connection], time.time_ns(), reason, offset))

    def ended(self, client: int, kind: str) -> None:
        """Its connection is over."""
        self._record.add((END, client, time.time_ns(), kind))

    def left(self, client: int) -> None:
        """It has hung up."""
        self._record.add((LEAVE, client, time.time_ns()))

    def flush_now_and_then(self) -> None:
        """Write what has come if the last time is a while ago."""
        self._record.flush_now_and_then()

    def close(self) -> None:
        """Write the rest."""
        self._record.close()


def ids_of(path: str) -> list[str]:
    """The ids that a path asks for, as zfront reads it: what is behind the first name, and each `id=`."""
    parts = urlsplit(path)
    first = unquote(parts.path.lstrip("/").partition("/")[2])
    more = parse_qs(parts.query, max_num_fields=1000).get("id", [])
    return list(dict.fromkeys(an_id for an_id in (first, *more) if an_id))
