"""A flood of events is not a flood of log lines."""

from __future__ import annotations

import io
import logging

from zrouter.daemon.logs import RateLimit


def test_a_place_in_the_code_logs_so_many_lines_and_then_says_how_many_it_held_back() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(RateLimit(lines=2, every_s=60))
    log = logging.Logger("test")
    log.addHandler(handler)
    began = 1e9

    def flood(text: str, *values: object, after_s: float = 0.0) -> None:
        record = log.makeRecord("test", logging.WARNING, "flood.py", 1, text, values, None)
        record.created = began + after_s
        log.handle(record)

    for number in range(5):
        flood("bad %d", number)
    log.warning("another place")
    flood("bad %d%%", 5, after_s=61)
    flood("bad %d", 6, after_s=62)
    assert out.getvalue().splitlines() == [
        "bad 0", "bad 1", "another place", "bad 5% (and 3 more such)", "bad 6"
    ]  # fmt: skip
