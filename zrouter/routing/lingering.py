"""Ids that left a short while ago, and are kept a place: messages for them are kept, too.

Owns: when each of them left and whose it was, who has to go when there are too many. Must not know: messages,
where the time comes from (clock.py), who holds ids.

All holders together may have so many. When there are more, the id goes that left first of the holder that has
most: so a holder whose ids come and go takes nothing from others. Ids that left a holder at about the same
time share a place in its row, which is their route: an id that lingers costs no object of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import MutableMapping
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import Any, Final

from zrouter.routing.clock import Clock
from zrouter.wire import KEPT, Delivery

# What left within so many seconds is in one place, as long as it is not too many to look through.
_PLACE_S: Final = 0.25
_PLACE_IDS: Final = 1000


class Leavers:
    """The ids that left one holder, in places, the oldest first; some places may have none any more."""

    __slots__ = ("count", "is_due", "places")

    def __init__(self) -> None:
        self.places: deque[Place] = deque()
        self.count = 0
        self.is_due = False  # it is among those whose time is looked at


class Place(tuple[Any, ...]):
    """A route like any other (routing_table.py): to what is kept, on no connection, of no holder."""

    ids: dict[bytes, float]  # each with when it left; what left in one burst shares that number
    at: float  # when the first of them did
    leavers: Leavers


class Lingering:
    """For `linger_s` seconds and `most` ids; `routes` is the table's, where each of them has its place."""

    def __init__(self, clock: Clock, routes: MutableMapping[bytes, Any], linger_s: float, most: int) -> None:
        self.kept: list[Delivery] = []  # the inbox of all of these ids
        self.evicted = 0  # ids that had to go before their time
        self._clock = clock
        self._routes = routes
        self._linger_s = linger_s
        self._most = most if linger_s else 0
        self._count = 0
        self._by_count: dict[int, dict[Leavers, None]] = {}  # those that have so many ids
        self._highest = 0  # of these numbers
        self._is_ranked = False  # whether these two are kept
        self._due: list[tuple[float, int, Leavers]] = []  # a heap: the oldest place, or one that was
        self._turns = count()

    def __len__(self) -> int:
        return self._count

    @property
    def is_on(self) -> bool:
        """Whether any id is kept a place."""
        return self._most > 0

    def add(self, leavers: Leavers, an_id: bytes, at: float) -> None:
        """This id left then; whoever has to go for it goes."""
        places = leavers.places
        place = places[-1] if places else None
        if place is None or at - place.at > _PLACE_S or len(place.ids) >= _PLACE_IDS:
            place = Place((self.kept.append, KEPT, ()))
            place.ids, place.at, place.leavers = {}, at, leavers
            places.append(place)
            if not leavers.is_due:
                leavers.is_due = True
                heappush(self._due, (at, next(self._turns), leavers))
        place.ids[an_id] = at
        self._routes[an_id] = place
        self._changed(leavers, 1)
        if self._count > self._most:
            self._evict()

    def remove(self, an_id: bytes, place: Place) -> None:
        """It is back; its route is the table's again."""
        del place.ids[an_id]
        self._changed(place.leavers, -1)

    def expire(self, budget: int) -> bool:
        """Forget those whose time is over, so many at the most; whether there are more."""
        over = self._clock.now - self._linger_s - _PLACE_S
        due, routes = self._due, self._routes
        while due and due[0][0] < over:
            leavers = due[0][2]
            places = leavers.places
            while places and not places[0].ids:
                places.popleft()
            if not places:
                leavers.is_due = False
                heappop(due)
            elif places[0].at >= over:
                heapreplace(due, (places[0].at, next(self._turns), leavers))
            elif budget <= 0:
                return True
            else:
                ids = places[0].ids
                some = min(budget, len(ids))
                for _ in range(some):
                    del routes[ids.popitem()[0]]
                budget -= some
                self._changed(leavers, -some)
        return False

    def _evict(self) -> None:
        """The first that left, of the holder that has most."""
        leavers = next(iter(self._by_count[self._highest]))
        places = leavers.places
        while not places[0].ids:
            places.popleft()
        an_id = next(iter(places[0].ids))
        del places[0].ids[an_id], self._routes[an_id]
        self._changed(leavers, -1)
        self.evicted += 1

    def _changed(self, leavers: Leavers, more: int) -> None:
        """It has so many ids more."""
        self._count += more
        before = leavers.count
        leavers.count = before + more
        if self._is_ranked:
            self._rank(leavers, before)
        elif self._count > self._most // 2:
            self._is_ranked = True
            for _, _, one in self._due:
                self._rank(one, 0)

    def _rank(self, leavers: Leavers, before: int) -> None:
        """It had so many, and has another number now. Who has most matters only when there is little room."""
        by_count, after = self._by_count, leavers.count
        if before:
            same = by_count[before]
            del same[leavers]
            if not same:
                del by_count[before]
        if after:
            by_count.setdefault(after, {})[leavers] = None
        if after > self._highest:
            self._highest = after
        while self._highest and self._highest not in by_count:
            self._highest -= 1
        if self._count < self._most // 4:
            self._is_ranked, self._highest = False, 0
            by_count.clear()
