"""Doing it again without doing it twice: keys of sends, logins that resume. Both faces, a real router."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import Program, eventually
from tests.zrouter.conftest import Connect
from zrouter import wire
from zrouter.aio import AsyncRouterClient
from zrouter.client import Gap, Received, RouterClient
from zrouter.errors import RefusedError, RouterUnavailableError
from zrouter.wire import WireError


def test_a_send_with_a_key_arrives_once_however_often_and_from_wherever_it_is_sent(
    router: Program, connect: Connect, api: RouterClient
) -> None:
    messages = api.login("a")
    for _ in range(2):
        client = connect(router.address)
        assert [client.send("a", "once", key="k"), client.send("a", "once", key=b"k")] == [1, 1]
    assert client.send("a", "end") == 1
    assert [next(messages).message for _ in range(2)] == [b"once", b"end"]
    assert api.stats()["repeated"] == 3


def test_a_key_that_was_used_for_another_message_is_refused(router: Program, connect: Connect) -> None:
    client = connect(router.address)
    client.send("a", "one", key="k")
    with pytest.raises(RefusedError) as refused:
        client.send("a", "other", key="k")
    assert refused.value.code == wire.KEY_REUSED
    for bad in ("", "x" * 256):
        with pytest.raises(WireError):
            client.send("a", "x", key=bad)
    with pytest.raises(WireError):
        client.send_many([(b"a", b"x")], key="x" * 241)


def test_a_send_whose_answer_a_broken_link_has_lost_is_tried_again_and_arrives_once(
    router: Program, connect: Connect, api: RouterClient
) -> None:
    messages = api.login("a")
    client = connect(router.address, retry=True)
    client.stats()
    router.tell(signal.SIGSTOP)
    with pytest.raises(RouterUnavailableError):
        client.send("a", "once", key="k", timeout_s=0.2)  # it is on its way now
    router.tell(signal.SIGCONT)
    assert client.send("a", "once", key="k") == 1
    assert client.send("a", "end") == 1
    assert [next(messages).message for _ in range(2)] == [b"once", b"end"]


def test_a_send_is_tried_again_when_its_link_breaks_and_arrives_once(
    router: Program, api: RouterClient
) -> None:
    """The first try reaches the router, its receipt does not come back."""
    messages = api.login("a")

    async def send() -> int:
        async with AsyncRouterClient(router.address, retry=True) as client:
            await client.stats()
            router.tell(signal.SIGSTOP)
            sending = asyncio.ensure_future(client.send("a", "once", key="k"))
            await asyncio.sleep(0.2)  # until the kernel has it: nobody else could say so
            client._unwatch()
            client._connection.dealer.reopen()
            client._watch()
            router.tell(signal.SIGCONT)
            return await sending

    assert asyncio.run(send()) == 1
    assert api.send("a", "end") == 1
    assert [next(messages).message for _ in range(2)] == [b"once", b"end"]
    assert api.stats()["repeated"] == 1


class CutError(RuntimeError):
    """The caller's own."""


def test_a_send_many_that_failed_is_done_by_the_same_call_and_each_message_arrives_once(
    router: Program, connect: Connect, api: RouterClient
) -> None:
    messages = api.login("a")
    pairs = [(b"a", b"%d" % number) for number in range(5000)]

    def cut() -> Iterator[wire.Pair]:
        yield from pairs[:3000]
        raise CutError

    client = connect(router.address)
    with pytest.raises(CutError):
        client.send_many(cut(), key="k")
    assert client.send_many(pairs, key="k") == [1] * 5000
    assert [next(messages).message for _ in pairs] == [message for _, message in pairs]
    assert client.send("a", "end") == 1
    assert next(messages).message == b"end"
    assert 0 < api.stats()["repeated"] <= 3000


def test_batches_that_a_broken_link_has_lost_are_sent_again_in_order_and_arrive_once(
    router: Program, connect: Connect, api: RouterClient
) -> None:
    messages = api.login("a")
    client = connect(router.address, retry=True, timeout_s=None)
    pairs = [(b"a", b"%d" % number) for number in range(20_000)]

    def breaking() -> Iterator[wire.Pair]:
        for number, pair in enumerate(pairs):
            if number in (7000, 14_000):
                break_link(client)
            yield pair

    assert client.send_many(breaking(), key="k") == [1] * len(pairs)
    assert [next(messages).message for _ in pairs] == [message for _, message in pairs]
    assert client.send("a", "end") == 1
    assert next(messages).message == b"end"


def break_link(client: Any) -> None:
    """What a client does whose router says nothing for its lease: it makes another connection."""
    core = getattr(client, "client", client)._connection
    if hasattr(client, "client"):
        client.client._unwatch()
        core.dealer.reopen()
        client.client._watch()
    else:
        core.dealer.reopen()


def test_who_comes_back_with_an_offset_gets_what_was_missed_in_order_and_once(
    router: Program, connect: Connect, api: RouterClient
) -> None:
    first = connect(router.address)
    messages = first.login("a", "b", since="")
    api.send_many([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")])
    one, two = next(messages), next(messages)
    assert (one, two) == (("a", b"1"), ("b", b"2"))
    first.logout("a", "b")
    eventually(lambda: first.who("a")["a"] == [])
    assert api.send("b", "4") == wire.KEPT
    second = connect(router.address)
    messages = second.login("a", "b", since=two.offset)
    assert api.send("b", "5") == 1
    assert [next(messages) for _ in range(3)] == [("a", b"3"), ("b", b"4"), ("b", b"5")]
    assert second.lost_messages == 0


def test_a_login_that_resumes_misses_nothing_when_its_link_breaks(
    router: Program, connect: Connect, api: RouterClient
) -> None:
    client = connect(router.address)
    messages = client.login("a", since="")
    api.send("a", "1")
    assert next(messages).message == b"1"
    break_link(client)
    api.send_many([(b"a", b"%d" % number) for number in range(2, 40)])
    assert [next(messages).message for _ in range(38)] == [b"%d" % number for number in range(2, 40)]


def test_what_can_not_be_had_any_more_is_a_gap(
    start: Callable[..., Program], router: Program, connect: Connect
) -> None:
    client = connect(router.address)
    messages = client.login("a", since="")
    router.stop(signal.SIGKILL)
    start("zrouter", "serve", "--bind", router.address)
    gap = next(messages)
    assert isinstance(gap, Gap)
    assert gap.reason == wire.RESTARTED
    with RouterClient(router.address) as sender:
        assert sender.send("a", "new") == 1
        assert next(messages) == Received("a", b"new")
        messages = connect(router.address).login("a", since=gap.offset)
        assert next(messages) == ("a", b"new")
        messages = connect(router.address).login("a", since="nonsense")
        assert isinstance(next(messages), Gap)


def test_more_than_is_kept_is_a_gap_and_then_the_newest(
    start: Callable[..., Program], connect: Connect
) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--mailbox-messages", "3")
    with RouterClient(router.address) as api:
        came = api.login("a")
        api.send_many([(b"a", b"%d" % number) for number in range(10)])
        offset = next(came).offset
        messages = connect(router.address).login("a", since=offset)
        gap, *newest = [next(messages) for _ in range(4)]
        assert isinstance(gap, Gap)
        assert gap.reason == wire.EVICTED
        assert newest == [("a", b"7"), ("a", b"8"), ("a", b"9")]
