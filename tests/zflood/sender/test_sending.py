"""Open and closed loops, to a receiver that keeps them waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from zflood.latency import STAMP_BYTES
from zflood.sender.ids import uniform
from zflood.sender.outlets import Outcome
from zflood.sender.pace import Schedule
from zflood.sender.punctual import event_loop
from zflood.sender.sending import Sending
from zrouter.wire import Pair

pytestmark = pytest.mark.alone
STALL_S = 0.3


class Receiver:
    """Answers what `answer` says, in its time; keeps what came."""

    most = 10
    is_in_order: ClassVar[bool] = True
    is_published: ClassVar[bool] = False

    def __init__(self, answer: Callable[[int], Coroutine[Any, Any, Outcome | None]]) -> None:
        self.came: list[Pair] = []
        self._answer = answer
        self._sends = 0

    async def open(self) -> None:
        pass

    async def send(self, pairs: Sequence[Pair]) -> Outcome:
        self.came += pairs
        self._sends += 1
        return await self._answer(self._sends) or Outcome(len(pairs), {"handed": len(pairs)})

    async def close(self) -> None:
        pass


async def stall_at_first(send: int) -> None:
    if send == 1:
        await asyncio.sleep(STALL_S)


def sending(receiver: Receiver, tasks: int, size_bytes: int = STAMP_BYTES) -> Sending:
    return Sending(receiver, uniform(10), size_bytes, tasks)


def run(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(work)


def soon(messages: int, interval_s: float = 0.001) -> Schedule:
    return Schedule(time.monotonic(), interval_s, messages)


def test_an_open_loop_goes_on_while_receipts_are_missing() -> None:
    async def work() -> None:
        is_free, have_all_come = asyncio.Event(), asyncio.Event()

        async def wait(send: int) -> None:
            if len(receiver.came) == 30:
                have_all_come.set()
            await is_free.wait()

        receiver = Receiver(wait)
        flood = sending(receiver, tasks=100)
        loop = asyncio.create_task(flood.open_loop(soon(30)))
        async with asyncio.timeout(10):
            await have_all_come.wait()
        assert (flood.messages, flood.unanswered, flood.receipts["handed"]) == (30, 30, 0)
        is_free.set()
        await loop
        assert (flood.messages, flood.unanswered, flood.receipts["handed"]) == (30, 0, 30)

    run(work())


def test_no_more_sends_are_under_way_than_there_are_tasks_and_what_waits_is_late() -> None:
    receiver = Receiver(stall_at_first)
    flood = sending(receiver, tasks=1)
    run(flood.open_loop(soon(200)))
    assert flood.messages == len(receiver.came) == 200
    # All but the first waited for a free sender, and their latency begins when they were due.
    assert flood.late_s >= STALL_S - 0.002
    assert flood.latencies.max_ms() >= STALL_S * 1000
    assert flood.latencies.percentile_ms(25) >= (STALL_S - 0.16) * 1000


def test_the_stamps_of_an_open_loop_are_an_interval_apart_however_late_they_go() -> None:
    receiver = Receiver(stall_at_first)
    run(sending(receiver, tasks=1).open_loop(soon(100)))
    stamps = [int(message[2:]) for _, message in receiver.came]
    apart = [(later - earlier) / 1e6 for earlier, later in pairwise(stamps)]
    assert all(0.8 < each < 1.2 for each in apart)


def test_a_closed_loop_waits_for_the_receipt_and_is_late_for_nothing() -> None:
    receiver = Receiver(stall_at_first)
    flood = sending(receiver, tasks=1)
    run(flood.closed_loop(messages=50, batch=1, interval_s=0.0))
    assert flood.messages == 50
    assert len(flood.latencies) == 50
    assert flood.latencies.max_ms() >= STALL_S * 1000
    assert flood.latencies.percentile_ms(90) < STALL_S * 1000
    assert flood.late_s < STALL_S


def test_a_closed_loop_pauses_after_each_receipt() -> None:
    async def at_once(send: int) -> None:
        pass

    receiver = Receiver(at_once)
    began = time.monotonic()
    run(sending(receiver, tasks=2).closed_loop(messages=10, batch=1, interval_s=0.02))
    assert time.monotonic() - began >= 4 * 0.02
    assert len(receiver.came) == 10


def test_a_closed_loop_sends_in_batches_and_the_last_is_what_is_left() -> None:
    sizes: list[int] = []

    async def note_size(send: int) -> None:
        sizes.append(len(receiver.came) - sum(sizes))

    receiver = Receiver(note_size)
    run(sending(receiver, tasks=1).closed_loop(messages=25, batch=10, interval_s=0.0))
    assert sizes == [10, 10, 5]


def test_messages_without_a_receipt_are_errors_by_kind_and_have_no_latency() -> None:
    async def take_some(send: int) -> Outcome:
        return Outcome(3, {"handed": 7, "nobody": 1}, "broken" if send == 1 else "refused")

    flood = sending(Receiver(take_some), tasks=1)
    run(flood.closed_loop(messages=20, batch=10, interval_s=0.0))
    assert flood.errors == {"broken": 7, "refused": 7}
    assert flood.receipts == {"handed": 14, "nobody": 2}
    assert len(flood.latencies) == 6


def test_messages_have_their_size() -> None:
    async def at_once(send: int) -> None:
        pass

    receiver = Receiver(at_once)
    run(sending(receiver, tasks=1, size_bytes=100).closed_loop(messages=3, batch=1, interval_s=0.0))
    assert {len(message) for _, message in receiver.came} == {100}
