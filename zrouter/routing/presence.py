"""Presence: telling those who watch an id on how many connections it is, and when it has none any more.

Owns: who watches what, what each watched id was last said to be, what is yet to be said to whom. Must not
know: sockets, where the time comes from (clock.py), who holds an id; it is told when that changes.

What is said is a state, never a step, so that what changes faster than it can be said is said once:

    an id comes online              at the end of the burst
    it has more or fewer            at the next tick
    it has none                     once it had none for the linger: a reconnect is no offline and an online
    somebody begins to watch it     at the end of the burst, if it is known

All who watch an id have been told the same. After a router's start nothing is known of an id without a
connection, until every frontend has had the linger to log its ids in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import islice
from math import ceil
from typing import Final

from zrouter import wire
from zrouter.routing.clock import Clock
from zrouter.wire import WireError, encode

STATES: Final = 2000  # in one frame
_SLOT_S: Final = 0.25
_UNSAID: Final = -1
_AT_ONCE: Final = 1000  # ids of a watcher that goes; the rest later
_HEAD: Final = encode(wire.Presence([]))[:2]  # of each such frame


class Watcher:
    """A peer that watches ids, and what it has yet to be told."""

    __slots__ = ("address", "handed_bytes", "ids", "is_deaf", "is_gone", "only", "told_bytes", "untold")

    def __init__(self, address: bytes) -> None:
        self.address = address
        self.ids: set[bytes] = set()
        self.untold: dict[bytes, None] = {}  # in the order in which they changed
        # Their difference is what is under way: bytes of Presence frames.
        self.handed_bytes = 0
        self.told_bytes = 0
        self.is_deaf = False  # it did not take the last frame: the next tick tries again
        self.is_gone = False  # and some of what it watched is yet to be forgotten
        self.only: frozenset[Watcher] = frozenset((self,))  # shared by all ids that only it watches


class _Watched:
    """An id that somebody watches."""

    __slots__ = ("newcomers", "said", "slot", "watchers")

    def __init__(self, watchers: AbstractSet[Watcher]) -> None:
        self.watchers = watchers
        self.said = _UNSAID  # the connections that all of them were told
        self.slot = 0  # when it will be said to have none; 0 = it won't
        self.newcomers: tuple[Watcher, ...] = ()  # those who came since, and were told nothing yet


class Watches:
    """Who watches what. `count` says on how many connections an id is now, `left_at` when it last had one.

    `left_at` may know that of some ids only; `linger_s` is how long an id is without a connection before that
    is said, `max_watches` how many ids all watchers together may watch.
    """

    def __init__(
        self,
        clock: Clock,
        count: Callable[[bytes], int],
        left_at: Callable[[bytes], float | None],
        linger_s: float,
        max_watches: int,
    ) -> None:
        self.watches = 0  # now, of all watchers together
        self.states_out = 0  # states said, to each watcher
        self._count = count
        self._left_at = left_at
        self._linger_s = linger_s
        self._max_watches = max_watches
        self._clock = clock
        self._watchers: dict[bytes, Watcher] = {}
        self._watched: dict[bytes, _Watched] = {}
        self._came: dict[bytes, None] = {}  # of this burst
        self._changed: dict[bytes, None] = {}  # since the last tick
        self._to_tell: dict[Watcher, None] = {}  # those that have something untold, and may be told
        self._deaf: list[Watcher] = []
        self._slots: dict[int, dict[bytes, None]] = {}  # slot -> ids that are then said to have left
        self._next_slot: int | None = None  # until the first tick
        self._due: dict[bytes, None] = {}  # changes that are to be said now
        self._ending: deque[Watcher] = deque()  # those that are gone
        self._unended = 0  # ids that these watched, and that are yet to be forgotten

    # ---- who watches -------------------------------------------------------------------------------

    def watch(self, address: bytes, ids: Iterable[bytes]) -> None:
        """The peer on that connection watches these ids from now on, beside others. Twice is once.

        Raises:
            WireError: with code FULL; then it watches none of them that it did not watch before.
        """
        watcher = self._watchers.get(address) or Watcher(address)
        new = dict.fromkeys(ids).keys() - watcher.ids
        over = self.watches + self._unended + len(new) - self._max_watches
        if over > 0:
            self._forget_some(over)
        if self.watches + self._unended + len(new) > self._max_watches:
            raise WireError(wire.FULL, f"{self.watches} ids are watched already, of {self._max_watches}")
        for an_id in watcher.ids.intersection(ids):
            # It may have forgotten what it was told: a frontend whose last client that watches went and came.
            if self._watched[an_id].said != _UNSAID:
                self._tell_newcomer(an_id, self._watched[an_id], watcher)
        if not new:
            return
        self._watchers[address] = watcher
        self.watches += len(new)
        watcher.ids |= new
        for an_id in new:
            watched = self._watched.get(an_id)
            if watched is None:
                watched = self._watched[an_id] = _Watched(watcher.only)
                self._begin(an_id, watched)
            elif isinstance(watched.watchers, set):
                watched.watchers.add(watcher)
            else:
                watched.watchers = {*watched.watchers, watcher}
            if watched.said != _UNSAID:
                self._tell_newcomer(an_id, watched, watcher)

    def unwatch(self, address: bytes, ids: Iterable[bytes]) -> None:
        """It no longer watches these; no error if it did not."""
        watcher = self._watchers.get(address)
        if watcher is None:
            return
        gone = watcher.ids.intersection(ids)
        watcher.ids -= gone
        self.watches -= len(gone)
        for an_id in gone:
            self._end(watcher, an_id)

    def forget(self, address: bytes) -> None:
        """That peer has left; no error if it watched nothing."""
        watcher = self._watchers.pop(address, None)
        if watcher is not None:
            self.watches -= len(watcher.ids)
            self._unended += len(watcher.ids)
            watcher.is_gone = True
            watcher.untold.clear()
            self._to_tell.pop(watcher, None)
            self._ending.append(watcher)
            self._forget_some(_AT_ONCE)

    # ---- what changes ------------------------------------------------------------------------------

    def among(self, ids: Iterable[bytes]) -> AbstractSet[bytes]:
        """Those of these ids that somebody watches."""
        return self._watched.keys() & ids if self._watched else frozenset()

    def changed(self, ids: Iterable[bytes]) -> None:
        """These ids, watched or not, may be on another number of connections now."""
        for an_id in self.among(ids):
            watched = self._watched[an_id]
            if count := self._count(an_id):
                self._stay(an_id, watched)
                if watched.said <= 0 or watched.newcomers:
                    self._came[an_id] = None
                elif count != watched.said:
                    self._changed[an_id] = None
            elif not watched.slot and (watched.said or an_id in self._came):
                self._leave(an_id, watched, self._left_at(an_id) or self._clock.now)
                # It came and went in one burst: whoever is yet to be told that it is away has to wait.
                watched.said = watched.said or _UNSAID

    def reported(self, address: bytes, told_bytes: int) -> None:
        """That peer has taken so many bytes of Presence frames."""
        watcher = self._watchers.get(address)
        if watcher is not None:
            watcher.told_bytes = min(max(watcher.told_bytes, told_bytes), watcher.handed_bytes)
            self._may_be_told(watcher)

    def tick(self) -> None:
        """What has changed, and who left so long ago, is to be said now: `work` does it."""
        self._due |= self._changed
        self._changed = {}
        deaf, self._deaf = self._deaf, []
        for watcher in deaf:
            watcher.is_deaf = False
            self._may_be_told(watcher)

    def work(self, budget: int) -> bool:
        """Say what is due, and forget what the gone have watched, of so many ids; whether there is more."""
        while self._due and budget > 0:
            an_id, _ = self._due.popitem()
            self._say(an_id, self._count(an_id))
            budget -= 1
        if self._next_slot is None:
            self._next_slot = int(self._started / _SLOT_S)
        while self._next_slot <= self._clock.now / _SLOT_S:
            ids = self._slots.get(self._next_slot, {})
            while ids and budget > 0:
                an_id, _ = ids.popitem()
                self._watched[an_id].slot = 0
                self._say(an_id, 0)
                budget -= 1
            if ids:
                return True
            self._slots.pop(self._next_slot, None)
            self._next_slot += 1
        return self._forget_some(budget) or bool(self._due)

    def excuse_all(self) -> None:
        """The router itself was away: whoever is said to be without a connection has the linger anew."""
        slots, self._slots = self._slots, {}
        for ids in slots.values():
            for an_id in ids:
                self._leave(an_id, self._watched[an_id], self._clock.now)

    # ---- out ---------------------------------------------------------------------------------------

    def outgoing(self) -> Iterator[tuple[bytes, bytes]]:
        """`(address, frame)` for all that is to be said now; the burst ends here."""
        if self._came:
            for an_id in self._came:
                self._say(an_id, self._count(an_id))
            self._came = {}
        if not self._to_tell:
            return
        to_tell, self._to_tell = self._to_tell, {}
        for watcher in to_tell:
            while watcher.untold and _has_room(watcher):
                states = self._take_untold(watcher)
                if not states:
                    continue
                frame = encode(wire.Presence(states))
                watcher.handed_bytes += len(frame)
                self.states_out += len(states)
                yield watcher.address, frame

    def _take_untold(self, watcher: Watcher) -> list[tuple[bytes, int]]:
        """What a frame has for it; of ids that have left since, it is told what becomes of them."""
        states: list[tuple[bytes, int]] = []
        for an_id in list(islice(watcher.untold, STATES)):
            del watcher.untold[an_id]
            watched = self._watched[an_id]
            if watched.slot:
                if watcher not in watched.newcomers:
                    watched.newcomers += (watcher,)
            elif watched.said != _UNSAID:
                states.append((an_id, watched.said))
        return states

    def untaken(self, address: bytes, frame: bytes) -> None:
        """This frame could not be sent to that peer, who does not take any more: it is told again later."""
        watcher = self._watchers.get(address)
        if watcher is None or not frame.startswith(_HEAD):
            return
        watcher.handed_bytes -= len(frame)
        presence = wire.decode_from_router(frame)
        assert isinstance(presence, wire.Presence)
        self.states_out -= len(presence.states)
        if not watcher.is_deaf:
            watcher.is_deaf = True
            self._deaf.append(watcher)
        for an_id, _ in presence.states:
            if an_id in watcher.ids:
                watcher.untold[an_id] = None

    # ---- inside ------------------------------------------------------------------------------------

    @property
    def _started(self) -> float:
        assert self._clock.started is not None
        return self._clock.started

    def _begin(self, an_id: bytes, watched: _Watched) -> None:
        """Somebody begins to watch an id that nobody watched."""
        if count := self._count(an_id):
            watched.said = count
            return
        left_at = max(self._started, self._left_at(an_id) or self._started)
        if self._clock.now >= left_at + self._linger_s:
            watched.said = 0
        else:
            self._leave(an_id, watched, left_at)

    def _say(self, an_id: bytes, count: int) -> None:
        """It is on so many connections; 0 is said of those only whose linger has passed."""
        watched = self._watched.get(an_id)
        if watched is None or (count == 0 and watched.slot):
            return
        untold = watched.newcomers if watched.said == count else watched.watchers
        if watched.newcomers:
            watched.newcomers = ()
        watched.said = count
        for watcher in untold:
            self._tell(watcher, an_id)

    def _tell_newcomer(self, an_id: bytes, watched: _Watched, watcher: Watcher) -> None:
        """It is told what is, not what all others were told last; it waits while the id may be back soon."""
        count = self._count(an_id)
        if watched.said and not count:
            watched.newcomers += (watcher,) if watcher not in watched.newcomers else ()
            if not watched.slot:
                self._leave(an_id, watched, self._left_at(an_id) or self._clock.now)
            return
        self._say(an_id, count)
        self._tell(watcher, an_id)

    def _tell(self, watcher: Watcher, an_id: bytes) -> None:
        if watcher.is_gone:
            return
        watcher.untold[an_id] = None
        self._may_be_told(watcher)

    def _may_be_told(self, watcher: Watcher) -> None:
        if watcher.untold and not watcher.is_deaf and _has_room(watcher):
            self._to_tell[watcher] = None

    def _leave(self, an_id: bytes, watched: _Watched, left_at: float) -> None:
        # A slot more than that: `left_at` may be as old as a tick.
        slot = ceil((max(left_at, self._started) + self._linger_s) / _SLOT_S) + 1
        watched.slot = max(slot, self._next_slot or 0)
        self._slots.setdefault(watched.slot, {})[an_id] = None

    def _stay(self, an_id: bytes, watched: _Watched) -> None:
        if watched.slot:
            del self._slots[watched.slot][an_id]
            watched.slot = 0

    def _end(self, watcher: Watcher, an_id: bytes) -> None:
        """It watches this no more."""
        watched = self._watched[an_id]
        watcher.untold.pop(an_id, None)
        if watcher in watched.newcomers:
            watched.newcomers = tuple(one for one in watched.newcomers if one is not watcher)
        if isinstance(watched.watchers, set) and len(watched.watchers) > 1:
            watched.watchers.discard(watcher)
            return
        self._stay(an_id, watched)
        for some in (self._came, self._changed, self._due):
            some.pop(an_id, None)
        del self._watched[an_id]

    def _forget_some(self, budget: int) -> bool:
        """What those who are gone have watched; whether there is more."""
        while self._ending:
            watcher = self._ending[0]
            for _ in range(min(budget, len(watcher.ids))):
                self._end(watcher, watcher.ids.pop())
                self._unended -= 1
                budget -= 1
            if watcher.ids:
                return True
            watcher.only = frozenset()  # the cycle is broken, so it is freed at once
            self._ending.popleft()
        return False


def _has_room(watcher: Watcher) -> bool:
    return watcher.handed_bytes - watcher.told_bytes < wire.PRESENCE_WINDOW
