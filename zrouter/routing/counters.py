"""What the router counts, and the rates made of it.

Owns: the names of the counters; docs/operations.md says what to do when one grows. Must not know: who counts.
"""

from __future__ import annotations

import msgspec

_RATED_OVER_S = 1.0


class Counters(msgspec.Struct):
    """Plain integers, since the router's start. Nothing is dropped without one of them growing."""

    messages_in: int = 0  # (id, message) pairs accepted from senders
    messages_out: int = 0  # pairs handed to frontends
    bytes_out: int = 0  # bytes of Deliver frames
    nobody: int = 0  # pairs whose id nobody held
    kept: int = 0  # pairs for ids without a connection, kept for a client that comes back
    published: int = 0  # messages of publishes; what they reach is in messages_out
    follows_changed: int = 0  # pairs followed or unfollowed
    repeated: int = 0  # pairs of Sends and Publishes whose key had come before: not routed again
    resumed: int = 0  # questions of clients that come back, and of frontends for all who are new
    replayed: int = 0  # pairs given to those who came back
    gaps: int = 0  # clients told that some of what they missed is gone
    dropped_backlog: int = 0  # pairs for a frontend with too much under way
    dropped_unreachable: int = 0  # pairs for a frontend that had gone
    replies_dropped: int = 0  # answers that a peer did not take
    refused_messages: int = 0  # pairs in refused frames
    errors: int = 0  # frames refused, of all kinds
    forbidden: int = 0  # of these, those that the peer's key is not for
    hellos: int = 0
    goodbyes: int = 0
    lapsed: int = 0  # peers forgotten for silence
    unreachable: int = 0  # peers forgotten because their connection had gone
    strangers_cut: int = 0  # connections ended that said nothing, or claimed a routing id
    accepts_failed: int = 0  # connections that could not be accepted
    kicks: int = 0  # connections asked to end


class Rates:
    """Messages per second in and out, over the last second or so."""

    def __init__(self) -> None:
        self.per_s = {"messages_in_per_s": 0.0, "messages_out_per_s": 0.0}
        self._last: tuple[float, int, int] | None = None

    def take(self, counters: Counters, now: float) -> None:
        """Look at the counters at the time `now` [s]."""
        current = (now, counters.messages_in, counters.messages_out)
        if self._last is None:
            self._last = current
            return
        spent = now - self._last[0]
        if spent >= _RATED_OVER_S:
            self.per_s = {
                "messages_in_per_s": round((current[1] - self._last[1]) / spent, 1),
                "messages_out_per_s": round((current[2] - self._last[2]) / spent, 1),
            }
            self._last = current
