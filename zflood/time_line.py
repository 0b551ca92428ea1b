"""The time line of a run: what its clients saw from moment to moment, as rows and as a file.

Owns: the columns. Must not know: where the figures come from, how they are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Moment(NamedTuple):
    """A row; latencies [ms] are of the messages since the row before."""

    seconds: float  # since the beginning
    active: int  # connections
    received: int  # messages so far
    errors: int  # so far
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0


class Mark(NamedTuple):
    """Something that happened at one moment, for the time line to show."""

    seconds: float  # since the beginning
    name: str


def write_moments(path: Path, moments: Iterable[Moment]) -> None:
    """Write them tab-separated under one header."""
    rows = [Moment._fields, *moments]
    path.write_text("".join("\t".join(map(_cell, row)) + "\n" for row in rows))


def _cell(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
