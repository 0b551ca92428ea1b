"""Clients that say as much as they can, beside others: real programs, until the frontend has had enough."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import Client, Program, eventually, wait_for
from zrouter.client import RouterClient

KINDS = ["pings", "commands", "bad", "logins", "bytes", "polls"]


@pytest.fixture
def rude(front: Program) -> Iterator[Callable[[str, int], None]]:
    """Starts so many that flood."""
    running: list[subprocess.Popen[str]] = []

    def begin(what: str, clients: int) -> None:
        port = front.address.rpartition(":")[2]
        command = [sys.executable, "-m", "tests.bench.rude", what, port, str(clients)]
        one = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(one)
        assert one.stdout is not None
        assert one.stdin is not None
        one.stdout.readline()
        one.stdin.write("\n")
        one.stdin.flush()
        one.stdout.readline()

    yield begin
    for one in running:
        one.communicate("\n", 30)


def row(api: RouterClient) -> dict[str, Any]:
    found: dict[str, Any] = api.stats()["frontends"][0]
    return found


@pytest.mark.parametrize("what", KINDS)
def test_clients_that_flood_do_not_keep_messages_from_others(
    rude: Callable[[str, int], None], front: Program, api: RouterClient, what: str
) -> None:
    wait_for(api, "1", 0)
    client = Client(front.address, "/test/1")
    wait_for(api, "1", 1)
    rude(what, 20)
    enough = "closed_chatty" if what in ("bytes", "polls") else "held_back"
    eventually(lambda: row(api).get(enough, 0) > 0)
    for number in range(1, 31):
        assert api.send("1", "x") == 1
        client.read_until(b"#%d: " % number)
    figures = api.stats()
    assert (figures["lapsed"], figures["unreachable"]) == (0, 0)
    if what == "logins":
        eventually(lambda: row(api)["logins_refused"] > 0)


def test_a_socket_that_floods_is_closed_in_the_end(
    rude: Callable[[str, int], None], front: Program, api: RouterClient
) -> None:
    wait_for(api, "1", 0)
    rude("pings", 3)
    eventually(lambda: row(api).get("closed_chatty", 0) >= 3, 60)
