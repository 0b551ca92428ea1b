"""Numbers that are reckoned from others: sums of products, such as `9_000 + 3 * 1_000`.

Owns: how they are written. Must not know: what they are for.
"""

from __future__ import annotations

import math
import re
from typing import Final

_NUMBER: Final = r"[-+]?\d[\d_]*(?:\.\d+)?(?:e[-+]?\d+)?"
AMOUNT: Final = rf"{_NUMBER}(?:\s+[+*]\s+{_NUMBER})*"
_FORMULA: Final = re.compile(rf"{_NUMBER}(?:\s+[+*]\s+{_NUMBER})+")


def is_formula(text: str) -> bool:
    """Whether it is numbers, with + or * between them."""
    return _FORMULA.fullmatch(text) is not None


def amount(text: str) -> int | float:
    """What it comes to.

    Raises:
        ValueError: it is none, or has thousands of digits.
    """
    return sum(
        math.prod(_number(factor) for factor in re.split(r"\s+\*\s+", term))
        for term in re.split(r"\s+\+\s+", text.strip())
    )


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
