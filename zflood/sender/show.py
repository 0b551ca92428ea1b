"""How `zflood messages` is shown while it goes on: a live bar on a terminal, plain lines, JSON lines.

Owns: the words, when a line is due. Must not know: where the figures come from.
"""

from __future__ import annotations

from collections.abc import Iterable

from zflood.bar import bar
from zflood.lines import Lines
from zflood.sender.totals import Totals


def show_messages(seen: Iterable[Totals], wanted: int, every_s: float, lines: Lines) -> Totals:
    """Draw each of these as it comes, say a line every so often and at the end; returns the last."""
    totals, said = Totals(), Totals()
    with bar(lines.is_for_people) as live:
        task = live.add_task("sent", total=wanted)
        for totals in seen:
            live.update(task, completed=totals.messages)
            if totals.seconds >= said.seconds + every_s:
                lines.say(messages_line(totals), totals.as_json())
                said = totals
        if said is not totals:
            lines.say(messages_line(totals), totals.as_json())
    return totals


def messages_line(totals: Totals) -> str:
    """What was sent and what came back, the rate over all, latency, errors."""
    parts = [f"sent {totals.messages:,}"]
    for kind, count in totals.receipts.items():
        parts.append(f"{count:,} x {kind}" if kind.startswith("status ") else f"{kind} {count:,}")
    parts.append(f"{totals.messages / max(totals.seconds, 1e-9):,.0f}/s")
    latencies = totals.latencies()
    if len(latencies):
        p50, p99 = latencies.percentile_ms(50), latencies.percentile_ms(99)
        parts.append(f"latency p50 {p50:.2f} p99 {p99:.2f} max {latencies.max_ms():.2f} ms")
    parts.append(f"late max {totals.late_s * 1000:.2f} ms")
    if totals.unanswered:
        parts.append(f"unanswered {totals.unanswered:,}")
    parts += [f"{count:,} x {kind}" for kind, count in totals.errors.most_common()]
    return "  ".join(parts)
