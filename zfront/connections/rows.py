"""The rows: what is kept of each connection beside its ids, in arrays by its descriptor.

Owns: the arrays, and what a connection's kind can be beside its transport. Must not know: sockets, messages.
13 bytes for each descriptor up to the highest that there was.
"""

from __future__ import annotations

from array import array
from typing import Final

# A bit of a connection's kind: it waits to be told what it missed.
AWAITS_RESUME: Final = 0x80
# The kind of a connection between two polls.
BETWEEN_POLLS: Final = 0x40
_STEP: Final = 1024


class Rows:
    """See the module's docstring."""

    def __init__(self) -> None:
        self.kinds = bytearray()  # of its transport, with WAITS while the resumption has it
        self.numbers = array("Q")  # messages written so far, where the transport counts them
        self.since = array("I")  # when it came, or a poll was asked or answered [s]

    def reach(self, descriptor: int) -> None:
        """Have a row for that descriptor."""
        while descriptor >= len(self.kinds):
            self.kinds.extend(bytes(_STEP))
            self.numbers.extend([0] * _STEP)
            self.since.extend([0] * _STEP)
