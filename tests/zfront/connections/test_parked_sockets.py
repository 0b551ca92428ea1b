"""Parked sockets, real ones: order through an outbox, its bound, and what clients do."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import eventually
from zfront.connections.parked_sockets import CLIENT_BYTES, DRAIN_S, PACE_S, TURN_S, Heard, ParkedSockets

OUTBOX = 50_000


class Parked:
    """A lot with one connection, and the client's side of it."""

    def __init__(self, pair: tuple[socket.socket, socket.socket] | None = None) -> None:
        self.ended: list[tuple[int, str]] = []
        self.parked = ParkedSockets(OUTBOX, lambda descriptor, why: self.ended.append((descriptor, why)))
        ours, self.client = pair or socket.socketpair()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.client.settimeout(5)
        self.descriptor = ours.detach()
        self.parked.park(self.descriptor)

    def why(self) -> str | None:
        """Why the connection ended, if it has."""
        self.parked.handle_events()
        return self.ended[0][1] if self.ended else None


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return listener.accept()[0], client


@pytest.fixture
def parked() -> Iterator[Parked]:
    one = Parked()
    yield one
    one.parked.close(one.descriptor, "test")
    one.client.close()


def test_what_the_kernel_does_not_take_goes_out_later_in_order(parked: Parked) -> None:
    pieces = [os.urandom(1000) for _ in range(OUTBOX // 1000)]
    for piece in pieces:
        parked.parked.write(parked.descriptor, piece)
    seen = b""
    while len(seen) < OUTBOX:
        seen += parked.client.recv(700)
        parked.parked.handle_events()
        if len(seen) > OUTBOX // 2 and len(pieces) == OUTBOX // 1000:
            pieces.append(b"written while others still wait")
            parked.parked.write(parked.descriptor, pieces[-1])
    while len(seen) < sum(map(len, pieces)):
        parked.parked.handle_events()
        seen += parked.client.recv(700)
    assert seen == b"".join(pieces)
    assert not parked.ended


@pytest.fixture
def over_tcp() -> Iterator[Parked]:
    one = Parked(tcp_pair())
    yield one
    one.parked.close(one.descriptor, "test")
    one.client.close()


def test_what_is_written_ahead_comes_with_what_follows(over_tcp: Parked) -> None:
    over_tcp.parked.write_ahead(over_tcp.descriptor, b"head, ")
    over_tcp.client.setblocking(False)
    with pytest.raises(BlockingIOError):
        over_tcp.client.recv(100)
    over_tcp.client.settimeout(5)
    over_tcp.parked.write(over_tcp.descriptor, b"body")
    assert over_tcp.client.recv(100) == b"head, body"


def test_what_is_written_ahead_comes_without_it_too(over_tcp: Parked) -> None:
    over_tcp.parked.write_ahead(over_tcp.descriptor, b"head")
    assert over_tcp.client.recv(100) == b"head"  # after 0.2 s, says tcp(7)


def test_what_is_written_ahead_keeps_its_place_behind_an_outbox(parked: Parked) -> None:
    parked.parked.write(parked.descriptor, bytes(OUTBOX // 2))
    parked.parked.write_ahead(parked.descriptor, b"head")
    seen = b""
    while len(seen) < OUTBOX // 2 + 4:
        parked.parked.handle_events()
        seen += parked.client.recv(OUTBOX)
    assert seen == bytes(OUTBOX // 2) + b"head"


def test_last_words_come_before_the_end(over_tcp: Parked) -> None:
    over_tcp.parked.end(over_tcp.descriptor, b"farewell", "evicted")
    assert over_tcp.why() == "evicted"
    assert over_tcp.client.recv(100) == b"farewell"
    assert over_tcp.client.recv(100) == b""


def test_last_words_to_who_has_left_are_no_error(over_tcp: Parked) -> None:
    over_tcp.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    over_tcp.client.close()  # a reset
    over_tcp.parked.end(over_tcp.descriptor, b"farewell", "evicted")
    assert over_tcp.why() == "reset"


def test_an_outbox_that_would_be_too_long_ends_the_connection(parked: Parked) -> None:
    def write() -> bool:
        parked.parked.write(parked.descriptor, bytes(1000))
        return parked.descriptor not in parked.parked

    eventually(write)
    assert parked.why() == "slow"
    assert len(parked.parked) == 0


@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
def test_a_client_that_hangs_up_is_gone(parked: Parked, how: int) -> None:
    parked.client.shutdown(how)
    assert eventually(parked.why) == "gone"


def test_a_write_to_a_client_that_has_reset_ends_the_connection(parked: Parked) -> None:
    parked.client.close()
    parked.parked.write(parked.descriptor, b"anybody there?")
    assert parked.why() == "reset"


def test_a_client_may_talk_but_not_for_ever(parked: Parked) -> None:
    said = 0
    while parked.why() is None:
        assert said <= 2 * CLIENT_BYTES
        said += parked.client.send(bytes(1000))
    assert parked.ended[0][1] == "chatty"
    assert said > CLIENT_BYTES


def test_several_writes_at_once_reach_each_their_client(parked: Parked) -> None:
    ours, other = socket.socketpair()
    ours.setblocking(False)
    second = ours.detach()
    parked.parked.park(second)
    parked.parked.write_all({parked.descriptor: b"one", second: bytearray(b"two")})
    assert (parked.client.recv(10), other.recv(10)) == (b"one", b"two")
    parked.parked.close(second, "test")
    other.close()


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Talkers:
    """A lot whose clients say things; each byte is so many units of work, and takes so long."""

    def __init__(self, clients: int, units: int = 1, work_s: float = 0.0, rate: float = 100) -> None:
        self.clock = Clock()
        self.ended: dict[int, str] = {}
        self.heard: list[tuple[int, bytes]] = []
        self.keeps = 0  # bytes of each client that are worked off in one turn; 0 = all
        self._kept: dict[int, bytes] = {}
        self._units, self._work_s = units, work_s
        self.parked = ParkedSockets(OUTBOX, self.ended.__setitem__, self.hear, rate, self.clock)
        self.clients: dict[int, socket.socket] = {}
        for _ in range(clients):
            ours, client = socket.socketpair()
            ours.setblocking(False)
            client.setblocking(False)
            descriptor = ours.detach()
            self.parked.park(descriptor)
            self.clients[descriptor] = client

    def hear(self, descriptor: int, data: bytes) -> Heard:
        data = self._kept.pop(descriptor, b"") + data
        now, later = (data[: self.keeps], data[self.keeps :]) if self.keeps else (data, b"")
        if later:
            self._kept[descriptor] = later
        self.heard.append((descriptor, now))
        self.clock.now += self._work_s * len(now)
        return Heard(self._units * len(now), wants_more=bool(later))

    def say(self, data: bytes) -> None:
        """Each client that is there says this."""
        for client in self.clients.values():
            with contextlib.suppress(OSError):
                client.send(data)

    def end(self) -> None:
        for descriptor, client in self.clients.items():
            self.parked.close(descriptor, "test")
            client.close()
        self.parked.handle_events()


@pytest.fixture
def talkers() -> Iterator[Callable[..., Talkers]]:
    made: list[Talkers] = []

    def make(*arguments: Any, **options: Any) -> Talkers:
        made.append(Talkers(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_a_turn_is_over_after_its_time_and_the_next_begins_with_those_who_had_none(
    talkers: Callable[..., Talkers],
) -> None:
    one = talkers(40, work_s=TURN_S / 2)
    one.say(b"x")
    began = one.clock.now
    one.parked.handle_events()
    assert TURN_S <= one.clock.now - began < 4 * TURN_S
    heard = len(one.heard)
    assert 0 < heard < 10
    while len(one.heard) < 40:
        one.say(b"y")  # all want more, always
        one.parked.handle_events()
    assert len({descriptor for descriptor, _ in one.heard[:40]}) == 40, "each once before anybody twice"


def test_who_goes_beyond_the_rate_is_not_read_and_then_is_read_again(talkers: Callable[..., Talkers]) -> None:
    one = talkers(1, units=500)
    one.say(b"x")
    one.parked.handle_events()
    one.say(b"y")
    one.parked.handle_events()
    assert [data for _, data in one.heard] == [b"x"]
    assert one.parked.has_paused()
    one.clock.now += 0.9
    one.parked.go_on()
    one.parked.handle_events()
    assert [data for _, data in one.heard] == [b"x"]
    one.clock.now += 0.2
    one.parked.go_on()
    one.parked.handle_events()
    assert [data for _, data in one.heard] == [b"x", b"", b"y"]
    assert one.parked.budget.delays == 2


def test_what_a_client_has_said_is_worked_off_in_turns_and_nothing_more_is_read_meanwhile(
    talkers: Callable[..., Talkers],
) -> None:
    one = talkers(1)
    one.keeps = 3
    one.say(b"0123456789")
    one.parked.handle_events()
    one.say(b"and more")
    for _ in range(20):
        one.parked.handle_events()
        assert len(one.heard[-1][1]) <= 3
        one.clock.now += PACE_S
        one.parked.go_on()
    assert b"".join(data for _, data in one.heard) == b"0123456789and more"
    assert not one.parked.has_paused()


def test_who_goes_on_saying_too_much_is_ended_as_chatty_and_who_stops_is_not(
    talkers: Callable[..., Talkers],
) -> None:
    one = talkers(2)
    quiet, loud = one.clients
    one.say(b"x" * 1000)
    while one.clock.now < 300.0 and loud in one.parked:
        with contextlib.suppress(BlockingIOError):
            one.clients[loud].send(b"x" * 100)
        one.parked.handle_events()
        one.parked.go_on()
        one.clock.now += 0.1
    one.parked.handle_events()
    assert one.ended == {loud: "chatty"}
    assert 120.0 < one.clock.now < 170.0, "after the patience, when its next turn comes"
    assert quiet in one.parked


def test_a_client_that_is_not_read_and_hangs_up_is_gone_at_once(talkers: Callable[..., Talkers]) -> None:
    one = talkers(1, units=10_000)
    one.say(b"x")
    one.parked.handle_events()
    assert one.parked.has_paused()
    for client in one.clients.values():
        client.close()
    one.parked.handle_events()
    assert list(one.ended.values()) == ["gone"]
    assert not one.parked.has_paused()
    one.clock.now += 1000
    one.parked.go_on()  # its turn comes to nobody


def test_a_client_that_is_not_read_still_gets_what_is_for_it(talkers: Callable[..., Talkers]) -> None:
    one = talkers(1, units=10_000)
    one.say(b"x")
    one.parked.handle_events()
    ((descriptor, client),) = one.clients.items()
    for _ in range(10):
        one.parked.write(descriptor, bytes(4000))
    seen = 0
    while seen < 40_000:
        one.parked.handle_events()
        with contextlib.suppress(BlockingIOError):
            seen += len(client.recv(10_000))
    assert len(one.heard) == 1


def test_who_is_ended_is_told_of_later_and_written_to_no_more(over_tcp: Parked) -> None:
    over_tcp.parked.end(over_tcp.descriptor, b"farewell", "evicted")
    over_tcp.parked.write(over_tcp.descriptor, b"behind it")
    over_tcp.parked.close(over_tcp.descriptor, "another reason")
    assert not over_tcp.ended
    assert over_tcp.descriptor not in over_tcp.parked
    assert over_tcp.why() == "evicted"
    assert over_tcp.client.recv(100) == b"farewell"
    assert over_tcp.client.recv(100) == b""


def test_who_is_ended_gets_first_what_waits_for_it(parked: Parked) -> None:
    parked.parked.write(parked.descriptor, bytes(OUTBOX - 100))
    parked.parked.end(parked.descriptor, b"farewell", "shutdown")
    assert parked.why() == "shutdown"
    assert len(parked.parked) == 1
    assert parked.parked.has_paused()
    seen = b""
    while data := parked.client.recv(700):
        parked.parked.handle_events()
        seen += data
    assert seen == bytes(OUTBOX - 100) + b"farewell"
    assert len(parked.parked) == 0
    assert parked.parked.cut_bytes == 0


def test_who_is_ended_and_does_not_read_is_closed_after_a_while_and_counted() -> None:
    one = Talkers(1)
    (descriptor,) = one.clients
    while not one.parked._outboxes:
        one.parked.write(descriptor, bytes(10_000))
    one.parked.end(descriptor, b"farewell", "shutdown")
    one.parked.handle_events()
    one.clock.now += DRAIN_S - 1
    one.parked.go_on()
    assert len(one.parked) == 1
    one.clock.now += 2
    one.parked.go_on()
    assert len(one.parked) == 0
    assert one.parked.cut_bytes > len(b"farewell")
    one.end()


def test_a_client_that_was_ended_and_resets_is_closed_at_once(parked: Parked) -> None:
    parked.parked.write(parked.descriptor, bytes(OUTBOX - 100))
    parked.parked.end(parked.descriptor, b"farewell", "shutdown")
    assert parked.why() == "shutdown"
    parked.client.close()
    parked.parked.handle_events()
    assert len(parked.parked) == 0


def test_what_a_client_asked_for_may_wait_beyond_the_bound_and_no_more(parked: Parked) -> None:
    missed = os.urandom(5 * OUTBOX)
    assert parked.parked.owe(parked.descriptor, len(missed))
    parked.parked.write(parked.descriptor, missed)
    parked.parked.settle(parked.descriptor)
    assert parked.why() is None
    parked.parked.write(parked.descriptor, os.urandom(OUTBOX))
    assert parked.why() is None
    parked.parked.write(parked.descriptor, os.urandom(OUTBOX))
    assert parked.why() == "slow"


def test_when_all_that_was_owed_is_sent_the_bound_is_that_of_before(parked: Parked) -> None:
    missed = os.urandom(5 * OUTBOX)
    for _ in range(2):
        assert parked.parked.owe(parked.descriptor, len(missed))
        parked.parked.write(parked.descriptor, missed)
        parked.parked.settle(parked.descriptor)
        seen = b""
        while len(seen) < len(missed):
            seen += parked.client.recv(65536)
            parked.parked.handle_events()
        assert seen == missed
    parked.parked.write(parked.descriptor, os.urandom(2 * OUTBOX))
    assert parked.why() == "slow"


def test_all_clients_together_have_a_bound_for_what_they_are_owed(
    parked: Parked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zfront.connections.parked_sockets.OWED_BYTES", 4 * OUTBOX)
    assert parked.parked.owe(parked.descriptor, OUTBOX)  # within its own bound: nothing is owed
    assert not parked.parked.owe(parked.descriptor, 5 * OUTBOX)
    assert parked.parked.owe(parked.descriptor, 3 * OUTBOX)
    assert not parked.parked.owe(parked.descriptor, 2 * OUTBOX)
    parked.parked.settle(parked.descriptor)
    assert parked.parked.owe(parked.descriptor, 4 * OUTBOX)
    parked.parked.close(parked.descriptor, "test")
    parked.parked.handle_events()
    other = Parked()
    assert other.parked.owe(other.descriptor, 4 * OUTBOX)
    other.parked.close(other.descriptor, "test")
    other.parked.handle_events()
    other.client.close()
