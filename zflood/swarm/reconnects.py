"""Who of the clients is up, who is away and when each tries again, and how long a cut lasted.

Owns: the state of each client, pauses, the figures of connecting. Must not know: sockets, and what time it
is: `now` is an argument, seconds of the monotonic clock.

A client is a number; the same client has another connection after each reconnect. It costs a byte here and,
if clients reconnect, five more; one that is away has an entry in a queue as well.
"""

from __future__ import annotations

import heapq
import random
from array import array
from typing import Final

# The pause before attempt n (counted from 0) is drawn from 0 to FIRST * 2^(n-1) [s], full jitter (Brooker,
# "Exponential Backoff And Jitter", AWS 2015): attempts of clients that were cut together spread evenly, so
# that a server that comes back meets no second storm. Attempt 0 is made at once.
PAUSE_FIRST_S: Final = 0.05  # about what a worker needs until it listens again
PAUSE_MAX_S: Final = 1.0  # a client is back at most so long after its server
# A connection that lasted less than the longest pause counts as an attempt that failed: a server that
# accepts and closes at once would be asked without a pause otherwise.
STEADY_S: Final = PAUSE_MAX_S
_ATTEMPTS_MAX: Final = 255  # they are counted in a byte; the pause is at its longest far earlier

_NEW, _UP, _AWAY = range(3)


class Reconnects:
    """The clients of one process. `wanted` is how many there will be."""

    def __init__(self, wanted: int, is_reconnecting: bool) -> None:
        self.is_reconnecting = is_reconnecting
        self.connected = 0  # connections that were answered
        self.reconnects = 0  # of these, such of clients that had been away
        self.up = 0  # clients that are answered now
        self._wanted = wanted
        self._states = bytearray(wanted)
        self._attempts = bytearray(wanted if is_reconnecting else 0)  # failed in a row
        self._up_since = array("f", bytes(4 * wanted if is_reconnecting else 0))  # seconds since the first
        self._began: float | None = None
        self._waiting: list[tuple[float, int]] = []  # a heap: when, who
        self._cut_began: float | None = None
        self._last_cut_s: float | None = None

    def is_up(self, client: int) -> bool:
        """Whether it has been answered, and has not ended since."""
        return self._states[client] == _UP

    def is_away(self, client: int) -> bool:
        """Whether it ended or failed, and has not been answered since."""
        return self._states[client] == _AWAY

    def answered(self, client: int, now: float) -> None:
        """Its connection is of use. Of no effect for a client that is up."""
        state = self._states[client]
        if state == _UP:
            return
        self._states[client] = _UP
        self.connected += 1
        self.reconnects += state == _AWAY
        self.up += 1
        if self.is_reconnecting:
            self._began = now if self._began is None else self._began
            self._up_since[client] = now - self._began
        if self.up == self._wanted and self._cut_began is not None:
            self._last_cut_s = now - self._cut_began
            self._cut_began = None

    def ended(self, client: int, now: float) -> None:
        """Its connection ended, or could not be made; it tries again if clients reconnect."""
        if self._states[client] == _UP:
            if self.is_reconnecting:
                if self.up == self._wanted:
                    self._cut_began = now
                self._forgive(client, now)
            self.up -= 1
        self._states[client] = _AWAY
        if self.is_reconnecting:
            attempts = self._attempts[client]
            heapq.heappush(self._waiting, (now + _pause_s(attempts), client))
            self._attempts[client] = min(attempts + 1, _ATTEMPTS_MAX)

    def begins_again(self, client: int, now: float) -> None:
        """It needs another connection at once, and counts as what it was until then."""
        heapq.heappush(self._waiting, (now, client))

    @property
    def is_waiting(self) -> bool:
        """Whether any client will try again."""
        return bool(self._waiting)

    def next_due(self, now: float) -> int | None:
        """A client that is to connect again now; it is not named a second time."""
        if self._waiting and self._waiting[0][0] <= now:
            return heapq.heappop(self._waiting)[1]
        return None

    def wait_s(self, now: float) -> float:
        """How long until one is due; only if any waits."""
        return max(0.0, self._waiting[0][0] - now)

    def back_s(self, now: float) -> float | None:
        """How long the last cut lasted, or has lasted so far: from the first that ended while all were up
        until all were up again. None: there was none."""
        return self._last_cut_s if self._cut_began is None else now - self._cut_began

    def _forgive(self, client: int, now: float) -> None:
        """Attempts that failed before a steady connection count no more."""
        assert self._began is not None
        if now - self._began - self._up_since[client] >= STEADY_S:
            self._attempts[client] = 0


def _pause_s(attempt: int) -> float:
    if attempt == 0:
        return 0.0
    return random.uniform(0, min(PAUSE_MAX_S, PAUSE_FIRST_S * 2 ** min(attempt - 1, 16)))
