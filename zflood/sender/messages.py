"""The message generator: stamped messages to random ids, from many senders in one process or several.

Owns: the processes and their shares. Must not know: how one of them sends (sending.py), through what
(outlets), how the sums are shown.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from zflood.check.sender_log import SenderLog
from zflood.processes import Processes
from zflood.sender.ids import Ids
from zflood.sender.outlets import Outlet
from zflood.sender.pace import share
from zflood.sender.punctual import event_loop
from zflood.sender.sending import Sending
from zflood.sender.totals import Sent, Totals, together

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
    check: Path | None = None  # the folder that gets the records of what senders were told


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
    crew = Processes[Sent](plan.senders, work)
    return map(together, crew.reports())


async def _send_share(plan: Plan, number: int, report: Callable[[Sent], None]) -> None:
    """Send every message that is this process's, then say what became of them; interrupted, too."""
    outlet = plan.outlet()
    await outlet.open()
    record = SenderLog(plan.check, outlet.is_in_order, outlet.is_published) if plan.check else None
    sending = Sending(outlet, plan.ids, plan.size_bytes, plan.tasks, record)
    began = time.monotonic()
    share_of = share(began, plan.interval_s, plan.messages, number, plan.senders, outlet.most)

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
    if record is not None:
        record.close()
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
