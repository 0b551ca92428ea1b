"""A frontend and a sender made from docs/wire-protocol.md alone: ZeroMQ, msgpack, and nothing of ours.

They are that document's worked example: `Peer` is what everybody on the link needs, `Frontend` holds ids,
`Sender` sends. Below them real routers are spoken to.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import zmq
from msgspec.msgpack import decode, encode

from tests.conftest import Program, eventually

HELLO, LOGIN, LOGOUT, SEND, HEARTBEAT, GOODBYE, WHO = 1, 2, 3, 4, 5, 6, 7
WELCOME, DELIVER, RECEIPTS, PULSE, DONE, HOLDERS, EVICT, ERROR = 64, 65, 66, 67, 68, 69, 71, 72
KEPT = -1
LOGIN_IDS, LOGINS_UNDER_WAY = 2000, 4
GREETING_S = 3.0


class Peer:
    """One connection to the router, made anew when it is dead. Its owner calls `turn` again and again."""

    lease_ms = 0

    def __init__(self, endpoint: str, name: str) -> None:
        self.endpoint, self.name, self.instance = endpoint, name, os.urandom(8)
        self.context = zmq.Context()
        self.request = 0
        self.answers: dict[int, Any] = {}
        self.connect()

    def connect(self) -> None:
        self.socket = self.context.socket(zmq.DEALER)
        for option, value in (
            (zmq.IMMEDIATE, 1),
            (zmq.LINGER, 0),
            (zmq.RECONNECT_IVL, 50),
            (zmq.RECONNECT_IVL_MAX, 1000),
            (zmq.TCP_KEEPALIVE, 1),
        ):
            self.socket.set(option, value)
        self.socket.connect(self.endpoint)
        self.greet()

    def greet(self) -> None:
        self.epoch: int | None = None
        self.has_greeted = self.say(HELLO, 1, self.name, self.instance, self.lease_ms)
        self.heard = time.monotonic()
        self.lease_s = GREETING_S

    def say(self, *message: object) -> bool:
        """Send a message; False if there is no connection, or no room in its queue."""
        try:
            self.socket.send(encode(message), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def ask(self, kind: int, *fields: object) -> int:
        """Send a request; its number, by which its answer will be in `answers`."""
        self.request += 1
        assert self.say(kind, self.request, *fields)
        return self.request

    def turn(self, wait_ms: int = 10) -> None:
        """Take what has come, then look at the clock."""
        while self.socket.poll(wait_ms):
            frame = self.socket.recv()
            self.heard = time.monotonic()
            kind, *fields = decode(frame)
            if kind == WELCOME:
                _, self.epoch, lease_ms, heartbeat_ms, _, _, self.window = fields[:7]
                self.lease_s, self.heartbeat_s = lease_ms / 1000, heartbeat_ms / 1000
                self.received = self.reported = self.seq = 0
                self.next_heartbeat = self.heard + self.heartbeat_s
                self.welcomed()
            elif kind == ERROR:
                request, code = fields[:2]
                self.answers[request] = code
                if code == "say-hello" and self.epoch is not None:
                    self.greet()
            elif kind == RECEIPTS:
                self.answers |= dict(fields[0])
            elif kind in (DONE, HOLDERS):
                self.answers[fields[0]] = fields[1]
            else:
                self.take(kind, fields, len(frame))  # a Pulse, or a kind that we don't know, is nothing
            wait_ms = 0
        now = time.monotonic()
        if not self.has_greeted:
            self.greet()
        elif now - self.heard > self.lease_s:
            self.socket.close()
            self.connect()
        elif self.epoch is not None and now >= self.next_heartbeat:
            self.heartbeat(now)

    def heartbeat(self, now: float) -> None:
        self.next_heartbeat = now + self.heartbeat_s
        self.reported = self.received
        self.say(HEARTBEAT, self.received)

    def welcomed(self) -> None:
        """The router knows us from now on."""

    def take(self, kind: int, fields: list[Any], frame_bytes: int) -> None:
        """A message that is not an answer."""

    def answer(self, request: int) -> Any:
        """The answer to a request, once it is there."""

        def look() -> bool:
            self.turn()
            return request in self.answers

        eventually(look)
        return self.answers.pop(request)

    def leave(self) -> int:
        """Say Goodbye, wait until all that was said before is done, and close; the messages taken from us."""
        count: int = self.answer(self.ask(GOODBYE))
        self.close()
        return count

    def close(self) -> None:
        self.socket.close()
        self.context.term()


class Frontend(Peer):
    """Holds ids, each on some connections; `messages` are those that came."""

    def __init__(self, endpoint: str, name: str, held: dict[bytes, int]) -> None:
        self.held = held
        self.messages: list[tuple[bytes, bytes]] = []
        self.lost = 0
        super().__init__(endpoint, name)

    def welcomed(self) -> None:
        self.unsaid = list(self.held)
        self.logins: set[int] = set()

    def turn(self, wait_ms: int = 10) -> None:
        super().turn(wait_ms)
        if self.epoch is None:
            return
        self.logins -= self.answers.keys()
        while self.unsaid and len(self.logins) < LOGINS_UNDER_WAY:
            some, self.unsaid = self.unsaid[:LOGIN_IDS], self.unsaid[LOGIN_IDS:]
            self.logins.add(self.ask(LOGIN, some, [self.held[an_id] for an_id in some]))

    def take(self, kind: int, fields: list[Any], frame_bytes: int) -> None:
        if kind == DELIVER:
            seq, messages = fields[:2]
            self.lost += seq - self.seq
            self.seq = seq + len(messages)
            self.messages += [(an_id, message) for an_id, message, _ in messages]
            self.received += frame_bytes
            if self.received - self.reported > self.window // 8:
                self.heartbeat(time.monotonic())
        elif kind == EVICT:
            gone = [an_id for an_id in fields[0] if self.held.pop(an_id, 0)]
            self.ask(LOGOUT, gone)


class Sender(Peer):
    """Sends, and is told how many connections each message was handed to."""

    lease_ms = 30_000

    def send(self, *pairs: tuple[bytes, bytes]) -> list[int]:
        handed: list[int] = self.answer(self.ask(SEND, pairs))
        return handed

    def holders(self, an_id: bytes) -> list[list[Any]]:
        return self.answer(self.ask(WHO, [an_id]))[0]  # type: ignore[no-any-return]


Make = Callable[..., Any]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes peers that the router has welcomed."""
    made: list[Peer] = []

    def make_one(kind: type[Peer], *arguments: Any) -> Peer:
        peer = kind(*arguments)
        made.append(peer)
        turn_until(peer, lambda: peer.epoch is not None)
        return peer

    yield make_one
    for peer in made:
        with suppress(zmq.ZMQError):  # it has left
            peer.close()


def turn_until(peer: Peer, look: Callable[[], bool]) -> None:
    def turn_and_look() -> bool:
        peer.turn()
        return look()

    eventually(turn_and_look)


def test_messages_reach_the_frontend_in_order_and_the_receipt_counts_its_connections(
    router: Program, make: Make
) -> None:
    frontend = make(Frontend, router.address, "f1", {b"a": 1, b"b": 2})
    sender = make(Sender, router.address, "s1")
    assert sender.holders(b"b") == [["f1", 2]]
    assert sender.send((b"a", b"1"), (b"b", b"2"), (b"z", b"3")) == [1, 2, 0]
    assert sender.send((b"a", b"4")) == [1]
    turn_until(frontend, lambda: len(frontend.messages) == 3)
    assert frontend.messages == [(b"a", b"1"), (b"b", b"2"), (b"a", b"4")]
    assert frontend.lost == 0
    assert sender.leave() == 4


@pytest.mark.alone
def test_heartbeats_keep_a_frontend_known_and_silence_ends_it(
    start: Callable[..., Program], make: Make
) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--lease", "0.3")
    frontend = make(Frontend, router.address, "f1", {b"a": 1})
    sender = make(Sender, router.address, "s1")
    silent_from = time.monotonic() + 1.5
    turn_until(frontend, lambda: time.monotonic() > silent_from)
    assert sender.send((b"a", b"x")) == [1]
    eventually(lambda: sender.send((b"a", b"x")) == [KEPT])
    turn_until(frontend, lambda: sender.send((b"a", b"back")) == [1])


def test_a_frontend_survives_a_router_restart(
    start: Callable[..., Program], router: Program, make: Make
) -> None:
    held = {b"%d" % number: 1 for number in range(10_000)}
    frontend = make(Frontend, router.address, "f1", held)
    epoch = frontend.epoch
    router.stop(signal.SIGKILL)
    start("zrouter", "serve", "--bind", router.address)
    turn_until(frontend, lambda: frontend.epoch not in (None, epoch))
    sender = make(Sender, router.address, "s1")
    turn_until(frontend, lambda: sender.send((b"9999", b"after")) == [1])
    turn_until(frontend, lambda: frontend.messages == [(b"9999", b"after")])


def test_a_sender_is_asked_for_a_hello_after_a_router_restart_and_goes_on(
    start: Callable[..., Program], router: Program, make: Make
) -> None:
    sender = make(Sender, router.address, "s1")
    router.stop(signal.SIGKILL)
    start("zrouter", "serve", "--bind", router.address)
    eventually(lambda: sender.say(HEARTBEAT, 0))
    assert sender.answer(sender.ask(SEND, [(b"a", b"x")])) == "say-hello"
    turn_until(sender, lambda: sender.epoch is not None)
    assert sender.send((b"a", b"x")) == [0]


def test_a_kicked_id_is_logged_out_and_a_goodbye_logs_out_the_rest(router: Program, make: Make) -> None:
    frontend = make(Frontend, router.address, "f1", {b"a": 1, b"b": 1})
    sender = make(Sender, router.address, "s1")
    kick = 9
    assert sender.answer(sender.ask(kick, [b"a"])) == 1
    turn_until(frontend, lambda: sender.holders(b"a") == [])
    assert sender.holders(b"b") == [["f1", 1]]
    frontend.leave()
    assert sender.holders(b"b") == []
