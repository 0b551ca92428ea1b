"""A verdict in words.

Owns: the words. Must not know: how it came about.
"""

from __future__ import annotations

from collections.abc import Iterator

from zflood.check.verdict import KINDS, Verdict


def lines(verdict: Verdict) -> Iterator[str]:
    """What was compared, what was found, and the first offences."""
    receipts = ", ".join(f"{kind} {count:,}" for kind, count in sorted(verdict.receipts.items()))
    yield f"{verdict.messages:,} messages were sent ({receipts or 'none'})"
    yield (
        f"{verdict.clients:,} clients on {verdict.connections:,} connections saw {verdict.sights:,};"
        f" {verdict.gaps:,} gaps were announced"
    )
    found = [
        f"{kind.replace('_', ' ')} {verdict.offences[kind]:,}" for kind in KINDS if verdict.offences[kind]
    ]
    yield (
        ", ".join(found) if found else "nothing lost, nothing twice, nothing out of order, all receipts right"
    )
    yield from verdict.first
    more = verdict.offences.total() - len(verdict.first)
    if more:
        yield f"and {more:,} more"
