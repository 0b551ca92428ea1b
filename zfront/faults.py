"""What is done about a fault of ours in the middle of somebody's request: the connection ends, and it is
counted.

Owns: the count, and the words in the log. Must not know: whose connection it was, what was said on it.

Whatever runs for one connection alone (a callback of the loop that owns a socket) hands what it raises to
`ended`: else the socket would be nobody's, and stay open without an answer.
"""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Callable
from typing import Final

log = logging.getLogger("zfront")

_FRAMES: Final = 12  # of the trace that the log gets


class Faults:
    """See the module's docstring."""

    def __init__(self) -> None:
        self.count = 0

    def ended(self, error: Exception, end: Callable[[], object]) -> None:
        """End the connection by `end`, which may fail as well. What was said on it is not logged."""
        self.count += 1
        places = traceback.extract_tb(error.__traceback__, _FRAMES)
        where = " <- ".join(f"{one.name} ({one.filename}:{one.lineno})" for one in reversed(places))
        log.error("a fault of ours ended a connection: %s in %s", type(error).__name__, where)
        with contextlib.suppress(Exception):
            end()
