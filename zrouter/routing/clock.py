"""The time as the rules know it: one clock for all parts of a router.

Owns: what time it is for them. Must not know: where the time comes from; whoever feeds the router sets it,
first of all, with whatever comes. So no part has an older time than another, also after a stop.
"""

from __future__ import annotations


class Clock:
    """`now` is in seconds of any monotonic clock; `started` is the first time that it was set to."""

    __slots__ = ("now", "started")

    def __init__(self) -> None:
        self.now = 0.0
        self.started: float | None = None

    def set(self, now: float) -> None:
        """What happens from now on happens at that time."""
        self.now = now
        if self.started is None:
            self.started = now
