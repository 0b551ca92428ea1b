"""The message generator: sends stamped messages to random ids at a steady pace and counts the receipts.

Owns: pace, ids, receipts. Must not know: who receives. The pace is kept by the clock (open loop): a send that
is late does not make the next ones late, and is stamped with the time at which it was due.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NamedTuple

from zrouter.client import RouterClient


class Sent(NamedTuple):
    """What was sent so far."""

    messages: int
    handed: int  # connections that they were handed to
    nobody: int  # messages whose id nobody held
    seconds: float


def flood(
    client: RouterClient,
    count: int,
    interval_s: float,
    max_id: int,
    show: Callable[[Sent], None],
    every_s: float = 10.0,
) -> Sent:
    """Send `count` messages to ids 1..max_id; with interval 0 in batches, as fast as receipts come back."""
    began = time.monotonic()
    offset = time.time() - began
    sent = handed = nobody = 0
    next_show = began + every_s
    while sent < count:
        now = time.monotonic()
        if interval_s:
            due = min(count, int((now - began) / interval_s) + 1)
            if due == sent:
                time.sleep(max(0.0, began + sent * interval_s - now))
                continue
        else:
            due = min(count, sent + 1000)
        pairs = []
        for number in range(sent, due):
            at = began + number * interval_s if interval_s else now
            pairs.append((b"%d" % random.randint(1, max_id), b"t=%d" % int((at + offset) * 1e9)))
        receipts = client.send_many(pairs)
        sent = due
        handed += sum(receipts)
        nobody += receipts.count(0)
        if now >= next_show:
            next_show += every_s
            show(Sent(sent, handed, nobody, now - began))
    total = Sent(sent, handed, nobody, time.monotonic() - began)
    show(total)
    return total
