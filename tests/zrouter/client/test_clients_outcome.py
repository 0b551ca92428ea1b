"""A login that fails has done nothing, and tells only its own caller. Both faces, a real router."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Program, eventually
from tests.zrouter.conftest import Connect
from zrouter.aio import AsyncRouterClient
from zrouter.client import RouterClient
from zrouter.client.claims import Claims
from zrouter.errors import LinkLostError, RefusedError, RouterError, RouterUnavailableError


def test_a_login_or_a_watch_that_is_refused_has_done_nothing_and_nobody_else_is_told(
    start: Callable[..., Program], connect: Connect
) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--max-ids", "2", "--max-watches", "2")
    client = connect(router.address)
    messages = client.login("a")
    for since in (None, ""):
        with pytest.raises(RefusedError, match="its limit"):
            client.login("b", "c", since=since)
    with pytest.raises(RefusedError):
        client.watch("a", "b", "c")
    time.sleep(2.2)  # a login that had stayed would be tried again by now
    client.stats()
    assert client.login("d") is not None
    assert client.watch("a") is not None
    found = client.who("a", "b", "c", "d")
    assert [len(found[an_id]) for an_id in "abcd"] == [1, 0, 0, 1]
    with pytest.raises(RefusedError, match="its limit"):
        client.login("a", "b")
    assert client.send("a", "still here") == 1
    assert next(messages) == ("a", b"still here")


def test_a_login_that_was_not_answered_in_time_is_not_carried_out_later(
    router: Program, connect: Connect, api: RouterClient
) -> None:
    client = connect(router.address)
    client.login("a")
    router.tell(signal.SIGSTOP)
    with pytest.raises(RouterUnavailableError):
        client.login("a", "b", timeout_s=0.2)
    with pytest.raises(RouterUnavailableError):
        client.watch("w", timeout_s=0.2)
    router.tell(signal.SIGCONT)
    assert client.send("x", "x") == 0
    eventually(lambda: client.stats() and len(api.who("a")["a"]) == 1 and not api.who("b")["b"])
    assert client.stats()["watches"] == 0


def test_logins_of_tasks_that_are_cancelled_leave_those_of_others_alone(router: Program) -> None:
    async def work() -> None:
        async with AsyncRouterClient(router.address) as client:
            await client.stats()
            first = asyncio.ensure_future(client.login("a", "b"))
            second = asyncio.ensure_future(client.login("b", "c"))
            await asyncio.sleep(0)
            first.cancel()
            await second
            found = await client.who("a", "b", "c")
            assert [len(found[an_id]) for an_id in "abc"] == [0, 1, 1]

    asyncio.run(work())


def test_a_wait_for_messages_that_is_cancelled_loses_none_and_ends_nothing(router: Program) -> None:
    async def work() -> None:
        async with AsyncRouterClient(router.address) as client:
            messages = await client.login("a")
            watched = await client.watch("b")
            for number in range(20):
                for coming in (messages, watched):
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(anext(coming), 0.001)
                await client.send("a", str(number))
                waiting = asyncio.ensure_future(anext(messages))
                await asyncio.sleep(0)
                if waiting.done():
                    assert waiting.result() == ("a", b"%d" % number)
                    continue
                waiting.cancel()
                assert await anext(messages) == ("a", b"%d" % number)
            await client.logout("a")
            assert [one async for one in messages] == []

    asyncio.run(work())


def test_a_send_that_its_caller_gave_up_while_the_router_was_away_is_never_routed(
    start: Callable[..., Program], router: Program, connect: Connect
) -> None:
    client = connect(router.address)
    client.stats()
    router.stop(signal.SIGKILL)
    for _ in range(3):
        for key in (None, "k"):
            with pytest.raises((RouterUnavailableError, LinkLostError)):  # the link may be found broken now
                client.send("a", "x", key=key, timeout_s=0.05)
    start("zrouter", "serve", "--bind", router.address)
    eventually(lambda: _answers(client))
    assert client.send("a", "x") == 0
    assert client.stats()["messages_in"] == 1


def _answers(client: Any) -> bool:
    try:
        return bool(client.stats())
    except RouterError:
        return False


def test_claims_are_the_last_calls_until_one_succeeds() -> None:
    claims = Claims()
    first = claims.begin([b"a", b"b", b"old"], {b"old"})
    second = claims.begin([b"b"], {b"a", b"b", b"old"})
    assert claims.undo([b"a", b"b", b"old"], first) == [b"a"]
    assert claims.undo([b"b"], second) == [b"b"]
    first = claims.begin([b"a"], ())
    second = claims.begin([b"a"], {b"a"})
    claims.keep([b"a"])
    assert claims.undo([b"a"], second) == claims.undo([b"a"], first) == []
