"""Presence on the link, beside what docs/wire-protocol.md says of it.

Owns: on how many connections each id was lately, who watches, what each was told. Must not know: frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.simulation.world import Broken

# More or fewer connections are said within a tick; what was true so long ago may still be said [s].
_LATE_S = 0.6
_UNTRUE_S = 0.01


class PresenceModel:
    """Of one life of a router. `clock` is its own, `linger_s` its setting."""

    def __init__(self, clock: Callable[[], float], linger_s: float, mailbox_s: float) -> None:
        self.told: dict[
            bytes, dict[bytes, int]
        ] = {}  # watcher -> id -> what it was told last; -1: nothing yet
        self._clock = clock
        self._linger_s = linger_s
        self.knows_who_left = mailbox_s >= linger_s
        self._started = clock()
        self._history: dict[bytes, list[tuple[float, int]]] = {}  # id -> (since, connections)
        self._unchecked: list[tuple[bytes, bytes, int]] = []
        self._unsent: dict[bytes, float] = {}  # who did not take a frame, and when

    def changed(self, an_id: bytes, total: int) -> None:
        """It is on so many connections now."""
        history = self._history.setdefault(an_id, [(-1e9, 0)])  # a Logout of who never was on is no news
        if history[-1][1] != total:
            history.append((self._clock(), total))
            del history[:-20]

    def watch(self, address: bytes, ids: Iterable[bytes], most: int) -> bool:
        """It watches these, too; False if that would be more than so many of all watchers together."""
        told = self.told.setdefault(address, {})
        new = [an_id for an_id in dict.fromkeys(ids) if an_id not in told]
        if new and sum(map(len, self.told.values())) + len(new) > most:
            return False
        told.update(dict.fromkeys(new, -1))
        return True

    def unwatch(self, address: bytes, ids: Iterable[bytes]) -> None:
        told = self.told.get(address, {})
        for an_id in ids:
            told.pop(an_id, None)

    def forget(self, address: bytes) -> None:
        self.told.pop(address, None)

    def unsent(self, address: bytes) -> None:
        """It did not take a frame: what it is told next may be older."""
        self._unsent[address] = self._clock()

    def said(self, address: bytes, states: Iterable[tuple[bytes, int]]) -> None:
        """It is told this."""
        told = self.told.get(address, {})
        for an_id, connections in states:
            if an_id not in told:
                raise Broken("wrong presence", f"{an_id[:20]!r} is told to who does not watch it")
            told[an_id] = connections
            self._unchecked.append((address, an_id, connections))

    def turned(self) -> None:
        """The burst is over: all that changed in it is known, so what was said in it can be judged."""
        unchecked, self._unchecked = self._unchecked, []
        for one in unchecked:
            self._check(*one)

    def _check(self, address: bytes, an_id: bytes, connections: int) -> None:
        now = self._clock()
        history = self._history.get(an_id, [(-1e9, 0)])
        if connections:
            late = now - _LATE_S - (2.0 if now - self._unsent.get(address, -1e9) < 2.0 else 0.0)
            ends = [*(since for since, _ in history[1:]), now + 1]
            lately = {total for (_, total), end in zip(history, ends, strict=True) if end >= late}
            if connections not in lately:
                raise Broken(
                    "false presence", f"{an_id[:20]!r} is told to be on {connections}: {sorted(lately)}"
                )
            return
        since, total = history[-1]
        if total:
            raise Broken("false presence", f"{an_id[:20]!r} is told to have left, and is on {total}")
        for_s = now - max(since, self._started)
        # Who has no mailbox for those that left does not know when they did.
        if for_s < self._linger_s - _UNTRUE_S and self.knows_who_left:
            raise Broken("false presence", f"{an_id[:20]!r} is told to have left after {for_s:.3f} s")
