"""Numbers as options: within bounds, which infinity and nan are not."""

from __future__ import annotations

from typing import Any, Final

import click

# Beyond any use, and small enough for every clock and every sum: 31 years in seconds.
MOST: Final = 1e9
# The same for how many: a range() that long still has a length.
MOST_COUNTED: Final = 10**15


class Number(click.FloatRange):
    """From `least` on, or, if `min_open`, above it."""

    def __init__(self, least: float = 0, most: float | None = None, min_open: bool = False) -> None:
        super().__init__(least, most, min_open=min_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not number <= MOST:  # nan is not, either
            self.fail(f"{value} is no number up to {MOST:,.0f}.", param, ctx)
        return number
