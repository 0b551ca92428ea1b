"""How fast a fan-out goes: the next followers wait until frontends have given the message to these.

Owns: who is waited for, and for how long; how many followers come at a time. Must not know: sockets, the time
(`now` is an argument, in seconds), what is handed to whom.

A frontend that takes too long (it hangs, or is busy with something else) is waited for no more until it has
taken what it was handed.
"""

from __future__ import annotations

from zrouter.routing.limits import (
    PUBLISH_BESIDE_S,
    PUBLISH_FOLLOWERS,
    PUBLISH_FOLLOWERS_BESIDE,
    PUBLISH_PATIENCE_S,
)
from zrouter.routing.peers import Peer


class FlowControl:
    """Whether frontends have taken what they were handed; `fanned` says which, and up to which byte."""

    def __init__(self, fanned: dict[Peer, int]) -> None:
        self._fanned = fanned
        self._since: float | None = None
        self._late: dict[Peer, int] = {}  # those that took too long, until they have
        self._sends = 0
        self._is_alone_at = 0.0

    def has_to_wait(self, now: float) -> bool:
        """Whether some are yet to take it, and not for too long."""
        for which in (self._fanned, self._late):
            for peer in [peer for peer, up_to in which.items() if peer.received_bytes >= up_to]:
                del which[peer]
        if self._fanned.keys() <= self._late.keys():
            self._fanned.clear()
            self._since = None
            return False
        if self._since is None:
            self._since = now
        if now - self._since < PUBLISH_PATIENCE_S:
            return True
        self._late |= self._fanned
        self._fanned.clear()
        self._since = None
        return False

    def followers(self, now: float, sends: int) -> int:
        """How many a burst hands over: few while others send, who have sent `sends` so far; else many."""
        if sends != self._sends:
            self._sends = sends
            self._is_alone_at = now + PUBLISH_BESIDE_S
        return PUBLISH_FOLLOWERS if now >= self._is_alone_at else PUBLISH_FOLLOWERS_BESIDE

    def forget(self, peer: Peer) -> None:
        """It has gone."""
        self._fanned.pop(peer, None)
        self._late.pop(peer, None)
