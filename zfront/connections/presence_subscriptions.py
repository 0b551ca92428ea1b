"""Who watches: the connections that are told when an id comes and goes, and what they were told last.

Owns: watched id -> connections and back, the last known state of each watched id. Must not know: sockets,
transports, the router. A state is the number of an id's connections on all frontends; 0 = nobody is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from zfront.connections.subscriptions import Subscriptions
from zrouter.wire import State


class PresenceSubscriptions:
    """See the module's docstring.

    `changed(id)` is told of each id that is watched from now on, or not any more.
    """

    def __init__(self, changed: Callable[[bytes], None]) -> None:
        self._changed = changed
        self._subscriptions = Subscriptions()  # as which ids a connection watches
        self._states: dict[bytes, int] = {}

    def ids(self) -> Collection[bytes]:
        """Every id that somebody here watches."""
        return self._subscriptions.ids()

    def is_watched(self, an_id: bytes) -> bool:
        """Whether somebody here watches it."""
        return self._subscriptions.count(an_id) > 0

    def of(self, connection: int) -> Collection[bytes]:
        """The ids that a connection watches."""
        return self._subscriptions.ids_of(connection)

    def watch(self, connection: int, ids: Iterable[bytes]) -> list[State]:
        """A connection watches these, too; the states of them that are known already."""
        known: list[State] = []
        new = tuple(ids)
        for an_id in self._subscriptions.join(connection, new) if new else ():
            if self._subscriptions.count(an_id) == 1:
                self._changed(an_id)
            elif an_id in self._states:
                known.append((an_id, self._states[an_id]))
        return known

    def unwatch(self, connection: int, ids: Iterable[bytes]) -> None:
        """It does not watch these any more; no error if it did not."""
        gone = self._subscriptions.part(connection, ids)
        if not self._subscriptions.ids_of(connection):
            self._subscriptions.remove(connection)
        self._forget(gone)

    def remove(self, connection: int) -> None:
        """It leaves; no error if it watched nothing."""
        self._forget(self._subscriptions.remove(connection))

    def told(self, states: Iterable[State]) -> list[tuple[State, tuple[int, ...]]]:
        """The router told these states: those that are news, each with the connections to tell."""
        news: list[tuple[State, tuple[int, ...]]] = []
        for an_id, connections in states:
            listeners = self._subscriptions.listeners(an_id)
            if listeners and self._states.get(an_id) != connections:
                self._states[an_id] = connections
                news.append(((an_id, connections), listeners))
        return news

    def _forget(self, ids: Iterable[bytes]) -> None:
        for an_id in ids:
            if not self.is_watched(an_id):
                self._states.pop(an_id, None)
                self._changed(an_id)
