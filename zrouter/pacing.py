"""How fast a fan-out goes: the next followers wait until frontends have given the message to these.

Owns: who is waited for, and for how long. Must not know: sockets, the time (`now` is an argument, in
seconds), what is handed to whom.

A frontend that takes too long (it hangs, or is busy with something else) is waited for no more until it has
taken what it was handed.
"""

from __future__ import annotations

from zrouter.limits import PUBLISH_PATIENCE_S
from zrouter.peers import Peer


class Pace:
    """Whether frontends have taken what they were handed; `fanned` says which, and up to which byte."""

    def __init__(self, fanned: dict[Peer, int]) -> None:
        self._fanned = fanned
        self._since: float | None = None
        self._late: dict[Peer, int] = {}  # those that took too long, until they have

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

    def forget(self, peer: Peer) -> None:
        """It has gone."""
        self._fanned.pop(peer, None)
        self._late.pop(peer, None)
