"""Clients that watch an id are told when it comes and goes, on whichever frontend it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Client, Program, eventually, wait_for
from tests.end_to_end.subscribing import SUBSCRIBERS, Poll, Socket, Stream, Subscriber
from zrouter.client import RouterClient

every_transport = pytest.mark.parametrize(
    "kind", [kind for kind in SUBSCRIBERS if kind is not Poll], ids=lambda kind: kind.path
)
LINGER_S = 0.5


@pytest.fixture
def router(start: Callable[..., Program]) -> Program:
    return start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--presence-linger", str(LINGER_S))


@pytest.fixture
def other(start: Callable[..., Program], router: Program) -> Program:
    """A second frontend of the same router."""
    return start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)


def states(watcher: Subscriber, count: int) -> list[tuple[str, int]]:
    """The next so many events, which must be presence."""
    events = [watcher.next() for _ in range(count)]
    assert [one["event"] for one in events] == ["presence"] * count
    return [(one["id"], one["connections"]) for one in events]


@every_transport
def test_a_watcher_is_told_who_comes_and_who_goes(
    kind: type[Subscriber], front: Program, other: Program, api: RouterClient
) -> None:
    watcher = kind(front, "me", watch=("b", "c"))
    assert sorted(states(watcher, 2)) == [("b", 0), ("c", 0)]
    client = Client(other.address, "/test/b")
    assert states(watcher, 1) == [("b", 1)]
    second = Client(front.address, "/test/b")
    assert states(watcher, 1) == [("b", 2)]
    client.socket.close()
    assert states(watcher, 1) == [("b", 1)]
    second.socket.close()
    assert states(watcher, 1) == [("b", 0)]
    watcher.close()


def test_who_comes_back_in_time_was_never_away(front: Program, api: RouterClient) -> None:
    watcher = Stream(front, "me", watch=("b",))
    client = Client(front.address, "/test/b")
    assert states(watcher, 1)[-1][0] == "b"
    wait_for(api, "b", 1)
    client.socket.close()
    wait_for(api, "b", 0)
    client = Client(front.address, "/test/b")
    wait_for(api, "b", 1)
    second = Client(front.address, "/test/b")
    while (state := states(watcher, 1)[0][1]) < 2:
        assert state == 1  # never 0 from when it was there
    second.socket.close()
    client.socket.close()
    watcher.close()


def test_another_watcher_of_the_same_id_is_told_at_once_what_is_known(front: Program) -> None:
    first = Stream(front, "me", watch=("b",))
    assert states(first, 1) == [("b", 0)]
    second = Stream(front, "you", watch=("b",))
    assert states(second, 1) == [("b", 0)]
    first.close()
    second.close()


def test_a_websocket_begins_and_ends_to_watch(front: Program, api: RouterClient) -> None:
    watcher = Socket(front, "me")
    watcher.say(watch=["b"])
    assert states(watcher, 1) == [("b", 0)]
    watcher.say(unwatch=["b"])
    eventually(lambda: api.stats()["watches"] == 0)
    watcher.say(watch=["b", "c"])
    assert sorted(states(watcher, 2)) == [("b", 0), ("c", 0)]
    watcher.close()


def test_the_router_forgets_what_nobody_watches_any_more(front: Program, api: RouterClient) -> None:
    watcher = Stream(front, "me", watch=("b", "c"))
    states(watcher, 2)
    assert api.stats()["watches"] == 2
    watcher.close()
    eventually(lambda: api.stats()["watches"] == 0)


def test_a_router_that_is_started_again_makes_nobody_go_and_come(
    start: Callable[..., Program], router: Program, front: Program, other: Program, api: RouterClient
) -> None:
    watcher = Stream(front, "me", watch=("b",))
    client = Client(other.address, "/test/b")
    while states(watcher, 1) != [("b", 1)]:
        pass
    router.tell(9)
    router.process.wait()
    start("zrouter", "serve", "--bind", router.address, "--presence-linger", "5")
    assert watcher.next()["event"] == "gap"
    with RouterClient(router.address) as again:
        wait_for(again, "b", 1)
    second = Client(other.address, "/test/b")
    assert states(watcher, 1) == [("b", 2)]
    second.socket.close()
    client.socket.close()
    watcher.close()
