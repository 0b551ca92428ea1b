"""Log lines on standard error, and lines that repeat held back."""

from __future__ import annotations

import logging
import sys
import time

LEVELS = ("debug", "info", "warning", "error")


def set_up(level: str) -> None:
    """Log to standard error from this level up; under systemd the journal adds the time itself."""
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(asctime)s %(levelname).1s %(name)s: %(message)s",
        force=True,
    )


class RateLimited:
    """Logs a kind of line at most once in `every_s` seconds, and then says how many were held back."""

    def __init__(self, logger: logging.Logger, every_s: float = 5.0) -> None:
        self._logger = logger
        self._every_s = every_s
        self._next: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def warning(self, template: str, *values: object) -> None:
        """Log a warning; lines of the same template count as the same kind."""
        now = time.monotonic()
        if now < self._next.get(template, 0.0):
            self._held_back[template] = self._held_back.get(template, 0) + 1
            return
        self._next[template] = now + self._every_s
        more = self._held_back.pop(template, 0)
        text = f"{template} (and {more} more such)" if more else template
        self._logger.warning(text, *values)
