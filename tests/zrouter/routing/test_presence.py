"""Presence: the rules against a model that knows every id's past, and in a router."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.zrouter.routing.test_router import F1, F2, S, end_burst, peer
from zrouter import wire
from zrouter.routing.clock import Clock
from zrouter.routing.limits import Limits
from zrouter.routing.presence import Watches
from zrouter.routing.router import Router
from zrouter.wire import encode

IDS = [b"a", b"b", b"c"]
WATCHERS = [b"\0w1", b"\0w2"]
LINGER_S = 5.0
TICK_S = 0.25
SLACK_S = 0.75  # an id that left is told so much after the linger, at the most


class Presence(RuleBasedStateMachine):
    """Ids come and go, peers watch, take what they are told or don't, and time passes in ticks.

    The model is one list for each id: when it had how many connections.
    """

    def __init__(self) -> None:
        super().__init__()
        self.slowly = patch("zrouter.routing.presence._AT_ONCE", 0)
        self.slowly.start()
        self.clock = Clock()
        self.clock.set(100.0)
        self.counts = dict.fromkeys(IDS, 0)
        self.left: dict[bytes, float] = {}
        self.watches = Watches(self.clock, self.counts.__getitem__, self.left.get, LINGER_S, 5)
        self.watching: dict[bytes, set[bytes]] = {watcher: set() for watcher in WATCHERS}
        self.told: dict[tuple[bytes, bytes], int] = {}
        self.had: dict[tuple[bytes, bytes], set[int]] = {}  # since it watches, and was told nothing yet
        self.taken = dict.fromkeys(WATCHERS, 0)
        self.deaf: set[bytes] = set()

    def teardown(self) -> None:
        self.slowly.stop()

    @property
    def now(self) -> float:
        return self.clock.now

    @rule(an_id=st.sampled_from(IDS), count=st.integers(0, 3))
    def change(self, an_id: bytes, count: int) -> None:
        if self.counts[an_id] and not count:
            self.left[an_id] = self.now
        self.counts[an_id] = count
        for (_, of), had in self.had.items():
            if of == an_id:
                had.add(count)
        self.watches.changed([an_id, b"unwatched"])

    @rule(watcher=st.sampled_from(WATCHERS), ids=st.sets(st.sampled_from(IDS)))
    def watch(self, watcher: bytes, ids: set[bytes]) -> None:
        try:
            self.watches.watch(watcher, ids)
        except wire.WireError:
            others = self.watching[WATCHERS[watcher == WATCHERS[0]]]
            assert len(self.watching[watcher] | ids) + len(others) > 5
            return
        for an_id in ids - self.watching[watcher]:
            self.had[watcher, an_id] = {self.counts[an_id]}
        self.watching[watcher] |= ids
        for an_id in ids:  # it may have forgotten what it was told of those that it watches already
            self.told.pop((watcher, an_id), None)

    @rule(watcher=st.sampled_from(WATCHERS), ids=st.sets(st.sampled_from(IDS)))
    def unwatch(self, watcher: bytes, ids: set[bytes]) -> None:
        self.watches.unwatch(watcher, ids)
        self._unwatched(watcher, ids)

    @rule(watcher=st.sampled_from(WATCHERS))
    def leave(self, watcher: bytes) -> None:
        self.watches.forget(watcher)
        self._unwatched(watcher, set(IDS))
        self.deaf.discard(watcher)

    def _unwatched(self, watcher: bytes, ids: set[bytes]) -> None:
        self.watching[watcher] -= ids
        for an_id in ids:
            self.told.pop((watcher, an_id), None)
            self.had.pop((watcher, an_id), None)

    @rule(watcher=st.sampled_from(WATCHERS))
    def stop_reading(self, watcher: bytes) -> None:
        self.deaf.add(watcher)

    @rule(watcher=st.sampled_from(WATCHERS))
    def read_again(self, watcher: bytes) -> None:
        self.deaf.discard(watcher)

    @rule()
    def end_burst(self) -> None:
        for watcher, frame in list(self.watches.outgoing()):
            if watcher in self.deaf:
                self.watches.untaken(watcher, frame)
                continue
            message = wire.decode_from_router(frame)
            assert isinstance(message, wire.Presence)
            for an_id, count in message.states:
                assert an_id in self.watching[watcher]
                self._hear(watcher, an_id, count)

    def _hear(self, watcher: bytes, an_id: bytes, count: int) -> None:
        if count == 0:
            # Nobody is told of a leave that was not followed by the whole linger.
            assert self.counts[an_id] == 0
            assert self.now - max(100.0, self.left.get(an_id, 0.0)) >= LINGER_S
        # What it is told first it had since somebody began to watch.
        assert count in self.had.pop((watcher, an_id), {count})
        self.told[watcher, an_id] = count

    @rule(ticks=st.integers(1, 30))
    def pass_time(self, ticks: int) -> None:
        for _ in range(ticks):
            self.clock.set(self.now + TICK_S)
            self.watches.tick()
            while self.watches.work(2):
                pass
            self.end_burst()

    @rule()
    def quiet(self) -> None:
        """All read, and nothing happens for long: everybody knows how it is."""
        self.deaf.clear()
        self.pass_time(int((LINGER_S + SLACK_S) / TICK_S))
        for watcher, ids in self.watching.items():
            for an_id in ids:
                assert self.told[watcher, an_id] == self.counts[an_id]

    @invariant()
    def is_bounded(self) -> None:
        assert self.watches.watches == sum(map(len, self.watching.values())) <= 5
        assert self.watches.watches + self.watches._unended <= 5


TestPresence = Presence.TestCase


def states(out: list[tuple[bytes, wire.FromRouter]], address: bytes = S) -> dict[bytes, int]:
    """What that peer was told of whom."""
    return {
        an_id: count
        for to, message in out
        if to == address and isinstance(message, wire.Presence)
        for an_id, count in message.states
    }


def a_router(limits: Limits | None = None) -> Router:
    """Two frontends and S, who watches a, b and c; the router has run for long enough to know them all."""
    router = Router(1, limits)
    for address in (F1, F2, S):
        peer(router, address)
    router.tick(0.0)
    beat(router, 6.0)
    router.receive([(S, encode(wire.Watch(9, [b"a", b"b", b"c"])))], 6.0)
    [done, said] = end_burst(router)
    assert done == (S, wire.Done(9, 3))
    assert states([said]) == {b"a": 0, b"b": 0, b"c": 0}
    return router


def beat(router: Router, now: float, *addresses: bytes) -> list[tuple[bytes, wire.FromRouter]]:
    """These peers, or all, are alive; a tick."""
    router.receive([(address, encode(wire.Heartbeat(0))) for address in addresses or (F1, F2, S)], now)
    router.tick(now)
    return end_burst(router)


def login(router: Router, address: bytes, an_id: bytes, count: int, now: float) -> dict[bytes, int]:
    message = wire.Login(0, [an_id], [count]) if count else wire.Logout(0, [an_id])
    router.receive([(address, encode(message))], now)
    return states(end_burst(router))


def told_until(
    router: Router, since: float, until: float, *alive: bytes
) -> list[tuple[float, dict[bytes, int]]]:
    """When S is told what, with these peers alive."""
    told = []
    for tick in range(round((until - since) / TICK_S)):
        now = since + tick * TICK_S
        if said := states(beat(router, now, *alive)):
            told.append((now, said))
    return told


def test_coming_is_told_at_once_a_change_at_the_next_tick_and_leaving_after_the_linger() -> None:
    router = a_router()
    assert login(router, F1, b"a", 2, 7.0) == {b"a": 2}
    assert login(router, F2, b"a", 1, 7.1) == {}
    assert states(beat(router, 7.25)) == {b"a": 3}
    login(router, F1, b"a", 0, 7.3)
    assert states(beat(router, 7.5)) == {b"a": 1}
    assert login(router, F2, b"a", 0, 8.0) == {}
    [(when, said)] = told_until(router, 8.25, 16.0)
    assert said == {b"a": 0}
    assert 13.0 <= when <= 13.0 + SLACK_S


def test_a_reconnect_within_the_linger_is_not_told() -> None:
    router = a_router()
    login(router, F1, b"a", 1, 7.0)
    login(router, F1, b"a", 0, 8.0)
    assert told_until(router, 8.25, 12.5) == []
    assert login(router, F2, b"a", 1, 12.9) == {}
    assert told_until(router, 13.0, 20.0) == []


def test_a_frontend_that_falls_silent_leaves_like_any_other() -> None:
    router = a_router()
    login(router, F1, b"a", 1, 7.0)
    login(router, F1, b"b", 1, 7.0)
    login(router, F2, b"b", 1, 7.0)
    told = told_until(router, 7.25, 18.0, F2, S)
    assert [said for _, said in told] == [{b"b": 2}, {b"b": 1}, {b"a": 0}]
    assert told[2][0] >= 7.0 + 2.5 + LINGER_S


def test_after_a_start_nobody_is_told_offline_until_all_had_time_to_log_in() -> None:
    router = Router(1)
    peer(router, F1)
    peer(router, S)
    router.tick(0.0)
    router.receive([(S, encode(wire.Watch(0, [b"a", b"b"])))], 0.1)
    assert states(end_burst(router)) == {}
    assert login(router, F1, b"a", 1, 1.0) == {b"a": 1}
    told = told_until(router, 1.25, 8.0, F1, S)
    assert [said for _, said in told] == [{b"b": 0}]
    assert told[0][0] >= LINGER_S


def test_who_begins_to_watch_an_id_that_left_just_now_is_told_later() -> None:
    router = a_router()
    login(router, F1, b"d", 1, 7.0)
    beat(router, 8.0)
    login(router, F1, b"d", 0, 8.1)
    router.receive([(S, encode(wire.Watch(0, [b"d"])))], 9.0)
    assert states(end_burst(router)) == {}
    [(when, said)] = told_until(router, 9.25, 16.0)
    assert said == {b"d": 0}
    assert when >= 8.1 + LINGER_S


def test_a_router_that_was_away_itself_gives_the_linger_anew() -> None:
    router = a_router()
    login(router, F1, b"a", 1, 7.0)
    login(router, F1, b"a", 0, 8.0)
    assert states(beat(router, 60.0)) == {}
    assert login(router, F1, b"a", 1, 60.1) == {}
    assert told_until(router, 60.25, 68.0) == []


def test_a_watcher_that_leaves_is_forgotten_with_all_that_it_watched() -> None:
    router = a_router()
    login(router, F1, b"a", 1, 7.0)
    router.receive([(S, encode(wire.Goodbye(0)))], 7.0)
    assert router.figures()["watches"] == 0
    assert login(router, F1, b"b", 1, 7.0) == {}


def test_more_watches_than_the_limit_are_refused_and_what_was_watched_stays() -> None:
    router = a_router(Limits(max_watches=4))
    router.receive([(S, encode(wire.Watch(5, [b"a", b"d", b"e"])))], 7.0)
    [(_, error)] = end_burst(router)
    assert isinstance(error, wire.Error)
    assert error.code == wire.FULL
    router.receive([(S, encode(wire.Watch(6, [b"a", b"d"])))], 7.0)
    assert end_burst(router)[0] == (S, wire.Done(6, 2))
    assert login(router, F1, b"c", 1, 7.0) == {b"c": 1}


def test_states_wait_for_a_watcher_that_does_not_report_and_only_the_last_of_each_is_told() -> None:
    router = Router(1)
    for address in (F1, S):
        peer(router, address)
    router.tick(0.0)
    ids = [b"%0100d" % number for number in range(8000)]
    router.receive([(S, encode(wire.Watch(0, ids)))], 0.0)
    told: dict[bytes, int] = {}
    taken = 0
    for count in (1, 2, 3):
        router.receive([(F1, encode(wire.Login(0, ids, [count] * len(ids))))], 0.1)
        router.tick(0.1)
        frames = router.replies()
        while router.has_work():
            frames += router.replies()
        for address, frame in frames:
            if address == S and isinstance(message := wire.decode_from_router(frame), wire.Presence):
                taken += len(frame)
                told |= dict(message.states)
    assert set(told.values()) == {1, 2}
    assert taken < wire.PRESENCE_WINDOW + 2000 * 110
    while taken:
        router.receive([(S, encode(wire.Heartbeat(0, None, taken)))], 0.2)
        said = states(out := end_burst(router))
        told |= said
        taken = taken + sum(len(encode(message)) for address, message in out if address == S) if said else 0
    assert told == dict.fromkeys(ids, 3)


@given(st.permutations(range(4)))
def test_what_comes_and_goes_within_a_burst_is_told_as_it_is_at_the_end(order: list[int]) -> None:
    router = a_router()
    frames = [
        encode(wire.Login(0, [b"a"], [count])) if count else encode(wire.Logout(0, [b"a"])) for count in order
    ]
    router.receive([(F1, frame) for frame in frames], 7.0)
    said = states(end_burst(router))
    assert said == ({b"a": order[-1]} if order[-1] else {})


def test_who_begins_to_watch_during_the_linger_is_not_told_what_was_before() -> None:
    for comes_back in (False, True):
        router = a_router()
        login(router, F1, b"a", 2, 7.0)
        login(router, F1, b"a", 0, 8.0)
        router.receive([(F2, encode(wire.Watch(0, [b"a"])))], 9.0)
        assert end_burst(router) == []
        if comes_back:
            router.receive([(F1, encode(wire.Login(0, [b"a"], [2])))], 10.0)
            assert [states([one], F2) for one in end_burst(router)] == [{b"a": 2}]
        else:
            said = [states(beat(router, 9.25 + 0.25 * tick), F2) for tick in range(24)]
            assert [one for one in said if one] == [{b"a": 0}]


def test_who_begins_to_watch_is_told_a_change_that_others_will_be_told_at_the_next_tick() -> None:
    router = a_router()
    login(router, F1, b"a", 1, 7.0)
    login(router, F1, b"a", 3, 7.1)
    router.receive([(F2, encode(wire.Watch(0, [b"a"])))], 7.1)
    assert states(end_burst(router), F2) == {b"a": 3}


def test_who_watches_again_is_told_what_is_not_what_was_said_last() -> None:
    router = a_router()
    login(router, F1, b"a", 2, 7.0)
    router.receive([(F1, encode(wire.Login(0, [b"a"], [1]))), (S, encode(wire.Watch(0, [b"a"])))], 7.1)
    assert states(end_burst(router)) == {b"a": 1}
    login(router, F1, b"a", 0, 7.2)
    router.receive([(S, encode(wire.Watch(0, [b"a"])))], 7.3)
    assert states(end_burst(router)) == {}, "it may be back"
    [(_, said)] = told_until(router, 7.5, 16.0)
    assert said == {b"a": 0}


def test_who_leaves_before_a_watcher_was_told_that_it_is_there_is_not_said_to_be_there() -> None:
    router = a_router()
    login(router, F1, b"d", 1, 7.0)
    frames = [wire.Watch(0, [b"d"]), wire.Logout(0, [b"d"])]
    router.receive([(S, encode(frames[0])), (F1, encode(frames[1]))], 8.0)
    assert states(end_burst(router)) == {}
    router.receive([(F1, encode(wire.Login(0, [b"d"], [1])))], 9.0)
    assert states(end_burst(router)) == {b"d": 1}
    login(router, F1, b"d", 0, 10.0)
    [(when, said)] = told_until(router, 10.25, 18.0)
    assert (said, when >= 15.0) == ({b"d": 0}, True)


def test_who_left_behind_others_of_the_same_moment_has_the_whole_linger() -> None:
    router = a_router()
    login(router, F1, b"d", 1, 7.0)
    login(router, F1, b"e", 1, 7.0)
    login(router, F1, b"d", 0, 8.0)
    login(router, F1, b"e", 0, 8.2)
    for tick in range(20):
        beat(router, 8.25 + tick * TICK_S)
    router.receive([(S, encode(wire.Watch(0, [b"e"])))], 13.1)
    assert states(end_burst(router)) == {}
    [(when, said)] = told_until(router, 13.1, 16.0)
    assert (said, when >= 13.2) == ({b"e": 0}, True)
