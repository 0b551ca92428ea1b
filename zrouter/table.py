"""The routing table: which holders (frontends) hold an id, and back.

Owns: id -> route and holder -> ids, and that the two agree. Must not know: the link, leases, messages.

A route is what the hot loop needs for one id, in one look-up: a callable that takes the `(id, message)` pair
into the inbox of each holder, the number of connections, and the holders. All ids that one holder holds on
the same number of connections share one route, so an id costs two dict slots and its bytes: about 150 B.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from zrouter.wire import Pair

Hand: TypeAlias = Callable[[Pair], object]
Route: TypeAlias = "tuple[Hand, int, tuple[Holder, ...]]"

# Counts of connections above this get a route of their own each: they are few, and the cache stays small.
_SHARED_UP_TO = 16


class Holder:
    """Whoever can hold ids: what it holds, and the inbox that routed pairs wait in until the next flush."""

    __slots__ = ("_routes", "address", "connections", "held", "inbox", "name")

    def __init__(self, address: bytes, name: str) -> None:
        self.address = address
        self.name = name
        self.held: dict[bytes, int] = {}  # id -> connections, never 0
        self.connections = 0  # sum of held's values
        self.inbox: list[Pair] = []  # one list for life: routes hold its bound append
        self._routes: dict[int, Route] = {}

    def route(self, connections: int) -> Route:
        """The route of an id that only this holder holds, on that many connections."""
        if connections > _SHARED_UP_TO:
            return (self.inbox.append, connections, (self,))
        route = self._routes.get(connections)
        if route is None:
            route = self._routes[connections] = (self.inbox.append, connections, (self,))
        return route

    def drop_routes(self) -> None:
        """Break the cycle between holder and routes, so that a forgotten holder is freed at once."""
        self._routes.clear()


class RoutingTable:
    """id -> route, for every id that anybody holds."""

    def __init__(self) -> None:
        self._routes: dict[bytes, Route] = {}
        self.connections = 0  # of all ids together

    def __len__(self) -> int:
        return len(self._routes)

    @property
    def routes(self) -> Mapping[bytes, Route]:
        """The routes by id, to read; one dict for the table's life, so that a loop may keep its `get`."""
        return self._routes

    def set(self, holder: Holder, an_id: bytes, connections: int) -> None:
        """From now on `holder` holds `an_id` on that many connections; 0 = not at all. Twice is once."""
        before = holder.held.get(an_id, 0)
        if before == connections:
            return
        if connections:
            holder.held[an_id] = connections
        else:
            del holder.held[an_id]
        holder.connections += connections - before
        self.connections += connections - before
        route = self._routes.get(an_id)
        if route is None or route[2] == (holder,):
            if connections:
                self._routes[an_id] = holder.route(connections)
            else:
                del self._routes[an_id]
            return
        holders = [other for other in route[2] if other is not holder]
        if connections:
            holders.append(holder)
        self._routes[an_id] = self._route_to(an_id, holders)

    def forget(self, holder: Holder) -> int:
        """Nothing is held by `holder` any more; how many ids that were."""
        ids = list(holder.held)
        for an_id in ids:
            self.set(holder, an_id, 0)
        holder.drop_routes()
        return len(ids)

    def holders(self, an_id: bytes) -> Iterable[tuple[Holder, int]]:
        """Each holder of an id with its number of connections; nothing if nobody holds it."""
        route = self._routes.get(an_id)
        return [] if route is None else [(holder, holder.held[an_id]) for holder in route[2]]

    @staticmethod
    def _route_to(an_id: bytes, holders: list[Holder]) -> Route:
        if len(holders) == 1:
            return holders[0].route(holders[0].held[an_id])
        appends = tuple(holder.inbox.append for holder in holders)

        def hand(pair: Pair) -> None:
            for append in appends:
                append(pair)

        return (hand, sum(holder.held[an_id] for holder in holders), tuple(holders))
