"""The time of day as answers say it: the header field Date (RFC 9110, section 6.6.1).

Owns: its line, made once a second. Must not know: who says it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate


class Date:
    """`clock` is the time of day, in seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.renew()

    def renew(self) -> None:
        """It is a second later."""
        self.line = b"Date: %b\r\n" % formatdate(self._clock(), usegmt=True).encode()


NOW = Date()  # a worker renews it
