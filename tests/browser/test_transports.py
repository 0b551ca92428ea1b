"""What a page needs of our transports, with nothing but what browsers have: EventSource and WebSocket."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from tests.browser.conftest import Window
from tests.conftest import Program, eventually, wait_for
from zrouter.client import RouterClient

LISTEN = """
    window.seen = []; window.gaps = []; window.opened = 0;
    window.source = new EventSource(arguments[0]);
    source.onopen = () => opened++;
    source.onmessage = (event) => seen.push(event.data);
    source.addEventListener("gap", (event) => gaps.push(event.data));
"""
MESSAGES, A_SECOND = 400, 100


class Sender:
    """Sends numbers from 0 on, in a thread of its own."""

    def __init__(self, api: RouterClient, an_id: str) -> None:
        self.told: list[int] = []
        self._api, self._id = api, an_id
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        start = time.monotonic()
        for number in range(MESSAGES):
            time.sleep(max(0, start + number / A_SECOND - time.monotonic()))
            self.told.append(self._api.send(self._id, str(number)))

    def wait(self) -> list[int]:
        """The receipts."""
        self._thread.join(30)
        return self.told


@pytest.fixture
def keeping(start: Callable[..., Program]) -> Program:
    """A router that keeps all messages of a test."""
    more = ("--mailbox-messages", "1000")
    return start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", *more)


def serving(front: Program, port: int) -> psutil.Process:
    """The worker that has the EventSource's connection."""
    for worker in psutil.Process(front.process.pid).children():
        for one in worker.net_connections("tcp"):
            if one.status == "ESTABLISHED" and one.laddr.port == port:
                return worker
    raise AssertionError("nobody has it")


@pytest.mark.parametrize("killed", ["frontend", "worker"])
def test_eventsource_misses_nothing_when_a_frontend_is_killed_while_messages_flow(
    window: Window, start: Callable[..., Program], keeping: Program, killed: str
) -> None:
    workers = ("--workers", "2") if killed == "worker" else ()
    router = ("--router", keeping.address)
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", *router, *workers)
    address = front.address.removeprefix("http://")
    with RouterClient(keeping.address) as api:
        window.open(f"{front.address}/")
        window.run(LISTEN, "/sse/me")
        wait_for(api, "me", 1)
        sender = Sender(api, "me")
        eventually(lambda: window.run("return seen.length") > 50)
        if killed == "worker":
            os.kill(serving(front, int(address.rpartition(":")[2])).pid, signal.SIGKILL)
        else:
            front.stop(signal.SIGKILL)
            start("zfront", "serve", "--listen", address, *router)
        told = sender.wait()
        eventually(lambda: window.run("return seen.length") >= MESSAGES, 20)
    assert window.run("return seen") == [str(number) for number in range(MESSAGES)]
    assert window.run("return opened") == 2
    assert window.run("return gaps") == []
    assert len(told) == MESSAGES


def test_eventsource_reads_a_gap_when_the_router_was_started_again(
    window: Window, start: Callable[..., Program], router: Program, front: Program
) -> None:
    window.open(f"{front.address}/")
    window.run(LISTEN, "/sse/me")
    with RouterClient(router.address) as api:
        wait_for(api, "me", 1)
        api.send("me", "before")
    eventually(lambda: window.run("return seen") == ["before"])
    router.stop()
    start("zrouter", "serve", "--bind", router.address)
    eventually(lambda: window.run("return gaps") == ["restarted"])
    with RouterClient(router.address) as api:
        wait_for(api, "me", 1)
        api.send("me", "after")
    eventually(lambda: window.run("return seen") == ["before", "after"])
    assert window.run("return opened") == 1


def test_a_websocket_logs_in_as_more_ids_and_is_told_why_it_ends(
    window: Window, front: Program, api: RouterClient
) -> None:
    window.open(f"{front.address}/")
    window.run(
        """
        window.seen = []; window.code = 0;
        window.socket = new WebSocket(location.origin.replace("http", "ws") + "/ws/me");
        socket.onmessage = (event) => seen.push(JSON.parse(event.data));
        socket.onclose = (event) => (code = event.code);
        """
    )
    eventually(lambda: window.run("return seen.length") == 1)
    window.run("""socket.send('{"login": ["me too"]}')""")
    wait_for(api, "me too", 1)
    api.send("me too", "two\nlines")
    eventually(lambda: "two\nlines" in window.run("return seen.map((one) => one.message)"))
    window.run("socket.send('?')")
    eventually(lambda: "error" in window.run("return seen.map((one) => one.event)"))
    api.kick("me")
    assert eventually(lambda: window.run("return code")) == 1000
