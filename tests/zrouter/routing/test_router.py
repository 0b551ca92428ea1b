"""The router's rules, with the clock and the shell played by the test."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zrouter import wire
from zrouter.routing.limits import Limits
from zrouter.routing.router import Router
from zrouter.wire import encode

# ROUTER's own routing ids begin with a zero byte.
F1, F2, S = b"\0f1", b"\0f2", b"\0s"
NAMES = {F1: "f1", F2: "f2", S: "s"}


def peer(router: Router, address: bytes, now: float = 0.0) -> None:
    router.receive([(address, encode(wire.Hello(wire.VERSION, NAMES[address], b"i" * 8, 0)))], now)


def end_burst(router: Router) -> list[tuple[bytes, wire.FromRouter]]:
    out = router.deliveries() + router.replies()
    return [(address, wire.decode_from_router(frame)) for address, frame in out]


def two_frontends(limits: Limits | None = None) -> Router:
    router = Router(1, limits)
    for address in (F1, F2, S):
        peer(router, address)
    router.receive([(F1, encode(wire.Login(0, [b"a", b"b"], [1, 2])))], 0.0)
    router.receive([(F2, encode(wire.Login(0, [b"b"], [3])))], 0.0)
    end_burst(router)
    return router


def test_a_burst_is_one_frame_for_each_frontend_and_a_receipt_for_each_send() -> None:
    router = two_frontends()
    router.receive([(S, encode(wire.Send(1, [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")])))], 0.0)
    router.receive([(S, encode(wire.Send(2, [(b"b", b"4")])))], 0.0)
    assert end_burst(router) == [
        (F1, wire.Deliver(0, [(b"a", b"1", 1), (b"b", b"2", 2), (b"b", b"4", 4)])),
        (F2, wire.Deliver(0, [(b"b", b"2", 2), (b"b", b"4", 4)])),
        (S, wire.Receipts([(1, [1, 5, 0]), (2, [5])])),
    ]
    assert router.counters.nobody == 1


def test_an_unreachable_frontend_is_taken_from_the_receipts() -> None:
    router = two_frontends()
    router.receive([(S, encode(wire.Send(1, [(b"a", b"1"), (b"b", b"2")])))], 0.0)
    for address, frame in router.deliveries():
        if address == F1:
            router.undeliverable(address, frame, gone=True)
    assert [wire.decode_from_router(frame) for _, frame in router.replies()] == [
        wire.Receipts([(1, [wire.KEPT, 3])])
    ]
    assert router.counters.dropped_unreachable == 2
    assert len(router.table) == 1


def test_a_frontend_with_too_much_under_way_gets_no_more_until_it_reports() -> None:
    router = two_frontends(Limits(window=100))
    send = encode(wire.Send(1, [(b"a", b"x" * 60)]))
    answers = []
    for _ in range(2):
        router.receive([(S, send)], 0.0)
        answers.append(end_burst(router)[-1])
    assert answers == [(S, wire.Receipts([(1, [1])])), (S, wire.Receipts([(1, [wire.KEPT])]))]
    assert router.counters.dropped_backlog == 1
    router.receive([(F1, encode(wire.Heartbeat(1000)))], 0.0)
    router.receive([(S, send)], 0.0)
    out = dict(end_burst(router))
    assert out[S] == wire.Receipts([(1, [1])])
    assert out[F1] == wire.Deliver(2, [(b"a", b"x" * 60, 3)])  # 2: the dropped one is counted


def test_the_silent_are_forgotten_but_not_when_the_router_itself_was_away() -> None:
    router = two_frontends()
    for tenth in range(30):
        router.receive([(F1, encode(wire.Heartbeat(0)))], tenth / 10)
        router.tick(tenth / 10)
    assert router.counters.lapsed == 2
    assert [holder.name for holder, _ in router.table.holders(b"b")] == ["f1"]
    router.tick(60.0)
    assert len(router.peers) == 1


def test_a_stranger_is_asked_for_a_hello() -> None:
    router = Router(1)
    router.receive([(b"?", encode(wire.Send(7, [(b"a", b"x")])))], 0.0)
    [(_, error)] = end_burst(router)
    assert isinstance(error, wire.Error)
    assert (error.request, error.code, error.refused) == (7, wire.SAY_HELLO, 1)


def test_a_message_too_long_is_refused_with_its_size() -> None:
    router = two_frontends(Limits(max_message=10))
    router.receive([(S, encode(wire.Send(7, [(b"a", b"x" * 11)])))], 0.0)
    [(_, error)] = end_burst(router)
    assert isinstance(error, wire.Error)
    assert error.code == wire.TOO_LARGE
    assert "11" in error.text


def test_a_report_that_is_too_long_is_refused_and_the_peer_is_alive_all_the_same() -> None:
    router = two_frontends()
    router.receive([(F1, encode(wire.Heartbeat(0, {"kept": 1})))], 0.0)
    router.receive([(F1, encode(wire.Heartbeat(0, {"x" * wire.MAX_HEARTBEAT_BYTES: 1})))], 2.0)
    [(_, error)] = end_burst(router)
    assert isinstance(error, wire.Error)
    assert error.code == wire.TOO_LARGE
    assert [row.get("kept") for row in router.figures()["frontends"]] == [1, None]
    router.tick(4.0)
    assert [loss.name for loss in router.losses()] == ["f2", "s"]


def test_who_was_lost_is_told_once_with_what_it_held() -> None:
    router = two_frontends()
    router.unanswered(F2, b"", gone=True)
    router.receive([(F1, encode(wire.Goodbye(0)))], 0.0)
    assert [(loss.name, loss.ids) for loss in router.losses()] == [("f2", 1)]
    assert router.losses() == []


@given(st.binary(max_size=200))
def test_any_bytes_are_answered_and_change_nothing(frame: bytes) -> None:
    router = two_frontends()
    before = dict(router.table.routes)
    router.receive([(b"?", frame)], 0.0)
    assert all(address == b"?" for address, _ in end_burst(router))
    assert dict(router.table.routes) == before


@given(st.integers(0, 120), st.integers(0, 255))
def test_a_damaged_frame_is_an_error_or_another_message_never_an_exception(place: int, byte: int) -> None:
    router = two_frontends()
    frame = bytearray(encode(wire.Send(1, [(b"a", b"hello"), (b"b", b"x" * 80)])))
    frame[place % len(frame)] = byte
    router.receive([(S, bytes(frame))], 0.0)
    end_burst(router)
    router.receive([(S, bytes(frame)[: place % len(frame)])], 0.0)
    end_burst(router)


def test_ids_that_linger_and_come_back_count_for_the_limit_of_ids() -> None:
    router = two_frontends(Limits(max_ids=2))
    router.receive([(F1, encode(wire.Logout(0, [b"a"])))], 0.0)
    router.receive([(F1, encode(wire.Login(1, [b"c"], [1])))], 0.0)
    router.receive([(F1, encode(wire.Login(2, [b"a"], [1])))], 0.0)
    [done, error] = [message for _, message in end_burst(router)]
    assert (done, len(router.table)) == (wire.Done(1, 1), 2)
    assert isinstance(error, wire.Error)
    assert error.code == wire.FULL


def test_an_id_that_stands_twice_in_a_login_is_one_for_the_limit() -> None:
    router = two_frontends(Limits(max_ids=3))
    router.receive([(F1, encode(wire.Login(1, [b"c", b"c"], [1, 2])))], 0.0)
    assert end_burst(router) == [(F1, wire.Done(1, 2))]


@given(st.lists(st.integers(0, 3), max_size=4), st.integers(0, 4), st.booleans())
def test_a_drop_takes_from_the_receipts_what_they_counted(counts: list[int], at: int, goes: bool) -> None:
    """F1 is on other numbers of connections as the burst goes on, and gets none of it; F2 gets all."""
    router = two_frontends()
    for number, count in enumerate([*counts, 1]):
        router.receive([(S, encode(wire.Send(number + 1, [(b"b", b"x")])))], 0.0)
        message = wire.Login(0, [b"b"], [count]) if count else wire.Logout(0, [b"b"])
        router.receive([(F1, encode(message))], 0.0)
        if goes and number == at:
            router.receive([(F1, encode(wire.Goodbye(0)))], 0.0)
            break
    for address, frame in router.deliveries():
        if address == F1:
            router.undeliverable(address, frame, gone=False)
    told = [wire.decode_from_router(frame) for address, frame in router.replies() if address == S]
    [receipts] = [message for message in told if isinstance(message, wire.Receipts)]
    assert all(handed == [3] for _, handed in receipts.receipts)


def test_a_drop_leaves_what_was_counted_for_nobody_as_it_was() -> None:
    router = two_frontends()
    router.receive([(S, encode(wire.Send(1, [(b"z", b"x"), (b"a", b"x")])))], 0.0)
    router.receive([(F1, encode(wire.Login(0, [b"z", b"a"], [2, 5])))], 0.0)
    router.receive([(S, encode(wire.Send(2, [(b"z", b"x"), (b"a", b"x")])))], 0.0)
    for address, frame in router.deliveries():
        router.undeliverable(address, frame, gone=False)
    assert [wire.decode_from_router(frame) for _, frame in router.replies()] == [
        wire.Receipts([(1, [0, wire.KEPT]), (2, [wire.KEPT, wire.KEPT])])
    ]
