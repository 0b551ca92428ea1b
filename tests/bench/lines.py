"""A line of the result: our figure, the yardstick's beside it from the same run, and the bar."""

from __future__ import annotations

import statistics
from typing import NamedTuple


class NotHereError(Exception):
    """This machine has not what a measure needs; the message says what."""


class Line(NamedTuple):
    """One measured figure."""

    what: str
    unit: str
    ours: float
    bar: float  # in `unit`, or how many times the yardstick's
    yardstick: float | None = None
    against: str = ""  # what the yardstick is
    at_least: bool = False  # the bar is the least, not the most
    by_ratio: bool = False  # the bar is for ours / yardstick

    def judged(self) -> float:
        """What is held against the bar."""
        return self.ours / self.yardstick if self.by_ratio and self.yardstick else self.ours

    def passes(self) -> bool:
        """Whether the bar is reached."""
        return self.judged() >= self.bar if self.at_least else self.judged() <= self.bar

    def bar_text(self) -> str:
        """The bar in words."""
        sign = ">=" if self.at_least else "<="
        return (
            f"{sign} {self.bar:g} x {self.against}" if self.by_ratio else f"{sign} {self.bar:,g} {self.unit}"
        )


def medians(runs: list[list[Line]]) -> list[tuple[Line, list[float]]]:
    """For each kind of line the run whose judged figure is the median, and that figure of every run."""
    found = []
    for what in dict.fromkeys(line.what for run in runs for line in run):
        lines = sorted((line for run in runs for line in run if line.what == what), key=Line.judged)
        middle = lines[(len(lines) - 1) // 2] if lines[0].at_least else lines[len(lines) // 2]
        found.append((middle, [line.judged() for line in lines]))
    return found


def median(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)
