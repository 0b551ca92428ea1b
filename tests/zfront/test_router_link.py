"""The link in a real event loop, against a real router."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from statistics import median

import pytest

from tests.conftest import Program
from zfront.router_link import RouterLink
from zrouter.client import RouterClient
from zrouter.wire import Delivery

BURST = 4096
BURSTS = 50


@pytest.mark.alone
def test_a_flood_leaves_the_event_loop_to_others(router: Program) -> None:
    """A turn of the loop takes one burst; those that edges and ticks begin do not add up."""
    asyncio.run(_flooded(router.address))


async def _flooded(router: str) -> None:
    bursts: Counter[int] = Counter()
    turn = got = 0

    def deliver(pairs: list[Delivery]) -> None:
        nonlocal got
        got += len(pairs)
        bursts[turn] += 1
        time.sleep(0.05)  # so that ticks fall due while there is more to take

    held = {b"1": 1}
    link = RouterLink(router, "flooded", held.keys, held.__getitem__, dict, deliver, lambda _: None)
    link.start()
    while not link.session.is_settled():  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.01)
    await asyncio.to_thread(_send, router, BURST * BURSTS)
    while got < BURST * BURSTS:
        turn += 1
        await asyncio.sleep(0)
    link.close()
    assert median(bursts.values()) == 1, bursts


def _send(router: str, count: int) -> None:
    with RouterClient(router) as client:
        assert sum(client.send_many([(b"1", b"x")] * count)) == count
