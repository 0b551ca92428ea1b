"""Both faces of the client against a real router: the same calls, the same answers, the same errors."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.conftest import Client, Program, eventually, wait_for
from tests.zrouter.conftest import Connect
from zrouter.client import RouterClient
from zrouter.errors import LinkLostError, RefusedError, RouterError, RouterUnavailableError
from zrouter.wire import WireError


def test_every_call_and_its_answer(router: Program, connect: Connect) -> None:
    client, other = connect(router.address, name="me"), connect(router.address)
    assert client.send("a", "nobody there") == 0
    messages = client.login("a", b"b")
    assert client.who("a", "c") == {"a": [("me", 1)], "c": []}
    assert other.send("a", "one") == 1
    assert other.send_many([(b"b", b"two"), (b"c", b"-"), (b"a", b"three")]) == [1, 0, 1]
    assert [next(messages) for _ in range(3)] == [("a", b"one"), ("b", b"two"), ("a", b"three")]
    assert client.stats()["messages_in"] == 5
    client.logout("b")
    assert client.who("b") == {"b": []}
    assert other.kick("a", "b") == 1
    assert list(messages) == []
    assert (client.lost_messages, client.dropped_messages) == (0, 0)
    assert client.close() == 0


def test_closing_confirms_every_message_that_was_sent_without_a_receipt(
    router: Program, front: Program, connect: Connect, api: RouterClient
) -> None:
    reader = Client(front.address, "/test/1")
    wait_for(api, "1", 1)
    client = connect(router.address)
    assert (
        client.send_many([(b"%d" % (number % 100), b"x") for number in range(200_000)], receipts=False) == []
    )
    assert client.close() == 0
    assert api.stats()["messages_in"] == 200_000
    reader.read_until(b"Recvd msg #2000: ")


def test_messages_that_nobody_takes_are_dropped_from_the_oldest_and_counted(
    router: Program, connect: Connect
) -> None:
    client, other = connect(router.address, max_received=10), connect(router.address)
    messages = client.login("a")
    other.send_many([(b"a", b"%d" % number) for number in range(25)])
    client.stats()
    eventually(lambda: client.stats() and client.dropped_messages == 15)
    assert [next(messages).message for _ in range(10)] == [b"%d" % number for number in range(15, 25)]


def test_without_a_router_a_call_ends_with_its_timeout(router: Program, connect: Connect) -> None:
    router.stop()
    client = connect(router.address, timeout_s=0.3)
    with pytest.raises(RouterUnavailableError, match="no router answers at"):
        client.send("a", "x")
    with pytest.raises(RouterUnavailableError, match="no router answers at"):
        client.send_many([(b"a", b"x")])


def test_a_router_that_hangs_ends_a_call_with_its_timeout_and_the_client_goes_on(
    router: Program, connect: Connect
) -> None:
    client = connect(router.address)
    assert client.send("a", "x") == 0
    router.tell(signal.SIGSTOP)
    with pytest.raises(RouterUnavailableError, match="did not answer in time"):
        client.send("a", "x", timeout_s=0.3)
    router.tell(signal.SIGCONT)
    assert client.send("a", "x") == 0


def test_a_send_that_waits_while_the_router_is_away_goes_out_when_it_is_back(
    start: Callable[..., Program], router: Program, connect: Connect
) -> None:
    client = connect(router.address)
    client.stats()
    router.stop(signal.SIGKILL)
    eventually(lambda: _fails(client))
    start("zrouter", "serve", "--bind", router.address)
    assert client.send("a", "x", timeout_s=None) == 0


def test_a_client_is_told_when_the_router_is_away_and_when_it_is_back(
    start: Callable[..., Program], router: Program, connect: Connect
) -> None:
    told: list[bool] = []
    client = connect(router.address, on_link=told.append)
    client.stats()
    assert told == []
    router.stop(signal.SIGKILL)
    eventually(lambda: _fails(client) and told == [False])
    start("zrouter", "serve", "--bind", router.address)
    eventually(lambda: not _fails(client) and told == [False, True])


def test_a_router_that_restarts_while_a_client_is_idle_fails_no_call(
    start: Callable[..., Program], router: Program, connect: Connect
) -> None:
    """What was asked for was on no link that has gone, so nobody has to be told that it may be lost."""
    client = connect(router.address)
    calls: list[Callable[[], Any]] = [
        lambda: client.send("a", "x") == 0,
        lambda: client.send_many([(b"a", b"x")] * 2000) == [0] * 2000,
        lambda: client.login("a") and client.who("a")["a"],
        lambda: client.send_many([(b"b", b"x")] * 2000, receipts=False) == [] and client.close() == 0,
    ]
    for call in calls:
        client.stats()
        router.stop(signal.SIGKILL)
        router = start("zrouter", "serve", "--bind", router.address)
        assert call()


def _fails(client: Any) -> bool:
    try:
        client.stats(timeout_s=0.1)
    except RouterError:
        return True
    return False


@pytest.mark.parametrize("retry", [False, True])
def test_a_request_whose_router_dies_is_an_error_or_sent_again_as_was_chosen(
    start: Callable[..., Program], router: Program, connect: Connect, retry: bool
) -> None:
    client = connect(router.address, retry=retry)
    client.stats()
    router.tell(signal.SIGSTOP)
    with pytest.raises(RouterUnavailableError):
        client.send("a", "x", timeout_s=0.2)  # it is on its way now
    router.process.kill()
    router.process.wait()
    start("zrouter", "serve", "--bind", router.address)
    if retry:
        assert client.send("a", "x") == 0
        return
    # The break may be seen before the next request or while it waits: both are told apart.
    try:
        assert client.send("a", "x") == 0
    except LinkLostError:
        assert client.send("a", "x") == 0


def test_the_receipts_until_an_error_are_told(router: Program, connect: Connect) -> None:
    client = connect(router.address)

    def pairs() -> Iterator[tuple[bytes, bytes]]:
        for _ in range(20_000):
            yield b"a", b"x"
        router.tell(signal.SIGSTOP)
        for _ in range(20_000):
            yield b"a", b"x"

    with pytest.raises(RouterUnavailableError) as failed:
        client.send_many(pairs(), timeout_s=0.5)
    assert set(failed.value.handed) == {0}
    assert 0 < len(failed.value.handed) <= 20_000
    router.tell(signal.SIGCONT)


def test_what_the_router_will_not_take_is_refused(router: Program, connect: Connect) -> None:
    client = connect(router.address)
    with pytest.raises(RefusedError, match="too long") as refused:
        client.send("a", b"x" * 70_000)
    assert refused.value.code == "too-large"
    for bad in ("", "x" * 256, b"\xff"):
        with pytest.raises(WireError):
            client.send(bad, "x")
        with pytest.raises(WireError):
            client.login(bad)
    assert client.send("a", "x") == 0


def test_a_router_that_is_full_refuses_the_login(start: Callable[..., Program], connect: Connect) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--max-ids", "1")
    client = connect(router.address)
    with pytest.raises(RefusedError, match="its limit"):
        client.login("a", "b")


def test_a_closed_client_says_so(router: Program, connect: Connect) -> None:
    client = connect(router.address)
    client.stats()
    assert client.close() == 0
    assert client.close() == 0
    for call in (partial(client.send, "a", "x"), client.stats, partial(client.login, "a")):
        with pytest.raises(RouterError, match="the client is closed"):
            call()


def test_a_close_counts_what_was_refused_also_behind_sends_with_receipts(
    router: Program, connect: Connect
) -> None:
    client = connect(router.address)
    client.send_many([(b"a", b"x" * 70_000)], receipts=False)
    assert client.send("a", "x") == 0
    client.publish("a", "x")
    assert client.close() == 1


def test_pairs_may_be_text(router: Program, connect: Connect) -> None:
    client = connect(router.address)
    assert client.follow_many([("ann", "cät"), ("bob", "cät")]) == 2
    assert client.followers("cät") == ["ann", "bob"]
    assert [receipt.followers for receipt in client.publish_many([("cät", "miaow"), (b"nobody", "x")])] == [
        2,
        0,
    ]
    assert client.send_many([("ann", "hi"), ("bob", b"hi")]) == [0, 0]
    assert client.send_many([]) == []
    assert client.unfollow_many([("ann", "cät")]) == 1
