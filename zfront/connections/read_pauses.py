"""Who is not read for a while: until when, and whose turn it is again.

Owns: those moments. Must not know: sockets, the time (`now` is an argument, in seconds), why.
"""

from __future__ import annotations

from heapq import heappop, heappush


class ReadPauses:
    """Clients by small numbers, such as their descriptors."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}
        self._turns: list[tuple[float, int]] = []  # the same as a heap, with some that are no more

    def __len__(self) -> int:
        return len(self._until)

    def __contains__(self, client: int) -> bool:
        return client in self._until

    def pause(self, client: int, until: float) -> None:
        """It has no turn before that."""
        self._until[client] = until
        heappush(self._turns, (until, client))

    def end(self, client: int) -> None:
        """It has left; no error if it was not paused."""
        self._until.pop(client, None)

    def next(self, now: float) -> int | None:
        """One whose turn it is, who is paused no more; None if there is none yet."""
        while self._turns and self._turns[0][0] <= now:
            due, client = heappop(self._turns)
            if self._until.get(client) == due:
                del self._until[client]
                return client
        return None
