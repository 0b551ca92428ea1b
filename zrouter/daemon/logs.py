"""Log lines on standard error, and lines that repeat are held back."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

from zrouter.daemon.output import printable

_QUERY = re.compile(r"\?[^\s'\"]+")
LEVELS = ("debug", "info", "warning", "error")


def set_up(level: str) -> None:
    """Log to standard error from this level up; under systemd the journal adds the time itself."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Escaped("%(asctime)s %(levelname).1s %(name)s: %(message)s"))
    handler.addFilter(RateLimit())
    handler.addFilter(NoQueries())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class Escaped(logging.Formatter):
    """A record's text is one line, whatever is in it; a traceback behind it keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line without what follows it."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """The traceback; what an exception says comes from others, too."""
        return printable(super().formatException(ei), lines=True)


class NoQueries(logging.Filter):
    """Takes the query out of every URL in a line: it may have a token in it. For libraries that log
    requests.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """The line, without."""
        text = record.getMessage()
        if "?" in text:
            record.msg, record.args = _QUERY.sub("?...", text), ()
        return True


class RateLimit(logging.Filter):
    """Lets each place in the code log so many lines in a while, and then says how many were held back.

    For every logger, those of libraries too: a flood of bad requests must not become a flood of lines. By
    place and not by text, so that there are as many kinds of lines as the code has.
    """

    def __init__(self, lines: int = 10, every_s: float = 5.0) -> None:
        super().__init__()
        self._lines = lines
        self._every_s = every_s
        self._spans: dict[tuple[str, int], _Span] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line may be logged."""
        place = (record.pathname, record.lineno)
        span = self._spans.get(place)
        held_back = 0
        if span is None or record.created - span.began >= self._every_s or record.created < span.began:
            held_back = 0 if span is None else span.lines - self._lines
            span = self._spans[place] = _Span(record.created)
        span.lines += 1
        if held_back > 0:
            record.msg = f"{record.getMessage()} (and {held_back} more such)"
            record.args = ()
        return span.lines <= self._lines


class _Span:
    """When the first of some lines came, and how many they are."""

    __slots__ = ("began", "lines")

    def __init__(self, began: float) -> None:
        self.began = began
        self.lines = 0
