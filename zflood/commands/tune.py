"""`zflood tune`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zrouter.daemon import program
from zrouter.daemon.numbers import Count
from zrouter.daemon.output import json_line, say

if TYPE_CHECKING:
    from zflood.tuning.demand import Demand
    from zflood.tuning.tune import Finding


@click.command(short_help="Say what would stop so many connections here.")
@click.option("--connections", type=Count(1), required=True, help="How many the host is to hold.")
@click.option(
    "--side", type=click.Choice(["server", "clients", "both"]), default="both", show_default=True,
    help="The end that is on this host; both: zfront and zflood, over loopback.",
)  # fmt: skip
@click.option(
    "--write", type=click.Path(dir_okay=False, path_type=Path), help="Write the lines for sysctl.d here."
)
@click.option(
    "--apply", "is_applied", is_flag=True, help="Set what is too small in this kernel now; root only."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def tune(connections: int, side: str, write: Path | None, is_applied: bool, as_json: bool) -> None:
    """Say what on this host would stop so many connections, and what mends it; exits 1 if anything would.

    \b
    Examples:
      zflood tune --connections 1000000
      zflood tune --connections 100000 --side server --write /etc/sysctl.d/61-zcomet.conf
      zflood tune --connections 1000000 --apply
    """
    from zflood.tuning import host
    from zflood.tuning.demand import Side
    from zflood.tuning.tune import demand_on, file_text, judge, lines_for

    here = host.read()
    demand = demand_on(here, connections, Side(side))
    findings = judge(here, demand)
    if is_applied:
        try:
            applied = host.apply(lines_for(findings, "sysctl.d"))
        except host.HostError as error:
            program.fail("zflood", str(error))
        findings = judge(host.read(), demand)
    if write is not None:
        write.write_text(file_text(findings, demand))
    if as_json:
        json_line(_as_json(findings, demand) | ({"applied": applied} if is_applied else {}))
    else:
        _show(findings, demand)
        for line in applied if is_applied else ():
            say(f"set {line}")
        if write is not None:
            say(f"wrote {write}; `sysctl -p {write}` sets it now")
    if any(finding.verdict == "too small" for finding in findings):
        sys.exit(program.EXIT_COULD_NOT)


def _as_json(findings: Sequence[Finding], demand: Demand) -> dict[str, object]:
    from zflood.tuning.tune import lines_for

    memory = demand.memory()
    return {
        "connections": demand.connections,
        "side": demand.side,
        "fine": all(finding.verdict != "too small" for finding in findings),
        "workers": demand.workers,
        "processes": demand.processes,
        "memory_bytes": {**memory._asdict(), "total": memory.total},
        "findings": [finding.as_json() for finding in findings],
        "sysctl": lines_for(findings, "sysctl.d"),
        "limits": lines_for(findings, "limits.d"),
        "unit": lines_for(findings, "unit"),
    }


def _show(findings: Sequence[Finding], demand: Demand) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    from zflood.tuning.tune import PLACES, lines_for

    colors = {"fine": "green", "too small": "red", "unknown": "yellow"}
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    # Where it is narrow, triples of numbers are broken, not names.
    narrow = 13 if console.width < 100 else None
    table.add_column("", no_wrap=True)
    table.add_column("what and why", overflow="fold")
    table.add_column("now", max_width=narrow)
    table.add_column("needed", max_width=narrow)
    for finding in findings:
        verdict = Text(finding.verdict, style=colors[finding.verdict])
        table.add_row(verdict, f"[bold]{finding.name}[/]\n{escape(finding.why)}", finding.now, finding.needed)
    many = "s" * (demand.connections != 1)
    console.print(f"{demand.connections:,} connection{many}, side: {demand.side}")
    console.print(table)
    for where, title in PLACES.items():
        if lines := lines_for(findings, where):
            console.print(f"{title}:", style="bold", soft_wrap=True, markup=False)
            for line in lines:
                console.print(f"  {line}", soft_wrap=True, markup=False)
    small = sum(finding.verdict == "too small" for finding in findings)
    console.print(f"{small} of {len(findings)} too small" if small else "nothing is too small")
