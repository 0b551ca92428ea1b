"""What only AsyncRouterClient can do: calls of many tasks at once, and staying alive without calls."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.conftest import Client, Program, wait_for
from zrouter.aio import AsyncRouterClient
from zrouter.client import RouterClient
from zrouter.errors import RefusedError, RouterError


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_sends_of_many_tasks_share_frames_and_each_gets_its_own_receipt(
    router: Program, front: Program, api: RouterClient
) -> None:
    reader = Client(front.address, "/test/5")
    wait_for(api, "5", 1)

    async def work() -> None:
        async with AsyncRouterClient(router.address) as client:
            await client.stats()
            handed = await asyncio.gather(*(client.send(str(number % 10), "x") for number in range(1000)))
            assert handed == [int(number % 10 == 5) for number in range(1000)]

    run(work())
    reader.read_until(b"Recvd msg #100: ")


def test_a_send_that_is_too_long_does_not_touch_the_others_of_its_turn(router: Program) -> None:
    async def work() -> None:
        async with AsyncRouterClient(router.address) as client:
            sends = [client.send("a", b"x" * size) for size in (1, 70_000, 2)]
            first, second, third = await asyncio.gather(*sends, return_exceptions=True)
            assert (first, third) == (0, 0)
            assert isinstance(second, RefusedError)

    run(work())


def test_a_cancelled_call_leaves_the_client_usable(router: Program) -> None:
    async def work() -> None:
        async with AsyncRouterClient(router.address) as client:
            await client.stats()
            for _ in range(50):
                task = asyncio.ensure_future(client.send("a", "x"))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert await client.send("a", "x") == 0
            waiting = asyncio.ensure_future(anext(await client.login("a")))
            await asyncio.sleep(0)
            waiting.cancel()
            assert await client.send("a", "y") == 1

    run(work())


def test_closing_ends_the_calls_that_wait(router: Program) -> None:
    async def work() -> None:
        client = AsyncRouterClient(router.address)
        messages = await client.login("a")
        next_message = asyncio.ensure_future(anext(messages))
        router.tell(signal.SIGSTOP)
        send = asyncio.ensure_future(client.send("a", "x"))
        await asyncio.sleep(0.1)
        await client.close(timeout_s=0.1)
        for task in (next_message, send):
            with pytest.raises(RouterError):
                await task
        router.tell(signal.SIGCONT)

    run(work())


def test_an_idle_asyncio_client_stays_logged_in_and_comes_back_after_a_restart(
    start: Callable[..., Program], router: Program
) -> None:
    async def work() -> None:
        async with AsyncRouterClient(router.address) as client:
            messages = await client.login("a")
            router.stop(signal.SIGKILL)
            again = start("zrouter", "serve", "--bind", router.address)
            receive = asyncio.ensure_future(anext(messages))
            async with AsyncRouterClient(again.address) as sender:
                for _ in range(500):
                    if await sender.send("a", "back"):
                        break
                    await asyncio.sleep(0.02)
            assert (await receive).message == b"back"

    run(work())


def test_a_program_that_raises_when_it_is_told_of_the_link_ends_no_heartbeats(
    start: Callable[..., Program], router: Program, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[bool] = []
    went, came = asyncio.Event(), asyncio.Event()

    def tell(is_there: bool) -> None:
        told.append(is_there)
        (came if is_there else went).set()
        raise ZeroDivisionError

    async def work() -> None:
        async with AsyncRouterClient(router.address, on_link=tell) as client:
            messages = await client.login("a")
            router.stop(signal.SIGKILL)
            await went.wait()
            start("zrouter", "serve", "--bind", router.address)
            await came.wait()
            assert await client.send("a", "x") == 1
            assert await anext(messages) == ("a", b"x")

    run(work())
    assert told == [False, True]
    assert caplog.text.count("on_link raised") == 2
