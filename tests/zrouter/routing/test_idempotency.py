"""Sends with a key: the rules against a plain dict, and in a router whose deliveries fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zrouter.routing.test_router import F1, S, end_burst, peer, two_frontends
from zrouter import wire
from zrouter.routing.clock import Clock
from zrouter.routing.idempotency import Idempotency
from zrouter.routing.limits import Limits
from zrouter.wire import KEPT, WireError, encode

PAIRS = st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.binary(max_size=2)), min_size=1, max_size=2)
SENDS = st.builds(wire.Send, st.integers(0, 9), PAIRS, st.sampled_from([b"k1", b"k2", b"k3"]))
WINDOW_S = 10


@given(st.lists(st.one_of(SENDS, st.integers(1, 6)), max_size=40))
def test_a_key_gives_the_first_receipts_until_its_time_is_over(steps: list[wire.Send | int]) -> None:
    clock = Clock()
    idempotency = Idempotency(clock, WINDOW_S, 1 << 20)
    model: dict[bytes, tuple[list[wire.Pair], list[int], int]] = {}
    now = 0
    for number, step in enumerate(steps):
        if isinstance(step, int):
            now += step
            clock.set(now)
            while idempotency.expire(1):
                pass
            model = {key: first for key, first in model.items() if now - first[2] <= WINDOW_S}
            continue
        first = model.get(step.key)
        if first is None:
            assert idempotency.find(step) is None
            handed = [number] * len(step.pairs)
            idempotency.remember(step, handed)
            model[step.key] = (step.pairs, handed, now)
        elif first[0] == step.pairs:
            assert idempotency.find(step) is first[1]
        else:
            with pytest.raises(WireError) as refused:
                idempotency.find(step)
            assert refused.value.code == wire.KEY_REUSED
    assert len(idempotency) == len(model)
    clock.set(now + WINDOW_S + 1)
    assert not idempotency.expire(1000)
    assert (len(idempotency), idempotency.bytes) == (0, 0)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=255), st.integers(1, 50)), max_size=40))
def test_keys_have_a_bound_and_the_oldest_go(sends: list[tuple[bytes, int]]) -> None:
    idempotency = Idempotency(Clock(), WINDOW_S, 4000)
    came: list[wire.Send] = []
    for key, count in dict(sends).items():
        came.append(wire.Send(1, [(b"a", b"x")] * count, key))
        idempotency.remember(came[-1], [1] * count)
        assert idempotency.bytes <= 4000
    kept = [send for send in came if idempotency.find(send) is not None]
    assert kept == came[len(came) - len(kept) :]
    assert idempotency.evicted == len(came) - len(kept)


def test_without_a_window_a_key_changes_nothing() -> None:
    router = two_frontends(Limits(idempotency_s=0))
    for _ in range(2):
        router.receive([(S, encode(wire.Send(1, [(b"a", b"1")], b"k")))], 0.0)
    assert end_burst(router)[1] == (S, wire.Receipts([(1, [1]), (1, [1])]))
    assert router.counters.messages_in == 2


def test_a_repeat_is_delivered_once_and_gets_the_receipts_of_the_first() -> None:
    router = two_frontends()
    first = wire.Send(1, [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")], b"k")
    router.receive([(S, encode(first))], 0.0)
    end_burst(router)
    router.receive([(F1, encode(wire.Logout(0, [b"a"])))], 0.0)
    again = wire.Send(7, first.pairs, b"k")
    router.receive([(S, encode(again))], 0.0)
    assert end_burst(router) == [(S, wire.Receipts([(7, [1, 5, 0])]))]
    assert (router.counters.messages_in, router.counters.repeated) == (3, 3)


def test_the_key_of_another_send_is_refused_and_nothing_of_it_is_routed() -> None:
    router = two_frontends()
    router.receive([(S, encode(wire.Send(1, [(b"a", b"1")], b"k")))], 0.0)
    end_burst(router)
    router.receive([(S, encode(wire.Send(2, [(b"a", b"2"), (b"a", b"3")], b"k")))], 0.0)
    [(_, error)] = end_burst(router)
    assert isinstance(error, wire.Error)
    assert (error.request, error.code, error.refused) == (2, wire.KEY_REUSED, 2)
    assert router.counters.messages_in == 1


def test_a_key_without_a_request_is_remembered_too_and_goodbye_counts_both() -> None:
    router = two_frontends()
    pairs = [(b"a", b"1")]
    router.receive([(S, encode(wire.Send(0, pairs, b"k"))), (S, encode(wire.Send(0, pairs, b"k")))], 0.0)
    assert end_burst(router) == [(F1, wire.Deliver(0, [(b"a", b"1", 1)]))]
    router.receive([(S, encode(wire.Send(3, pairs, b"k"))), (S, encode(wire.Goodbye(4)))], 0.0)
    assert end_burst(router) == [(S, wire.Receipts([(3, [1])])), (S, wire.Done(4, 3))]


@pytest.mark.parametrize("first_request", [0, 1])
def test_a_repeat_in_the_burst_whose_delivery_fails_gets_receipts_that_say_so(first_request: int) -> None:
    router = two_frontends()
    pairs = [(b"a", b"1"), (b"b", b"2")]
    other = b"\0t"
    router.receive([(other, encode(wire.Hello(wire.VERSION, "t", b"t" * 8, 0)))], 0.0)
    router.replies()
    router.receive(
        [
            (S, encode(wire.Send(first_request, pairs, b"k"))),
            (S, encode(wire.Send(2, pairs, b"k"))),
            (other, encode(wire.Send(3, pairs, b"k"))),
        ],
        0.0,
    )
    for address, frame in router.deliveries():
        if address == F1:
            router.undeliverable(address, frame, gone=True)
    left = [KEPT, 3]
    told = {address: wire.decode_from_router(frame) for address, frame in router.replies()}
    firsts = [(1, left)] if first_request else []
    assert told == {S: wire.Receipts([*firsts, (2, left)]), other: wire.Receipts([(3, left)])}
    peer(router, F1)
    router.receive([(S, encode(wire.Send(4, pairs, b"k")))], 0.0)
    assert end_burst(router)[0] == (S, wire.Receipts([(4, left)]))


def test_a_repeat_does_not_take_a_failed_delivery_twice_from_the_receipts_of_another_send() -> None:
    router = two_frontends()
    router.receive([(S, encode(wire.Send(1, [(b"b", b"1")], b"k")))], 0.0)
    end_burst(router)
    router.receive(
        [(S, encode(wire.Send(2, [(b"b", b"1")], b"k"))), (S, encode(wire.Send(3, [(b"b", b"2")])))], 0.0
    )
    for address, frame in router.deliveries():
        if address == F1:
            router.undeliverable(address, frame, gone=True)
    [(_, frame)] = router.replies()
    assert wire.decode_from_router(frame) == wire.Receipts([(2, [5]), (3, [3])])
