"""What must hold at the end of a run: a figure, a comparison and a number, such as `lost == 0`.

Owns: how it is written and judged. Must not know: how figures are taken.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from zflood.run.amount import AMOUNT, amount

_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_COMPARISON: Final = rf"([\w.-]+)\s*(==|!=|<=|>=|<|>)\s*({AMOUNT})"
_EXPECTATION: Final = re.compile(rf"\s*{_COMPARISON}(?:\s+if\s+{_COMPARISON})?\s*")


class Comparison(NamedTuple):
    """A figure, how it is compared, and with what."""

    figure: str
    sign: str
    bound: float

    def __str__(self) -> str:
        return f"{self.figure} {self.sign} {self.bound:,.10g}"

    def holds(self, figures: Mapping[str, float]) -> bool:
        """Whether it does; with a figure that was never taken it does not."""
        value = figures.get(self.figure)
        return value is not None and _COMPARISONS[self.sign](value, self.bound)


class Expectation(NamedTuple):
    """What must hold at the end, maybe only in a run of some size."""

    must: Comparison
    only_if: Comparison | None

    def __str__(self) -> str:
        return f"{self.must} if {self.only_if}" if self.only_if else str(self.must)

    def holds(self, figures: Mapping[str, float]) -> bool | None:
        """Whether it does; None if this run is not one that it is for."""
        if self.only_if and self.only_if.figure in figures and not self.only_if.holds(figures):
            return None
        return self.must.holds(figures)


def expectation(text: str) -> Expectation:
    """Read one.

    Raises:
        ValueError: it is none.
    """
    found = _EXPECTATION.fullmatch(text)
    if found is None:
        raise ValueError("not FIGURE <= NUMBER, nor FIGURE <= NUMBER if FIGURE >= NUMBER")
    only_if = Comparison(found[4], found[5], amount(found[6])) if found[4] else None
    return Expectation(Comparison(found[1], found[2], amount(found[3])), only_if)
