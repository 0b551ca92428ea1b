"""Who of a store's ids may be logged in: from many followers to the few that a publish is for.

Owns: for each number of the store, where the id is that the routing table has; none for all others. Must not
know: routes, connections, what is published.

Each number has four bytes in one array, 0 for who is away: a list of followers is looked up in it at once,
with numpy, and only those who may be there are touched as ids. See docs/decisions/publish.md.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

import numpy as np

from zrouter.follows.store import Numbers, Packed, View

# Followers looked at in one go: it takes 50 us if all are away, and 2 ms if all are there.
LOOK: Final = 50_000
_NOBODY: Numbers = np.empty(0, np.uint32)
# Places of ids that may have left, looked at for each id that comes.
_SWEPT: Final = 2


class Table(Protocol):
    """What is asked of the routing table."""

    arrived: dict[bytes, None] | None

    @property
    def routes(self) -> Mapping[bytes, object]:
        """By id, for each that it has."""


class Online:
    """One table's ids by the numbers of a store, which it is shown as views."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._generation: str | None = None
        self._seen = 0  # numbers that were looked at: ids get theirs one after another
        self._places = _NOBODY  # by number
        # By place; the first is nobody's.
        self._ids: list[bytes] = [b""]
        self._numbers = array("I", [0])
        self._free: list[int] = []
        self._hand = 0

    def __len__(self) -> int:
        return len(self._ids) - 1 - len(self._free)

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
                self._place(number, an_id)
            budget -= 1
        return not arrived and self._seen == size

    def is_of(self, view: View) -> bool:
        """Whether every number of that view was looked at."""
        return view.generation == self._generation and view.size <= self._seen

    def give_up(self) -> None:
        """The store can't be read: begin anew with the next view."""
        self._generation = None
        self._table.arrived = None

    def among(self, followers: Packed, most: int) -> Iterator[list[bytes]]:
        """Those of a list of that view that may be there, at most so many at a time.

        The view has to be open until the end, and may be of an earlier generation by then.
        """
        return _portions(self._places, self._ids, followers, most)

    def _begin(self, view: View) -> None:
        """Numbers are others now."""
        self._generation = view.generation
        self._seen = view.size
        self._places = np.zeros(self._seen, np.uint32)
        self._ids, self._numbers, self._free, self._hand = [b""], array("I", [0]), [], 0
        # While there are no numbers, nobody has to be looked up.
        self._table.arrived = dict.fromkeys(self._table.routes) if self._seen else None

    def _see(self, view: View, end: int) -> int:
        """Look at the numbers up to there; how many that were."""
        if self._table.arrived is None:
            self._table.arrived = {}
        if end > self._places.size:
            places = np.zeros(max(end, self._places.size + self._places.size // 8), np.uint32)
            places[: self._places.size] = self._places
            self._places = places
        first, self._seen = self._seen, end
        routes = self._table.routes
        for number, an_id in enumerate(view.names(range(first, end)), first):
            if an_id in routes:
                self._place(number, an_id)
        return end - first

    def _place(self, number: int, an_id: bytes) -> None:
        if self._places[number]:
            return
        if self._free:
            place = self._free.pop()
            self._ids[place] = an_id
            self._numbers[place] = number
        else:
            place = len(self._ids)
            self._ids.append(an_id)
            self._numbers.append(number)
        self._places[number] = place
        self._sweep()

    def _sweep(self) -> None:
        """Free a place or two of ids that have left: so they are never more than those that are there."""
        for _ in range(_SWEPT):
            self._hand += 1
            if self._hand >= len(self._ids):
                self._hand = 1
            an_id = self._ids[self._hand]
            if an_id and an_id not in self._table.routes:
                self._places[self._numbers[self._hand]] = 0
                self._ids[self._hand] = b""
                self._free.append(self._hand)


def _portions(places: Numbers, ids: list[bytes], followers: Packed, most: int) -> Iterator[list[bytes]]:
    base = followers.base
    for first in range(0, base.size, LOOK):
        # Named at once: what is a place of an id now may be another's by the next turn.
        found = _present(places, ids, base[first : first + LOOK], followers.removed)
        for begin in range(0, max(1, len(found)), most):
            yield found[begin : begin + most]
    if followers.added.size:
        found = _present(places, ids, followers.added, _NOBODY)
        for begin in range(0, len(found), most):
            yield found[begin : begin + most]


def _present(places: Numbers, ids: list[bytes], numbers: Numbers, removed: Numbers) -> list[bytes]:
    place_of = places.take(numbers)
    is_there = place_of != 0
    if removed.size:
        is_there &= ~np.isin(numbers, removed, assume_unique=True)
    return [ids[place] for place in place_of[is_there].tolist()]
