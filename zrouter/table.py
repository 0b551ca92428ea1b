"""The routing table: which holders (frontends) hold an id, and back.

Owns: id -> route and holder -> ids, and that the two agree; which ids left a short while ago. Must not know:
the link, leases, messages, where the time comes from (clock.py).

A route is what the hot loop needs for one id, in one look-up: a callable that takes the message into the
inbox of each holder, the number of connections, and the holders. All ids that one holder holds on the same
number of connections share one route, so an id costs two dict slots and its bytes: about 150 B.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from zrouter.clock import Clock
from zrouter.wire import KEPT, Delivery, Fan, Spans

Hand: TypeAlias = Callable[[Delivery], object]
Route: TypeAlias = "tuple[Hand, int, tuple[Holder, ...]]"

# Counts of connections above this get a route of their own each: they are few, and the cache stays small.
_SHARED_UP_TO = 16


class Holder:
    """Whoever can hold ids: what it holds, and the inbox that routed pairs wait in until the next flush."""

    __slots__ = ("_routes", "address", "connections", "fans", "held", "inbox", "name", "spans", "was")

    def __init__(self, address: bytes, name: str) -> None:
        self.address = address
        self.name = name
        self.held: dict[bytes, int] = {}  # id -> connections, never 0
        self.connections = 0  # sum of held's values
        self.inbox: list[Delivery] = []  # one list for life: routes hold its bound append
        self.fans: list[Fan] = []  # what goes to many ids, behind the inbox
        self.spans: list[Spans] = []  # of these, which positions the ids have
        # Before that message of the inbox, an id was on another number of connections: (place, id, number).
        self.was: list[tuple[int, bytes, int]] = []
        self._routes: dict[int, Route] = {}

    def waiting(self) -> int:
        """Messages for it that wait until the next flush, each id's counted."""
        return len(self.inbox) + sum(len(ids) for _, _, ids in self.fans)

    def empty(self) -> None:
        """Nothing waits any more."""
        self.inbox.clear()
        self.was.clear()
        if self.fans:
            self.fans.clear()
            self.spans.clear()

    def counted(self) -> dict[int, int]:
        """For each position of the inbox, on how many connections its id was as the message came."""
        if not self.was:
            return {position: self.held.get(an_id, 0) for an_id, _, position in self.inbox}
        earlier: dict[bytes, list[tuple[int, int]]] = {}
        for place, an_id, number in self.was:
            earlier.setdefault(an_id, []).append((place, number))
        return {
            position: next(
                (number for before, number in earlier.get(an_id, ()) if place < before),
                self.held.get(an_id, 0),
            )
            for place, (an_id, _, position) in enumerate(self.inbox)
        }

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
    """id -> route, for every id that anybody holds, or held until a short while ago.

    `linger_s` is that while, for `max_lingering` ids at the most; those that left first are forgotten.
    """

    def __init__(self, clock: Clock, linger_s: float = 0.0, max_lingering: int = 0) -> None:
        self._routes: dict[bytes, Route] = {}
        self.connections = 0  # of all ids together
        self.kept: list[Delivery] = []  # the inbox of the ids that linger
        self._kept: Route = (self.kept.append, KEPT, ())
        self._linger_s = linger_s
        self._max_lingering = max_lingering if linger_s else 0
        self._lingering: OrderedDict[bytes, float] = OrderedDict()  # id -> when it left, in that order
        self._clock = clock
        # Those that came since somebody looked, if anybody wants to know.
        self.arrived: dict[bytes, None] | None = None

    def __len__(self) -> int:
        return len(self._routes) - len(self._lingering)

    @property
    def lingering(self) -> int:
        """How many ids left a short while ago."""
        return len(self._lingering)

    def tick(self) -> None:
        """Forget the ids that have lingered long enough."""
        lingering, now = self._lingering, self._clock.now
        while lingering and now - next(iter(lingering.values())) > self._linger_s:
            self._end_linger()

    @property
    def routes(self) -> Mapping[bytes, Route]:
        """The routes by id, to read; one dict for the table's life, so that a loop may keep its `get`."""
        return self._routes

    def set(self, holder: Holder, an_id: bytes, connections: int) -> None:
        """From now on `holder` holds `an_id` on that many connections; 0 = not at all. Twice is once."""
        before = holder.held.get(an_id, 0)
        if before == connections:
            return
        if before and holder.inbox:
            holder.was.append((len(holder.inbox), an_id, before))
        if connections:
            holder.held[an_id] = connections
        else:
            del holder.held[an_id]
        holder.connections += connections - before
        self.connections += connections - before
        route = self._routes.get(an_id)
        if route is None or route is self._kept or route[2] == (holder,):
            if connections:
                if route is None and self.arrived is not None:
                    self.arrived[an_id] = None
                self._routes[an_id] = holder.route(connections)
                if route is self._kept:
                    del self._lingering[an_id]
            elif self._max_lingering:
                self._linger(an_id)
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

    def count(self, an_id: bytes) -> int:
        """On how many connections an id is."""
        route = self._routes.get(an_id)
        return 0 if route is None or route is self._kept else route[1]

    def left_at(self, an_id: bytes) -> float | None:
        """When an id that has no connection had one; None if that is too long ago."""
        return self._lingering.get(an_id)

    def _linger(self, an_id: bytes) -> None:
        self._routes[an_id] = self._kept
        self._lingering[an_id] = self._clock.now
        if len(self._lingering) > self._max_lingering:
            self._end_linger()

    def _end_linger(self) -> None:
        """Forget the id that left first."""
        an_id, _ = self._lingering.popitem(last=False)
        del self._routes[an_id]

    @staticmethod
    def _route_to(an_id: bytes, holders: list[Holder]) -> Route:
        if len(holders) == 1:
            return holders[0].route(holders[0].held[an_id])
        appends = tuple(holder.inbox.append for holder in holders)

        def hand(delivery: Delivery) -> None:
            for append in appends:
                append(delivery)

        return (hand, sum(holder.held[an_id] for holder in holders), tuple(holders))
