"""A sender that is stopped or killed in the middle of its work; a client that reads slowly but steadily."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.conftest import Client, Program, eventually, wait_for
from zrouter.client import RouterClient

# The reader has to be as fast as the sender, or it is a slow client.
pytestmark = pytest.mark.alone
COUNT = 300_000
# Sends COUNT numbered messages to id 1, then says how many were handed over.
SENDER = """
import json, sys
from zrouter.client import RouterClient
with RouterClient(sys.argv[1], timeout_s=60) as router:
    pairs = ((b"1", b"%d" % number) for number in range(int(sys.argv[2])))
    print(json.dumps(sum(router.send_many(pairs))))
"""
NUMBER = re.compile(rb"Recvd msg #(\d+): '(\d+)'<br/>\n")


class Numbers:
    """A reader of id 1 that checks that nothing is missing and nothing comes twice."""

    def __init__(self, front: Program, api: RouterClient) -> None:
        self.client = Client(front.address, "/test/1")
        wait_for(api, "1", 1)
        self._rest = self.client.seen.partition(b"\r\n\r\n")[2]
        self.count = 0

    def read(self, until: int, within_s: float = 5.0, most: int = 65536) -> int:
        """Read on until so many have come, or nothing more comes; how many there were."""
        self.client.socket.settimeout(within_s)
        while self.count < until:
            try:
                came = self.client.socket.recv(most)
            except TimeoutError:
                break
            assert came, f"closed after {self.count} messages"
            self._rest += came
            end = 0
            for found in NUMBER.finditer(self._rest):
                assert (int(found[1]), int(found[2])) == (self.count + 1, self.count)
                self.count += 1
                end = found.end()
            self._rest = self._rest[end:]
        return self.count


@contextmanager
def sender(router: Program) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", SENDER, router.address, str(COUNT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_sender_that_is_stopped_and_goes_on_loses_nothing(
    router: Program, front: Program, api: RouterClient
) -> None:
    numbers = Numbers(front, api)
    with sender(router) as process:
        numbers.read(until=1)
        process.send_signal(signal.SIGSTOP)
        assert numbers.read(until=COUNT, within_s=0.5) < COUNT
        assert api.send("2", "others are served meanwhile") == 0
        process.send_signal(signal.SIGCONT)
        assert numbers.read(until=COUNT) == COUNT
        out, _ = process.communicate(timeout=30)
    assert json.loads(out) == COUNT


def test_of_a_killed_sender_whole_messages_arrive_and_it_is_forgotten(
    router: Program, front: Program, api: RouterClient
) -> None:
    numbers = Numbers(front, api)
    peers = api.stats()["peers"]
    with sender(router) as process:
        numbers.read(until=1)
        process.kill()
        process.communicate()
    came = numbers.read(until=COUNT, within_s=1.0)
    assert came == api.stats()["messages_out"]
    eventually(lambda: api.stats()["peers"] == peers)
    assert api.send("1", str(came)) == 1
    assert numbers.read(until=came + 1) == came + 1


def test_a_client_that_reads_slowly_but_steadily_gets_everything_in_order(
    router: Program, front: Program, api: RouterClient
) -> None:
    numbers = Numbers(front, api)
    numbers.client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, 2048)
    sent = 0
    while sent < 60_000:
        assert set(api.send_many((b"1", b"%d" % number) for number in range(sent, sent + 500))) == {1}
        sent += 500
        numbers.read(until=sent - 1000, most=3000)
    assert numbers.read(until=sent) == sent
    assert "closed_slow" not in api.stats()["frontends"][0]


def test_messages_sent_without_receipts_before_a_close_all_arrive(
    router: Program, front: Program, api: RouterClient
) -> None:
    numbers = Numbers(front, api)
    client = RouterClient(router.address)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(numbers.read, 200_000, 30.0)  # meanwhile, or it would be closed as too slow
        client.send_many(((b"1", b"%d" % number) for number in range(200_000)), receipts=False)
        assert client.close(timeout_s=30) == 0
        assert reading.result() == 200_000
