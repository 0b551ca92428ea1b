"""Whether memory grows: the slope of samples over time, with its confidence.

Owns: the statistics. Must not know: what the samples are of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

_POINTS: Final = 1000  # the method looks at every pair


class Trend(NamedTuple):
    """Growth per hour, and the bounds that it lies within with 95 % confidence."""

    per_h: float
    low_per_h: float
    high_per_h: float


def trend(seconds: Sequence[float], values: Sequence[float]) -> Trend | None:
    """The median slope of all pairs (Theil and Sen); None with fewer than ten samples.

    Memory goes up in steps of whole pages, and one early step must not look like steady growth: a least
    squares line would be drawn up by it, this median is not.
    """
    from scipy.stats import theilslopes

    if len(seconds) < 10:
        return None
    every = -(-len(seconds) // _POINTS)
    result = theilslopes(values[::every], [second / 3600 for second in seconds[::every]], 0.95)
    return Trend(float(result.slope), float(result.low_slope), float(result.high_slope))
