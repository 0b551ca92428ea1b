"""Clients that come back get what they missed, by every transport that can be resumed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Program, eventually, wait_for
from tests.end_to_end.subscribing import SUBSCRIBERS, Poll, Subscriber
from zrouter.client import RouterClient
from zrouter.wire import KEPT

every_transport = pytest.mark.parametrize("kind", SUBSCRIBERS, ids=lambda kind: kind.path)


@pytest.fixture
def other(start: Callable[..., Program], router: Program) -> Program:
    """A second frontend of the same router."""
    return start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)


def seen_one(kind: type[Subscriber], front: Program, api: RouterClient, *ids: str) -> Subscriber:
    """A client that has seen the message "one" for its first id, and left."""
    client = kind(front, *ids)
    wait_for(api, ids[0], 1)
    assert api.send(ids[0], "one") == 1
    assert client.texts(1) == ["one"]
    client.close()
    for an_id in ids:
        wait_for(api, an_id, 0)
    return client


@every_transport
def test_who_comes_back_gets_what_was_missed_in_order_then_what_is_new(
    kind: type[Subscriber], front: Program, api: RouterClient
) -> None:
    client = seen_one(kind, front, api, "a")
    assert [api.send("a", text) for text in ("two", "three")] == [KEPT, KEPT]
    client.connect()
    assert client.texts(2) == ["two", "three"]
    if kind is not Poll:  # its next request would be the next come-back
        wait_for(api, "a", 1)
        assert api.send("a", "four") == 1
        assert client.texts(1) == ["four"]
    client.close()


@every_transport
def test_who_comes_back_to_another_frontend_misses_nothing(
    kind: type[Subscriber], front: Program, other: Program, api: RouterClient
) -> None:
    left = seen_one(kind, front, api, "a")
    api.send("a", "two")
    client = kind(other, "a", since=left.offset)
    assert client.texts(1) == ["two"]
    client.close()


@every_transport
def test_one_offset_is_good_for_all_ids_of_a_connection(
    kind: type[Subscriber], front: Program, api: RouterClient
) -> None:
    client = seen_one(kind, front, api, "a", "b", "c")
    for number, an_id in enumerate("cbacab"):
        api.send(an_id, str(number))
    client.connect()
    assert client.texts(6) == list("012345")
    client.close()


@every_transport
def test_a_message_is_not_given_twice_however_often_a_client_comes_back(
    kind: type[Subscriber], front: Program, api: RouterClient
) -> None:
    client = seen_one(kind, front, api, "a")
    for number in range(10):
        api.send("a", str(number))
        client.connect()
        assert client.texts(1) == [str(number)]
        client.close()
        wait_for(api, "a", 0)


@every_transport
def test_a_router_that_was_started_again_is_a_gap(
    kind: type[Subscriber], start: Callable[..., Program], router: Program, front: Program, api: RouterClient
) -> None:
    client = seen_one(kind, front, api, "a")
    router.stop()
    start("zrouter", "serve", "--bind", router.address)
    client.connect()
    gap = client.next()
    assert (gap["event"], gap["reason"]) == ("gap", "restarted")
    with RouterClient(router.address) as again:
        if kind is not Poll:
            wait_for(again, "a", 1)
        again.send("a", "new")
    assert client.texts(1) == ["new"]
    client.close()


@every_transport
def test_a_client_that_stayed_is_told_that_the_router_was_started_again(
    kind: type[Subscriber], start: Callable[..., Program], router: Program, front: Program, api: RouterClient
) -> None:
    client = kind(front, "a")
    wait_for(api, "a", 1)
    router.tell(9)
    router.process.wait()
    start("zrouter", "serve", "--bind", router.address)
    gap = client.next()
    assert (gap["event"], gap["reason"]) == ("gap", "restarted")
    client.close()


@every_transport
def test_an_offset_that_is_none_of_ours_is_a_gap(kind: type[Subscriber], front: Program) -> None:
    client = kind(front, "a", since="nonsense")
    assert client.next()["event"] == "gap"
    client.close()


@every_transport
def test_more_than_is_kept_is_a_gap_and_then_what_is_left(
    kind: type[Subscriber], start: Callable[..., Program]
) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--mailbox-messages", "3")
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)
    with RouterClient(router.address) as api:
        client = seen_one(kind, front, api, "a")
        for number in range(5):
            api.send("a", str(number))
        client.connect()
        gap = client.next()
        assert (gap["event"], gap["reason"]) == ("gap", "evicted")
        assert client.texts(3) == ["2", "3", "4"]
        client.close()


def test_what_is_too_old_is_not_kept_and_the_receipt_says_so(start: Callable[..., Program]) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--mailbox-seconds", "0.5")
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)
    with RouterClient(router.address) as api:
        client = seen_one(SUBSCRIBERS[0], front, api, "a")
        assert api.send("a", "kept") == KEPT
        eventually(lambda: (api.stats()["mailbox_messages"], api.stats()["mailbox_ids"]) == (0, 0))
        assert api.send("a", "for nobody") == 0
        client.connect()
        gap = client.next()
        assert (gap["event"], gap["reason"]) == ("gap", "evicted")
        client.close()


def test_ids_that_nobody_ever_was_cost_nothing(router: Program, api: RouterClient) -> None:
    for number in range(20):
        assert api.send_many([(b"nobody%d" % number, b"x")] * 10) == [0] * 10
    figures = api.stats()
    assert (figures["mailbox_messages"], figures["mailbox_bytes"]) == (0, 0)


def test_what_is_sent_to_nobody_takes_no_room_from_what_is_kept(
    front: Program, router: Program, api: RouterClient
) -> None:
    client = seen_one(SUBSCRIBERS[0], front, api, "a")
    api.send("a", "two")
    before = api.stats()
    for _ in range(100):
        api.send("nobody", "x" * 1000)
    after = api.stats()
    assert [after[key] - before[key] for key in ("mailbox_messages", "mailbox_bytes")] == [0, 0]
    api.send("a", "three")
    client.connect()
    assert client.texts(2) == ["two", "three"]
    client.close()
