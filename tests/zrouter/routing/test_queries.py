"""Who and Stats: peers take turns, a long one is answered some at a time, and none takes all there is."""

from __future__ import annotations

import pytest

from zrouter import wire
from zrouter.routing import limits
from zrouter.routing.peers import Peer
from zrouter.routing.queries import Queries
from zrouter.routing.router import Router
from zrouter.routing.routing_table import Holder
from zrouter.wire import WireError, encode

MANY = [b"%d" % number for number in range(wire.MAX_IDS_PER_FRAME)]


class World:
    """Questions, and the peers that ask them; every id is on one connection of `holders` frontends."""

    def __init__(self, holders: int = 1, max_answer: int = 1 << 20) -> None:
        self.peers: dict[bytes, Peer] = {}
        self.looked_up = self.made = 0
        self._holders = [(Holder(b"\0f%d" % number, "front"), 1) for number in range(holders)]
        self.questions = Queries(self._held, self._figures, self.peers.get, max_answer)

    def _held(self, an_id: bytes) -> list[tuple[Holder, int]]:
        self.looked_up += 1
        return self._holders

    def _figures(self) -> dict[str, int]:
        self.made += 1
        return {"ids": self.made}

    def peer(self, name: str) -> Peer:
        address = b"\0" + name.encode()
        self.peers[address] = Peer(address, name, bytes(8), 1.0, 0.0)
        return self.peers[address]

    def fill(self, peer: Peer, asked: wire.Who | wire.Stats) -> str:
        """Ask until that is refused; returns the code."""
        for _ in range(100_000):
            try:
                self.questions.add(peer, asked)
            except WireError as error:
                return error.code
        return ""

    def burst(self) -> list[tuple[bytes, wire.FromRouter]]:
        return [(address[1:], wire.decode_from_router(frame)) for address, frame in self.questions.answers()]


def test_a_long_question_takes_bursts_and_another_peers_short_one_does_not_wait_for_it() -> None:
    world = World()
    greedy, other = world.peer("greedy"), world.peer("other")
    world.questions.add(greedy, wire.Who(1, MANY))
    assert world.burst() == []
    world.questions.add(other, wire.Who(2, [b"a"]))
    world.burst()
    assert world.burst() + world.burst() == [(b"other", wire.Holders(2, [[("front", 1)]]))]
    answers = []
    while world.questions:
        before = world.looked_up
        answers += world.burst()
        assert world.looked_up - before <= limits.QUESTION_IDS
    assert answers == [(b"greedy", wire.Holders(1, [[("front", 1)]] * len(MANY)))]


def test_one_peer_has_at_most_half_of_what_may_wait_and_many_have_as_much_each() -> None:
    world = World()
    greedy = world.peer("greedy")
    assert world.fill(greedy, wire.Who(1, MANY)) == wire.FULL
    assert 5 <= len(world.questions) <= 10
    for number in range(20):
        world.questions.add(world.peer(f"other{number}"), wire.Who(1, [b"a"] * 1000))
    for number in range(20):
        assert world.fill(world.peer(f"crowd{number}"), wire.Who(1, MANY)) == wire.FULL
    while world.questions:
        world.burst()
    world.questions.add(greedy, wire.Who(1, MANY))


def test_who_has_gone_is_not_answered_and_what_it_asked_is_room_again() -> None:
    world = World()
    gone = world.peer("gone")
    world.fill(gone, wire.Stats(1))
    del world.peers[gone.address]
    assert world.burst() == []
    assert (len(world.questions), bool(world.questions)) == (0, False)
    world.fill(world.peer("gone"), wire.Who(1, MANY))
    assert len(world.questions) == 9


def test_an_answer_that_would_be_too_long_is_refused_before_it_is_made() -> None:
    world = World(holders=100, max_answer=50_000)
    world.questions.add(world.peer("p"), wire.Who(7, MANY))
    found = []
    while world.questions:
        found += world.burst()
    [(_, answer)] = found
    assert isinstance(answer, wire.Error)
    assert (answer.request, answer.code) == (7, wire.TOO_LARGE)
    assert world.looked_up < 50


def test_figures_are_made_once_for_all_who_ask_in_a_burst() -> None:
    world = World()
    peers = [world.peer(f"p{number}") for number in range(10)]
    for peer in peers:
        world.questions.add(peer, wire.Stats(3))
    assert [answer for _, answer in world.burst()] == [wire.Figures(3, {"ids": 1})] * 10


@pytest.mark.parametrize(
    "frame",
    [
        b"\xdd\x00\x40\x00\x00" + b"\x90" * (4 << 20),
        b"\x93\x04\x07\xdd\x00\x0c\x35\x00" + b"\x92\xc4\x01a\xc4\x00" * 800_000,
        b"\x93\x10\xcd\x00\x07\xdd\x00\x0c\x35\x00" + b"\x92\xc4\x01a\xc4\x00" * 800_000,
        b"\xc6\x00\x40\x00\x00" + bytes(4 << 20),
        b"\x91" * (4 << 20),
        bytes(4 << 20),
    ],
)
def test_a_frame_that_is_too_long_is_refused_by_its_head(frame: bytes) -> None:
    router = Router(1)
    for address, code in ((b"\0s", wire.TOO_LARGE), (b"\0t", wire.SAY_HELLO)):
        if code == wire.TOO_LARGE:
            router.receive([(address, encode(wire.Hello(wire.VERSION, "s", bytes(8), 0)))], 0.0)
        router.replies()
        router.receive([(address, frame)], 0.0)
        [(_, answer)] = router.replies()
        error = wire.decode_from_router(answer)
        carries = b"\xdd\x00\x0c\x35\x00" in frame
        assert isinstance(error, wire.Error)
        assert (error.code, error.request, error.refused) == (code, 7 * carries, 800_000 * carries)


@pytest.mark.parametrize("length", range(34))
def test_a_head_of_any_length_is_explained(length: int) -> None:
    for frame in (
        b"\x93\x04\xcf" + b"\xff" * 40,
        b"\xdd\xff\xff\xff\xff\xcf" + b"\x04" * 40,
        b"\x93\x04\x07\xdc\xff\xff",
    ):
        error = wire.refused_unread(frame[:length], WireError(wire.TOO_LARGE, "too long"))
        assert error.code == wire.TOO_LARGE
        assert error.request in (0, 7)
