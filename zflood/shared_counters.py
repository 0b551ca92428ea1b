"""Live counts of several processes, in a file that all of them map into memory.

Owns: its layout, one row of 64-bit numbers for each process. Must not know: what is counted, who reads it.

A report costs a histogram and a line; this costs five stores, so that it may be looked at in every moment.
"""

from __future__ import annotations

import mmap
from array import array
from pathlib import Path
from typing import Final, NamedTuple

_BYTES: Final = 8


class Counts(NamedTuple):
    """One row; see `zflood.swarm.swarm.Totals`."""

    active: int = 0
    connected: int = 0
    closed: int = 0
    chunks: int = 0
    errors: int = 0


_COLUMNS: Final = len(Counts._fields)


class SharedCounters:
    """A file that was made with `make`; a number may be read while others of its row are older."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._cells = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")

    @classmethod
    def make(cls, path: Path, rows: int) -> SharedCounters:
        """A new one, all 0."""
        path.write_bytes(bytes(rows * _COLUMNS * _BYTES))
        return cls(path)

    def write(self, row: int, counts: Counts) -> None:
        """What one process has counted so far."""
        self._cells[row * _COLUMNS : (row + 1) * _COLUMNS] = memoryview(array("Q", counts))

    def total(self) -> Counts:
        """Of all rows together."""
        return Counts(*(sum(self._cells[column::_COLUMNS]) for column in range(_COLUMNS)))
