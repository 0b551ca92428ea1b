"""What tells a message from all others of a run: ` n=SENDER.COUNT` behind its stamp, counted from 1.

Owns: its form. Must not know: who sends it, who reads it.
"""

from __future__ import annotations

import re
from typing import Final

COUNT_BITS: Final = 48
_NUMBER: Final = re.compile(rb" n=(\d{1,4})\.(\d{1,14})")


def number(sender: int, count: int) -> int:
    """Both in one."""
    return sender << COUNT_BITS | count


def parts(number: int) -> tuple[int, int]:
    """The sender and the count."""
    return number >> COUNT_BITS, number & ((1 << COUNT_BITS) - 1)


def mark(number: int) -> bytes:
    """What is put into the message."""
    return b" n=%d.%d" % parts(number)


def find(message: bytes) -> int | None:
    """The number of a message that has one."""
    found = _NUMBER.search(message)
    return None if found is None else int(found[1]) << COUNT_BITS | int(found[2])
