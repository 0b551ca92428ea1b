"""How a flood is shown while it goes on: a live bar on a terminal, plain lines in a pipe, or JSON lines.

Owns: the words. Must not know: where the figures come from.
"""

from __future__ import annotations

from collections.abc import Iterable

from zflood.bar import bar
from zflood.lines import Lines
from zflood.swarm.swarm import Totals


def show_clients(seen: Iterable[Totals], wanted: int, lines: Lines) -> Totals:
    """Show each of these as it comes; returns the last."""
    totals, before = Totals(), Totals()
    with bar(lines.is_for_people) as live:
        task = live.add_task("connected", total=wanted)
        for totals in seen:
            live.update(task, completed=totals.connected - totals.reconnects)
            lines.say(clients_line(totals, before), totals.as_json())
            before = totals
    return totals


def clients_line(totals: Totals, before: Totals) -> str:
    """The series' three figures, then rates since the line before, latency and errors."""
    spent = max(totals.seconds - before.seconds, 1e-9)
    parts = [
        f"Active {totals.active:,}  Closed {totals.closed:,}  Chunks {totals.chunks:,}",
        f"+{(totals.connected - before.connected) / spent:,.0f} connections/s",
        f"+{(totals.chunks - before.chunks) / spent:,.0f} chunks/s",
    ]
    if len(totals.latencies):
        p50, p99 = totals.latencies.percentile_ms(50), totals.latencies.percentile_ms(99)
        parts.append(f"latency p50 {p50:.2f} p99 {p99:.2f} max {totals.latencies.max_ms():.2f} ms")
    if totals.reconnects:
        parts.append(f"Reconnects {totals.reconnects:,}")
    if totals.gaps:
        parts.append(f"Gaps {totals.gaps:,}")
    parts += [f"cut: {count:,} x {kind}" for kind, count in totals.cuts.most_common()]
    if totals.back_s is not None:
        parts.append(f"last cut {totals.back_s:.2f} s")
    parts += [f"{count:,} x {kind}" for kind, count in totals.errors.most_common()]
    return "  ".join(parts)
