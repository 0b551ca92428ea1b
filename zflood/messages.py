"""The message generator: sends stamped messages to random ids at a steady pace and counts the receipts.

Owns: pace, ids, receipts. Must not know: who receives. The pace is kept by the clock (open loop): a send that
is late does not make the next ones late, and is stamped with the time at which it was due.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from zflood.crew import Crew
from zflood.latency import stamp
from zrouter.client import RouterClient, default_name

# Messages that one call carries when there is no pace to keep.
_BATCH: Final = 1000
_REPORT_S: Final = 0.5


class Sent(NamedTuple):
    """What was sent so far."""

    messages: int
    handed: int  # connections that they were handed to
    nobody: int  # messages whose id nobody held
    seconds: float


class Plan(NamedTuple):
    """What to send: in all, by all senders together."""

    router: str
    messages: int
    interval_s: float  # between two messages; 0 = as fast as the receipts come back
    max_id: int
    senders: int
    every_s: float  # between two reports


def send_all(plan: Plan) -> Iterator[Sent]:
    """Send with so many processes; yields what they have sent together, now and then and at the end.

    Raises:
        CrewError: the router could not be reached, or refused.
    """

    def work(number: int, report: Callable[[Sent], None]) -> None:
        with RouterClient(plan.router, name=default_name("messages")) as client:
            _send_share(client, plan, number, report)

    next_show = time.monotonic() + plan.every_s
    total = Sent(0, 0, 0, 0.0)
    for reports in Crew[Sent](plan.senders, work).reports():
        total = together(reports)
        if time.monotonic() >= next_show:
            next_show += plan.every_s
            yield total
    yield total


def together(reports: Iterable[Sent]) -> Sent:
    """The sum of what several senders did at the same time."""
    columns = list(zip(*reports, strict=True)) or [(0,)] * 4
    messages, handed, nobody = (int(sum(column)) for column in columns[:3])
    return Sent(messages, handed, nobody, max(columns[3]))


def _send_share(client: RouterClient, plan: Plan, number: int, report: Callable[[Sent], None]) -> None:
    """Send every message that is this sender's: number, number + senders, ..."""
    count = len(range(number, plan.messages, plan.senders))
    interval_s = plan.interval_s * plan.senders
    began = time.monotonic() + number * plan.interval_s
    to_realtime = time.time() - time.monotonic()
    sent = handed = nobody = 0
    every_s = min(plan.every_s, _REPORT_S)
    next_report = began + every_s
    try:
        while sent < count:
            now = time.monotonic()
            if interval_s:
                due = min(count, int((now - began) / interval_s) + 1)
                if due <= sent:
                    time.sleep(max(0.0, began + sent * interval_s - now))
                    continue
            else:
                due = min(count, sent + _BATCH)
            pairs = []
            for each in range(sent, due):
                at = began + each * interval_s if interval_s else now
                pairs.append((b"%d" % random.randint(1, plan.max_id), stamp(at + to_realtime)))
            receipts = client.send_many(pairs)
            sent = due
            handed += sum(receipts)
            nobody += receipts.count(0)
            if now >= next_report:
                next_report += every_s
                report(Sent(sent, handed, nobody, now - began))
    finally:  # interrupted, too
        report(Sent(sent, handed, nobody, time.monotonic() - began))
