"""A room whose clients may have gone whenever it writes to them: nothing of them stays, the others are told.

Real sockets: a client that has closed its end makes the very next write fail, whatever that write is of.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zfront.websocket_cases import frame
from zfront.connections.hub import Hub
from zfront.connections.parked_sockets import ParkedSockets
from zfront.requests.stream_request import StreamRequest
from zfront.settings import FrontSettings
from zfront.transports import CHUNKED, NDJSON, POLL, SSE, WS
from zrouter.wire import Resumed, State
from zrouter.wire.offset import NEW, Offset

IDS = [b"a", b"b", b"c"]
OUTBOX = 3000
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class House:
    """A room, its clients, and what would be the router."""

    def __init__(self, outbox: int = OUTBOX) -> None:
        self.now = 1000.0
        self.changed: set[bytes] = set()
        self.watch_changed: set[bytes] = set()
        self.hub = Hub(
            FrontSettings(outbox=outbox, max_age=200),
            self.changed.add,
            self.watch_changed.add,
            clock=lambda: self.now,
        )
        self.hub.on_request = lambda descriptor, data: self.hub.enter_again(
            descriptor, StreamRequest(POLL, (IDS[0],), headers=b"X: y\r\n")
        )
        self.hub.resumption.welcomed(7)
        self.clients: dict[int, socket.socket] = {}
        self.told: dict[bytes, int] = {}  # id -> connections, as the router was told
        self.states: dict[bytes, int] = {}
        self.position = 0

    @property
    def parked(self) -> ParkedSockets:
        assert isinstance(self.hub.parked, ParkedSockets)
        return self.hub.parked

    def come(self, stream_request: StreamRequest, has_gone: bool = False) -> int:
        ours, client = socket.socketpair()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.setblocking(False)
        descriptor = ours.detach()
        self.clients[descriptor] = client
        if has_gone:
            client.close()
        self.hub.enter(descriptor, stream_request)
        return descriptor

    def go(self, number: int) -> None:
        if self.clients:
            self.client(number).close()

    def client(self, number: int) -> socket.socket:
        return list(self.clients.values())[number % len(self.clients)]

    def say(self, number: int, data: bytes) -> None:
        if self.clients and self.client(number).fileno() >= 0:
            with contextlib.suppress(OSError):  # it was ended already
                self.client(number).send(data)

    def read(self, number: int) -> bytes:
        """What there is for it, if anything."""
        if self.clients and self.client(number).fileno() >= 0:
            with contextlib.suppress(OSError):
                return self.client(number).recv(1 << 20)
        return b""

    def deliver(self, an_id: bytes, size: int) -> None:
        self.position += 1
        self.hub.fan_out.deliver([(an_id, b"m" * size, self.position)])

    def tell(self, an_id: bytes, connections: int) -> None:
        self.states[an_id] = connections
        self.hub.tell([(an_id, connections)])

    def answer(self, gap: str) -> None:
        """The router answers all that is asked."""
        for make, on_answer in list(self.hub.resumption.requests()):
            make(1)
            on_answer(Resumed(1, self.position, gap, [(IDS[0], b"missed", self.position)]))

    def turn(self) -> None:
        """The loop comes round: what was ended is dealt with, the router is told."""
        self.parked.handle_events()
        self.parked.go_on()
        for an_id in self.changed:
            self.told[an_id] = self.hub.subscriptions.count(an_id)
        self.changed.clear()
        watched = [an_id for an_id in self.watch_changed if self.hub.watchers.is_watched(an_id)]
        self.watch_changed.clear()
        for an_id in watched:
            self.tell(an_id, self.states.get(an_id, 0))
        for descriptor in list(self.clients):
            if descriptor not in self.parked:
                self.clients.pop(descriptor).close()

    def settle(self) -> None:
        self.now += 10
        for _ in range(20):
            self.turn()

    def check(self) -> None:
        hub = self.hub
        parked = set(self.parked.descriptors())
        assert parked == set(self.clients)
        for an_id in IDS:
            assert set(hub.subscriptions.listeners(an_id)) <= parked
            assert self.told.get(an_id, 0) == hub.subscriptions.count(an_id)
        for descriptor, kind in enumerate(hub._rows.kinds):
            if descriptor in parked:
                continue
            assert kind == CHUNKED, "a row as of those that never were"
            assert hub.subscriptions.ids_of(descriptor) == ()
            assert not hub.watchers.of(descriptor)
            assert descriptor not in hub.resumption
            assert descriptor not in hub._headers
        watched = {an_id for one in parked for an_id in hub.watchers.of(one)}
        assert set(hub.watchers.ids()) == watched
        assert len(self.parked) == len(parked)
        assert sum(hub.closed.values()) == hub.opened - len(parked)

    def end(self) -> None:
        for descriptor in list(self.clients):
            self.parked.close(descriptor, "test")
        self.turn()
        assert not len(self.parked)


def possible(stream_request: StreamRequest) -> StreamRequest:
    """What read_visit would make of it."""
    watched = () if stream_request.kind in (CHUNKED, POLL) else stream_request.watched
    return stream_request._replace(
        watched=watched, tick_s=stream_request.tick_s if stream_request.kind == CHUNKED else 0.0
    )


VISITS = st.builds(
    StreamRequest,
    kind=st.sampled_from([CHUNKED, NDJSON, SSE, WS, POLL]),
    ids=st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True).map(tuple),
    welcome=st.booleans(),
    tick_s=st.sampled_from([0.0, 0.1]),
    offset=st.sampled_from([NEW, Offset(7, 1), Offset(3, 1)]),
    key=st.just(KEY),
    headers=st.sampled_from([b"", b"X: y\r\n"]),
    watched=st.lists(st.sampled_from(IDS), max_size=3, unique=True).map(tuple),
).map(possible)
NUMBERS = st.integers(0, 9)
NAMES = st.lists(st.sampled_from([one.decode() for one in IDS]), max_size=3)
WISHES = st.fixed_dictionaries(
    {}, optional={"login": NAMES, "logout": NAMES, "watch": NAMES, "unwatch": NAMES, "no such": NAMES}
)
FRAMES = st.one_of(
    WISHES.map(lambda command: frame("text", json.dumps(command).encode())),
    st.just(frame("ping", b"hi") * 40),
    st.just(frame("text", b"{") * 40),
    st.just(frame("text", b"{", fin=False)),
    st.just(frame("close", b"\x03\xe8")),
    st.just(b"\xff\xff"),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("come"), VISITS, st.booleans()),
        st.tuples(st.just("go"), NUMBERS),
        st.tuples(st.just("say"), NUMBERS, FRAMES),
        st.tuples(st.just("read"), NUMBERS),
        st.tuples(st.just("deliver"), st.sampled_from(IDS), st.sampled_from([1, 1000, 4000])),
        st.tuples(st.just("tell"), st.sampled_from(IDS), st.integers(0, 3)),
        st.tuples(st.just("answer"), st.sampled_from(["", "evicted"])),
        st.tuples(st.just("evict"), st.sampled_from(IDS)),
        st.tuples(st.sampled_from(["turn", "tick", "lost"])),
        st.tuples(st.just("sweep"), st.sampled_from([0.1, 31.0, 100.0])),
    ),
    max_size=40,
)


def carry_out(house: House, step: tuple[Any, ...]) -> None:
    match step:
        case ("come", stream_request, has_gone):
            house.come(stream_request, has_gone)
        case ("evict", an_id):
            house.hub.evict([an_id])
        case ("tick",):
            house.now += 0.1
            house.hub.tick()
        case ("lost",):
            house.hub.resumption.lost()
        case ("sweep", seconds):
            house.now += seconds
            for second in range(25):
                house.hub.sweep(second)
        case (what, *rest):
            getattr(house, what)(*rest)


@given(STEPS)
@settings(max_examples=100)
def test_whoever_has_gone_whenever_nothing_of_it_stays(steps: list[tuple[Any, ...]]) -> None:
    house = House()
    try:
        for step in steps:
            carry_out(house, step)
        house.settle()
        house.check()
    finally:
        house.end()


def watcher(house: House, *ids: bytes, has_gone: bool = False) -> int:
    return house.come(StreamRequest(NDJSON, (b"w",), watched=ids), has_gone)


def has_heard(house: House, descriptor: int, state: State) -> bool:
    text = json.dumps({"event": "presence", "id": state[0].decode(), "connections": state[1]})
    return text.replace(" ", "").encode() in house.clients[descriptor].recv(1 << 20)


def gone_before(house: House) -> None:
    watcher(house, b"a", has_gone=True)


def gone_while_it_watches_two(house: House) -> None:
    watcher(house, b"a", b"b")
    house.turn()
    house.go(0)


def wished_for_and_gone(house: House) -> None:
    """A WebSocket whose watch is answered at once, into a connection that was reset."""
    watcher(house, b"a", b"b")
    house.turn()
    socket_ = house.come(StreamRequest(WS, (b"s",), key=KEY))
    house.say(1, frame("text", b'{"login":["x"],"watch":["a","b"]}'))
    house.clients[socket_].close()


@pytest.mark.parametrize("before", [gone_before, gone_while_it_watches_two, wished_for_and_gone])
def test_a_watcher_that_has_gone_keeps_no_state_from_the_others(before: Callable[[House], None]) -> None:
    house = House()
    before(house)
    other = watcher(house, b"a", b"b")
    house.hub.tell([(b"a", 5), (b"b", 6)])
    assert has_heard(house, other, (b"a", 5))
    house.turn()
    house.hub.tell([(b"a", 7), (b"b", 8)])
    assert has_heard(house, other, (b"b", 8))
    house.settle()
    house.check()
    house.end()


def test_a_socket_that_left_an_id_while_it_waits_gets_nothing_of_it() -> None:
    house = House()
    one = house.come(StreamRequest(WS, (b"a", b"b"), offset=Offset(7, 1), key=KEY))
    asked = list(house.hub.resumption.requests())
    house.say(0, frame("text", b'{"logout":["a"]}'))
    house.turn()
    house.clients[one].recv(1000)
    missed = Resumed(1, 9, "", [(b"a", b"not any more", 8), (b"b", b"still", 9)])
    for _, on_answer in asked:
        on_answer(missed)
    for _, on_answer in list(house.hub.resumption.requests()):
        on_answer(missed)
    said = house.clients[one].recv(1 << 20)
    assert b"still" in said
    assert b"not any more" not in said
    house.end()


def test_a_socket_may_log_in_as_so_many_ids_and_then_has_to_wait() -> None:
    house = House()
    house.come(StreamRequest(WS, (b"s",), key=KEY))
    told: set[bytes] = set()

    def churn(turn: int) -> bytes:
        ids = [f"{turn}-{number}" for number in range(60)]
        house.say(0, frame("text", json.dumps({"login": ids}).encode()))
        house.say(0, frame("text", json.dumps({"logout": ids}).encode()))
        house.turn()
        told.update(house.told)
        house.now += 1
        return house.read(0)

    answers = [churn(turn) for turn in range(100)]
    assert sum(b"new ids a second" in answer for answer in answers) > 50
    assert len(told) < 512 + 100 * 8 + 60
    assert house.hub.report()["logins_refused"] == sum(b"new ids" in answer for answer in answers)
    house.end()


def test_what_was_refused_for_its_logins_was_not_done_at_all() -> None:
    house = House()
    house.come(StreamRequest(WS, (b"s",), key=KEY))
    for turn in range(20):
        ids = json.dumps({"login": [f"{turn}-{one}" for one in range(60)], "watch": [f"w{turn}"]})
        house.say(0, frame("text", ids.encode()))
        house.say(0, frame("text", json.dumps({"logout": [f"{turn}-{one}" for one in range(60)]}).encode()))
        house.turn()
        house.now += 0.1
    assert 8 <= len(house.hub.watchers.ids()) < 12
    house.end()


def answers(house: House) -> list[tuple[str, list[dict[str, str]]]]:
    """What each poll was answered: its tag, and the messages."""
    found = []
    for client in house.clients.values():
        seen = b""
        while not seen.endswith(b"]}\n"):
            house.parked.handle_events()
            with contextlib.suppress(BlockingIOError):
                seen += client.recv(1 << 20)
        head, _, body = seen.partition(b"\r\n\r\n")
        tag = head.partition(b'ETag: "')[2].partition(b'"')[0].decode()
        found.append((tag, json.loads(body)["messages"]))
    return found


@pytest.mark.parametrize("size", [10, 60_000])
def test_a_poll_that_is_answered_in_the_middle_of_a_burst_has_all_up_to_its_tag(size: int) -> None:
    """A burst of a publish to 40 ids at one position, and of sends before and behind it."""
    house = House(outbox=1_000_000)
    for number in range(40):
        house.come(StreamRequest(POLL, (b"%d" % number, b"also %d" % number)))
    message = b"m" * size
    burst = [(b"%d" % number, message, 1 + number) for number in range(0, 40, 2)]
    burst += [(b"%d" % number, message, 50) for number in range(40)]
    burst += [(b"also %d" % number, message, 50) for number in range(40)]
    burst += [(b"%d" % number, message, 51 + number) for number in range(40)]
    house.hub.fan_out.deliver(burst)
    for number, (tag, messages) in enumerate(answers(house)):
        upto = int(tag.partition(".")[2], 16)
        mine = [
            (an_id, position)
            for an_id, _, position in burst
            if an_id in (b"%d" % number, b"also %d" % number) and position <= upto
        ]
        assert [(one["id"].encode(), int(one["offset"].partition(".")[2], 16)) for one in messages] == mine
    house.end()


def test_a_burst_to_many_kinds_of_clients_comes_whole_and_in_order() -> None:
    house = House(outbox=10_000_000)
    streams = [
        house.come(StreamRequest(kind, (b"a",), key=KEY))
        for kind in (CHUNKED, NDJSON, SSE, WS)
        for _ in range(5)
    ]
    for client in house.clients.values():
        client.recv(1 << 20)
    burst = [(b"a", b"<%03d>" % number + b"x" * 60_000, 1 + number // 3) for number in range(60)]
    house.hub.fan_out.deliver(burst)
    for one in streams:
        seen = b""
        while seen.count(b"x" * 60_000) < 60:
            house.parked.handle_events()
            with contextlib.suppress(BlockingIOError):
                seen += house.clients[one].recv(1 << 20)
        assert [int(number) for number in re.findall(rb"(\d{3})(?:>|&gt;)", seen)] == list(range(60))
    house.end()
