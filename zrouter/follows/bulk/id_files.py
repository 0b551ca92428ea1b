"""Sorted ids in files, merged: more of them than fit in memory.

Owns: the files, each with its ids in order, a byte 0xFF (which is in no UTF-8) behind each. Must not know:
what ids are for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from zrouter.follows.store import Numbers

_END: Final = b"\xff"
_WINDOW: Final = 1024 * 1024


def write_names(path: Path, names: Iterable[list[bytes]]) -> None:
    """Sorted ids, some at a time."""
    with path.open("wb") as file:
        for some in names:
            file.write(_END.join(some) + _END if some else b"")


class _Window:
    """Some ids of a file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._rest = b""
        self.is_last = False
        self.names: list[bytes] = []

    def fill(self) -> None:
        """Have some, unless there are no more."""
        while not self.names and not self.is_last:
            data = self._file.read(_WINDOW)
            if not data:
                self.is_last = True
                self._file.close()
                return
            self.names = (self._rest + data).split(_END)
            self._rest = self.names.pop()

    def take(self, limit: bytes) -> list[bytes]:
        """Those up to this one."""
        end = bisect_right(self.names, limit)
        taken = self.names[:end]
        del self.names[:end]
        return taken


def merge_names(paths: list[Path]) -> Iterator[tuple[list[bytes], list[Numbers]]]:
    """All ids of these files, each once and in order, some at a time; for each file the places of its own."""
    windows = [_Window(path) for path in paths]
    first = 0
    while True:
        for window in windows:
            window.fill()
        open_ones = [window for window in windows if window.names]
        if not open_ones:
            return
        limit = min(window.names[-1] for window in open_ones)
        taken = [window.take(limit) for window in windows]
        if len(open_ones) == 1:
            names = max(taken, key=len)
        else:
            # The sort finds that these are sorted already, and only merges them.
            names = list(dict.fromkeys(sorted(name for some in taken for name in some)))
        number = {name: place for place, name in enumerate(names, first)} if len(open_ones) > 1 else {}
        yield (
            names,
            [
                np.arange(first, first + len(some), dtype=np.uint32)
                if len(some) == len(names)
                else np.fromiter(map(number.__getitem__, some), np.uint32, len(some))
                for some in taken
            ],
        )
        first += len(names)
