"""The loop that keeps time."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from zflood.sender.punctual import event_loop


@pytest.mark.alone
def test_a_wait_of_a_fraction_of_a_millisecond_takes_no_whole_one() -> None:
    async def wait_often() -> list[float]:
        took = []
        for _ in range(50):
            began = time.monotonic()
            await asyncio.sleep(0.0002)
            took.append(time.monotonic() - began)
        return took

    with asyncio.Runner(loop_factory=event_loop) as runner:
        # The shortest, for others may use the processor, too; an epoll would take 1 ms each time.
        assert 0.0002 <= min(runner.run(wait_often())) < 0.0009


def test_what_comes_meanwhile_ends_the_wait() -> None:
    ours, theirs = socket.socketpair()

    async def read() -> bytes:
        loop = asyncio.get_running_loop()
        ours.setblocking(False)
        loop.call_later(0.01, theirs.send, b"hello")
        async with asyncio.timeout(20):
            return await loop.sock_recv(ours, 5)

    with ours, theirs, asyncio.Runner(loop_factory=event_loop) as runner:
        began = time.monotonic()
        assert runner.run(read()) == b"hello"
        assert time.monotonic() - began < 10
