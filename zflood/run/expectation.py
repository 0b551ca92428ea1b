"""What must hold at the end of a run: a figure, a comparison and a number, such as `lost == 0`.

Owns: how it is written and judged. Must not know: how figures are taken.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_EXPECTATION: Final = re.compile(r"\s*([\w.-]+)\s*(==|!=|<=|>=|<|>)\s*([-+\d._e]+)\s*")


class Expectation(NamedTuple):
    """What must hold at the end: a figure, how it is compared, and with what."""

    text: str
    figure: str
    comparison: str
    bound: float

    def holds(self, figures: Mapping[str, float]) -> bool:
        """Whether it does; a figure that was never taken does not."""
        value = figures.get(self.figure)
        return value is not None and _COMPARISONS[self.comparison](value, self.bound)


def expectation(text: str) -> Expectation:
    """Read one.

    Raises:
        ValueError: it is none.
    """
    found = _EXPECTATION.fullmatch(text)
    if found is None:
        raise ValueError("not FIGURE <= NUMBER")
    return Expectation(text.strip(), found[1], found[2], float(found[3]))
