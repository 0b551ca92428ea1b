"""Pairs of numbers, sorted both ways, in parts that fit in memory.

Owns: codes and parts on disk. Must not know: what numbers mean, how lists are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from zrouter.follows.lmdb_store.packed_lists import BLOCK
from zrouter.follows.store import Numbers

_HALF: Final = np.uint64(32)
# Bytes for each row of a part while it is sorted and written: the row, what is left without duplicates, room.
_ROW_BYTES: Final = 32
_SLICE: Final = 1 << 20
_MAX_PARTS: Final = 256


class Codes:
    """Rows of two numbers in a file, in the order in which they were written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._lengths: list[int] = []
        self.rows = 0

    def write(self, first: Numbers, second: Numbers) -> None:
        """Some more."""
        for at in range(0, first.size, _SLICE):
            some = first[at : at + _SLICE]
            self._file.write(some.tobytes())
            self._file.write(second[at : at + _SLICE].tobytes())
            self._lengths.append(some.size)
        self.rows += first.size

    def __iter__(self) -> Iterator[tuple[Numbers, Numbers]]:
        self._file.flush()
        self._file.seek(0)
        for length in self._lengths:
            first, second = (np.frombuffer(self._file.read(4 * length), np.uint32) for _ in range(2))
            yield first, second


class Part(NamedTuple):
    """Distinct pairs of some lists, sorted: `list << 32 | member`."""

    first_block: int
    end_block: int
    pairs: npt.NDArray[np.uint64]
    rows: int  # with duplicates


class Pairs:
    """All rows of a load, in the store's numbers."""

    def __init__(self, work: Path, size: int, free: int) -> None:
        self._work = work
        self._blocks = -(-size // BLOCK)
        self._free = free
        self._codes = Codes(work / "pairs")
        # How many rows each block has, in either direction.
        self._rows = [np.zeros(self._blocks, np.int64) for _ in range(2)]

    @property
    def rows(self) -> int:
        """How many, with duplicates."""
        return self._codes.rows

    def add(self, subscribers: Numbers, subscribees: Numbers) -> None:
        """Some more."""
        self._codes.write(subscribers, subscribees)
        for rows, numbers in zip(self._rows, (subscribers, subscribees), strict=True):
            rows += np.bincount(numbers // BLOCK, minlength=self._blocks)

    def sorted(self, by_subscribee: bool) -> Iterator[Part]:
        """The parts, in order; each is to be let go before the next is asked for."""
        edges = self._edges(self._rows[by_subscribee])
        if len(edges) == 2:
            everything = np.empty(self.rows, np.uint64)
            at = 0
            for some in self._joined(by_subscribee):
                everything[at : at + some.size] = some
                at += some.size
            yield _part(0, self._blocks, everything)
            return
        files = [(self._work / f"part-{number}").open("w+b") for number in range(len(edges) - 1)]
        inner = (np.array(edges[1:-1], np.uint64) * np.uint64(BLOCK)) << _HALF
        for some in self._joined(by_subscribee):
            some.sort()
            for file, piece in zip(files, np.split(some, np.searchsorted(some, inner)), strict=True):
                file.write(piece.tobytes())
        for file, begin, end in zip(files, edges, edges[1:], strict=False):
            file.flush()
            file.seek(0)
            yield _part(begin, end, np.fromfile(file, np.uint64))
            file.truncate(0)
            file.close()

    def _joined(self, by_subscribee: bool) -> Iterator[npt.NDArray[np.uint64]]:
        for first, second in self._codes:
            of, member = (second, first) if by_subscribee else (first, second)
            some = of.astype(np.uint64)
            some <<= _HALF
            some |= member
            yield some

    def _edges(self, rows: npt.NDArray[np.int64]) -> list[int]:
        """Blocks at which parts begin, and the end: no part is larger than fits, unless one block is."""
        fits = max(self._free // _ROW_BYTES, self.rows // _MAX_PARTS)
        edges = [0]
        sums = np.cumsum(rows)
        while edges[-1] < self._blocks:
            done = int(sums[edges[-1] - 1]) if edges[-1] else 0
            edges.append(max(edges[-1] + 1, int(np.searchsorted(sums, done + fits, side="right"))))
        return edges


def _part(first_block: int, end_block: int, pairs: npt.NDArray[np.uint64]) -> Part:
    rows = pairs.size
    pairs.sort()
    if rows > 1:
        is_new = np.empty(rows, np.bool_)
        is_new[0] = True
        np.not_equal(pairs[1:], pairs[:-1], out=is_new[1:])
        if not is_new.all():
            pairs = pairs[is_new]
    return Part(first_block, end_block, pairs, rows)
