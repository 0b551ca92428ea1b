"""Who of a store's ids may be logged in: from many followers to the few that a publish is for.

Owns: for each number of the store, where the id is that the routing table has; none for all others. Must not
know: routes, connections, what is published.

Each number has four bytes in one array, 0 for who is away: a list of followers is looked up in it at once,
with numpy, and only those who may be there are touched as ids. See docs/decisions/publish.md.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from typing import Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from zrouter.follows.store import Numbers, Packed, StoreError, View

# Followers looked at in one go: it takes 50 us if all are away, and 2 ms if all are there.
LOOK: Final = 50_000
# Picked from by numpy, without a loop in Python.
Ids: TypeAlias = npt.NDArray[np.object_]
# So many are looked up one by one in less time than numpy takes for a start.
_FEW: Final = 16
_NOBODY: Numbers = np.empty(0, np.uint32)
# Places of ids that may have left, looked at for each id that comes.
_SWEPT: Final = 2


class Table(Protocol):
    """What is asked of the routing table."""

    arrived: dict[bytes, None] | None

    @property
    def routes(self) -> Mapping[bytes, object]:
        """By id, for each that it has."""


class OnlineFollowers:
    """One table's ids by the numbers of a store, which it is shown as views."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._generation: str | None = None
        self._seen = 0  # numbers that were looked at: ids get theirs one after another
        self._places = _Places(0)

    def __len__(self) -> int:
        return len(self._places)

    def has_to_catch_up(self) -> bool:
        """Whether ids came since."""
        return bool(self._table.arrived)

    def catch_up(self, view: View, budget: int) -> bool:
        """Look up ids that came, and numbers that are new, so many at most; whether that was all."""
        if view.generation != self._generation:
            self._begin(view)
        size = view.size
        if size > self._seen:
            budget -= self._see(view, min(size, self._seen + budget))
        arrived = self._table.arrived
        while arrived and budget > 0:
            an_id, _ = arrived.popitem()
            number = view.number(an_id)
            if number is not None:
                self._places.give(number, an_id, self._table.routes)
            budget -= 1
        return not arrived and self._seen == size

    def is_of(self, view: View) -> bool:
        """Whether every number of that view was looked at."""
        return view.generation == self._generation and view.size <= self._seen

    def give_up(self) -> None:
        """The store can't be read: begin anew with the next view."""
        self._generation = None
        self._table.arrived = None

    def among(self, followers: Packed, most: int) -> Iterator[tuple[int, list[bytes]]]:
        """Those of a list of that view that may be there, at most so many at a time.

        With each of these, how many followers were looked at for it. Raises StoreError. The view has to be
        open until the end, and may be of an earlier generation by then.
        """
        return _portions(self._places, followers, most)

    def _begin(self, view: View) -> None:
        """Numbers are others now."""
        self._generation = view.generation
        self._seen = view.size
        self._places = _Places(self._seen)
        # While there are no numbers, nobody has to be looked up.
        self._table.arrived = dict.fromkeys(self._table.routes) if self._seen else None

    def _see(self, view: View, end: int) -> int:
        """Look at the numbers up to there; how many that were."""
        if self._table.arrived is None:
            self._table.arrived = {}
        self._places.make_room(end)
        first, self._seen = self._seen, end
        routes = self._table.routes
        for number, an_id in enumerate(view.names(range(first, end)), first):
            if an_id in routes:
                self._places.give(number, an_id, routes)
        return end - first


class _Places:
    """Of one generation. Place 0 is nobody's."""

    def __init__(self, numbers: int) -> None:
        self._place_of = np.zeros(numbers, np.uint32)
        self._ids = _nobodys(1)
        self._numbers = array("I", [0])
        self._free: list[int] = []
        self._hand = 0

    def __len__(self) -> int:
        return len(self._numbers) - 1 - len(self._free)

    def make_room(self, numbers: int) -> None:
        """There are so many numbers now."""
        before = self._place_of
        if numbers > before.size:
            self._place_of = np.zeros(max(numbers, before.size + before.size // 8), np.uint32)
            self._place_of[: before.size] = before

    def give(self, number: int, an_id: bytes, routes: Mapping[bytes, object]) -> None:
        """An id that came has that number; it may have its place already."""
        if self._place_of[number]:
            return
        if self._free:
            place = self._free.pop()
            self._numbers[place] = number
        else:
            place = len(self._numbers)
            if place == self._ids.size:
                self._ids = np.concatenate((self._ids, _nobodys(place // 8 + 1000)))
            self._numbers.append(number)
        self._ids[place] = an_id
        self._place_of[number] = place
        self._sweep(routes)

    def present(self, numbers: Numbers, removed: Numbers) -> list[bytes]:
        """The ids of those who have a place, without the removed, who are some of them."""
        try:
            if numbers.size <= _FEW:
                place_of, ids, without = self._place_of, self._ids, removed.tolist()
                return [
                    ids[place]
                    for number in numbers.tolist()
                    if (place := place_of[number]) and number not in without
                ]
            places = self._place_of.take(numbers)
            there = (places != 0).nonzero()[0]
            if not there.size:
                return []
            places = places[there]
            if removed.size:
                gone = removed[self._place_of.take(removed) != 0]
                if gone.size:
                    places = np.delete(places, numbers[there].searchsorted(gone))
        except IndexError:
            raise StoreError("a list of followers has numbers of nobody: the store is damaged") from None
        found: list[bytes] = self._ids[places].tolist()
        return found

    def _sweep(self, routes: Mapping[bytes, object]) -> None:
        """Free a place or two of ids that have left: so they are never more than those that are there."""
        for _ in range(_SWEPT):
            self._hand += 1
            if self._hand >= len(self._numbers):
                self._hand = 1
            an_id = self._ids[self._hand]
            if an_id and an_id not in routes:
                self._place_of[self._numbers[self._hand]] = 0
                self._ids[self._hand] = b""
                self._free.append(self._hand)


def _nobodys(count: int) -> Ids:
    return np.full(count, b"", np.object_)


def _portions(places: _Places, followers: Packed, most: int) -> Iterator[tuple[int, list[bytes]]]:
    base, added, removed = followers
    if not base.size and not added.size:
        return
    # Where those who are removed from each portion begin and end.
    ends = [*removed.searchsorted(base[LOOK::LOOK]).tolist(), removed.size]
    begin = 0
    for portion, end in enumerate(ends):
        # Named at once: what is a place of an id now may be another's by the next turn.
        numbers = base[portion * LOOK : (portion + 1) * LOOK]
        found, looked = places.present(numbers, removed[begin:end]), numbers.size
        begin = end
        if added.size and portion + 1 == len(ends):
            # Few, as changes of a list are merged into it: a turn of their own would cost more than they do.
            found += places.present(added, _NOBODY)
            looked += added.size
        for first in range(0, max(1, len(found)), most):
            yield 0 if first else looked, found[first : first + most]
