"""Who comes back, against a list of everything: each message for its ids is seen once, or a gap is told.

A router with its mailboxes, its table and its clock, without sockets. Clients of one or more ids come, are
cut off in the middle of what they are given, come back with where they were, also as somebody else; ids are
forgotten by time and by the bound; frontends go and come back; the router itself is stopped for a while.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from zrouter import wire
from zrouter.follows.memory import MemoryFollows
from zrouter.routing.limits import Limits
from zrouter.routing.router import Router

EPOCH = 7
IDS = [b"a", b"b", b"c"]
PUBLISHERS = {b"p": [b"a", b"b"], b"q": IDS}
SENDER = b"\0sender"
KEPT_S = 50.0
LIMITS = Limits(mailbox_s=KEPT_S, mailbox_ids=1, mailbox_messages=1000, lease_s=1e6, max_lease_s=1e6)
SOME_IDS = st.lists(st.sampled_from(IDS), min_size=1, max_size=2, unique=True)


class Cursor(NamedTuple):
    """Where a client is: `position` is all that the router is told; `place` is the same in the list."""

    position: int
    place: int
    seen: frozenset[tuple[bytes, int]]  # of what stands behind `place`, it has these
    at: float


class Client:
    """One that is connected on a frontend, as some ids, and what it has been given since it came."""

    def __init__(self, front: bytes, ids: list[bytes], offset: Cursor) -> None:
        self.front = front
        self.ids = ids
        self.offset = offset


class Comebacks(RuleBasedStateMachine):
    """The list of everything is `sent`: (id, number of the message), in the order of the positions."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.sent: list[tuple[bytes, int]] = []
        self.numbers = 0
        self.clients: list[Client] = []
        self.away: list[tuple[list[bytes], Cursor]] = []
        # Since when each id is held, or lingers and nobody had to make room: nothing for it may be missing.
        self.kept_since: dict[bytes, float] = {}
        self.left: dict[bytes, float] = {}
        self.requests = self.links = 0
        self.fronts: dict[int, bytes] = {}
        follows = MemoryFollows()
        for publisher, followers in PUBLISHERS.items():
            for an_id in followers:
                follows.follow(an_id, publisher)
        self.slowly = patch("zrouter.routing.router.LOGGED_OUT", 1)
        self.slowly.start()
        self.router = Router(EPOCH, LIMITS, store=lambda: follows)

    def teardown(self) -> None:
        self.slowly.stop()

    @initialize()
    def begin(self) -> None:
        self.hello(SENDER)
        for number in range(2):
            self.link(number)

    # ---- the router, as its shell is one

    def hello(self, address: bytes) -> None:
        self.say(address, wire.Hello(1, address[1:].decode(), b"instance" + address, 0))

    def link(self, number: int) -> None:
        self.links += 1
        self.fronts[number] = b"\0front%d" % self.links
        self.hello(self.fronts[number])

    def say(self, address: bytes, *messages: wire.Message) -> list[Any]:
        """One burst, and what it is answered; what is delivered goes to the clients."""
        self.router.receive([(address, wire.encode(message)) for message in messages], self.now)
        return self.flush(address)

    def flush(self, address: bytes = b"") -> list[Any]:
        answers = []
        while True:
            for to, frame in self.router.deliveries(self.now):
                self.deliver(to, frame)
            for peer in self.router.peers:
                peer.received_bytes = peer.handed_bytes
            answers += [
                wire.decode_from_router(frame) for to, frame in self.router.replies() if to == address
            ]
            # What is done some at a time goes on while everything else happens.
            publishing = self.router.publishing
            assert publishing is not None
            if (
                not self.router._resume_requests
                and not publishing.has_work()
                and not self.router.table.arrived
            ):
                return answers

    def deliver(self, front: bytes, frame: bytes) -> None:
        for an_id, message, position in delivered(frame):
            one = (an_id, int(message))
            for client in self.clients:
                if client.front == front and an_id in client.ids:
                    self.see(client, one, position)

    def see(self, client: Client, one: tuple[bytes, int], position: int) -> None:
        assert one not in client.offset.seen, "given twice"
        assert one in self.sent[client.offset.place :], "given again"
        assert position > client.offset.position, "its position says that the client has it"
        client.offset = Cursor(position, client.offset.place, client.offset.seen | {one}, self.now)

    # ---- what happens

    @rule(number=st.integers(0, 1), ids=SOME_IDS)
    def come(self, number: int, ids: list[bytes]) -> None:
        """A new client: it has missed nothing."""
        self.enter(number, ids, None)

    @rule(number=st.integers(0, 1), which=st.integers(0, 5))
    def come_back(self, number: int, which: int) -> None:
        if self.away:
            self.enter(number, *self.away.pop(which % len(self.away)))

    @rule(number=st.integers(0, 1), which=st.integers(0, 5), ids=SOME_IDS)
    def come_back_as_somebody_else(self, number: int, which: int, ids: list[bytes]) -> None:
        if self.away:
            _, offset = self.away.pop(which % len(self.away))
            # What stands before its position is not missing to those who it was not. In which order a publish
            # comes to its followers is not said: of the last that it saw, the others may be missing or not.
            index, same = offset.place, frozenset[tuple[bytes, int]]()
            if offset.seen:
                last = self.sent[max(self.sent.index(one) for one in offset.seen)]
                same = frozenset(one for one in self.sent if one[1] == last[1])
                index = min(self.sent.index(one) for one in same)
            self.enter(number, ids, Cursor(offset.position, index, frozenset(), offset.at), same)

    def enter(
        self,
        number: int,
        ids: list[bytes],
        offset: Cursor | None,
        maybe: frozenset[tuple[bytes, int]] = frozenset(),
    ) -> None:
        front = self.fronts[number]
        self.requests += 1
        epoch, position = (0, 0) if offset is None else (EPOCH, offset.position)
        connections = [1 + self.count(front, an_id) for an_id in ids]
        for an_id in ids:
            if an_id not in self.kept_since:
                self.kept_since[an_id] = self.now
            self.left.pop(an_id, None)
        answers = self.say(
            front, wire.Login(0, ids, connections), wire.Resume(self.requests, ids, epoch, position)
        )
        [resumed] = [one for one in answers if type(one) is wire.Resumed]
        client = Client(front, ids, offset or Cursor(0, len(self.sent), frozenset(), self.now))
        self.clients.append(client)
        if offset is not None:
            for an_id, message, at in resumed.messages:
                self.see(client, (an_id, int(message)), at)
            missing = {one for one in self.sent[offset.place :] if one[0] in ids} - client.offset.seen - maybe
            if missing:
                assert resumed.gap == wire.EVICTED, "missed in silence"
            elif position == self.router.mailboxes.position:
                assert not resumed.gap, "nothing was sent since"
            if self.now - offset.at < KEPT_S and all(self.kept_since[an_id] < offset.at for an_id in ids):
                assert not resumed.gap, "all of it had to be kept"
        else:
            assert (resumed.gap, resumed.messages) == ("", [])
        client.offset = Cursor(resumed.position, len(self.sent), frozenset(), self.now)

    @rule(which=st.integers(0, 5), back=st.integers(0, 2))
    def leave(self, which: int, back: int) -> None:
        """A client goes."""
        if not self.clients:
            return
        client = self.clients.pop(which % len(self.clients))
        self.away.append((client.ids, client.offset))
        self.log_out(client)

    def log_out(self, client: Client) -> None:
        for an_id in client.ids:
            count = self.count(client.front, an_id)
            self.say(client.front, wire.Login(0, [an_id], [count]) if count else wire.Logout(0, [an_id]))
        self.gone(client.ids)

    def gone(self, ids: list[bytes]) -> None:
        """On one connection less: if it was the last, the router has to know it for a while."""
        held = {an_id for client in self.clients for an_id in client.ids}
        if not held.issuperset(ids):
            self.left |= {an_id: self.now for an_id in ids if an_id not in held}
            if len(self.left) > LIMITS.mailbox_ids:
                # Of those that left at about the same time, which has to make room is not said.
                first = min(self.left.values())
                for one in [one for one, at in self.left.items() if at - first < 1.0]:
                    self.forget(one)

    def forget(self, an_id: bytes) -> None:
        del self.left[an_id]
        del self.kept_since[an_id]

    @rule(pairs=st.lists(st.sampled_from(IDS), min_size=1, max_size=4), is_keyed=st.booleans())
    def send(self, pairs: list[bytes], is_keyed: bool) -> None:
        some = [(an_id, self.number()) for an_id in pairs]
        self.sent += some
        counts = [sum(an_id in client.ids for client in self.clients) for an_id in pairs]
        key = b"key%d" % self.numbers if is_keyed else b""
        message = wire.Send(9, [(an_id, b"%d" % number) for an_id, number in some], key)
        [receipts] = self.say(SENDER, message)
        for an_id, count, handed in zip(pairs, counts, receipts.receipts[0][1], strict=True):
            assert max(handed, 0) == count
            if not count and an_id in self.left and self.now - self.left[an_id] < KEPT_S:
                assert handed == wire.KEPT

    @rule(publisher=st.sampled_from(sorted(PUBLISHERS)))
    def publish(self, publisher: bytes) -> None:
        number = self.number()
        self.sent += [(an_id, number) for an_id in PUBLISHERS[publisher]]
        self.say(SENDER, wire.Publish(9, [(publisher, b"%d" % number)]))

    @rule(
        which=st.integers(0, 5),
        ids=SOME_IDS,
        publisher=st.sampled_from(sorted(PUBLISHERS)),
        back=st.integers(0, 3),
    )
    def be_cut_off(self, which: int, ids: list[bytes], publisher: bytes, back: int) -> None:
        """A client gets only the first of what a burst has for it."""
        if not self.clients:
            return
        client = self.clients[which % len(self.clients)]
        before = client.offset
        number = self.number()
        some = [(an_id, self.number()) for an_id in ids]
        self.sent += some
        self.sent += [(an_id, number) for an_id in PUBLISHERS[publisher]]
        steps: list[Cursor] = [before]
        see = self.see

        def note(one: Client, what: tuple[bytes, int], position: int) -> None:
            see(one, what, position)
            if one is client:
                steps.append(client.offset)

        self.see = note  # type: ignore[method-assign, assignment]
        self.say(
            SENDER,
            wire.Send(0, [(an_id, b"%d" % number) for an_id, number in some]),
            wire.Publish(0, [(publisher, b"%d" % number)]),
        )
        self.see = see  # type: ignore[method-assign]
        client.offset = steps[min(back, len(steps) - 1)]
        self.clients.remove(client)
        self.away.append((client.ids, client.offset))
        self.log_out(client)

    @rule(number=st.integers(0, 1))
    def lose_a_frontend(self, number: int) -> None:
        """It goes, its clients with it, and another is there."""
        front = self.fronts[number]
        self.say(front, wire.Goodbye(0))
        ids: list[bytes] = []
        for client in [client for client in self.clients if client.front == front]:
            self.clients.remove(client)
            self.away.append((client.ids, client.offset))
            ids += client.ids
        self.gone(ids)
        self.link(number)

    @rule(seconds=st.sampled_from([0.25, 1.0, 20.0, 60.0]))
    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += min(1.0, seconds)
            self.router.tick(self.now)
            self.flush()
        self.age()

    @rule(seconds=st.sampled_from([5.0, 60.0, 500.0]))
    def stop_the_router(self, seconds: float) -> None:
        """No tick for so long; what comes next is taken before it."""
        self.now += seconds
        self.age()

    def age(self) -> None:
        for an_id in [an_id for an_id, at in self.left.items() if self.now - at >= KEPT_S]:
            self.forget(an_id)

    @rule()
    def tick(self) -> None:
        self.router.tick(self.now)
        self.flush()

    @invariant()
    def is_bounded(self) -> None:
        assert self.router.table.lingering <= LIMITS.mailbox_ids

    # ---- inside

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def count(self, front: bytes, an_id: bytes) -> int:
        return sum(client.front == front and an_id in client.ids for client in self.clients)


def delivered(frame: bytes) -> list[tuple[bytes, bytes, int]]:
    """Each message of a Deliver frame for one id, with its position."""
    message = wire.decode_from_router(frame)
    assert isinstance(message, wire.Deliver)
    return [*message.messages, *message.fanned()]


TestComebacks = Comebacks.TestCase
TestComebacks.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
