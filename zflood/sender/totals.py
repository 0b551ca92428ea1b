"""What the processes of `zflood messages` have sent, and the sums.

Owns: the figures and their names. Must not know: how they came about, how they are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from zflood.latency import Latencies


class Sent(NamedTuple):
    """What one process has sent so far; the fields are those of Sending."""

    messages: int
    unanswered: int
    receipts: dict[str, int]
    errors: dict[str, int]
    latencies: bytes
    late_s: float
    seconds: float


@dataclass
class Totals:
    """What all have sent."""

    messages: int = 0
    unanswered: int = 0  # of these, such that an interruption left without a receipt
    receipts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)  # messages that got no receipt, by kind
    late_s: float = 0.0
    seconds: float = 0.0  # of the process that took the longest
    encoded: list[bytes] = field(default_factory=list)  # the latencies of each process

    def latencies(self) -> Latencies:
        """From when a message was due to its receipt, of all."""
        merged = Latencies()
        for encoded in self.encoded:
            merged.add(encoded)
        return merged

    def as_json(self) -> dict[str, Any]:
        """For `--json`. `handed` to `online` are a router's receipts, `statuses` an HTTP server's."""
        latencies = self.latencies()
        return {
            "seconds": round(self.seconds, 6),
            "messages": self.messages,
            "handed": self.receipts.get("handed"),
            "nobody": self.receipts.get("nobody"),
            "kept": self.receipts.get("kept", 0 if "nobody" in self.receipts else None),
            "followers": self.receipts.get("followers"),
            "online": self.receipts.get("online"),
            "statuses": {
                kind.removeprefix("status "): count
                for kind, count in self.receipts.items()
                if kind.startswith("status ")
            },
            "unanswered": self.unanswered,
            "errors": dict(self.errors),
            "late_ms": round(self.late_s * 1000, 3),
            "p50_ms": latencies.percentile_ms(50),
            "p99_ms": latencies.percentile_ms(99),
            "max_ms": latencies.max_ms(),
        }


def together(reports: Sequence[Sent]) -> Totals:
    """The sum of what several processes did at the same time."""
    totals = Totals()
    for sent in reports:
        totals.messages += sent.messages
        totals.unanswered += sent.unanswered
        totals.receipts.update(sent.receipts)
        totals.errors.update(sent.errors)
        totals.late_s = max(totals.late_s, sent.late_s)
        totals.seconds = max(totals.seconds, sent.seconds)
        totals.encoded.append(sent.latencies)
    return totals
