"""The senders of one process: messages go out by the clock, or each when the receipt of the last has come.

Owns: who sends when, what came back. Must not know: what messages are sent through (outlets), how many
processes there are (messages.py).

In an open loop messages are due by a schedule, and what is due is sent whether or not receipts have come: a
slow receiver can't slow its test down, and is not flattered by it (coordinated omission). A message that had
to wait for a free sender is late; its stamp and its latency begin when it was due.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence

from zflood.check.sender_log import TAKEN, SenderLog
from zflood.latency import STAMP_BYTES, Latencies, stamp
from zflood.sender.ids import Ids
from zflood.sender.outlets import Outcome, Outlet
from zflood.sender.pace import Schedule


class Sending:
    """Messages to random ids, and what became of them; `tasks` sends may be under way at a time.

    With a `record` each has a number of its own, and what came of it is put there.
    """

    def __init__(
        self, outlet: Outlet, ids: Ids, size_bytes: int, tasks: int, record: SenderLog | None = None
    ) -> None:
        self.messages = 0  # that were sent, answered or not
        self.unanswered = 0  # of these: an interruption came before the receipt
        self.receipts: Counter[str] = Counter()  # see the outlet
        self.errors: Counter[str] = Counter()  # messages without a receipt, by what went wrong
        self.latencies = Latencies()  # from when a message was due (closed: sent) to its receipt
        self.late_s = 0.0  # the longest that a message was sent after it was due
        self._outlet = outlet
        self._ids = ids
        self._size_bytes = size_bytes
        self._tasks = tasks
        self._random = random.Random()
        self._record = record

    async def open_loop(self, schedule: Schedule) -> None:
        """Send each message when it is due, or as soon after as a sender is free."""
        free = asyncio.Semaphore(self._tasks)
        begun = 0
        async with asyncio.TaskGroup() as sends:
            while begun < schedule.messages:
                await free.acquire()
                # Far behind, too: what is ready goes out before more is made ready.
                await asyncio.sleep(max(0.0, schedule.at(begun) - time.monotonic()))
                now = time.monotonic()
                self.late_s = max(self.late_s, now - schedule.at(begun))
                due = min(max(begun + 1, schedule.due(now)), begun + self._outlet.most)
                send = self._send([schedule.at(number) for number in range(begun, due)])
                sends.create_task(send).add_done_callback(lambda _: free.release())
                begun = due

    async def closed_loop(self, messages: int, batch: int, interval_s: float) -> None:
        """Send so many in all; each sender sends `batch` at a time, and pauses when it has their receipts."""
        left = messages

        async def be_sender() -> None:
            nonlocal left
            due_s = time.monotonic()
            while left:
                now = time.monotonic()
                self.late_s = max(self.late_s, now - due_s)
                size = min(batch, left)
                left -= size
                await self._send([now] * size)
                due_s = time.monotonic() + interval_s
                if interval_s and left:
                    await asyncio.sleep(interval_s)

        async with asyncio.TaskGroup() as senders:
            for _ in range(self._tasks):
                senders.create_task(be_sender())

    async def _send(self, due_s: Sequence[float]) -> None:
        """Send a message for each of these times, which its stamp and its latency begin with."""
        to_realtime = time.time() - time.monotonic()
        # A batch of a closed loop has one time; a stamp costs as much as all else here.
        stamps = {at: stamp(at + to_realtime, self._size_bytes) for at in set(due_s)}
        ids = self._ids.draw(len(due_s), self._random)
        self.messages += len(due_s)
        self.unanswered += len(due_s)
        messages = [stamps[at] for at in due_s]
        outcome = await self._send_on_record(ids, messages)
        now = time.monotonic()
        self.unanswered -= len(due_s)
        self.receipts.update(outcome.receipts)
        for at, count in Counter(due_s[: outcome.answered]).items():
            self.latencies.note(int((now - at) * 1e6), count)
        if outcome.answered < len(due_s):
            self.errors[outcome.error] += len(due_s) - outcome.answered

    async def _send_on_record(self, ids: list[bytes], messages: list[bytes]) -> Outcome:
        """Send these, and put on record what came of it, if there is one; interrupted, too."""
        if self._record is None:
            return await self._outlet.send(list(zip(ids, messages, strict=True)))
        first, marks = self._record.marks(len(ids))
        marked = [
            (message[:STAMP_BYTES] + mark).ljust(self._size_bytes, b".")
            for message, mark in zip(messages, marks, strict=True)
        ]
        began_ns = time.time_ns()
        told: Sequence[int] = ()
        try:
            outcome = await self._outlet.send(list(zip(ids, marked, strict=True)))
            told = outcome.told or [TAKEN] * outcome.answered
        finally:
            self._record.told(began_ns, first, ids, told)
        return outcome
