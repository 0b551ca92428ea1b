"""Which ids a login or a watch has taken whose outcome is not known yet: if it fails, it has done nothing.

Owns: for which call each of them is. Must not know: sockets, the time, what is held.
"""

from __future__ import annotations

from collections.abc import Container, Iterable


class Claims:
    """Of one client's logins, or of its watches.

    An id that was there before is nobody's to take back; one that several calls want belongs to the last,
    until one of them succeeds.
    """

    def __init__(self) -> None:
        self._call_of: dict[bytes, int] = {}
        self._last = 0

    def begin(self, ids: Iterable[bytes], here: Container[bytes]) -> int:
        """A call wants these; its number."""
        self._last += 1
        for an_id in ids:
            if an_id in self._call_of or an_id not in here:
                self._call_of[an_id] = self._last
        return self._last

    def keep(self, ids: Iterable[bytes]) -> None:
        """A call succeeded: they stay."""
        for an_id in ids:
            self._call_of.pop(an_id, None)

    def undo(self, ids: Iterable[bytes], call: int) -> list[bytes]:
        """That call failed: those that it alone has taken."""
        own = [an_id for an_id in ids if self._call_of.get(an_id) == call]
        self.keep(own)
        return own
