"""What a program that watches ids has been told of them, and has yet to take.

Owns: which ids it watches, the last state of each. Must not know: sockets, the time, how the program waits.

States, not steps: what changes faster than the program takes it is given once, as it is by then. So what
waits is bounded by the ids that are watched. What the router tells again after a break is not given again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from zrouter.wire import State


class Presence(NamedTuple):
    """On how many connections an id is that is watched, over all frontends; 0 = it is offline."""

    id: str
    connections: int


class PresenceFeed:
    """One program's."""

    def __init__(self) -> None:
        self.watched: dict[bytes, None] = {}
        self._given: dict[bytes, int] = {}  # what the program took last
        self._news: OrderedDict[bytes, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._news)

    def watch(self, ids: Iterable[bytes]) -> None:
        """Watch these from now on, beside others."""
        self.watched.update(dict.fromkeys(ids))

    def unwatch(self, ids: Iterable[bytes]) -> list[bytes]:
        """Watch these no more; those that were watched. What is not taken yet of them is forgotten."""
        gone = [an_id for an_id in dict.fromkeys(ids) if an_id in self.watched]
        for an_id in gone:
            del self.watched[an_id]
            self._given.pop(an_id, None)
            self._news.pop(an_id, None)
        return gone

    def tell(self, states: list[State]) -> None:
        """The router says this."""
        for an_id, connections in states:
            if self._given.get(an_id) == connections:
                self._news.pop(an_id, None)
            elif an_id in self.watched:
                self._news[an_id] = connections

    def take(self) -> Presence:
        """What changed first; there has to be something."""
        an_id, connections = self._news.popitem(last=False)
        self._given[an_id] = connections
        return Presence(an_id.decode(), connections)
