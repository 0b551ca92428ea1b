"""What the figures of a run are called for people, and how their numbers look.

Owns: the words, their order. Must not know: how figures come about, where they are shown.
"""

from __future__ import annotations

import math
from typing import Final

# What each figure is called for people, with its unit; those of all steps are shown in this order.
LABELS: Final = {
    "settings": "settings of the kernel that were raised",
    "users": "users",
    "pairs": "pairs of who follows whom",
    "clients": "clients",
    "seconds": "time [s]",
    "per_s": "a second",
    "sent": "sent",
    "followers": "for followers",
    "online": "of these, logged in",
    "handed": "handed to connections",
    "nobody": "to nobody",
    "kept": "kept for clients that had left",
    "received": "received",
    "messages": "messages compared",
    "sights": "seen by clients",
    "connections": "connections",
    "gaps": "gaps announced",
    "offences": "offences",
    "lost": "lost",
    "twice": "seen twice",
    "out_of_order": "out of order",
    "wrong_receipt": "with a wrong receipt",
    "never_sent": "seen, but never sent",
    "wrong_client": "seen by the wrong client",
    "errors": "errors",
    "times": "times",
    "last_client_ms": "last client has it after, median [ms]",
    "longest_ms": "last client has it after, longest [ms]",
    "back_s": "all back after, median [s]",
    "longest_back_s": "all back after, longest [s]",
    "logged_in_again_s": "all logged in again after [s]",
    "p50_ms": "latency p50 [ms]",
    "p99_ms": "latency p99 [ms]",
    "max_ms": "latency max [ms]",
    "router_cpu_percent": "CPU of the router [% of a core]",
    "zfront_cpu_percent": "CPU of zfront [% of a core]",
    "zflood_cpu_percent": "CPU of the clients [% of a core]",
    "router_rss_mb": "resident, router [MB]",
    "zfront_rss_mb": "resident, zfront [MB]",
    "zflood_rss_mb": "resident, clients [MB]",
    "router_pss_mb": "proportional, router [MB]",
    "zfront_pss_mb": "proportional, zfront [MB]",
    "zflood_pss_mb": "proportional, clients [MB]",
    "router_bytes_per_client": "router, for each client [B]",
    "zfront_bytes_per_client": "zfront, for each client [B]",
    "pss_bytes_per_client": "router and zfront, all in, for each client [B]",
    "zflood_pss_bytes_per_client": "zflood, all in, for each client [B]",
    "slope_kb_per_h": "memory of zfront grows [KB/h]",
    "slope_low_kb_per_h": "at least, with 95 % confidence [KB/h]",
    "slope_high_kb_per_h": "at most, with 95 % confidence [KB/h]",
}


def label(figure: str) -> str:
    """What it is called."""
    return LABELS.get(figure, figure.replace("_", " "))


def number(value: float | None) -> str:
    """For people: thousands apart, three digits that matter."""
    if value is None or not math.isfinite(value):
        return "-"
    if isinstance(value, int) or value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def counted(count: int, what: str) -> str:
    """`1 client`, `2,000 clients`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
