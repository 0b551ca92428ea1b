"""Where an id is among the sorted ids of segments: its number.

Owns: every 32nd id in memory, two bytes for each id that is stored. Must not know: what numbers are for.

The sample before an id says in which run of 32 it would be; in the bytes of a run it is found at once. That
is three times as fast as a bisection over ids that are made one by one (docs/decisions/publish.md).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from zrouter.follows.lmdb_store.packed_lists import SEGMENT, Segment

_RUN: Final = 32  # segments but the last have a multiple of it


class IdIndex:
    """Of segments that stay as they are."""

    def __init__(self, segments: Sequence[Segment] = ()) -> None:
        self._segments = segments
        self._ids: list[bytes] = []
        for segment in segments:
            offsets, names = segment.offsets.tolist(), segment.bytes
            self._ids += [
                bytes(names[begin:end])
                for begin, end in zip(offsets[:-1:_RUN], offsets[1::_RUN], strict=True)
            ]

    def find(self, an_id: bytes) -> int | None:
        """The number of an id; None if it is in no segment."""
        run = bisect_right(self._ids, an_id) - 1
        if run < 0:
            return None
        at, first = divmod(run * _RUN, SEGMENT)
        segment = self._segments[at]
        offsets = segment.offsets
        end = min(first + _RUN, segment.count)
        begin = offsets[first]
        names = bytes(segment.bytes[begin : offsets[end]])
        found = names.find(an_id)
        while found >= 0:
            found += begin
            place = bisect_left(offsets, found, first, end)
            if offsets[place] == found:
                if offsets[place + 1] == found + len(an_id):
                    return at * SEGMENT + place
                place += 1
            # It was a part of another id, or of two: look on where the next begins.
            found = names.find(an_id, offsets[place] - begin)
        return None
