"""The ledger: every message that was sent, what its sender was told, when it was taken, where it stands.

Owns: numbers of messages, and what is known of each. Must not know: clients, what is an offence.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

from tests.simulation.judge.follows import FollowsModel
from tests.simulation.kernel import Pair

KEPT = -1
_NUMBER = re.compile(r"n=(\d+)\.(\d+)")


class Entry:
    """One message. Times are the world's [s]."""

    def __init__(self, number: tuple[int, int], id: str, is_published: bool, at: float) -> None:
        self.number = number
        self.id = id  # whom it is for, or whose followers
        self.is_published = is_published
        self.at = at
        self.order = 0  # of all that was asked for
        self.is_repeated = False  # it may be asked for again
        self.taken: list[float] = []  # when a router took it; often once
        self.told: float | None = None  # when its sender was told what became of it
        self.receipt: int | None = None
        self.is_refused = False
        self.fronts: set[str] = set()  # names of those that held its id when it was taken
        self.heard: dict[str, float] = {}  # frontend -> when it had read it from the link
        self.places: dict[str, int] = {}  # epoch -> position, of what was sent

    def __repr__(self) -> str:
        what = "publish" if self.is_published else "message"
        return f"{what} {self.number[0]}.{self.number[1]} to {self.id[:20]!r}"


class Ledger:
    """See the module's docstring."""

    def __init__(self) -> None:
        self.entries: dict[tuple[int, int], Entry] = {}
        self.follows = FollowsModel()
        self.published_by: set[str] = set()
        # What a frontend says in a request: of which connections it logs in which ids.
        self.logins: dict[tuple[str, int], list[tuple[Pair, bytes]]] = {}
        self.on_login: Callable[[Pair, bytes], None] = lambda pair, an_id: None
        self.dropped_at: dict[str, float] = {}  # name of a peer -> when it last did not take a frame
        self._positions: dict[
            str, list[tuple[int, float]]
        ] = {}  # epoch -> (position, time of taking), rising

    def new(self, number: tuple[int, int], id: str, is_published: bool, at: float) -> Entry:
        """One more."""
        entry = self.entries[number] = Entry(number, id, is_published, at)
        entry.order = self.follows.next()
        if is_published:
            self.published_by.add(id)
        return entry

    def find(self, text: str) -> Entry | None:
        """The one with that text."""
        found = _NUMBER.search(text)
        return None if found is None else self.entries.get((int(found[1]), int(found[2])))

    def placed(self, epoch: str, position: int, at: float) -> None:
        """A message that was taken then stands there."""
        rows = self._positions.setdefault(epoch, [])
        if not rows or position > rows[-1][0]:
            rows.append((position, at))

    def time_of(self, offset: str) -> float:
        """Who is there has had all that was taken before this time; 0 if that is not known."""
        epoch, _, position = offset.partition(".")
        rows = self._positions.get(epoch, [])
        try:
            found = bisect_right(rows, (int(position, 16), 1e18))
        except ValueError:
            return 0.0
        return rows[found - 1][1] if found else 0.0
