"""Who follows whom, as those who asked for it were told.

Owns: of each pair whether it is stored, or may be, and since when. Must not know: publishes, stores.
"""

from __future__ import annotations

from typing import NamedTuple


class _State(NamedTuple):
    is_certain: bool
    follows: bool
    since: float  # when that was answered, or became uncertain [s]
    order: int = 0  # of all that was asked for
    sender: int = 0  # who asked for it


class FollowsModel:
    """See the module's docstring. A pair is changed by one at a time."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], _State] = {}
        self._order = 0

    def next(self) -> int:
        """The place of one more in the order of all that is asked for."""
        self._order += 1
        return self._order

    def asked(self, subscriber: str, subscribee: str, is_follow: bool, now: float, sender: int) -> None:
        """Nobody knows, until it is answered."""
        before = self._pairs.get((subscriber, subscribee))
        follows = is_follow or (before is not None and (before.follows or not before.is_certain))
        self._pairs[subscriber, subscribee] = _State(False, follows, now, self.next(), sender)

    def answered(self, subscriber: str, subscribee: str, is_follow: bool, now: float) -> None:
        """It is done, and counts from now on; for who asked, from when it asked."""
        before = self._pairs[subscriber, subscribee]
        self._pairs[subscriber, subscribee] = _State(True, is_follow, now, before.order, before.sender)

    def may(self, subscriber: str, subscribee: str, since: float) -> bool:
        """Whether it may have followed at some time since then."""
        state = self._pairs.get((subscriber, subscribee))
        return state is not None and (state.follows or not state.is_certain or state.since >= since)

    def must(self, subscriber: str, subscribee: str, since: float, order: int, sender: int) -> bool:
        """Whether it has followed since then, or that sender had asked for it before that place."""
        state = self._pairs.get((subscriber, subscribee))
        if state is None or not state.is_certain or not state.follows:
            return False
        return state.since < since or (state.sender == sender and state.order < order)

    def followers(self, subscribee: str) -> tuple[set[str], set[str]]:
        """Those that certainly follow it now, and those that may."""
        of = {one: state for (one, whom), state in self._pairs.items() if whom == subscribee}
        must = {one for one, state in of.items() if state.is_certain and state.follows}
        return must, {one for one, state in of.items() if state.follows or not state.is_certain}
