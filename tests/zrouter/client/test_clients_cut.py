"""A link that is cut without a word: both faces of the client find another one. A real router."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator

import pytest

from tests.conftest import Program
from tests.zrouter.conftest import Connect
from tests.zrouter.relay import Relay
from zrouter.aio import AsyncRouterClient
from zrouter.errors import RouterUnavailableError


@pytest.fixture
def relay(router: Program) -> Iterator[Relay]:
    relay = Relay(router.address)
    yield relay
    relay.close()


def test_the_first_call_that_is_not_answered_makes_a_client_try_another_link(
    relay: Relay, connect: Connect
) -> None:
    client = connect(relay.address)
    client.stats()
    time.sleep(1.2)  # what the router said before the cut is still to be read
    relay.cut()
    with pytest.raises(RouterUnavailableError, match="did not answer in time"):
        client.send("a", "x", timeout_s=1.6)
    assert client.send("a", "x", timeout_s=1.6) == 0
    assert relay.accepted == 2


def test_calls_that_are_short_of_time_try_another_link_after_a_second_or_two(
    relay: Relay, connect: Connect
) -> None:
    client = connect(relay.address)
    client.stats()
    relay.cut()
    began = time.monotonic()
    failed = 0
    while True:
        try:
            assert client.send("a", "x", timeout_s=0.3) == 0
            break
        except RouterUnavailableError:
            failed += 1
    assert failed >= 1
    assert time.monotonic() - began < 4


def test_a_call_that_may_wait_is_sent_again_over_another_link_in_seconds_if_that_was_chosen(
    relay: Relay, connect: Connect
) -> None:
    client = connect(relay.address, timeout_s=None, retry=True)
    client.stats()
    relay.cut()
    began = time.monotonic()
    assert client.send("a", "x") == 0
    assert time.monotonic() - began < 8


def test_a_login_goes_on_over_another_link(relay: Relay, router: Program, connect: Connect) -> None:
    client, other = connect(relay.address), connect(router.address)
    messages = client.login("a", since="")
    relay.cut()
    other.send("a", "one")
    assert next(messages).message == b"one"
    assert other.send("a", "two") == 1
    assert next(messages).message == b"two"


def test_a_router_that_answers_others_keeps_its_link_though_a_call_ends_with_its_time_out(
    relay: Relay, connect: Connect
) -> None:
    client = connect(relay.address)
    client.stats()
    for timeout_s in (0, 0.0001, 0.001):
        for _ in range(20):
            try:
                client.send("a", "x", timeout_s=timeout_s)
            except RouterUnavailableError:
                continue
    time.sleep(2)  # longer than any doubt, and nobody looks
    with pytest.raises(RouterUnavailableError):
        client.send("a", "x", timeout_s=0)
    assert client.send("a", "x") == 0
    assert relay.accepted == 1


def test_a_router_that_hangs_and_goes_on_is_found_again(router: Program) -> None:
    async def work() -> None:
        async with AsyncRouterClient(router.address) as client:
            await client.stats()
            router.tell(signal.SIGSTOP)
            began = time.monotonic()
            with pytest.raises(RouterUnavailableError):
                await client.send("a", "x", timeout_s=2)
            router.tell(signal.SIGCONT)
            assert await client.send("a", "x") == 0
            assert time.monotonic() - began < 8

    asyncio.run(work())
