"""Sessions and a router, linked by lists: whatever breaks, the router ends up knowing what is held."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from zrouter import wire
from zrouter.limits import Limits
from zrouter.router import Router
from zrouter.session import RouterError, Session

IDS = [b"a", b"b", b"c"]
FRONTENDS = 2
NO_MAILBOXES = Limits(mailbox_s=0)


class End:
    """A peer and its end of the link; `address` is what the router calls its connection, if there is one."""

    def __init__(self, name: str) -> None:
        self.held: dict[bytes, int] = {}
        self.got: list[tuple[bytes, bytes]] = []
        self.address: bytes | None = None
        self.session = Session(
            name, name.encode() * 4, 0, lambda: self.held, lambda an_id: self.held.get(an_id, 0)
        )


class Link:
    """The router's end, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.frontends = [End(f"f{number}") for number in range(FRONTENDS)]
        self.sender = End("s0")
        self.ends = [*self.frontends, self.sender]
        self._numbers = count(1)
        self.start_router()

    def start_router(self) -> None:
        """Another one, which knows nobody."""
        self.router = Router(next(self._numbers), NO_MAILBOXES)
        for end in self.ends:
            self.cut(end)
            self.connect(end)

    def cut(self, end: End) -> None:
        if end.address is not None:
            end.address = None
            end.session.closed()

    def connect(self, end: End) -> None:
        if end.address is None:
            end.address = b"\0%d" % next(self._numbers)
            end.session.opened(self.now)

    def turn(self) -> bool:
        """What everybody has to say goes over the link, once; whether there was anything."""
        arrivals = []
        for end in self.ends:
            if end.address is not None:
                arrivals += [(end.address, frame) for frame in end.session.outgoing(self.now)]
        self.router.receive(arrivals, self.now)
        by_address = {end.address: end for end in self.ends}
        said = bool(arrivals)
        for address, frame in self.router.deliveries():
            said = True
            if address not in by_address:
                self.router.undeliverable(address, frame, gone=True)
            else:
                self._arrives(by_address[address], frame)
        for address, frame in self.router.replies():
            said = True
            if address not in by_address:
                self.router.unanswered(address, frame, gone=True)
            else:
                self._arrives(by_address[address], frame)
        return said

    def _arrives(self, end: End, frame: bytes) -> None:
        message = end.session.receive(frame, self.now)
        if isinstance(message, wire.Deliver):
            end.got += [(an_id, body) for an_id, body, _ in message.messages]

    def settle(self) -> None:
        """Until nobody has anything more to say; so long that who was forgotten has found out."""
        for end in self.ends:
            self.connect(end)
        self.exchange()
        self.passes(1.0, ticks=True)
        self.exchange()

    def exchange(self) -> None:
        """Until nobody has anything more to say now."""
        for _ in range(100):
            if not self.turn():
                return
        raise AssertionError("they never stop")

    def passes(self, seconds: float, *, ticks: bool) -> None:
        """So much time, in which the router looks and the peers may be away."""
        for _ in range(round(seconds * 4)):
            self.now += 0.25
            for end in self.ends if ticks else ():
                if not end.session.tick(self.now):
                    self.cut(end)
                    self.connect(end)
            self.router.tick(self.now)
            self.turn()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("holds"), st.integers(0, FRONTENDS - 1), st.sampled_from(IDS), st.integers(0, 3)),
        st.tuples(st.sampled_from(["cut", "connect"]), st.integers(0, FRONTENDS)),
        st.tuples(st.sampled_from(["turn", "router", "freeze", "pass"])),
    ),
    max_size=30,
)


def carry_out(link: Link, step: tuple[object, ...]) -> None:
    match step:
        case ("holds", int(number), bytes(an_id), int(connections)):
            end = link.frontends[number]
            end.held.pop(an_id, None)
            if connections:
                end.held[an_id] = connections
            end.session.changed(an_id)
        case ("cut", int(number)):
            link.cut(link.ends[number])
        case ("connect", int(number)):
            link.connect(link.ends[number])
        case ("turn",):
            link.turn()
        case ("router",):
            link.start_router()
        case ("freeze",):  # of all peers, for longer than their lease
            link.passes(3.0, ticks=False)
        case ("pass",):
            link.passes(1.0, ticks=True)


@given(STEPS)
def test_whatever_breaks_the_router_ends_up_knowing_what_is_held(steps: list[tuple[object, ...]]) -> None:
    link = Link()
    for step in steps:
        carry_out(link, step)
    link.settle()
    for an_id in IDS:
        held = {end.session.name: end.held[an_id] for end in link.frontends if an_id in end.held}
        known = {holder.name: connections for holder, connections in link.router.table.holders(an_id)}
        assert known == held
    assert all(end.session.is_settled() for end in link.ends)


@given(STEPS, st.lists(st.sampled_from(IDS), min_size=1, max_size=10))
def test_then_each_message_reaches_each_holder_once_in_order_and_its_receipt_is_their_sum(
    steps: list[tuple[object, ...]], to: list[bytes]
) -> None:
    link = Link()
    for step in steps:
        carry_out(link, step)
    link.settle()
    for end in link.frontends:
        end.got.clear()
    pairs = [(an_id, b"%d" % number) for number, an_id in enumerate(to)]
    answers: list[object] = []
    link.sender.session.ask(lambda request: wire.Send(request, pairs), answers.append)
    link.settle()
    assert answers == [[sum(end.held.get(an_id, 0) for end in link.frontends) for an_id in to]]
    for end in link.frontends:
        assert end.got == [pair for pair in pairs if pair[0] in end.held]


@given(STEPS)
def test_every_question_gets_one_answer_or_one_error(steps: list[tuple[object, ...]]) -> None:
    link = Link()
    answers: list[list[object]] = []
    for step in steps:
        answers.append([])
        if link.sender.address is not None:
            link.sender.session.ask(lambda request: wire.Who(request, IDS), answers[-1].append)
        else:
            answers.pop()
        carry_out(link, step)
    link.settle()
    for found in answers:
        assert len(found) == 1
        assert isinstance(found[0], wire.Holders | RouterError)


def test_a_process_that_was_stopped_takes_what_came_before_it_judges_the_link() -> None:
    session = Session("f1", b"iiiiiiii", 0.0)
    session.opened(0.0)
    session.receive(wire.encode(wire.Welcome(1, 7, 2500, 833, 1000, 1000, 1000)), 0.0)
    assert session.tick(0.25)
    assert session.tick(60.0), "it heard nothing because it did not run"
    for tenth in range(600, 620):
        assert session.tick(tenth / 10)
    assert not all(session.tick(tenth / 10) for tenth in range(620, 630)), "now it is the router's silence"


def test_a_large_share_of_a_publish_is_acknowledged_at_once_and_a_small_one_is_not() -> None:
    session = Session("f1", b"iiiiiiii", 0.0)
    session.opened(0.0)
    session.receive(wire.encode(wire.Welcome(1, 7, 2500, 833, 1000, 1000, 2**26)), 0.0)
    session.tick(0.0)
    session.outgoing(0.0)
    small = wire.encode(wire.Deliver(0, [], [(1, b"x", [b"a"] * (wire.FAN_IDS - 1))]))
    session.receive(small, 0.1)
    assert session.outgoing(0.1) == []
    large = wire.encode(wire.Deliver(wire.FAN_IDS - 1, [], [(2, b"x", [b"a"] * wire.FAN_IDS)]))
    session.receive(large, 0.2)
    assert session.outgoing(0.2) == [wire.encode(wire.Heartbeat(len(small) + len(large)))]
    assert session.lost_messages == 0
