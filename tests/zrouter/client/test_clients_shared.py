"""One client in several threads and processes. Real ones, and a real router."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import Program, eventually
from zrouter.aio import AsyncRouterClient
from zrouter.client import RouterClient
from zrouter.errors import RouterError, RouterUnavailableError


def test_threads_share_a_client_and_each_gets_its_own_answers(router: Program) -> None:
    with RouterClient(router.address) as client, ThreadPoolExecutor(8) as threads:
        messages = client.login("me")

        def work(number: int) -> bool:
            own = f"{number}"
            for _ in range(40):
                assert client.send("me", own) == 1
                assert client.send_many([(b"me", b"x"), (b"no", b"x")]) == [1, 0]
                assert client.who(own) == {own: []}
                assert list(client.page(own, is_followers=True)) == [0, []]
            return True

        assert all(threads.map(work, range(8)))
        came = [next(messages).message for _ in range(8 * 40 * 2)]
        assert sorted(came) == sorted([b"x"] * 320 + [b"%d" % number for number in range(8)] * 40)


def test_a_thread_that_waits_for_messages_lets_others_send(router: Program) -> None:
    with RouterClient(router.address) as client, ThreadPoolExecutor(1) as threads:
        messages = client.login("me")
        reader = threads.submit(lambda: [next(messages).message for _ in range(21)])
        client.send("me", "first")
        began = time.monotonic()
        for number in range(20):
            client.send("me", str(number))
        assert time.monotonic() - began < 5
        assert reader.result(10)[-1] == b"19"


def test_a_thread_whose_turn_does_not_come_in_time_says_so(router: Program) -> None:
    with RouterClient(router.address) as client:
        begun, go_on = threading.Event(), threading.Event()

        def pairs() -> Any:
            begun.set()
            go_on.wait(30)
            yield b"a", b"x"

        thread = threading.Thread(target=lambda: client.send_many(pairs()))
        thread.start()
        begun.wait(30)
        with pytest.raises(RouterUnavailableError, match="another thread uses this client"):
            client.send("a", "x", timeout_s=0.1)
        go_on.set()
        assert client.send("a", "x") == 0
        thread.join()


client: RouterClient


def _send(number: int) -> tuple[int, int]:
    return os.getpid(), client.send("a", str(number))


def test_a_client_made_before_a_fork_works_in_each_process_and_stays_logged_in_in_its_own(
    router: Program,
) -> None:
    global client
    with RouterClient(router.address) as client:
        messages = client.login("a")
        with ProcessPoolExecutor(3, multiprocessing.get_context("fork")) as pool:
            told = list(pool.map(_send, range(30)))
        assert {handed for _, handed in told} == {1}
        assert os.getpid() not in {pid for pid, _ in told}
        assert sorted(int(next(messages).message) for _ in range(30)) == list(range(30))
        assert client.send("a", "end") == 1
        assert next(messages).message == b"end"


def in_a_child(work: Callable[[], object]) -> int:
    """Its exit code; 0 if the work was true."""
    child = os.fork()
    if not child:
        code = 2
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_child_neither_takes_the_messages_nor_ends_the_link_of_its_parent(router: Program) -> None:
    with RouterClient(router.address, retry=True) as client:
        messages = client.login("a")

        def reads() -> bool:
            try:
                next(messages)
            except RouterError as error:
                return "before a fork" in str(error)
            return False

        def leaves() -> bool:
            return client.close() == 0

        def sends_and_leaves() -> bool:
            return client.send_many([(b"a", b"x")] * 10, receipts=False) == [] and client.close() == 0

        def logs_in() -> bool:
            own = client.login("b")
            return client.send("b", "y") == 1 and next(own) == ("b", b"y")

        for work in (reads, leaves, sends_and_leaves, logs_in):
            assert in_a_child(work) == 0
            assert client.send("a", "still here") == 1
        came = [next(messages).message for _ in range(14)]
        assert came.count(b"still here") == 4
        assert came.count(b"x") == 10
        eventually(lambda: client.stats()["peers"] == 1)


def test_a_fork_while_another_thread_uses_the_client_leaves_it_usable(router: Program) -> None:
    with RouterClient(router.address) as client:
        messages = client.login("a")
        begun = threading.Event()

        def read() -> None:
            begun.set()
            next(messages)

        thread = threading.Thread(target=read)
        thread.start()
        begun.wait(30)
        for _ in range(5):
            assert in_a_child(lambda: client.send("nobody", "x", timeout_s=20) == 0) == 0
        client.send("a", "x")
        thread.join()


def test_a_closed_client_is_closed_in_a_child_too(router: Program) -> None:
    client = RouterClient(router.address)
    client.close()

    def says_so() -> bool:
        with pytest.raises(RouterError, match="the client is closed"):
            client.send("a", "x")
        return client.close() == 0

    assert in_a_child(says_so) == 0


def test_an_asyncio_client_says_at_once_that_it_belongs_to_another_loop_or_process(router: Program) -> None:
    made: list[AsyncRouterClient] = []

    async def make() -> None:
        made.append(AsyncRouterClient(router.address))
        await made[0].stats()

    async def use(why: str) -> bool:
        client = made[0]
        for call in (
            lambda: client.send("a", "x"),
            lambda: client.send_many([(b"a", b"x")]),
            lambda: client.login("a"),
            lambda: client.logout("a"),
            lambda: client.who("a"),
            client.stats,
            client.close,
        ):
            with pytest.raises(RuntimeError, match=why):
                await call()
        return True

    loop = asyncio.new_event_loop()
    loop.run_until_complete(make())
    assert asyncio.run(use("another event loop"))
    assert in_a_child(lambda: asyncio.run(use("before a fork"))) == 0
    assert loop.run_until_complete(made[0].send("a", "x")) == 0
    loop.run_until_complete(made[0].close())
    loop.close()
