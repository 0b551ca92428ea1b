"""Whom messages go to: ids from 1 up, all as likely as each other, or a few that get most and a long tail.

Owns: the distributions. Must not know: messages, who sends them.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

# The table of zipf() takes 8 bytes for each id.
MOST_ZIPF_IDS: Final = 10_000_000


class Ids:
    """A distribution over the ids 1 to `most`. Make it before a fork: the processes then share its table."""

    def __init__(self, most: int, cumulative: Sequence[float] | None = None) -> None:
        self._numbers = range(1, most + 1)
        self._cumulative = cumulative

    def draw(self, count: int, source: random.Random) -> list[bytes]:
        """So many ids, in a random order, each drawn anew."""
        return [
            b"%d" % number for number in source.choices(self._numbers, cum_weights=self._cumulative, k=count)
        ]


def uniform(most: int) -> Ids:
    """Every id is as likely as any other."""
    return Ids(most)


def zipf(most: int, exponent: float) -> Ids:
    """Id n has a weight of 1 / n ** exponent: id 1 is the most frequent (Zipf's law, bounded).

    Raises:
        ValueError: beyond MOST_ZIPF_IDS.
    """
    if most > MOST_ZIPF_IDS:
        raise ValueError(f"Zipf's law for {most:,} ids: {MOST_ZIPF_IDS:,} are the limit")
    return Ids(most, array("d", accumulate(number**-exponent for number in range(1, most + 1))))
