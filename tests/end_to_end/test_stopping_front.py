"""A frontend that is told to stop while messages are on their way: what it has received is delivered."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable

import pytest

from tests.conftest import Client, Program, wait_for
from zrouter.client import RouterClient

COUNT = 200_000


@pytest.mark.parametrize("after_s", [0.0, 0.3, 1.0])
def test_each_message_with_a_receipt_is_seen_or_counted(
    start: Callable[..., Program], router: Program, api: RouterClient, after_s: float
) -> None:
    listen = ("--listen", "127.0.0.1:0", "--router", router.address)
    front = start("zfront", "serve", *listen, "--outbox", "100000000")  # nobody is too slow here
    client = Client(front.address, "/stream/a")
    client.read_until(b'"open"')
    wait_for(api, "a", 1)
    handed = 0

    def send() -> None:
        nonlocal handed
        with RouterClient(router.address) as sender:
            for _ in range(COUNT // 2000):
                handed += sum(one for one in sender.send_many([("a", "x" * 40)] * 2000) if one > 0)

    sending = threading.Thread(target=send)
    pieces = [client.seen]
    reading = threading.Thread(target=lambda: pieces.extend(iter(lambda: client.socket.recv(1 << 20), b"")))
    sending.start()
    reading.start()
    time.sleep(after_s)
    front.tell(signal.SIGTERM)
    assert front.process.wait(25) == 0
    sending.join()
    reading.join(10)
    told = b"".join(pieces)
    undelivered = re.search(r"stopping: (\d+) messages", front.log())
    seen = told.count(b'"message":')
    assert seen + (int(undelivered[1]) if undelivered else 0) >= handed
    assert told.endswith(b"0\r\n\r\n")


def test_a_client_that_reads_late_has_time_for_what_is_its_own(front: Program, api: RouterClient) -> None:
    client = Client(front.address, "/stream/a")
    client.read_until(b'"open"')
    wait_for(api, "a", 1)
    assert api.send_many([("a", "x" * 1000)] * 150) == [1] * 150
    front.tell(signal.SIGTERM)
    time.sleep(1)
    assert client.read_to_end().count(b'"message":') == 150


def test_a_router_that_hangs_keeps_no_frontend_for_long(front: Program, router: Program) -> None:
    client = Client(front.address, "/stream/a")
    client.read_until(b'"open"')
    router.tell(signal.SIGSTOP)
    try:
        began = time.monotonic()
        front.tell(signal.SIGTERM)
        assert front.process.wait(15) == 0
        assert time.monotonic() - began < 8
    finally:
        router.tell(signal.SIGCONT)
    client.read_to_end()


def test_without_a_router_it_stops_at_once(start: Callable[..., Program]) -> None:
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", "tcp://127.0.0.1:1")
    client = Client(front.address, "/test/a")
    began = time.monotonic()
    front.tell(signal.SIGTERM)
    assert front.process.wait(10) == 0
    assert time.monotonic() - began < 3
    client.read_to_end()
