"""The message generator: stamped messages to random ids from many senders, and the sums of what they did.

Owns: the processes, their shares, the sums. Must not know: how one of them sends (sending.py), to whom
(outlets), how the sums are shown.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from zflood.crew import Crew
from zflood.ids import Ids
from zflood.latency import Latencies
from zflood.outlets import Outlet
from zflood.pace import share
from zflood.punctual import event_loop
from zflood.sending import Sending

_REPORT_S: Final = 0.5


class Plan(NamedTuple):
    """What to send: in all, by all senders together."""

    outlet: Callable[[], Outlet]  # called once in each process
    ids: Ids
    messages: int
    size_bytes: int
    is_open: bool  # by a schedule; else each sender waits for its receipts
    interval_s: float  # open: between two messages of all together; closed: from a receipt to the next send
    batch: int  # messages that a sender sends at a time when the loop is closed
    senders: int  # processes
    tasks: int  # sends that may be under way at a time, in each process
    every_s: float  # between two reports, at the most


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
        """For `--json`. `handed` and `nobody` are a router's receipts, `statuses` an HTTP server's."""
        latencies = self.latencies()
        return {
            "seconds": round(self.seconds, 6),
            "messages": self.messages,
            "handed": self.receipts.get("handed"),
            "nobody": self.receipts.get("nobody"),
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


def send_all(plan: Plan) -> Iterator[Totals]:
    """Send, beginning now; gives the totals each time that there is news. The last are the final ones.

    Raises:
        CrewError: while iterating: there was nobody to send to at the beginning, or a process died.
    """

    def work(number: int, report: Callable[[Sent], None]) -> None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        with asyncio.Runner(loop_factory=event_loop) as runner:
            runner.run(_send_share(plan, number, report))

    # Before the caller does anything else: a thread that draws a bar must not be there at the fork.
    crew = Crew[Sent](plan.senders, work)
    return map(together, crew.reports())


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


async def _send_share(plan: Plan, number: int, report: Callable[[Sent], None]) -> None:
    """Send every message that is this process's, then say what became of them; interrupted, too."""
    outlet = plan.outlet()
    await outlet.open()
    sending = Sending(outlet, plan.ids, plan.size_bytes, plan.tasks)
    began = time.monotonic()
    share_of = share(began, plan.interval_s, plan.messages, number, plan.senders)

    async def report_often() -> None:
        while True:
            await asyncio.sleep(min(plan.every_s, _REPORT_S))
            report(_sent(sending, began))

    if plan.is_open:
        work = asyncio.create_task(sending.open_loop(share_of))
    else:
        work = asyncio.create_task(sending.closed_loop(share_of.messages, plan.batch, plan.interval_s))
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, work.cancel)
    reporting = asyncio.create_task(report_often())
    await asyncio.wait((work, reporting), return_when=asyncio.FIRST_COMPLETED)
    work.cancel()
    await asyncio.wait((work,))
    last = _sent(sending, began)
    await outlet.close()
    if reporting.done():
        reporting.exception()  # nobody is there any more to report to
        return
    reporting.cancel()
    report(last)
    if not work.cancelled():
        work.result()


def _sent(sending: Sending, began: float) -> Sent:
    return Sent(
        sending.messages,
        sending.unanswered,
        dict(sending.receipts),
        dict(sending.errors),
        sending.latencies.encode(),
        sending.late_s,
        time.monotonic() - began,
    )
