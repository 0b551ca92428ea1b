"""The demo: the scenario of that name, and one table of what it did.

Owns: the table. Must not know: how a scenario is carried out.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from zflood.run.environment import FRONTEND, ROUTER
from zflood.run.narrator import Narrator
from zflood.run.runner import Outcome, play
from zflood.run.scenario import Play
from zrouter.daemon.output import printable


def run_demo(one: Play) -> Outcome:
    """Run it, and show what came of it."""
    with tempfile.TemporaryDirectory() as folder, Narrator() as narrator:
        outcome = play(one, Path(folder), narrator)
    _show(outcome)
    return outcome


def _show(outcome: Outcome) -> None:
    console = Console()
    if outcome.stopped:
        console.print(f"stopped: {printable(outcome.stopped)}", markup=False)
        return
    figures, settings = outcome.figures, outcome.settings
    table = Table(
        "figure", "value", title=f"{settings['clients']:,} clients, {settings['per_s']:,} messages/s"
    )
    for name in ("connected", "closed", "sent", "received", "lost", "errors"):
        table.add_row(name, f"{figures[name]:,.0f}")
    latency = " / ".join(f"{figures[f'messages.{name}_ms']:.3g}" for name in ("p50", "p99", "max"))
    table.add_row("latency p50 / p99 / max", f"{latency} ms")
    before = {group: outcome.samples[group][0].rss_kb / 1024 for group in (ROUTER, FRONTEND)}
    for when, router_mb, zfront_mb in (
        ("before", before[ROUTER], before[FRONTEND]),
        ("with the clients", figures["connect.router_rss_mb"], figures["connect.zfront_rss_mb"]),
        ("at the end", figures["messages.router_rss_mb"], figures["messages.zfront_rss_mb"]),
    ):
        table.add_row(f"resident {when}", f"router {router_mb:.1f} MB, zfront {zfront_mb:.1f} MB")
    table.add_row("zfront bytes per connection", f"{figures['connect.zfront_bytes_per_client']:,.0f}")
    console.print(table)
