"""What held and what did not, as a table on a terminal.

Owns: the table. Must not know: how a run is carried out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zflood.run.figures import number
from zflood.run.runner import Outcome

HELD: Final = {True: "[green]yes[/]", False: "[red]NO[/]", None: "not judged"}


def show_checks(outcomes: Sequence[Outcome]) -> None:
    """Print each run's expectations, the figures, and whether they held."""
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    table = Table("run", "must hold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("figure", justify="right")
    table.add_column("held")
    for outcome in outcomes:
        for check in outcome.checks:
            held = HELD[check.holds]
            table.add_row(escape(outcome.name), escape(check.text), number(check.value), held)
        if outcome.stopped:
            table.add_row(
                escape(outcome.name), f"[red]stopped:[/] {escape(outcome.stopped)}", "", "[red]NO[/]"
            )
    console.print(table)
