"""A budget of work for each client: who asks for more than its share is served later, who goes on is ended.

Owns: how much each has had lately, and since when it has asked for too much. Must not know: sockets, the time
(`now` is an argument, in seconds), what the work is.

A token bucket, kept as the moment at which it is full again (the generic cell rate algorithm, ATM Forum
TM 4.0, section 4.4.2): one number for each client, by a small number such as its descriptor.
"""

from __future__ import annotations

from array import array
from math import inf
from typing import Final

END: Final = inf
_STEP: Final = 1024


class WorkBudget:
    """`rate` units of work a second for each client, and `burst` units at once after a pause.

    Who has had to wait, and has gone on asking for `patience_s`, is given up.
    """

    def __init__(self, rate: float, burst: float, patience_s: float = inf) -> None:
        self.delays = 0  # times that a client had to wait
        self._rate = rate
        self._slack_s = burst / rate
        self._patience_s = patience_s
        self._full_at = array("d")  # by client [s]; in the past: it may ask for all of the burst
        self._waits_since: dict[int, float] = {}

    def spend(self, client: int, units: float, now: float, *, wants_more: bool = False) -> float:
        """The client was served so much: how long it has to wait for more [s]; END = it is past patience.

        `wants_more`: it has asked for more already. Work that is done counts however much it is.
        """
        if client >= len(self._full_at):
            self._full_at.extend([0.0] * (client + _STEP - len(self._full_at)))
        owed_s = max(self._full_at[client] - now, 0.0)
        if not wants_more and owed_s < self._slack_s / 2 and self._waits_since:
            self._waits_since.pop(client, None)
        owed_s += units / self._rate
        self._full_at[client] = now + owed_s
        wait_s = owed_s - self._slack_s
        if wait_s <= 0:
            return END if wants_more and self._is_hopeless(client, now) else 0.0
        self.delays += 1
        self._waits_since.setdefault(client, now)
        return END if self._is_hopeless(client, now) else wait_s

    def may_spend(self, client: int, units: float, now: float) -> bool:
        """Spend so much if there is so much; else nothing is spent."""
        owed_s = max(self._full_at[client] - now, 0.0) if client < len(self._full_at) else 0.0
        if owed_s + units / self._rate > self._slack_s:
            self.delays += 1
            return False
        self.spend(client, units, now)
        return True

    def forget(self, client: int) -> None:
        """It has left: the next one by this number begins anew."""
        if client < len(self._full_at):
            self._full_at[client] = 0.0
        self._waits_since.pop(client, None)

    def _is_hopeless(self, client: int, now: float) -> bool:
        return now - self._waits_since.get(client, now) > self._patience_s
