"""Sessions and a router, linked by lists: whatever breaks, the router ends up knowing what is held."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrouter import wire
from zrouter.errors import LinkLostError, RefusedError, RouterError
from zrouter.link.resumption import Resumption
from zrouter.link.session import Session
from zrouter.routing.limits import Limits
from zrouter.routing.router import Router
from zrouter.wire.offset import Offset

IDS = [b"a", b"b", b"c"]
FRONTENDS = 2
READ = msgspec.msgpack.Decoder(wire.ToRouter).decode
ANSWER_S = 5.0  # what is not answered for so long is asked again
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

    def __init__(self, limits: Limits = NO_MAILBOXES) -> None:
        self.now = 0.0
        self.limits = limits
        self.frontends = [End(f"f{number}") for number in range(FRONTENDS)]
        self.sender = End("s0")
        self.ends = [*self.frontends, self.sender]
        self._numbers = count(1)
        self.start_router()

    def start_router(self) -> None:
        """Another one, which knows nobody."""
        self.router = Router(next(self._numbers), self.limits)
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

    def turn(self, drops: bool = False) -> bool:
        """What everybody has to say goes over the link, once; whether there was anything.

        `drops`: nobody takes an answer, so the router has to drop it.
        """
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
            if address not in by_address or drops:
                self.router.unanswered(address, frame, gone=address not in by_address)
            else:
                self._arrives(by_address[address], frame)
        return said

    def _arrives(self, end: End, frame: bytes) -> None:
        message = end.session.receive(frame, self.now)
        if isinstance(message, wire.Resumed):
            end.session.resumed(message)
        elif isinstance(message, wire.Deliver):
            end.got += [(an_id, body) for an_id, body, _ in message.messages]

    def settle(self) -> None:
        """Until nobody has anything more to say; so long that who was forgotten has found out."""
        for end in self.ends:
            self.connect(end)
        self.exchange()
        self.passes(ANSWER_S + 1.0, ticks=True)
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


STEP = st.one_of(
    st.tuples(st.just("holds"), st.integers(0, FRONTENDS - 1), st.sampled_from(IDS), st.integers(0, 3)),
    st.tuples(st.sampled_from(["cut", "connect", "hello"]), st.integers(0, FRONTENDS)),
    st.tuples(st.sampled_from(["turn", "router", "freeze", "pass"])),
)
STEPS = st.lists(STEP, max_size=30)
# The session's own questions are asked again; whoever asks himself has a time-out of his own.
STEPS_AND_DROPS = st.lists(st.one_of(STEP, st.just(("drop",))), max_size=30)


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
        case ("hello", int(number)):
            end = link.ends[number]
            if end.address is not None and end.session.welcome is not None:
                end.session.renew(link.now)
        case ("turn",):
            link.turn()
        case ("drop",):
            link.turn(drops=True)
        case ("router",):
            link.start_router()
        case ("freeze",):  # of all peers, for longer than their lease
            link.passes(3.0, ticks=False)
        case ("pass",):
            link.passes(1.0, ticks=True)


@given(STEPS_AND_DROPS)
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


@given(STEPS_AND_DROPS, st.lists(st.sampled_from(IDS), min_size=1, max_size=10))
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


def _welcome(epoch: int) -> bytes:
    return wire.encode(wire.Welcome(1, epoch, 2500, 833, 65536, 1 << 20, 1 << 26))


def test_a_welcome_that_is_read_after_its_connection_broke_makes_nobody_known() -> None:
    session = Session("f1", b"iiiiiiii", 0.0, lambda: [b"a"], lambda _: 1)
    session.opened(0.0)
    session.outgoing(0.0)
    session.closed()
    session.receive(_welcome(7), 0.1)
    assert session.welcome is None
    assert session.outgoing(0.1) == [], "so nothing waits to go onto the next connection before its Hello"
    session.opened(0.2)
    assert [type(wire.decode_to_router(frame)) for frame in session.outgoing(0.2)] == [wire.Hello]
    session.receive(_welcome(8), 0.3)
    assert session.welcome is not None
    assert session.welcome.epoch == 8
    assert [type(wire.decode_to_router(frame)) for frame in session.outgoing(0.3)][-1] is wire.Login


def test_whoever_took_an_earlier_routers_welcome_for_this_ones_greets_again_at_the_next_pulse() -> None:
    session = Session("f1", b"iiiiiiii", 0.0, lambda: [b"a"], lambda _: 1)
    session.opened(0.0)
    session.receive(_welcome(7), 0.1)
    session.outgoing(0.1)
    session.receive(wire.encode(wire.Pulse(7, 0)), 0.2)
    assert session.welcome is not None
    session.receive(wire.encode(wire.Pulse(8, 0)), 0.3)
    assert session.welcome is None
    session.receive(wire.encode(wire.Pulse(8, 0)), 0.4)
    hellos = [type(wire.decode_to_router(frame)) for frame in session.outgoing(0.4)]
    assert hellos == [wire.Hello], "once"
    session.receive(_welcome(8), 0.5)
    assert session.welcome.epoch == 8


def test_what_was_asked_before_a_hello_and_is_not_answered_before_the_welcome_has_failed() -> None:
    session = Session("f1", b"iiiiiiii", 0.0)
    session.opened(0.0)
    session.receive(_welcome(7), 0.0)
    answers: dict[str, object] = {}
    for name in ("refused", "dropped"):
        session.ask(lambda request: wire.Who(request, [b"a"]), partial(answers.__setitem__, name))
    refused = min(session._waiting)
    session.outgoing(0.0)
    session.ask(lambda request: wire.Who(request, [b"a"]), partial(answers.__setitem__, "later"))
    session.receive(wire.encode(wire.Error(refused, wire.SAY_HELLO, "")), 0.1)
    kinds = [type(wire.decode_to_router(frame)) for frame in session.outgoing(0.1)]
    assert kinds == [wire.Hello]
    assert answers == {}
    session.receive(_welcome(7), 0.2)
    assert isinstance(answers.pop("dropped"), LinkLostError)
    again = [wire.decode_to_router(frame) for frame in session.outgoing(0.2)]
    assert wire.Who(refused, [b"a"]) in again, "which the router did not act on"
    session.receive(wire.encode(wire.Holders(refused, [])), 0.3)
    session.receive(wire.encode(wire.Holders(refused + 2, [])), 0.3)
    assert list(answers) == ["refused", "later"]


def _with_waiting(clients: list[int]) -> tuple[Session, list[int]]:
    """A session whose clients come back as one id, and those that were told what they missed."""
    told: list[int] = []
    resumption = Resumption(list, lambda _: [b"a"], lambda _: None, lambda client, _: told.append(client))
    session = Session("f1", b"iiiiiiii", 0.0, lambda: [b"a"], lambda _: 1, resumption=resumption)
    session.opened(0.0)
    session.receive(_welcome(7), 0.0)
    for client in clients:
        resumption.begin(client, Offset(7, 3))
    return session, told


def _logins_and_resumes(session: Session, now: float) -> list[wire.Login | wire.Resume]:
    messages = [wire.decode_to_router(frame) for frame in session.outgoing(now)]
    return [one for one in messages if isinstance(one, wire.Login | wire.Resume)]


def test_a_resumed_whose_logins_were_not_answered_counts_for_nothing() -> None:
    """The router may have refused them: then the client is told of what came up to now, and gets no more."""
    session, told = _with_waiting([1])
    for _ in range(2):
        login, resume = _logins_and_resumes(session, 0.1)
        session.resumed(wire.Resumed(resume.request, 9, "", []))
        assert told == []
    login, resume = _logins_and_resumes(session, 0.2)
    session.receive(wire.encode(wire.Done(login.request, 1)), 0.3)
    session.resumed(wire.Resumed(resume.request, 9, "", []))
    assert told == [1]


def test_no_resumed_counts_that_was_asked_behind_a_login_whose_answer_was_dropped() -> None:
    """However many there are: the first one shows that it was dropped, the others came behind it too."""
    clients = [1, 2, 3]
    session, told = _with_waiting(clients)
    _, *resumes = _logins_and_resumes(session, 0.1)
    assert len(resumes) == len(clients)
    for resume in resumes:
        session.resumed(wire.Resumed(resume.request, 9, "", []))
    assert told == []
    login, *resumes = _logins_and_resumes(session, 0.2)
    session.receive(wire.encode(wire.Done(login.request, 1)), 0.3)
    for resume in resumes:
        session.resumed(wire.Resumed(resume.request, 9, "", []))
    assert sorted(told) == clients


def test_logins_are_not_remembered_for_a_question_that_nobody_asks() -> None:
    resumption = Resumption(list, lambda _: [], lambda _: None, lambda client, _: None)
    session = Session("f1", b"iiiiiiii", 0.0, lambda: [b"a"], lambda _: 1, resumption=resumption)
    session.opened(0.0)
    session.receive(_welcome(7), 0.0)
    for turn in range(1000):
        session.changed(b"a")
        for frame in session.outgoing(turn / 1000):
            message = wire.decode_to_router(frame)
            if isinstance(message, wire.Login):
                session.receive(wire.encode(wire.Done(message.request, 1)), turn / 1000)
    assert len(session._login_requests) < 10


def test_a_client_whose_ids_fit_no_frame_is_told_where_it_is_and_of_a_gap() -> None:
    told: list[wire.Resumed] = []
    many = [b"%d" % number + b"x" * 200 for number in range(20)]
    resumption = Resumption(list, lambda _: many, lambda _: None, lambda _, answer: told.append(answer))
    resumption.welcomed(7)
    for position, gap in ((8, wire.EVICTED), (9, "")):
        resumption.begin(1, Offset(7, position))
        [(make, on_answer)] = resumption.requests(1000)
        assert len(wire.encode(make(5))) <= 1000
        on_answer(wire.Resumed(5, 9, "", []))
        assert told.pop() == wire.Resumed(5, 9, gap, [])
        assert 1 not in resumption


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


def known(link: Link, end: End) -> set[bytes]:
    """The ids that the router knows of this end."""
    return {an_id for peer in link.router.peers for an_id in peer.held if peer.name == end.session.name}


def hold(end: End, ids: list[bytes]) -> None:
    for an_id in ids:
        end.held[an_id] = 1
        end.session.changed(an_id)


def test_portions_of_long_ids_fit_the_routers_frame() -> None:
    limits = Limits(mailbox_s=0, max_frame=66_000, max_message=65_000)
    link = Link(limits)
    end = link.frontends[0]
    hold(end, [b"%d-" % number + b"x" * 240 for number in range(3000)])
    link.settle()
    assert known(link, end) == set(end.held)
    assert link.router.counters.errors == 0


def test_an_id_is_never_too_long_for_a_portion() -> None:
    link = Link(Limits(mailbox_s=0, max_frame=300, max_message=100))
    end = link.frontends[0]
    hold(end, [b"%d-" % number + b"x" * 250 for number in range(10)])
    link.settle()
    assert known(link, end) == set(end.held)


def test_what_is_refused_for_want_of_room_is_told_again_in_seconds_and_as_much_of_it_as_fits() -> None:
    link = Link(Limits(mailbox_s=0, max_ids=100))
    one, other = link.frontends
    hold(one, [b"%d" % number for number in range(80)])
    link.settle()
    hold(other, [b"o%d" % number for number in range(50)])
    link.exchange()
    assert known(link, other) == set(), "the portion was refused as a whole"
    assert other.session.refused_login is not None
    link.passes(30.0, ticks=True)
    assert 19 <= len(known(link, other)) <= 20
    errors = link.router.counters.errors
    link.passes(20.0, ticks=True)
    assert link.router.counters.errors - errors <= 20 / 2 + 1, "not a storm"
    for an_id in list(one.held)[:50]:
        del one.held[an_id]
        one.session.changed(an_id)
    link.passes(20.0, ticks=True)
    assert known(link, other) == set(other.held)
    assert known(link, one) == set(one.held)


def test_watches_are_told_again_as_well() -> None:
    link = Link(Limits(mailbox_s=0, max_watches=10))
    watched = {name: {b"%s%d" % (name.encode(), number) for number in range(8)} for name in ("w0", "w1")}
    ends = []
    for name, ids in watched.items():
        end = End(name)
        end.session = Session(
            name, name.encode() * 4, 0, watching=partial(list, ids), is_watched=ids.__contains__
        )
        link.ends.append(end)
        ends.append(end)
        link.connect(end)
    link.settle()
    assert 8 <= link.router.watches.watches <= 10
    first = ends[0] if ends[0].session.refused_watch is None else ends[1]
    gone = watched[first.session.name]
    before = list(gone)
    gone.clear()
    for an_id in before:
        first.session.watch_changed(an_id)
    link.passes(20.0, ticks=True)
    assert link.router.watches.watches == 8, "all of the other one's"


def test_a_client_whose_id_is_refused_is_told_nothing_until_it_is_logged_in() -> None:
    told: list[tuple[int, wire.Resumed]] = []
    ids: dict[int, list[bytes]] = {}
    resumption = Resumption(
        lambda: list(ids),
        ids.__getitem__,
        lambda _: None,
        lambda client, answer: told.append((client, answer)),
    )
    link = Link(Limits(max_ids=1))
    end = End("r0")
    end.session = Session(
        "r0", b"iiiiiiii", 0, lambda: end.held, lambda an_id: end.held.get(an_id, 0), resumption=resumption
    )
    link.ends.append(end)

    def come(client: int, an_id: bytes) -> None:
        ids[client] = [an_id]
        hold(end, ids[client])

    link.settle()
    come(1, b"a")
    resumption.greet(1)
    link.exchange()
    come(2, b"b")
    resumption.greet(2)
    link.exchange()
    come(3, b"c")
    resumption.begin(3, Offset(link.router.epoch, 0))
    link.passes(10.0, ticks=True)
    assert [client for client, _ in told] == [1], "the others are not logged in"
    assert len(resumption) == 2
    resumption.end(1)
    del end.held[b"a"]
    del ids[1]
    end.session.changed(b"a")
    link.passes(10.0, ticks=True)
    assert len(told) == 2
    client = told[1][0]
    end.held.pop(ids[client][0])
    end.session.changed(ids[client][0])
    del ids[client]
    link.passes(10.0, ticks=True)
    assert {client for client, _ in told} == {1, 2, 3}
    assert len(resumption) == 0


def test_questions_that_the_router_has_no_room_for_are_asked_again_in_seconds_not_at_once() -> None:
    asked: list[wire.Message] = []
    told: list[int] = []
    resumption = Resumption(
        lambda: [1], lambda _: [b"a"], lambda _: None, lambda client, _: told.append(client)
    )
    resumption.welcomed(7)
    resumption.begin(1, Offset(7, 5))
    refused = RefusedError(wire.FULL, "too many wait")

    def ask(answer: object) -> None:
        for make, on_answer in list(resumption.requests()):
            asked.append(make(1))
            on_answer(answer)

    ask(refused)
    assert len(asked) == 1
    assert not resumption.has_requests()
    for tenth in range(100):
        resumption.tick(tenth / 10)
        ask(refused)
    assert 4 <= len(asked) <= 6, "every two seconds"
    resumption.tick(20.0)
    resumption.tick(23.0)
    ask(wire.Resumed(1, 9, "", []))
    assert told == [1]


def test_where_all_are_is_asked_for_when_nothing_tells_it_for_long() -> None:
    resumption = Resumption(list, lambda _: [], lambda _: None, lambda client, _: None)
    resumption.welcomed(7)
    asked = 0
    for second in range(100):
        resumption.tick(float(second))
        for make, on_answer in list(resumption.requests()):
            make(1)
            asked += 1
            on_answer(wire.Resumed(1, 1000 + second, "", []))
    assert 3 <= asked <= 5
    assert resumption.here.position > 1070


@pytest.mark.parametrize("what", ["login", "watch", "resume", "greet"])
def test_what_is_not_answered_is_asked_again_within_seconds(what: str) -> None:
    told: list[int] = []
    resumption = Resumption(list, lambda _: [b"a"], lambda _: None, lambda client, _: told.append(client))
    link = Link(Limits())
    end = End("r0")
    end.session = Session(
        "r0", b"iiiiiiii", 0, lambda: end.held, lambda an_id: end.held.get(an_id, 0), resumption=resumption,
        watching=lambda: [b"w"], is_watched=lambda an_id: an_id == b"w",
    )  # fmt: skip
    link.ends.append(end)
    link.settle()
    hold(end, [b"a"])
    if what == "resume":
        resumption.begin(1, Offset(link.router.epoch, 0))
    elif what == "greet":
        resumption.greet(1)
    elif what == "watch":
        end.session.watch_changed(b"w")
    link.turn(drops=True)
    link.turn(drops=True)
    assert not end.session.is_settled() or len(resumption) == 1
    link.passes(ANSWER_S + 1, ticks=True)
    assert end.session.is_settled()
    assert told == ([1] if what in ("resume", "greet") else [])
    assert not end.session._waiting, "and nobody waits for what will not come"


def test_what_was_on_no_link_when_that_broke_is_sent_on_the_next_one_in_its_order() -> None:
    session = Session("me", b"instance", 30.0)
    welcome(session)
    answers: list[list[Any]] = [[], [], []]
    session.ask(wire.Stats, answers[0].append)
    assert kinds(session) == [wire.Stats]
    session.ask(lambda request: wire.Who(request, [b"a"]), answers[1].append)
    session.send_unreceipted([(b"a", b"x")])
    session.ask(lambda request: wire.Kick(request, [b"a"]), answers[2].append)
    session.closed()
    assert [type(one) for one in answers[0]] == [LinkLostError]
    assert answers[1:] == [[], []]
    assert not session.outgoing(2.0)
    session.opened(3.0)
    assert kinds(session) == [wire.Hello]
    session.receive(wire.encode(WELCOME), 4.0)
    assert kinds(session) == [wire.Who, wire.Send, wire.Kick]
    session.ended()
    assert [type(one[0]) for one in answers] == [LinkLostError] * 3


def test_what_is_given_up_before_it_was_on_the_link_is_never_sent() -> None:
    session = Session("me", b"instance", 30.0)
    welcome(session)
    session.give_up(session.ask(wire.Stats, print))
    session.ask(lambda request: wire.Who(request, [b"a"]), print)
    assert kinds(session) == [wire.Who]


def test_what_a_router_refused_because_it_did_not_know_us_goes_before_what_was_asked_for_later() -> None:
    session = Session("me", b"instance", 30.0)
    welcome(session)
    first = session.ask(wire.Stats, print)
    assert kinds(session) == [wire.Stats]
    session.ask(lambda request: wire.Who(request, [b"a"]), print)
    session.receive(wire.encode(wire.Error(first, wire.SAY_HELLO, "", 0)), 2.0)
    assert kinds(session) == [wire.Hello]
    session.receive(wire.encode(WELCOME), 3.0)
    assert kinds(session) == [wire.Stats, wire.Who]


def test_a_pause_leaves_nothing_unconfirmed_that_the_router_took_before_it() -> None:
    """Then a client greets anew: the router, which begins to count anew, has read all before that."""
    session = Session("me", b"instance", 30.0)
    welcome(session)
    session.send_unreceipted([(b"a", b"x")] * 10)
    session.outgoing(2.0)
    assert session.is_stale(27.0)
    session.renew(27.0)
    session.receive(wire.encode(wire.Error(0, wire.TOO_LARGE, "", 3)), 27.0)
    session.send_unreceipted([(b"a", b"x")] * 100)
    session.receive(wire.encode(WELCOME), 27.0)
    assert session.unconfirmed == 3 + 100
    session.confirmed(60)
    assert session.unconfirmed == 3 + 40


def test_what_a_link_carried_that_broke_is_never_confirmed_by_the_next_one() -> None:
    session = Session("me", b"instance", 30.0)
    welcome(session)
    session.send_unreceipted([(b"a", b"x")] * 10)
    session.outgoing(2.0)
    session.closed()
    session.opened(3.0)
    session.receive(wire.encode(WELCOME), 3.0)
    session.renew(27.0)
    session.receive(wire.encode(WELCOME), 27.0)
    assert session.unconfirmed == 10


WELCOME = wire.Welcome(wire.VERSION, 1, 30_000, 10_000, 65_536, 1_048_576, 1 << 26)


def welcome(session: Session) -> None:
    """Let it be known to a router that has nothing to say."""
    session.opened(0.0)
    session.outgoing(0.0)
    session.receive(wire.encode(WELCOME), 1.0)
    session.tick(1.0)
    session.outgoing(1.0)  # a heartbeat


def kinds(session: Session) -> list[type]:
    """What it has to say now."""
    return [type(READ(frame)) for frame in session.outgoing(2.0)]
