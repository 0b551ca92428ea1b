"""Something that is done again and again, by the clock that is never set.

Owns: the pace. Must not know: what is done. Tornado's PeriodicCallback goes by the time of day: where that is
set back by an hour, there is no callback for an hour, and so no heartbeat and no watchdog.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Periodic:
    """Calls `do` every `period_s` seconds, until `stop`; in the running event loop."""

    def __init__(self, period_s: float, do: Callable[[], object]) -> None:
        self._period_s = period_s
        self._do = do
        self._loop = asyncio.get_event_loop()
        self._next: asyncio.TimerHandle | None = self._loop.call_later(period_s, self._run)

    def stop(self) -> None:
        """No more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _run(self) -> None:
        if self._next is not None:
            self._next = self._loop.call_later(self._period_s, self._run)
            self._do()
