"""The seam between what is delivered and what is resumed: a frontend and a router, without sockets.

Frames are carried one by one, so that everything comes between everything else; links break, deliveries are
dropped, the router is started again. Each client must see each message of its ids once and in order, from
when the router knew it, or from where it was; what it does not see, a gap must have told it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from zrouter import wire
from zrouter.follows.memory import MemoryFollows
from zrouter.link.resumption import Resumption
from zrouter.link.session import Session
from zrouter.routing.limits import Limits
from zrouter.routing.router import Router
from zrouter.wire.offset import NEW, Offset

IDS = [b"a", b"b"]
SENDER = b"\0sender"
PUBLISHER = b"p"  # both follow it
LIMITS = Limits(mailbox_messages=1000)


class Client:
    """What one client has seen: positions, each with the router's life."""

    def __init__(self, an_id: bytes, offset: Offset) -> None:
        self.first = an_id
        self.offset = offset
        self.seen: list[tuple[int, int]] = []
        self.known: dict[bytes, tuple[int, int] | None] = {an_id: None}  # since when the router knew its ids
        self.came: dict[bytes, tuple[int, int]] = {}  # where the router was when it became these ids
        self.found: list[tuple[int, int]] = []  # of these, what the router found for it
        self.is_placed = False  # it was told where it is, with all its ids
        self.was_told_of_a_gap = False
        self.may_be_told_of_a_gap = False  # something was lost when it was new


class House:
    """A router, a frontend and what is on the way between them."""

    def __init__(self) -> None:
        self.clients: dict[int, Client] = {}
        self.held: set[int] = set()
        self.sent: dict[bytes, list[tuple[int, int]]] = {an_id: [] for an_id in IDS}
        self.resumption = Resumption(lambda: list(self.clients), self.ids_of, self.hold, self.resumed)
        self.session = Session(
            "front", b"instance", 0.0, self.holdings, self.connections, resumption=self.resumption
        )
        self.follows = MemoryFollows()
        for an_id in IDS:
            self.follows.follow(an_id, PUBLISHER)
        self.lives = self.links = 0
        self.now = 0.0
        self.up: deque[bytes] = deque()
        self.down: deque[bytes] = deque()
        self.start_router()

    # ---- the frontend, as zfront's room is one

    def ids_of(self, client: int) -> list[bytes]:
        return list(self.clients[client].known)

    def holdings(self) -> set[bytes]:
        return {an_id for client in self.clients.values() for an_id in client.known}

    def connections(self, an_id: bytes) -> int:
        return sum(an_id in client.known for client in self.clients.values())

    def hold(self, number: int) -> None:
        self.held.add(number)
        self.clients[number].may_be_told_of_a_gap |= not self.clients[number].is_placed

    def resumed(self, number: int, answer: wire.Resumed) -> None:
        self.held.discard(number)
        client = self.clients[number]
        client.is_placed = True
        client.was_told_of_a_gap |= answer.gap != ""
        positions = [(self.resumption.here.epoch, position) for _, _, position in answer.messages]
        client.found += positions
        client.seen += positions

    def come(self, an_id: bytes, offset: Offset) -> None:
        number = len(self.clients) + 1
        client = self.clients[number] = Client(an_id, offset)
        client.came[an_id] = self.now_at if offset == NEW else offset
        client.is_placed = offset != NEW
        if offset == NEW:
            self.resumption.greet(number)
        else:
            self.held.add(number)
            self.resumption.begin(number, offset)
        self.session.changed(an_id)

    def come_back(self, number: int) -> None:
        """Another client, from where that one was."""
        before = self.clients[number]
        if before.seen:
            self.come(before.first, Offset(*before.seen[-1]))

    def join(self, number: int, an_id: bytes) -> None:
        """It is that id, too."""
        client = self.clients[number]
        if an_id not in client.known:
            client.known[an_id] = None
            client.came[an_id] = self.now_at
            if number in self.held:
                client.came[an_id] = (0, 0)  # it is told all since the place where it waits
                self.resumption.ask_again(number, [an_id])
            else:
                client.is_placed = False
                self.resumption.greet(number, has_history=True, joined=[an_id])
            self.session.changed(an_id)

    # ---- the link

    def break_link(self) -> None:
        self.session.closed()
        self.up.clear()
        self.down.clear()
        self.links += 1
        self.session.opened(self.now)

    def start_router(self) -> None:
        self.lives += 1
        self.router = Router(self.lives, LIMITS, store=lambda: self.follows)
        for client in self.clients.values():
            client.known = dict.fromkeys(client.known)
        self.route([(SENDER, wire.encode(wire.Hello(1, "sender", b"instance", 0)))])
        self.break_link()

    @property
    def now_at(self) -> tuple[int, int]:
        """Where the router is."""
        return self.lives, self.router.mailboxes.position

    @property
    def address(self) -> bytes:
        return b"\0front%d" % self.links

    def say(self) -> None:
        """The frontend sends what it has to say."""
        self.up += self.session.outgoing(self.now)

    def carry_up(self, count: int) -> None:
        """One burst of the router, of so many frames."""
        frames = [self.up.popleft() for _ in range(min(count, len(self.up)))]
        self.route([(self.address, frame) for frame in frames])

    def route(self, arrivals: list[tuple[bytes, bytes]], drops: bool = False) -> None:
        self.router.receive(arrivals, self.now)
        for address, frame in self.router.deliveries():
            if drops:
                self.router.undeliverable(address, frame, False)
            elif address == self.address:
                self.down.append(frame)
        self.down += [frame for address, frame in self.router.replies() if address == self.address]
        held = {an_id for peer in self.router.peers for an_id in peer.held if peer.address == self.address}
        for client in self.clients.values():
            for an_id, since in client.known.items():
                if since is None and an_id in held:
                    client.known[an_id] = (self.lives, self.router.mailboxes.position)

    def carry_down(self) -> None:
        if not self.down:
            return
        message = self.session.receive(self.down.popleft(), self.now)
        if type(message) is wire.Resumed:
            self.session.resumed(message)
        elif type(message) is wire.Deliver:
            delivered = [*message.messages, *message.fanned()]
            for an_id, _, position in delivered:
                for number, client in self.clients.items():
                    if an_id in client.known and number not in self.held:
                        client.seen.append((self.resumption.here.epoch, position))
            self.resumption.delivered(delivered[-1][2])

    def send(self, an_id: bytes, drops: bool) -> None:
        self.route([(SENDER, wire.encode(wire.Send(0, [(an_id, b"x")])))], drops)
        self.sent[an_id].append((self.lives, self.router.mailboxes.position))

    def publish(self, drops: bool) -> None:
        before = self.router.mailboxes.position
        self.route([(SENDER, wire.encode(wire.Publish(0, [(PUBLISHER, b"x")])))], drops)
        mailboxes = self.router.mailboxes
        mailboxes.look_into(before, 1000)
        if mailboxes.position > before:
            for an_id in IDS:
                found = mailboxes.missed([an_id], before, IDS).messages
                # Who was not there misses what is at the last position.
                position = found[0][2] if found else mailboxes.position
                self.sent[an_id].append((self.lives, position))

    def settle(self) -> None:
        """Until nobody has anything to say any more."""
        self.now += 2.0
        self.router.tick(self.now)
        self.route([])
        for _ in range(100):
            self.say()
            self.carry_up(3)
            while self.down:
                self.carry_down()

    def check(self) -> None:
        for client in self.clients.values():
            assert client.seen == sorted(set(client.seen)), "twice, or out of order"
            its = {(one, one > client.came[an_id]) for an_id in client.known for one in self.sent[an_id]}
            assert set(client.seen) <= {one for one, _ in its}, "of other ids"
            assert set(client.found) <= {one for one, is_new in its if is_new}, "from before it came"
            for an_id, known in client.known.items():
                since = known or (self.lives + 1, 0)
                if client.offset != NEW and an_id == client.first:
                    since = min(since, client.offset)
                missed = {one for one in self.sent[an_id] if one > since} - set(client.seen)
                assert not missed or client.was_told_of_a_gap
            if self.lives == 1 and client.was_told_of_a_gap and not client.may_be_told_of_a_gap:
                # Of an id that it joined as the router did not know it yet, for one.
                assert {one for an_id in client.known for one in self.sent[an_id]} - set(client.seen)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.sampled_from(IDS)),
        st.tuples(st.just("come back"), st.integers(1, 4)),
        st.tuples(st.just("join a"), st.integers(1, 4)),
        st.tuples(st.just("join b"), st.integers(1, 4)),
        st.tuples(st.just("send"), st.sampled_from(IDS)),
        st.tuples(st.just("send and drop"), st.sampled_from(IDS)),
        st.tuples(st.sampled_from(["publish", "publish and drop"]), st.none()),
        st.tuples(st.just("say"), st.none()),
        st.tuples(st.just("up"), st.integers(1, 3)),
        st.tuples(st.just("down"), st.none()),
        st.tuples(st.just("settle"), st.none()),
        st.tuples(st.just("break"), st.none()),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=60,
)
# The login is known, what it has missed is not yet asked for, and a message comes.
BETWEEN = [("settle", None), ("come", b"a"), ("say", None), ("up", 1), ("send", b"a"), ("settle", None)]
# The link breaks before the answer to one that is new, and a message is lost with it.
LOST = [("settle", None), ("come", b"a"), ("say", None), ("up", 2), ("send", b"a"), ("break", None)]
# One that is new is given a message since another is the same id already, and the next one is dropped.
GIVEN = [
    ("come", b"a"), ("settle", None), ("come", b"a"), ("say", None), ("come", b"a"),
    ("send", b"a"), ("send and drop", b"a"),
]  # fmt: skip
# A message is lost with the link, and another client comes before that is noticed: it is from before it came.
BEFORE = [("come", b"a"), ("settle", None), ("send", b"a"), ("come", b"a"), ("break", None)]
# One comes while the router is away; then the router knows it, and a message for it is dropped.
AWAY = [
    ("settle", None), ("break", None), ("come", b"a"), ("say", None), ("up", 1), ("down", None),
    ("say", None), ("up", 1), ("send and drop", b"a"),
]  # fmt: skip
# One id more, with a message from before that the link lost.
JOINED = [
    ("come", b"a"), ("come", b"b"), ("settle", None), ("send", b"b"), ("send", b"a"), ("join b", 1),
    ("break", None),
]  # fmt: skip


@given(STEPS)
@example(BEFORE)
@example(AWAY)
@example(JOINED)
@example(BETWEEN)
@example(LOST)
@example(GIVEN)
@settings(max_examples=150)
def test_each_message_is_seen_once_or_a_gap_is_told(steps: list[tuple[str, Any]]) -> None:
    house = House()
    for step, what in steps:
        match step:
            case "come":
                house.come(what, NEW)
            case "come back" if what in house.clients:
                house.come_back(what)
            case "join a" | "join b" if what in house.clients:
                house.join(what, step[-1:].encode())
            case "send" | "send and drop":
                house.send(what, step == "send and drop")
            case "publish" | "publish and drop":
                house.publish(step == "publish and drop")
            case "say":
                house.say()
            case "up":
                house.carry_up(what)
            case "down":
                house.carry_down()
            case "settle":
                house.settle()
            case "break":
                house.break_link()
            case "restart":
                house.start_router()
    house.settle()
    house.check()
