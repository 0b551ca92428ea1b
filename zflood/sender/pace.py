"""When each message is due, on a schedule that no delay shifts.

Owns: the arithmetic. Must not know: the clock; times are seconds on any clock, given by the caller.
"""

from __future__ import annotations

from typing import Final, NamedTuple

# What would be due within so long is due at the same time, and can share a send: at 5,000 messages a second
# a send for each takes most of a core, which what is tested needs too.
_GRAIN_S: Final = 0.001


class Schedule(NamedTuple):
    """So many messages, evenly spaced from `began_s` on, `together` of them at a time."""

    began_s: float
    interval_s: float  # above 0; the average between two messages
    messages: int
    together: int = 1

    def at(self, number: int) -> float:
        """When that message is due; the first is number 0."""
        return self.began_s + (number - number % self.together) * self.interval_s

    def due(self, now_s: float) -> int:
        """How many messages are due by now, all told."""
        if now_s < self.began_s:
            return 0
        times = int((now_s - self.began_s) / (self.interval_s * self.together)) + 1
        return min(self.messages, times * self.together)


def share(
    began_s: float, interval_s: float, count: int, number: int, senders: int, most_together: int = 1
) -> Schedule:
    """The part of one of so many senders, who take turns: number, number + senders, ..."""
    own = len(range(number, count, senders))
    own_interval_s = interval_s * senders
    # A closed loop has no interval, and takes only the number from here.
    together = max(1, min(most_together, int(_GRAIN_S / own_interval_s))) if own_interval_s else 1
    return Schedule(began_s + number * interval_s, own_interval_s, own, together)
