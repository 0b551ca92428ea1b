"""When each message is due, on a schedule that no delay shifts.

Owns: the arithmetic. Must not know: the clock; times are seconds on any clock, given by the caller.
"""

from __future__ import annotations

from typing import NamedTuple


class Schedule(NamedTuple):
    """So many messages, evenly spaced from `began_s` on."""

    began_s: float
    interval_s: float  # above 0
    messages: int

    def at(self, number: int) -> float:
        """When that message is due; the first is number 0."""
        return self.began_s + number * self.interval_s

    def due(self, now_s: float) -> int:
        """How many messages are due by now, all told."""
        if now_s < self.began_s:
            return 0
        return min(self.messages, int((now_s - self.began_s) / self.interval_s) + 1)


def share(began_s: float, interval_s: float, count: int, number: int, senders: int) -> Schedule:
    """The part of one of so many senders, who take turns: number, number + senders, ..."""
    own = len(range(number, count, senders))
    return Schedule(began_s + number * interval_s, interval_s * senders, own)
