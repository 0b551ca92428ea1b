"""How many requests and messages a second an API key may have.

Owns: how much each has had lately. Must not know: requests; the time is an argument [s].

A token bucket, kept as the moment at which it is full again, as in connections/work_budget.py. A batch may
take more than there is: then its key waits until that is made up for.
"""

from __future__ import annotations

from math import ceil
from typing import Final

_BURST_S: Final = 2.0  # after a pause so many seconds' worth at once


class RequestRates:
    """`rate` = units a second for each key; 0 = no bound."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._full_at: dict[str, float] = {}  # by the key's id

    def wait_s(self, key: str, now: float) -> int:
        """Spend one unit; or how long there is none [whole s]."""
        if not self._rate:
            return 0
        owed_s = self._full_at.get(key, 0.0) - now
        if owed_s > _BURST_S:
            return max(1, ceil(owed_s - _BURST_S))
        self._full_at[key] = max(owed_s, 0.0) + now + 1 / self._rate
        return 0

    def spend(self, key: str, units: int, now: float) -> None:
        """So many more were done."""
        if self._rate and units > 0:
            self._full_at[key] = max(self._full_at.get(key, 0.0), now) + units / self._rate
