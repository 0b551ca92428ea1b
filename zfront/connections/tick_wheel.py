"""Ticks: who is to get one every so many seconds, and who is due now.

Owns: a wheel of tenths of a second, each with the connections that are due in it; a connection is in one of
them. So a connection that comes, goes or is due costs the same however many others and periods there are.
Must not know: the time (`now` is an argument, in seconds of any monotonic clock), what a tick looks like.
"""

from __future__ import annotations

from typing import Final

TENTH_S: Final = 0.1


class _Row:
    """One connection: tenths between its ticks, the tenth it is due in, the ticks so far."""

    __slots__ = ("due", "number", "period")

    def __init__(self, period: int, due: int) -> None:
        self.period = period
        self.due = due
        self.number = 0


class TickWheel:
    """The connections that asked for ticks."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self._wheel: dict[int, set[int]] = {}  # tenth -> connections due in it; no set is empty
        self._seen = 0  # the last tenth that `due` has dealt with

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, connection: int, period_s: float, now: float) -> None:
        """This connection ticks from now on; the period counts in whole tenths."""
        if not self._rows:
            self._seen = _tenth(now)
        period = max(1, round(period_s / TENTH_S))
        row = self._rows[connection] = _Row(period, max(_tenth(now), self._seen) + period)
        self._wheel.setdefault(row.due, set()).add(connection)

    def remove(self, connection: int) -> None:
        """It ticks no more; no error if it never did."""
        row = self._rows.pop(connection, None)
        if row is not None:
            there = self._wheel[row.due]
            there.remove(connection)
            if not there:
                del self._wheel[row.due]

    def due(self, now: float) -> list[tuple[int, int]]:
        """`(connection, number of its tick)` for each that is due, once, however late it is."""
        tenth = _tenth(now)
        due: list[tuple[int, int]] = []
        for passed in range(self._seen + 1, tenth + 1) if self._rows else ():
            for connection in self._wheel.pop(passed, ()):
                row = self._rows[connection]
                row.number += 1
                row.due += row.period
                if row.due <= tenth:  # we were away: the ticks that were missed are not made up for
                    row.due = tenth + row.period
                self._wheel.setdefault(row.due, set()).add(connection)
                due.append((connection, row.number))
        self._seen = max(self._seen, tenth)
        return due


def _tenth(now: float) -> int:
    return int(now / TENTH_S)
