"""Whose turn it is to use a client that several threads share.

Owns: the locks. Must not know: what is done in a turn.
"""

from __future__ import annotations

import threading
import time


class CallLocks:
    """One thread at a time; a thread that has the turn may take it again."""

    def __init__(self) -> None:
        self._turn = threading.RLock()
        self._next = threading.Lock()  # has who is the next one
        self.is_shared = False  # more than one thread has wanted it at the same time

    def take(self, deadline: float | None) -> bool:
        """Wait for the turn; False if it did not come before the deadline [s, monotonic]; None: for ever."""
        if self._turn.acquire(blocking=False):
            return True
        self.is_shared = True
        if not self._next.acquire(timeout=_left(deadline)):
            return False
        try:
            return self._turn.acquire(timeout=_left(deadline))
        finally:
            self._next.release()

    def give(self) -> None:
        """The turn is over."""
        self._turn.release()

    def let_others(self) -> None:
        """Between two turns: who is the next one has his, and is not overtaken."""
        if self.is_shared:
            with self._next:
                pass


def _left(deadline: float | None) -> float:
    return -1 if deadline is None else max(0.0, min(deadline - time.monotonic(), threading.TIMEOUT_MAX))
