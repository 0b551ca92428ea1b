"""Connections that have not said anything yet: how many there may be, for how long, and who is to be cut.

Owns: which connections have said no Hello yet, and whether a routing id is one that ROUTER made up. Must not
know: sockets, or the time (`now` is an argument, in seconds of any monotonic clock).

A connection is known by its descriptor. libzmq makes routing ids up by counting on; who claims one that comes
later ends the process when it does (docs/decisions/routing-ids.md). A claim waits only as long as its
connection lives, and here is what bounds that.
"""

from __future__ import annotations

from typing import Final

_NUMBERS: Final = 2**32


class PendingHellos:
    """At most `most` connections without a Hello, each for `patience_s`; `first` = an id made up before."""

    def __init__(self, most: int, patience_s: float, first: bytes) -> None:
        self._most = most
        self._patience_s = patience_s
        self._first = int.from_bytes(first[1:])
        self._accepted = 0
        self._since: dict[int, float] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._since)

    def came(self, connection: int, now: float) -> None:
        """A connection was accepted; an earlier one with that descriptor has gone."""
        self.went(connection)
        self._accepted += 1
        self._since[connection] = now

    def went(self, connection: int) -> None:
        """It has gone; no error if it was not known."""
        self._since.pop(connection, None)

    def is_made_up(self, address: bytes) -> bool:
        """Whether ROUTER may have made it up: it has counted on by one for each connection at most."""
        number = int.from_bytes(address[1:])
        return (
            len(address) == 5 and not address[0] and 0 < (number - self._first) % _NUMBERS <= self._accepted
        )

    def spoke(self, connection: int) -> None:
        """It has said something, behind an id that was made up: no claim waits there, now or later."""
        self._since.pop(connection, None)

    def unwanted(self, now: float) -> list[int]:
        """Connections to be cut, because they are too many or have waited too long; each is forgotten."""
        surplus = len(self._since) - self._most
        found = []
        for number, (connection, since) in enumerate(self._since.items()):
            if number >= surplus and now - since <= self._patience_s:
                break
            found.append(connection)
        for connection in found:
            del self._since[connection]
        return found
