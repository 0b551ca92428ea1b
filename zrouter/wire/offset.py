"""Where a client is in the stream of messages: the router's life, and a position in it.

Owns: the text of it that clients are given and give back, which to them is opaque. For several ids it is one.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_TEXT: Final = re.compile(r"([0-9a-f]{1,16})\.([0-9a-f]{1,16})").fullmatch
_MOST: Final = 2**63 - 1


class Offset(NamedTuple):
    """It has all that came up to `position` in the life of the router that is called `epoch`."""

    epoch: int
    position: int

    def text(self) -> str:
        """As clients see it."""
        return f"{self.epoch:x}.{self.position:x}"


# Of a client that comes for the first time: it has missed nothing.
NEW: Final = Offset(0, 0)
# Of a client whose own words for where it is make no sense to us: what it has missed, nobody knows.
UNKNOWN: Final = Offset(1, 0)


def read_offset(text: str) -> Offset:
    """What `Cursor.text` wrote; UNKNOWN if that did not write it, NEW if it is empty."""
    if not text:
        return NEW
    found = _TEXT(text)
    if found is None:
        return UNKNOWN
    epoch, position = int(found[1], 16), int(found[2], 16)
    return Offset(epoch, position) if 0 < epoch <= _MOST and position <= _MOST else UNKNOWN
