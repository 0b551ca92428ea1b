"""The live bar of a long work: on standard error, if that is a terminal.

Owns: how it looks. Must not know: what goes on.
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


def bar(is_wanted: bool = True) -> Progress:
    """A bar that is not started yet; without a terminal, or not wanted, it shows nothing."""
    console = Console(file=sys.stderr, highlight=False)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TimeElapsedColumn(),
        console=console,
        disable=not (is_wanted and console.is_terminal),
        redirect_stdout=sys.stdout.isatty(),  # else lines would go to the terminal, not where they should
    )
