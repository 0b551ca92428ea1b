"""The router's one clock: what comes is taken when it comes, also after the router was stopped."""

from __future__ import annotations

from tests.zrouter.routing.test_presence import a_router, beat, login, told_until
from tests.zrouter.routing.test_router import F1, S, end_burst, two_frontends
from zrouter import wire
from zrouter.follows.memory import MemoryFollows
from zrouter.routing.clock import Clock
from zrouter.routing.limits import Limits
from zrouter.routing.presence import Watches
from zrouter.routing.router import Router
from zrouter.wire import encode

STOPPED_S = 500.0  # longer than anything lasts


def test_all_parts_that_know_the_time_have_it_from_one_clock() -> None:
    router = Router(1, store=MemoryFollows)
    clocks = {id(router._clock)}
    for part in vars(router).values():
        kept = {name: getattr(part, name, None) for name in vars(part)} if hasattr(part, "__dict__") else {}
        assert "_now" not in kept, f"{part} has a time of its own"
        clocks |= {id(value) for value in kept.values() if isinstance(value, Clock)}
    assert len(clocks) == 1
    assert isinstance(router.watches, Watches)
    assert router.watches._clock is router._clock


def test_who_leaves_as_a_stopped_router_goes_on_lingers_its_whole_time() -> None:
    router = two_frontends()
    router.tick(1.0)
    now = 1.0 + STOPPED_S
    router.receive([(F1, encode(wire.Logout(0, [b"a"])))], now)
    router.tick(now)
    router.receive([(S, encode(wire.Hello(1, "s", b"i" * 8, 0)))], now)
    end_burst(router)
    router.receive([(S, encode(wire.Send(1, [(b"a", b"x")])))], now + Limits().mailbox_s - 1)
    assert end_burst(router)[-1] == (S, wire.Receipts([(1, [wire.KEPT])]))


def test_a_message_that_comes_as_a_stopped_router_goes_on_is_kept_its_whole_time() -> None:
    router = two_frontends()
    router.tick(1.0)
    now = 1.0 + STOPPED_S
    router.receive([(S, encode(wire.Send(0, [(b"a", b"x")])))], now)
    router.tick(now)
    end_burst(router)
    for second in range(1, int(Limits().mailbox_s)):
        router.receive([(F1, encode(wire.Heartbeat(0)))], now + second)
        router.tick(now + second)
        end_burst(router)
    router.receive([(F1, encode(wire.Resume(3, [b"a"], 1, 0)))], now + Limits().mailbox_s - 1)
    [(_, resumed)] = end_burst(router)
    assert isinstance(resumed, wire.Resumed)
    assert resumed.messages == [(b"a", b"x", 1)]


def test_a_key_that_comes_as_a_stopped_router_goes_on_is_remembered_its_whole_time() -> None:
    router = two_frontends()
    router.tick(1.0)
    now = 1.0 + STOPPED_S
    send = encode(wire.Send(1, [(b"a", b"x")], b"k"))
    router.receive([(S, send)], now)
    router.tick(now)
    router.receive([(S, send)], now + 1.0)
    end_burst(router)
    assert (router.counters.messages_in, router.counters.repeated) == (1, 1)


def test_presence_waits_the_whole_linger_for_who_leaves_as_a_stopped_router_goes_on() -> None:
    router = a_router()
    login(router, F1, b"d", 1, 7.0)
    beat(router, 8.0)
    now = 8.0 + STOPPED_S
    assert login(router, F1, b"d", 0, now) == {}
    router.receive([(S, encode(wire.Watch(0, [b"d"])))], now + 0.1)
    assert end_burst(router) == []
    [(when, said)] = told_until(router, now + 0.25, now + 9.0)
    assert said == {b"d": 0}
    assert when >= now + 5.0
