"""The routing table: which holders (frontends) hold an id, and back.

Owns: id -> route and holder -> ids, and that the two agree; what of a holder that left is yet to be undone.
Must not know: the link, leases, messages, where the time comes from (clock.py), how long ids that left are
known (lingering.py).

A route is what the hot loop needs for one id, in one look-up: a callable that takes the message into the
inbox of each holder, the number of connections, and the holders. All ids that one holder holds on the same
number of connections share one route, so an id costs two dict slots and its bytes: about 150 B.

A holder that leaves may hold a million ids. They are taken from it some at a time, and each that somebody
asks for before its turn is taken from it first: nobody waits for all of them, nor sees that it takes time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, cast

from zrouter.routing.clock import Clock
from zrouter.routing.lingering import Leavers, Lingering, Place
from zrouter.wire import Delivery, Fan, Spans

Hand: TypeAlias = Callable[[Delivery], object]
Route: TypeAlias = "tuple[Hand, int, tuple[Holder, ...]]"

# Counts of connections above this get a route of their own each: they are few, and the cache stays small.
_SHARED_UP_TO = 16


class Holder:
    """Whoever can hold ids: what it holds, and the inbox that routed pairs wait in until the next flush."""

    __slots__ = (
        "_routes", "address", "connections", "fans", "held", "inbox",
        "leavers", "left_at", "name", "spans", "was",
    )  # fmt: skip

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
        self.left_at: float | None = None  # when it left with all that it holds
        self.leavers: Leavers | None = None  # what left it, once something has
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

    `linger_s` is that while, for `max_lingering` ids at the most: see Lingering.
    """

    def __init__(self, clock: Clock, linger_s: float = 0.0, max_lingering: int = 0) -> None:
        self._routes: dict[bytes, Route] = {}
        self.connections = 0  # of all ids together
        self._clock = clock
        self._lingering = Lingering(clock, self._routes, linger_s, max_lingering)
        self.kept = self._lingering.kept  # the inbox of the ids that linger
        self._leaving: deque[Holder] = (
            deque()
        )  # holders that left, and that something is yet to be taken from
        self._logged_out: list[bytes] = []
        # Those that came since somebody looked, if anybody wants to know.
        self.arrived: dict[bytes, None] | None = None

    def __len__(self) -> int:
        return len(self._routes) - len(self._lingering)

    @property
    def lingering(self) -> int:
        """How many ids left a short while ago."""
        return len(self._lingering)

    @property
    def evicted(self) -> int:
        """How many of these had to go before their time."""
        return self._lingering.evicted

    @property
    def is_unsettled(self) -> bool:
        """Whether something is yet to be taken from a holder that left: `settle` ids before routing."""
        return bool(self._leaving)

    @property
    def routes(self) -> Mapping[bytes, Route]:
        """The routes by id, to read; one dict for the table's life, so that a loop may keep its `get`."""
        return self._routes

    def set(self, holder: Holder, an_id: bytes, connections: int) -> None:
        """From now on `holder` holds `an_id` on that many connections; 0 = not at all. Twice is once."""
        before = holder.held.get(an_id, 0)
        if before == connections:
            return
        if self._leaving:
            self.settle((an_id,))
        if before and holder.inbox:
            holder.was.append((len(holder.inbox), an_id, before))
        if connections:
            holder.held[an_id] = connections
        else:
            del holder.held[an_id]
        holder.connections += connections - before
        self.connections += connections - before
        self._reroute(holder, an_id, connections)

    def _reroute(self, holder: Holder, an_id: bytes, connections: int) -> None:
        """That is so now: so is its route."""
        route = self._routes.get(an_id)
        is_lingering = type(route) is Place
        if route is None or is_lingering or route[2] == (holder,):
            if connections:
                if route is None and self.arrived is not None:
                    self.arrived[an_id] = None
                self._routes[an_id] = holder.route(connections)
                if is_lingering:
                    self._lingering.remove(an_id, cast(Place, route))
            elif self._lingering.is_on:
                if holder.leavers is None:
                    holder.leavers = Leavers()
                self._lingering.add(
                    holder.leavers, an_id, self._clock.now if holder.left_at is None else holder.left_at
                )
            else:
                del self._routes[an_id]
            return
        holders = [other for other in route[2] if other is not holder]
        if connections:
            holders.append(holder)
        self._routes[an_id] = self._route_to(an_id, holders)

    def leave(self, holder: Holder) -> None:
        """Nothing is held by `holder` any more: `settle` and `log_out` take it away; its inbox is empty."""
        self.connections -= holder.connections
        holder.connections = 0
        holder.left_at = self._clock.now
        self._leaving.append(holder)

    def settle(self, ids: Iterable[bytes]) -> None:
        """What these have lost is taken away now."""
        for an_id in ids:
            route = self._routes.get(an_id)
            if route is None:
                continue
            for holder in route[2]:
                if holder.left_at is not None:
                    del holder.held[an_id]
                    self._reroute(holder, an_id, 0)
                    self._logged_out.append(an_id)

    def log_out(self, budget: int) -> int:
        """Take so many ids at the most from holders that left; how many that were."""
        done = 0
        while self._leaving and done < budget:
            holder = self._leaving[0]
            held = holder.held
            for _ in range(min(budget - done, len(held))):
                an_id, _ = held.popitem()
                self._reroute(holder, an_id, 0)
                self._logged_out.append(an_id)
                done += 1
            if not held:
                self._leaving.popleft()
                holder.drop_routes()
        return done

    def logged_out(self) -> list[bytes]:
        """The ids that holders which left have lost since the last call."""
        ids, self._logged_out = self._logged_out, []
        return ids

    def expire(self, budget: int) -> bool:
        """Forget ids that have lingered long enough, so many at the most; whether there are more."""
        return self._lingering.expire(budget)

    def forget(self, holder: Holder) -> None:
        """Nothing is held by `holder` any more, and all of that is taken away at once."""
        self.leave(holder)
        while self.log_out(len(holder.held) + 1):
            pass

    def holders(self, an_id: bytes) -> Iterable[tuple[Holder, int]]:
        """Each holder of an id with its number of connections; nothing if nobody holds it."""
        if self._leaving:
            self.settle((an_id,))
        route = self._routes.get(an_id)
        return [] if route is None else [(holder, holder.held[an_id]) for holder in route[2]]

    def count(self, an_id: bytes) -> int:
        """On how many connections an id is."""
        if self._leaving:
            self.settle((an_id,))
        route = self._routes.get(an_id)
        return 0 if route is None or type(route) is Place else route[1]

    def left_at(self, an_id: bytes) -> float | None:
        """When an id that has no connection had one; None if that is too long ago."""
        if self._leaving:
            self.settle((an_id,))
        route = self._routes.get(an_id)
        return route.ids[an_id] if isinstance(route, Place) else None

    @staticmethod
    def _route_to(an_id: bytes, holders: list[Holder]) -> Route:
        if len(holders) == 1:
            return holders[0].route(holders[0].held[an_id])
        appends = tuple(holder.inbox.append for holder in holders)

        def hand(delivery: Delivery) -> None:
            for append in appends:
                append(delivery)

        return (hand, sum(holder.held[an_id] for holder in holders), tuple(holders))
