"""Where a command's lines go: for people to standard output, as JSON to a file beside it or instead of them.

Owns: the two streams. Must not know: what the lines say.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import IO, Any, NamedTuple

import click

from zrouter.daemon.output import json_line, say


class Lines(NamedTuple):
    """The streams that take a line."""

    is_for_people: bool  # standard output
    json_to: IO[str] | None

    def say(self, for_people: str, figures: Mapping[str, Any]) -> None:
        """One line, in either form."""
        if self.json_to is not None:
            json_line(figures, None if self.json_to is sys.stdout else self.json_to)
        if self.is_for_people:
            say(for_people)


@contextmanager
def open_lines(json_out: str | None) -> Iterator[Lines]:
    """None: lines for people. "-": JSON lines instead. Else the file that gets JSON lines, beside the others.

    Raises:
        OSError: the file can't be written.
    """
    with ExitStack() as stack:
        json_to = stack.enter_context(click.open_file(json_out, "w", "utf-8")) if json_out else None
        yield Lines(json_out != "-", json_to)
