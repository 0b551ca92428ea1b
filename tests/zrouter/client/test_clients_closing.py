"""How clients end: in a time of their own, whatever the router does. Arguments that are refused at once."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Program, eventually
from tests.zrouter.conftest import Connect
from zrouter.aio import AsyncRouterClient
from zrouter.client import RouterClient
from zrouter.errors import RouterError, RouterUnavailableError

NOBODY = "tcp://127.0.0.1:1"


@pytest.mark.parametrize("why", ["hangs", "has gone"])
def test_closing_takes_two_seconds_at_the_most_whatever_the_other_calls_may_take(
    router: Program, connect: Connect, why: str
) -> None:
    client = connect(router.address, timeout_s=None, retry=True)
    client.stats()
    if why == "hangs":
        router.tell(signal.SIGSTOP)
        with pytest.raises(RouterUnavailableError):
            client.send("a", "x", timeout_s=0.2)
    else:
        router.stop(signal.SIGKILL)
    client.send_many([(b"a", b"x")] * 100, receipts=False, timeout_s=1) if why == "hangs" else None
    began = time.monotonic()
    assert client.close() == (100 if why == "hangs" else 0)
    assert time.monotonic() - began < 2.8


def test_a_client_that_never_found_a_router_closes_at_once(connect: Connect) -> None:
    client = connect(NOBODY, timeout_s=None, retry=True)
    began = time.monotonic()
    assert client.close() == 0
    assert time.monotonic() - began < 0.5


INTERRUPTED = """
import sys
from zrouter.client import RouterClient
with RouterClient(sys.argv[1], timeout_s=None, retry=True) as router:
    router.stats()
    print("ready", flush=True)
    sys.stdin.readline()
    print("asked", flush=True)
    router.stats()
"""


def test_an_interrupt_inside_with_ends_a_program_in_seconds(router: Program) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, router.address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == "ready\n"
        router.tell(signal.SIGSTOP)
        program.stdin.write("\n")
        program.stdin.flush()
        assert program.stdout.readline() == "asked\n"
        began = time.monotonic()
        program.send_signal(signal.SIGINT)
        assert program.wait(10) == -signal.SIGINT
        assert time.monotonic() - began < 3.5
        assert "KeyboardInterrupt" in program.stderr.read()


def test_closing_at_the_same_time_and_again_is_closing_once(router: Program) -> None:
    async def work() -> None:
        client = AsyncRouterClient(router.address)
        await client.send_many([(b"a", b"x")] * 1000, receipts=False)
        assert await asyncio.gather(*(client.close() for _ in range(3))) == [0, 0, 0]
        assert await client.close() == 0
        other = AsyncRouterClient(router.address)
        await other.stats()
        closing = asyncio.ensure_future(other.close())
        await asyncio.sleep(0)
        with pytest.raises(RouterError, match="the client is closed"):
            await other.send("a", "x")
        closing.cancel()
        assert await other.close() == 0

    asyncio.run(work())


def test_a_send_of_the_turn_in_which_a_client_is_closed_is_routed_and_answered(router: Program) -> None:
    async def work() -> None:
        client = AsyncRouterClient(router.address)
        await client.stats()
        send = asyncio.ensure_future(client.send("a", "x"))
        await asyncio.sleep(0)
        assert await client.close() == 0
        assert await send == 0

    asyncio.run(work())


VERBS: dict[str, Callable[..., Any]] = {
    "send": lambda client, **more: client.send("a", "x", **more),
    "send with a key": lambda client, **more: client.send("a", "x", key="k", **more),
    "send_many": lambda client, **more: client.send_many([("a", "x")], **more),
    "publish": lambda client, **more: client.publish("a", "x", **more),
    "publish_many": lambda client, **more: client.publish_many([("a", "x")], **more),
    "follow": lambda client, **more: client.follow("a", "b", **more),
    "unfollow": lambda client, **more: client.unfollow("a", "b", **more),
    "follow_many": lambda client, **more: client.follow_many([("a", "b")], **more),
    "unfollow_many": lambda client, **more: client.unfollow_many([("a", "b")], **more),
    "followers": lambda client, **more: client.followers("a", **more),
    "following": lambda client, **more: client.following("a", **more),
    "page": lambda client, **more: client.page("a", is_followers=True, **more),
    "counts": lambda client, **more: client.counts("a", **more),
    "login": lambda client, **more: client.login("a", **more),
    "watch": lambda client, **more: client.watch("a", **more),
    "who": lambda client, **more: client.who("a", **more),
    "stats": lambda client, **more: client.stats(**more),
    "kick": lambda client, **more: client.kick("a", **more),
    "close": lambda client, **more: client.close(**more),
}


def test_a_time_out_that_is_none_is_refused_by_every_call_before_anything_is_done(
    router: Program, connect: Connect
) -> None:
    client = connect(router.address)
    client.stats()
    for verb in VERBS.values():
        for bad in (math.nan, math.inf, -1, -0.001):
            with pytest.raises(ValueError, match="timeout_s is 0 or more"):
                verb(client, timeout_s=bad)
        for kind in ("5", True, [1]):
            with pytest.raises(TypeError, match="timeout_s is a number"):
                verb(client, timeout_s=kind)
    assert client.who("a") == {"a": []}
    assert client.stats()["messages_in"] == 0


def test_a_pair_in_the_midst_of_others_that_is_none_is_a_type_error(
    router: Program, connect: Connect
) -> None:
    client = connect(router.address)
    long = (b"a", b"x", b"y")
    for pair in (("a", b"x"), (b"a", "x"), (b"a", 5), (b"a", None), (b"a",), long, 5, "ab", b"ab", None):
        for many in (client.send_many, client.publish_many, client.follow_many, client.unfollow_many):
            with pytest.raises(TypeError):
                many([(b"a", b"x"), pair, (b"b", b"y")])
    assert client.stats()["messages_in"] == 0


def test_what_can_not_be_made_is_refused_before_anything_is_opened() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for bad in (
        "127.0.0.1:5570",
        "tcp://[::g]:5570",
        "ipc:///" + "x" * 300,
        "tcp://nohost",
        "http://a:1",
    ):
        with pytest.raises(ValueError, match="is not an"):
            RouterClient(bad)
    for options in ({"timeout_s": math.nan}, {"max_received": 0}, {"timeout_s": "5"}):
        with pytest.raises((ValueError, TypeError)):
            RouterClient(NOBODY, **options)
        with pytest.raises((ValueError, TypeError, RuntimeError)):
            AsyncRouterClient(NOBODY, **options)
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncRouterClient(NOBODY)
    eventually(lambda: descriptors() == before)
