"""Watching ids with both faces of the client, a real router and real frontends."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from tests.conftest import Client, Program, eventually, wait_for
from tests.zrouter.conftest import Connect
from zrouter.client import Presence, RouterClient
from zrouter.errors import RefusedError
from zrouter.wire import WireError

LINGER_S = 0.5


@pytest.fixture
def router(start: Callable[..., Program]) -> Program:
    """A router with a short linger, which has run for so long that it knows who is offline."""
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--presence-linger", str(LINGER_S))
    with RouterClient(router.address) as api:
        assert next(api.watch("nobody")) == Presence("nobody", 0)
    return router


def test_a_watched_id_is_told_as_it_is_and_as_it_changes(router: Program, connect: Connect) -> None:
    watcher, one, two = (connect(router.address) for _ in range(3))
    presence = watcher.watch("a", b"b")
    assert {next(presence), next(presence)} == {("a", 0), ("b", 0)}
    one.login("a")
    assert next(presence) == Presence("a", 1)
    two.login("a", "b")
    assert {next(presence), next(presence)} == {("a", 2), ("b", 1)}
    one.logout("a")
    one.stats()
    assert next(presence) == ("a", 1)
    two.logout("b")
    two.stats()
    left = time.monotonic()
    assert next(presence) == ("b", 0)
    assert time.monotonic() - left > LINGER_S - 0.1
    assert watcher.stats()["watches"] == 2
    watcher.unwatch("a", "b")
    assert list(presence) == []
    assert eventually(lambda: watcher.stats()["watches"] == 0)


def test_what_is_no_id_is_not_watched_and_what_is_too_much_is_refused(
    start: Callable[..., Program], connect: Connect
) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--max-watches", "2")
    client = connect(router.address)
    with pytest.raises(WireError):
        client.watch("")
    with pytest.raises(RefusedError, match="watched already"):
        client.watch("a", "b", "c")


def test_a_frontend_that_is_killed_takes_its_ids_offline_after_the_linger(
    router: Program, front: Program, connect: Connect, api: RouterClient
) -> None:
    client = Client(front.address, "/test/1")
    wait_for(api, "1", 1)
    presence = connect(router.address).watch("1")
    assert next(presence) == ("1", 1)
    front.stop(signal.SIGKILL)
    killed = time.monotonic()
    assert next(presence) == ("1", 0)
    assert time.monotonic() - killed > LINGER_S
    client.socket.close()


def test_a_reconnect_within_the_linger_is_no_news(start: Callable[..., Program]) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--presence-linger", "3")
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)
    with RouterClient(router.address) as watcher:
        client = Client(front.address, "/test/1")
        wait_for(watcher, "1", 1)
        presence = watcher.watch("1")
        assert next(presence) == ("1", 1)
        client.socket.close()
        wait_for(watcher, "1", 0)
        again = Client(front.address, "/test/1")
        wait_for(watcher, "1", 1)
        deadline = time.monotonic() + 3.8
        while time.monotonic() < deadline:
            watcher.stats()
            time.sleep(0.1)
        marker = Client(front.address, "/test/2")
        wait_for(watcher, "2", 1)
        watcher.watch("2")
        assert next(presence) == ("2", 1)  # and nothing of 1 before it
        for open_one in (again, marker):
            open_one.socket.close()


def test_a_restart_of_the_router_is_no_offline_and_online(
    start: Callable[..., Program], router: Program, front: Program, api: RouterClient
) -> None:
    clients = [Client(front.address, f"/test/{number}") for number in range(20)]
    wait_for(api, "19", 1)
    with RouterClient(router.address, retry=True) as watcher:
        presence = watcher.watch(*(str(number) for number in range(20)), "end")
        seen = dict(next(presence) for _ in range(21))
        assert seen == {**{str(number): 1 for number in range(20)}, "end": 0}
        router.stop(signal.SIGKILL)
        start("zrouter", "serve", "--bind", router.address, "--presence-linger", "2")
        wait_for(watcher, "19", 1)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            watcher.stats()
            time.sleep(0.1)
        end = Client(front.address, "/test/end")
        assert next(presence) == ("end", 1)
        for client in (*clients, end):
            client.socket.close()


def test_many_ids_are_watched_and_asked_for_in_portions(router: Program, connect: Connect) -> None:
    ids = [f"{number:0>200}" for number in range(12_000)]
    holder, watcher = connect(router.address), connect(router.address)
    holder.login(*ids)
    presence = watcher.watch(*ids, timeout_s=30)
    assert {next(presence) for _ in ids} == {(an_id, 1) for an_id in ids}
    found = watcher.who(*ids)
    assert list(found) == ids
    assert all(len(holders) == 1 for holders in found.values())
    assert watcher.kick(*ids) == len(ids)
