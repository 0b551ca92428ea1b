"""Numbers on command lines, in the environment and in settings files: finite, within bounds, in one spelling.

Owns: how they are read. Must not know: what they are for. Python's own readers take nan, infinity, digits of
other scripts and underscores; a lease of nan seconds starts, and ends at the first frontend.
"""

from __future__ import annotations

import re
from typing import Any, Final

import click

# Beyond any use, and small enough for every clock and every sum: 31 years in seconds.
MOST: Final = 1e9
# The same for how many: a range() that long still has a length.
MOST_COUNTED: Final = 10**15
MOST_BYTES: Final = 1 << 40
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,30}").fullmatch
_DECIMAL: Final = re.compile(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?").fullmatch
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)[ ]*([KMGT]?)(?:i?B)?", re.IGNORECASE).fullmatch
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Count(click.IntRange):
    """How many: a whole number from `least` to `most`."""

    def __init__(self, least: int = 0, most: int = MOST_COUNTED) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it; fails as usage errors do."""
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole and not (isinstance(value, str) and _WHOLE(value.strip())):
            self.fail(f"{value!r} is not a whole number.", param, ctx)
        return int(super().convert(value, param, ctx))


class Number(click.FloatRange):
    """A number from `least` to `most`, or, if `min_open`, above `least`."""

    def __init__(self, least: float = 0, most: float = MOST, min_open: bool = False) -> None:
        super().__init__(least, most, min_open=min_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it; fails as usage errors do."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number and not (isinstance(value, str) and _DECIMAL(value.strip())):
            self.fail(f"{value!r} is not a number.", param, ctx)
        # From a settings file: nan is in no range and out of none; an integer may be too long for a float.
        if not isinstance(value, str) and not -2 * MOST <= value <= 2 * MOST:
            self.fail(f"{value!r} is not a number up to {MOST:,.0f}.", param, ctx)
        return float(super().convert(value, param, ctx))


class ByteSize(click.ParamType[int]):
    """A number of bytes: 65536, 64K, 64KiB, 1.5M."""

    name = "bytes"

    def __init__(self, least: int = 0, most: int = MOST_BYTES) -> None:
        self.min = least
        self.max = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the size; fails as usage errors do."""
        size = value
        if not isinstance(value, int) or isinstance(value, bool):
            match = _SIZE(str(value).strip()) if isinstance(value, str) else None
            if match is None:
                self.fail(f"{value!r} is not a size such as 65536, 64K or 1.5MiB", param, ctx)
            size = int(float(match[1]) * _UNITS[match[2].upper()])
        if not self.min <= size <= self.max:
            self.fail(f"{value!r} is not a size from {self.min} to {self.max} bytes", param, ctx)
        return int(size)


BYTES: Final = ByteSize()
