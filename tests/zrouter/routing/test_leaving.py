"""A frontend with many ids goes: some are logged out after each burst, and nobody sees that it takes time."""

from __future__ import annotations

import pytest

from tests.zrouter.routing.test_presence import states
from tests.zrouter.routing.test_router import F1, F2, S, end_burst, peer
from zrouter import wire
from zrouter.follows.memory import MemoryFollows
from zrouter.routing.limits import LOGGED_OUT, Limits
from zrouter.routing.router import Router
from zrouter.wire import KEPT, encode

IDS = [b"%d" % number for number in range(5 * LOGGED_OUT)]
SHARED = IDS[::7]  # on F2, too
GOODBYE, AGAIN = encode(wire.Goodbye(0)), encode(wire.Hello(1, "f1", b"i" * 8, 0))


def login(ids: list[bytes], connections: int = 1) -> bytes:
    return encode(wire.Login(0, ids, [connections] * len(ids)))


def a_router(limits: Limits | None = None) -> Router:
    router = Router(1, limits, store=MemoryFollows)
    for address in (F1, F2, S):
        peer(router, address)
    router.receive([(F1, login(IDS, 2)), (F2, login(SHARED))], 0.0)
    router.tick(0.0)
    end_burst(router)
    return router


def receipts(out: list[tuple[bytes, wire.FromRouter]]) -> list[int]:
    return [
        handed
        for address, message in out
        if address == S and isinstance(message, wire.Receipts)
        for _, counts in message.receipts
        for handed in counts
    ]


@pytest.mark.parametrize("how", ["goodbye", "hello again", "unreachable", "silent"])
@pytest.mark.parametrize("mailbox_s", [0.0, 120.0])
def test_what_is_sent_to_its_ids_is_kept_or_for_the_others(how: str, mailbox_s: float) -> None:
    router = a_router(Limits(mailbox_s=mailbox_s))
    match how:
        case "goodbye":
            router.receive([(F1, GOODBYE)], 0.0)
        case "hello again":
            router.receive([(F1, AGAIN)], 0.0)
        case "unreachable":
            router.unanswered(F1, b"", gone=True)
        case "silent":
            for now in (0.75, 1.5, 2.25, 3.0):
                router.receive([(address, encode(wire.Heartbeat(0))) for address in (F2, S)], now)
                router.tick(now)
    wanted = [1 if number % 7 == 0 else KEPT if mailbox_s else 0 for number in range(len(IDS))]
    send = encode(wire.Send(1, [(an_id, b"x") for an_id in IDS]))
    router.receive([(S, send)], 3.0)
    out = end_burst(router)
    assert receipts(out) == wanted
    assert [to for to, message in out if isinstance(message, wire.Deliver)] == [F2]
    assert router.counters.dropped_unreachable == 0
    assert (router.counters.kept, router.counters.nobody)[mailbox_s == 0.0] == len(IDS) - len(SHARED)


def test_in_the_burst_in_which_it_goes_what_came_before_is_lost_and_what_comes_behind_is_not_handed() -> None:
    router = a_router()
    send = encode(wire.Send(1, [(IDS[1], b"x"), (IDS[7], b"x"), (IDS[-1], b"x")]))
    router.receive([(S, send), (F1, GOODBYE), (S, send)], 0.0)
    assert receipts(end_burst(router)) == [KEPT, 1, KEPT] * 2
    assert (router.counters.dropped_unreachable, router.counters.kept) == (3, 2)


def test_ids_are_taken_some_at_a_time_until_none_is_left() -> None:
    router = a_router()
    router.receive([(F1, GOODBYE)], 0.0)
    bursts = 0
    while router.has_work():
        end_burst(router)
        bursts += 1
    assert bursts >= len(IDS) // LOGGED_OUT - 1
    figures = router.figures()
    assert (figures["ids"], figures["connections"]) == (len(SHARED), len(SHARED))
    assert figures["mailbox_ids"] == len(IDS) - len(SHARED)


def test_connections_and_who_are_as_they_will_be_at_once() -> None:
    router = a_router()
    router.receive([(F1, GOODBYE), (S, encode(wire.Who(2, [IDS[1], IDS[7]])))], 0.0)
    [holders] = [message for _, message in end_burst(router) if isinstance(message, wire.Holders)]
    assert holders.holders == [[], [("f2", 1)]]
    assert router.figures()["connections"] == len(SHARED)


def test_an_id_that_logs_in_elsewhere_meanwhile_is_there_and_its_frontend_may_be_back() -> None:
    router = a_router()
    router.receive([(F1, GOODBYE), (F2, login([IDS[-2]], 3)), (F1, AGAIN), (F1, login(IDS[::2]))], 0.0)
    end_burst(router)
    while router.has_work():
        router.receive([(S, encode(wire.Send(1, [(IDS[-2], b"x"), (IDS[2], b"x"), (IDS[1], b"x")])))], 0.0)
        assert receipts(end_burst(router)) == [4, 1, KEPT]
    assert router.table.connections == len(SHARED) + 2 + len(IDS[::2])
    assert len(router.table) == len({*SHARED, IDS[-2], *IDS[::2]})


def test_as_many_as_there_may_be_can_come_back_at_once() -> None:
    router = a_router(Limits(max_ids=len(IDS)))
    router.receive([(F1, GOODBYE), (F1, AGAIN), (F1, encode(wire.Login(5, IDS, [1] * len(IDS))))], 0.0)
    assert (F1, wire.Done(5, len(IDS))) in end_burst(router)


def test_a_publish_goes_to_none_of_them() -> None:
    router = a_router()
    store = MemoryFollows()
    for an_id in IDS[:50]:
        store.follow(an_id, b"cat")
    router = Router(1, store=lambda: store)
    for address in (F1, F2, S):
        peer(router, address)
    router.receive([(F1, login(IDS)), (F2, login(SHARED))], 0.0)
    while router.has_work():
        end_burst(router)
    router.receive([(F1, GOODBYE), (S, encode(wire.Publish(1, [(b"cat", b"x")])))], 0.0)
    out = end_burst(router)
    while router.has_work():
        out += end_burst(router)
    shared = len(IDS[:50:7])
    assert (S, wire.Published(1, [(50, shared, shared, 50 - shared)])) in out
    assert not any(to == F1 for to, message in out if isinstance(message, wire.Deliver))


def test_who_watches_its_ids_is_told_after_the_linger_and_not_before() -> None:
    router = a_router()
    watched = [IDS[1], IDS[7], IDS[-1]]
    router.tick(10.0)
    router.receive([(address, encode(wire.Heartbeat(0))) for address in (F1, F2, S)], 10.0)
    router.receive([(S, encode(wire.Watch(0, watched)))], 10.0)
    assert states(end_burst(router)) == {IDS[1]: 2, IDS[7]: 3, IDS[-1]: 2}
    router.receive([(F1, GOODBYE)], 10.0)
    told: dict[bytes, float] = {}
    for tick in range(40):
        now = 10.0 + tick / 4
        router.receive([(address, encode(wire.Heartbeat(0))) for address in (F2, S)], now)
        router.tick(now)
        told |= dict.fromkeys(states(end_burst(router)), now)
    assert told.keys() == set(watched)
    assert 15.0 <= told[IDS[1]] == told[IDS[-1]] <= 15.75
    assert told[IDS[7]] <= 10.25


def test_a_watcher_of_many_ids_that_goes_is_forgotten_and_others_are_told_all_the_same() -> None:
    router = a_router()
    router.receive([(S, encode(wire.Watch(0, IDS))), (F2, encode(wire.Watch(0, IDS)))], 0.0)
    end_burst(router)
    router.receive([(S, GOODBYE)], 0.0)
    assert router.figures()["watches"] == len(IDS)
    router.receive([(F2, login([IDS[1], IDS[2]], 5))], 0.1)
    router.tick(0.25)
    out = end_burst(router)
    while router.has_work():
        out += end_burst(router)
    assert {to for to, message in out if isinstance(message, wire.Presence)} == {F2}
    assert states(out, F2)[IDS[1]] == 7
    router.receive([(F2, GOODBYE)], 0.3)
    while router.has_work():
        end_burst(router)
    assert router.watches._watched == {}


def test_peers_that_log_in_many_ids_and_begin_anew_again_and_again_leave_nothing_that_grows() -> None:
    router = a_router()
    for turn in range(30):
        ids = [b"%d.%d" % (turn, number) for number in range(2000)]
        router.receive([(F1, AGAIN), (F1, login(ids)), (F1, encode(wire.Watch(0, ids)))], float(turn))
        end_burst(router)
        assert len(router.table) <= len(IDS) + 2 * 2000 + len(SHARED)
        assert router.figures()["watches"] == 2000
    while router.has_work():
        end_burst(router)
    assert len(router.table) == 2000 + len(SHARED)
    assert len(router.watches._watched) == 2000


def test_keys_whose_time_is_over_are_forgotten_some_after_each_burst() -> None:
    router = a_router()
    keys = [b"key%d" % number for number in range(3 * LOGGED_OUT)]
    router.receive([(S, encode(wire.Send(0, [(b"x", b"")], key))) for key in keys], 1.0)
    end_burst(router)
    router.tick(1.0 + Limits().idempotency_s + 1.0)
    left = []
    while router.has_work():
        end_burst(router)
        left.append(len(router.idempotency))
    assert left[:3] == [2 * LOGGED_OUT, LOGGED_OUT, 0]
