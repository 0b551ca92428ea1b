"""Revoked tokens in the router: what is remembered, who is told, what waits for the disk."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zrouter import wire
from zrouter.link.revocation_feed import RevocationFeed
from zrouter.routing.limits import Limits
from zrouter.routing.router import Router
from zrouter.tokens.revocations import RevokedTokens
from zrouter.wire import REVOKED_ALL, REVOKED_JTI, REVOKED_SUB, Revocation

FRONT, ADMIN = b"\0front", b"\0admin"


class Scene:
    """A router with a frontend and somebody who revokes; `now` is Unix time."""

    def __init__(self, most: int = 100_000, is_kept: bool = False) -> None:
        self.now = 1_000_000.0
        self.monotonic = 0.0
        self.router = Router(
            7, Limits(max_revocations=most), unix_time=lambda: self.now, keeps_revocations=is_kept
        )
        self.out: list[tuple[bytes, wire.Message]] = []
        for address in (FRONT, ADMIN):
            self.say(address, wire.Hello(wire.VERSION, address.decode(), address * 2, 60_000))

    def say(self, address: bytes, message: wire.ToRouter) -> list[wire.Message]:
        """What that peer is told because of it."""
        self.router.receive([(address, wire.encode(message))], self.monotonic)
        return self.flush(address)

    def flush(self, address: bytes) -> list[wire.Message]:
        self.router.deliveries()
        out = [(to, wire.decode_from_router(frame)) for to, frame in self.router.replies()]
        self.out += out
        return [message for to, message in out if to == address]

    def revoke(self, *revocations: Revocation) -> wire.Message:
        (answer,) = self.say(ADMIN, wire.Revoke(1, list(revocations)))
        return answer

    def ask(self, after: int = 0) -> list[Revocation]:
        """All pages."""
        found: list[Revocation] = []
        while True:
            (page,) = (
                one for one in self.say(FRONT, wire.Revocations(5, after)) if isinstance(one, wire.Revoked)
            )
            assert page.after == after
            assert len(wire.encode(page)) < 20_000
            found += page.revocations
            after = page.last
            if not page.more:
                assert after == self.router.revocations.last
                return found

    def tick(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.monotonic += 1.0
        self.router.tick(self.monotonic)

    def sub(self, name: bytes, for_s: int = 100) -> Revocation:
        return REVOKED_SUB, name, int(self.now), int(self.now) + for_s


def test_a_frontend_that_asked_is_told_at_once_and_others_are_not() -> None:
    scene = Scene()
    assert scene.revoke(scene.sub(b"before")) == wire.Done(1, 0)
    assert scene.ask() == [scene.sub(b"before")]
    assert scene.revoke(scene.sub(b"ann"), (REVOKED_JTI, b"x", 0, int(scene.now) + 9)) == wire.Done(1, 1)
    news = [message for to, message in scene.out if isinstance(message, wire.Revoked) and not message.request]
    assert news == [
        wire.Revoked(0, 1, 3, False, [scene.sub(b"ann"), (REVOKED_JTI, b"x", 0, int(scene.now) + 9)])
    ]


def test_a_long_list_comes_in_pages_and_each_once() -> None:
    scene = Scene()
    names = [b"%d" % number for number in range(1000)] + [b"%0255d" % number for number in range(500)]
    for at in range(0, len(names), 250):
        scene.revoke(*map(scene.sub, names[at : at + 250]))
    found = scene.ask()
    assert [value for _, value, _, _ in found] == names
    assert scene.ask(after=1400) == found[1400:]
    assert scene.ask(after=99_999) == []


def test_twice_is_as_once_and_the_later_counts() -> None:
    scene = Scene()
    now = int(scene.now)
    for before, until in ((10, now + 10), (30, now + 5), (20, now + 20)):
        scene.revoke((REVOKED_SUB, b"ann", before, until))
    assert scene.ask() == [(REVOKED_SUB, b"ann", 30, now + 20)]
    assert len(scene.router.revocations) == 1


def test_one_that_is_over_is_forgotten_and_not_before() -> None:
    scene = Scene()
    scene.revoke(scene.sub(b"short", 10), scene.sub(b"long", 100))
    scene.revoke(scene.sub(b"short", 5))
    scene.tick(9)
    scene.flush(FRONT)
    assert len(scene.ask()) == 2
    scene.tick(1.5)
    scene.flush(FRONT)
    assert [value for _, value, _, _ in scene.ask()] == [b"long"]
    scene.tick(200)
    scene.flush(FRONT)
    assert scene.ask() == []
    assert len(scene.router.revocations) == 0


def test_where_there_is_no_room_all_of_a_frame_is_refused_and_nothing_is_forgotten() -> None:
    scene = Scene(most=3)
    scene.revoke(scene.sub(b"a"), scene.sub(b"b"))
    answer = scene.revoke(scene.sub(b"c"), scene.sub(b"d"))
    assert isinstance(answer, wire.Error)
    assert answer.code == wire.FULL
    assert [value for _, value, _, _ in scene.ask()] == [b"a", b"b"]
    assert scene.revoke(scene.sub(b"a", 500), scene.sub(b"c")) == wire.Done(1, 1)
    scene.tick(300)
    scene.flush(FRONT)
    assert scene.revoke(scene.sub(b"e"), scene.sub(b"f")) == wire.Done(1, 1)


def test_one_without_a_time_ends_connections_and_is_not_remembered() -> None:
    scene = Scene(is_kept=True)
    scene.ask()
    assert scene.revoke((REVOKED_SUB, b"ann", 2**53, 0)) == wire.Done(1, 1)
    assert (FRONT, wire.Revoked(0, 0, 0, False, [(REVOKED_SUB, b"ann", 2**53, 0)])) in scene.out
    assert scene.ask() == []
    assert scene.router.revocations.take() == []


@pytest.mark.parametrize(
    "wrong",
    [
        (REVOKED_SUB, b"", 1, 10**9), (REVOKED_SUB, b"x" * 256, 1, 10**6), (REVOKED_SUB, b"\xff", 1, 10**6),
        (REVOKED_JTI, b"", 1, 10**6), (REVOKED_ALL, b"x", 1, 10**6), (REVOKED_SUB, b"a", 2**53 + 1, 10**6),
        (REVOKED_SUB, b"a", 1, 2**40), (0, b"a", 1, 10**6), (4, b"a", 1, 10**6),
        (REVOKED_JTI, b"x" * 1021, 1, 10**6), (REVOKED_SUB, b"a", -1, 10**6),
    ],
)  # fmt: skip
def test_what_is_none_is_refused_with_all_that_came_with_it(wrong: Revocation) -> None:
    scene = Scene()
    assert isinstance(scene.revoke(scene.sub(b"good"), wrong), wire.Error)
    assert scene.ask() == []


def test_it_is_answered_when_it_is_on_disk_and_an_error_is_told() -> None:
    scene = Scene(is_kept=True)
    scene.ask()
    assert scene.say(ADMIN, wire.Revoke(1, [scene.sub(b"a")])) == []
    assert scene.say(ADMIN, wire.Revoke(2, [scene.sub(b"b")])) == []
    first, second = scene.router.revocations.take()
    assert (first.revocations, second.revocations) == ([scene.sub(b"a")], [scene.sub(b"b")])
    scene.router.revocations.stored(first.number, "")
    scene.router.revocations.stored(second.number, "disk full")
    done, failed = scene.flush(ADMIN)
    assert done == wire.Done(1, 1)
    assert isinstance(failed, wire.Error)
    assert (failed.request, failed.code) == (2, wire.STORE_FAILED)
    assert "disk full" in failed.text
    assert len(scene.ask()) == 2  # it holds all the same


def test_who_has_gone_meanwhile_is_answered_nothing() -> None:
    scene = Scene(is_kept=True)
    scene.say(ADMIN, wire.Revoke(1, [scene.sub(b"a")]))
    (job,) = scene.router.revocations.take()
    scene.say(ADMIN, wire.Goodbye(2))
    scene.router.revocations.stored(job.number, "")
    assert scene.flush(ADMIN) == []


def test_those_of_before_are_there_but_for_those_that_are_over() -> None:
    scene = Scene()
    scene.router.revocations.load([scene.sub(b"a"), (REVOKED_SUB, b"old", 1, 2)])
    assert scene.ask() == [scene.sub(b"a")]


def test_revoking_again_and_again_takes_no_more_memory() -> None:
    scene = Scene()
    for number in range(20_000):
        scene.revoke(scene.sub(b"%d" % (number % 10)))
    revocations = scene.router.revocations
    assert len(revocations) == 10
    assert len(revocations._log) < 2000
    assert len(revocations._ends) < 2000


# ---- the feed of a frontend ----------------------------------------------------------------------------


class Wire:
    """A frontend's feed on a router of which some answers, and some news, are lost."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.known = RevokedTokens(lambda: self.scene.now)
        self.feed = RevocationFeed(self.known.add)
        self.feed.welcomed(7)

    def turn(self, loses: bool) -> None:
        """Ask if that is due, and take what has come, unless it is lost."""
        waiting = None
        if self.feed.has_request():
            make, waiting = self.feed.request()
            self.scene.say(FRONT, make(1))  # type: ignore[arg-type]
        out, self.scene.out = self.scene.out, []
        answered = False
        for to, message in out:
            if to != FRONT or not isinstance(message, wire.Revoked) or loses:
                continue
            if message.request and waiting is not None:
                waiting(message)
                answered = True
            elif not message.request:
                self.feed.news(message)
        if waiting is not None and not answered:
            waiting(RuntimeError("lost"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), max_size=40))
def test_whatever_is_lost_a_frontend_knows_all_in_the_end(steps: list[tuple[int, bool, bool]]) -> None:
    link = Wire()
    revoked: Counter[bytes] = Counter()
    for number, loses, reconnects in steps:
        names = [b"%d-%d" % (number, each) for each in range(number * 10)][:250]
        if names:
            link.scene.revoke(*map(link.scene.sub, names))
            revoked.update(names)
        if reconnects:
            link.feed.welcomed(7)
        link.turn(loses)
    for _ in range(200):
        link.scene.router.revocations.remind()
        link.scene.flush(FRONT)
        link.turn(loses=False)
    assert link.feed.is_complete
    assert all(link.known.has(name, b"", None) for name in revoked)
    assert len(link.known) == len(revoked)


def test_nobody_is_logged_in_before_all_are_known() -> None:
    link = Wire()
    link.scene.revoke(*(link.scene.sub(b"%0255d" % number) for number in range(200)))
    turns = 0
    while not link.feed.is_complete:
        assert not link.known.has(b"%0255d" % 199, b"", None)
        link.turn(loses=False)
        turns += 1
    assert turns > 2
    assert link.known.has(b"%0255d" % 199, b"", None)
