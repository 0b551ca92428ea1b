"""Latencies: from the stamp in a message to a histogram that processes can merge.

Owns: the stamp's form, units (microseconds), the histogram. Must not know: sockets.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Final

from hdrh.histogram import HdrHistogram

# What `zflood messages` sends: nanoseconds of the realtime clock, then maybe padding.
_STAMP: Final = re.compile(rb"t=(\d{19})")
STAMP_BYTES: Final = 21
# Clocks that NTP holds differ by as much; beyond it the clocks, and so all latencies, say nothing.
_AHEAD_US: Final = 1000
_LONGEST_US: Final = 600_000_000
_FOLD: Final = 20_000  # latencies kept as a list before they go into the histogram together


def stamp(at_s: float, size_bytes: int = STAMP_BYTES) -> bytes:
    """A message that says when it was due, on the realtime clock [s], padded to that size."""
    return (b"t=%d" % int(at_s * 1e9)).ljust(size_bytes, b".")


class Latencies:
    """Collects latencies; 1 us to 10 minutes, three significant digits."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _LONGEST_US, 3)
        self._recent: list[int] = []

    def __len__(self) -> int:
        return int(self._histogram.total_count) + len(self._recent)

    def read(self, message: bytes) -> bool:
        """Record how old a message is, if it has a stamp; False: it is from the future, so not recorded."""
        found = _STAMP.search(message)
        if found is not None:
            us = (time.time_ns() - int(found[1])) // 1000
            if us < -_AHEAD_US:
                return False
            recent = self._recent
            recent.append(us)
            if len(recent) >= _FOLD:
                self._fold()
        return True

    def note(self, us: int, count: int) -> None:
        """Record that so many took that long [us]."""
        self._histogram.record_value(min(max(us, 1), _LONGEST_US), count)

    def add(self, encoded: bytes) -> None:
        """Merge what `encode` of another made."""
        self._histogram.decode_and_add(encoded)

    def encode(self) -> bytes:
        """All of it, to send to another process (HdrHistogram's own compressed form)."""
        self._fold()
        encoded: bytes = self._histogram.encode()
        return encoded

    def counts(self) -> Counter[int]:
        """How many there are of each length [us], for sums and differences."""
        self._fold()
        # The library's own iterator takes 40 times as long over an array of 30,000 that is mostly empty.
        histogram = self._histogram
        return Counter(
            {
                histogram.get_highest_equivalent_value(histogram.get_value_from_index(index)): count
                for index, count in enumerate(histogram.counts)
                if count
            }
        )

    @classmethod
    def of(cls, counts: Counter[int]) -> Latencies:
        """The collection with these counts, of which none may be negative."""
        latencies = cls()
        for us, count in counts.items():
            latencies.note(us, count)
        return latencies

    def since(self, earlier: Counter[int]) -> Latencies:
        """Those that came after `counts` gave this."""
        return Latencies.of(self.counts() - earlier)

    def figures(self) -> dict[str, float]:
        """What is told of them: `p50_ms`, `p99_ms`, `max_ms`; nothing if there are none."""
        if not len(self):
            return {}
        return {
            "p50_ms": self.percentile_ms(50),
            "p99_ms": self.percentile_ms(99),
            "max_ms": self.max_ms(),
        }

    def percentile_ms(self, percent: float) -> float:
        """So many per cent took at most that long [ms]."""
        self._fold()
        return float(self._histogram.get_value_at_percentile(percent)) / 1000

    def max_ms(self) -> float:
        """The longest [ms]."""
        self._fold()
        return float(self._histogram.get_max_value()) / 1000

    def _fold(self) -> None:
        # A recording costs 1.3 us, and many latencies of a flood are the same number of microseconds.
        for us, count in Counter(self._recent).items():
            self.note(us, count)
        self._recent.clear()
