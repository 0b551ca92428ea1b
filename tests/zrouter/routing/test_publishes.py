"""Publishes and follows by the router's rules, without sockets: a store in memory, frames in and out."""

from __future__ import annotations

from typing import Any

import pytest

from zrouter import wire
from zrouter.follows.memory import MemoryFollows
from zrouter.follows.store import Follows, StoreError
from zrouter.routing import limits, publishes
from zrouter.routing.limits import Limits
from zrouter.routing.router import Router

FRONT, OTHER, SENDER = b"\0front", b"\0other", b"\0sender"


class House:
    """A router with a store, whose changes are stored when `store_changes` is called."""

    def __init__(self, limits: Limits | None = None, store: Follows | None = None) -> None:
        self.store = store or MemoryFollows()
        self.router = Router(1, limits, store=lambda: self.store)
        self.now = 0.0
        self.delivered: list[tuple[bytes, wire.Deliver]] = []
        self.answers: dict[bytes, list[Any]] = {FRONT: [], OTHER: [], SENDER: []}
        for address in (FRONT, OTHER, SENDER):
            self.say(address, wire.Hello(1, address.decode(), b"instance" + address, 0))
            self.answers[address].clear()

    def say(self, address: bytes, *messages: wire.Message) -> None:
        self.router.receive([(address, wire.encode(message)) for message in messages], self.now)
        self.flush()

    def flush(self, drops: bytes = b"") -> None:
        for address, frame in self.router.deliveries():
            if address == drops:
                self.router.undeliverable(address, frame, False)
            else:
                self.delivered.append((address, wire.decode_from_router(frame)))  # type: ignore[arg-type]
        for peer in self.router.peers:
            peer.received_bytes = peer.handed_bytes  # as if it had acknowledged them
        for address, frame in self.router.replies():
            answer = wire.decode_from_router(frame)
            if type(answer) is not wire.Pulse:
                self.answers[address].append(answer)

    def settle(self) -> None:
        while self.router.has_work() or self.router.is_pacing():
            self.flush()

    def store_changes(self) -> None:
        for job in self.router.changes():
            self.router.stored(job.number, self.store.change(job.changes))
        self.flush()

    def login(self, address: bytes, *ids: bytes, connections: int = 1) -> None:
        self.say(address, wire.Login(0, list(ids), [connections] * len(ids)))

    def logout(self, address: bytes, *ids: bytes) -> None:
        self.say(address, wire.Logout(0, list(ids)))

    def publish(self, *pairs: tuple[bytes, bytes], key: bytes = b"") -> Any:
        self.say(SENDER, wire.Publish(7, list(pairs), key))
        self.settle()
        return self.answers[SENDER].pop()

    def got(self, address: bytes) -> list[tuple[bytes, bytes]]:
        """What a frontend was given, each id's message, in order."""
        found = []
        for to, deliver in self.delivered:
            if to == address:
                found += [(an_id, message) for an_id, message, _ in deliver.messages]
                found += [(an_id, message) for an_id, message, _ in deliver.fanned()]
        return found


def test_followers_that_are_logged_in_get_it_and_nobody_else() -> None:
    house = House()
    house.store.follow(b"ann", b"cat")
    house.store.follow(b"bob", b"cat")
    house.store.follow(b"away", b"cat")
    house.store.follow(b"ann", b"dog")
    house.login(FRONT, b"ann", b"cat", b"stranger")
    house.login(OTHER, b"bob", connections=2)
    assert house.publish((b"cat", b"miaow")) == wire.Published(7, [(3, 2, 3, 0)])
    assert house.got(FRONT) == [(b"ann", b"miaow")]
    assert house.got(OTHER) == [(b"bob", b"miaow")]


def test_the_payload_is_once_on_each_link() -> None:
    house = House()
    ids = [b"user%d" % number for number in range(limits.PUBLISH_SLICE)]
    for an_id in ids:
        house.store.follow(an_id, b"cat")
    house.login(FRONT, *ids[:100])
    house.login(OTHER, *ids[100:])
    house.publish((b"cat", b"miaow"))
    assert [(to, len(deliver.fans), deliver.messages) for to, deliver in house.delivered] == [
        (FRONT, 1, []),
        (OTHER, 1, []),
    ]
    assert sorted(house.got(FRONT) + house.got(OTHER)) == sorted((an_id, b"miaow") for an_id in ids)


def test_one_of_two_frontends_holds_the_same_id() -> None:
    house = House()
    house.store.follow(b"ann", b"cat")
    house.store.follow(b"bob", b"cat")
    house.login(FRONT, b"ann", b"bob")
    house.login(OTHER, b"ann", connections=3)
    assert house.publish((b"cat", b"miaow")) == wire.Published(7, [(2, 2, 5, 0)])
    assert sorted(house.got(FRONT)) == [(b"ann", b"miaow"), (b"bob", b"miaow")]
    assert house.got(OTHER) == [(b"ann", b"miaow")]


@pytest.mark.parametrize("publisher", [b"nobody-follows", b"cat"])
def test_nobody_follows_or_is_there(publisher: bytes) -> None:
    house = House()
    house.store.follow(b"away", b"cat")
    house.store.follow(b"away", b"nobody-follows")
    house.store.unfollow(b"away", b"nobody-follows")
    assert house.publish((publisher, b"x")) == wire.Published(7, [(int(publisher == b"cat"), 0, 0, 0)])
    assert house.delivered == []


def test_a_follow_is_answered_when_it_is_stored_and_counts_for_the_next_publish() -> None:
    house = House()
    house.login(FRONT, b"ann")
    house.say(SENDER, wire.Follows(3, [(b"ann", b"cat"), (b"ann", b"cat")]))
    assert house.answers[SENDER] == []
    house.store_changes()
    assert house.answers[SENDER].pop() == wire.Done(3, 1)
    assert house.publish((b"cat", b"miaow")) == wire.Published(7, [(1, 1, 1, 0)])
    house.say(SENDER, wire.Unfollows(4, [(b"ann", b"cat")]))
    house.store_changes()
    assert house.answers[SENDER].pop() == wire.Done(4, 1)
    assert house.publish((b"cat", b"miaow")) == wire.Published(7, [(0, 0, 0, 0)])


def test_a_publish_behind_a_follow_of_the_same_peer_waits_for_it() -> None:
    house = House()
    house.login(FRONT, b"ann")
    house.store.follow(b"ann", b"dog")
    house.say(SENDER, wire.Follows(1, [(b"ann", b"cat")]), wire.Publish(2, [(b"cat", b"miaow")]))
    house.settle()
    assert house.answers[SENDER] == []
    assert not house.router.has_work()
    house.say(OTHER, wire.Publish(5, [(b"dog", b"woof")]))
    house.settle()
    assert house.answers[OTHER].pop() == wire.Published(5, [(1, 1, 1, 0)]), "another peer does not wait"
    house.store_changes()
    house.settle()
    assert house.answers[SENDER] == [wire.Done(1, 1), wire.Published(2, [(1, 1, 1, 0)])]


def test_who_logs_in_before_it_is_in_the_store_or_leaves_and_comes_again() -> None:
    house = House(Limits(mailbox_s=0))
    house.store.follow(b"other", b"cat")
    house.login(FRONT, b"ann")
    house.publish((b"cat", b"1"))
    house.store.follow(b"ann", b"cat")
    house.publish((b"cat", b"2"))
    house.say(FRONT, wire.Logout(0, [b"ann"]))
    house.publish((b"cat", b"3"))
    house.login(OTHER, b"ann")
    house.publish((b"cat", b"4"))
    assert (house.got(FRONT), house.got(OTHER)) == ([(b"ann", b"2")], [(b"ann", b"4")])


@pytest.mark.parametrize("mailbox_s", [0, 60])
def test_who_comes_back_is_told_of_a_publish_that_went_past_it(mailbox_s: float) -> None:
    """Also where nothing is ever kept: then it is not known what came, but that something did."""
    house = House(Limits(mailbox_s=mailbox_s, mailbox_ids=0))
    house.store.follow(b"ann", b"cat")
    house.login(FRONT, b"ann")
    house.logout(FRONT, b"ann")
    assert house.publish((b"cat", b"missed")).receipts == [(1, 0, 0, 0)]
    house.login(FRONT, b"ann")
    house.say(FRONT, wire.Resume(5, [b"ann"], 1, 0))
    house.settle()
    (resumed,) = (answer for answer in house.answers[FRONT] if isinstance(answer, wire.Resumed))
    assert (resumed.gap, resumed.messages) == (wire.EVICTED, [])


def test_another_generation_has_other_numbers(tmp_path: Any) -> None:
    from io import BytesIO

    from zrouter.follows.lmdb_store.store import LmdbFollows

    with LmdbFollows(tmp_path / "store") as store:
        store.follow(b"zoe", b"cat")
        store.follow(b"ann", b"cat")
        house = House(store=store)
        house.login(FRONT, b"ann", b"zoe", b"bob")
        house.publish((b"cat", b"1"))
        store.load(BytesIO(b"aaa\tzoe\nann\tcat\nbob\tcat\n"), replace=True)
        house.publish((b"cat", b"2"), (b"zoe", b"3"))
        assert sorted(house.got(FRONT)) == [(b"ann", b"1"), (b"ann", b"2"), (b"bob", b"2"), (b"zoe", b"1")]


def test_a_burst_hands_over_few_while_others_send() -> None:
    house = House()
    ids = [b"user%d" % number for number in range(3 * limits.PUBLISH_FOLLOWERS)]
    for an_id in ids:
        house.store.follow(an_id, b"star")
    for first in range(0, len(ids), 1000):
        house.login(FRONT, *ids[first : first + 1000])
    house.login(OTHER, b"zoe")
    house.router.tick(0.0)
    house.settle()

    def handed_over(*messages: wire.Message) -> int:
        house.now += 0.001
        before = len(house.got(FRONT))
        house.say(SENDER, *messages)
        return len(house.got(FRONT)) - before

    assert handed_over(wire.Publish(1, [(b"star", b"1")])) >= limits.PUBLISH_FOLLOWERS - limits.PUBLISH_SLICE
    handed_over(wire.Send(0, [(b"zoe", b"hello")]))
    few = limits.PUBLISH_FOLLOWERS_BESIDE
    assert 0 < handed_over() <= few, "one who sent has more to say, maybe"
    house.now += limits.PUBLISH_BESIDE_S
    assert handed_over() > few, "nobody sends any more"
    house.settle()
    assert sorted(house.got(FRONT)) == sorted((an_id, b"1") for an_id in ids)


def test_slices_are_in_turn_and_in_order_for_each_publisher() -> None:
    house = House()
    ids = [b"user%d" % number for number in range(3 * limits.PUBLISH_FOLLOWERS)]
    for an_id in ids:
        house.store.follow(an_id, b"star")
    house.store.follow(ids[-1], b"cat")
    for first in range(0, len(ids), 1000):
        house.login(FRONT, *ids[first : first + 1000])
    house.router.tick(0.0)
    house.settle()
    house.say(SENDER, wire.Publish(1, [(b"star", b"1"), (b"star", b"2"), (b"cat", b"miaow")]))
    early = house.got(FRONT)
    assert (ids[-1], b"miaow") in early, "the small one does not wait for the large one"
    assert len(early) <= limits.PUBLISH_FOLLOWERS + limits.PUBLISH_SLICE
    house.settle()
    got = house.got(FRONT)
    assert len(got) == 2 * len(ids) + 1, "both, to everybody"
    for an_id in ids[:10]:
        assert [message for to, message in got if to == an_id] == [b"1", b"2"]
    assert house.answers[SENDER] == [
        wire.Published(1, [(len(ids), len(ids), len(ids), 0)] * 2 + [(1, 1, 1, 0)])
    ]


def test_a_key_makes_a_repeat_harmless_also_while_the_first_is_under_way() -> None:
    house = House()
    house.login(FRONT, b"ann")
    house.store.follow(b"ann", b"cat")
    publish = wire.Publish(1, [(b"cat", b"miaow")], b"key")
    again = wire.Publish(2, [(b"cat", b"miaow")], b"key")
    house.say(SENDER, publish, again)
    house.settle()
    house.say(OTHER, wire.Publish(3, [(b"cat", b"miaow")], b"key"))
    receipts = [(1, 1, 1, 0)]
    assert house.answers[SENDER] == [wire.Published(1, receipts), wire.Published(2, receipts)]
    assert house.answers[OTHER] == [wire.Published(3, receipts)]
    assert house.got(FRONT) == [(b"ann", b"miaow")]
    house.say(OTHER, wire.Publish(4, [(b"cat", b"woof")], b"key"))
    assert house.answers[OTHER].pop().code == wire.KEY_REUSED
    house.say(OTHER, wire.Send(5, [(b"cat", b"miaow")], b"key"))
    assert house.answers[OTHER].pop().code == wire.KEY_REUSED


def test_what_a_frontend_has_no_room_for_is_counted_and_not_in_the_receipt() -> None:
    house = House()
    house.store.follow(b"ann", b"cat")
    house.store.follow(b"bob", b"cat")
    house.login(FRONT, b"ann", connections=2)
    house.login(OTHER, b"bob")
    house.settle()
    house.router.receive([(SENDER, wire.encode(wire.Publish(1, [(b"cat", b"miaow")])))], 0.0)
    house.flush(drops=FRONT)
    assert house.answers[SENDER] == [wire.Published(1, [(2, 2, 1, 0)])]
    assert house.router.counters.dropped_backlog == 1
    assert house.router.counters.messages_out == 1
    house.publish((b"cat", b"again"))
    assert house.delivered[-2][1].seq == 1 or house.delivered[-1][1].seq == 1, "the loss can be noticed"


def test_a_follower_that_just_left_gets_it_when_it_comes_back() -> None:
    house = House()
    house.store.follow(b"ann", b"cat")
    house.store.follow(b"bob", b"cat")
    house.login(FRONT, b"ann", b"bob")
    house.say(FRONT, wire.Send(0, [(b"ann", b"before")]))
    house.say(FRONT, wire.Logout(0, [b"ann"]))
    assert house.publish((b"cat", b"miaow")) == wire.Published(7, [(2, 1, 1, 1)])
    house.login(OTHER, b"ann")
    house.say(OTHER, wire.Resume(9, [b"ann"], 1, 1))
    house.settle()
    assert house.answers[OTHER].pop() == wire.Resumed(9, 3, "", [(b"ann", b"miaow", 2)], 0)


def test_pages_of_followers_and_of_whom_one_follows() -> None:
    house = House()
    for name in (b"a", b"b", b"c"):
        house.store.follow(name, b"cat")

    def ask(an_id: bytes, is_followers: bool, after: bytes, limit: int) -> Any:
        house.say(SENDER, wire.Related(1, an_id, is_followers, after, limit))
        return house.answers[SENDER].pop()

    assert ask(b"cat", True, b"", 2) == wire.Relations(1, 3, [b"a", b"b"])
    assert ask(b"cat", True, b"b", 2) == wire.Relations(1, 3, [b"c"])
    assert ask(b"cat", True, b"c", 2) == wire.Relations(1, 3, [])
    assert ask(b"cat", True, b"", 0) == wire.Relations(1, 3, [])
    assert ask(b"a", False, b"", 9) == wire.Relations(1, 1, [b"cat"])
    assert ask(b"nobody", False, b"", 9) == wire.Relations(1, 0, [])
    assert ask(b"cat", True, b"nobody", 9).code == wire.BAD_ID


class Broken(MemoryFollows):
    """A store that fails."""

    def read(self) -> Any:
        raise StoreError("disk on fire")

    def change(self, changes: Any) -> list[bool]:
        raise StoreError("disk is full")


def test_a_store_that_fails_is_an_error_and_no_end() -> None:
    house = House(store=Broken())
    house.login(FRONT, b"ann")
    answer = house.publish((b"cat", b"x"), (b"cat", b"y"), key=b"key")
    assert (answer.code, answer.text, answer.refused) == (wire.STORE_FAILED, "disk on fire", 2)
    assert not house.router.has_work()
    house.router.tick(1.0)
    house.store = MemoryFollows()
    house.store.follow(b"ann", b"cat")
    assert house.publish((b"cat", b"x"), (b"cat", b"y"), key=b"key") == wire.Published(
        7, [(1, 1, 1, 0), (1, 1, 1, 0)]
    )
    house.say(SENDER, wire.Follows(1, [(b"ann", b"cat")]))
    [job] = house.router.changes()
    house.router.stored(job.number, StoreError("disk is full"))
    house.flush()
    assert house.answers[SENDER].pop().code == wire.STORE_FAILED


def test_nothing_is_without_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishes, "MAX_PUBLISHES", 2)
    house = House()
    house.say(SENDER, wire.Follows(1, [(b"ann", b"cat")] * 10_000))
    for request in range(2, 8):
        house.say(SENDER, wire.Follows(request, [(b"ann", b"cat")] * 10_000))
    assert [answer.code for answer in house.answers[SENDER]] == [wire.FULL] * 2
    house.answers[SENDER].clear()
    house.say(SENDER, wire.Publish(9, [(b"cat", b"x")] * 3))
    assert house.answers[SENDER].pop().code == wire.TOO_LARGE, "it would never fit"
    house.say(SENDER, wire.Publish(9, [(b"\xff", b"x")]))
    assert house.answers[SENDER].pop().code == wire.BAD_ID
    house.say(SENDER, wire.Publish(10, [(b"cat", b"x")] * 2))
    house.say(SENDER, wire.Publish(11, [(b"cat", b"x")]))
    assert house.answers[SENDER].pop() == wire.Error(11, wire.FULL, "2 publishes wait already", 1)
    house.say(SENDER, wire.Publish(9, [(b"cat", b"x" * 70_000)]))
    assert house.answers[SENDER].pop().code == wire.TOO_LARGE


def test_without_a_store_it_is_refused() -> None:
    router = Router(1)
    router.receive([(SENDER, wire.encode(wire.Hello(1, "s", b"instance", 0)))], 0.0)
    router.replies()
    asks = [
        wire.Publish(1, [(b"cat", b"x")]),
        wire.Follows(2, [(b"a", b"b")]),
        wire.Unfollows(3, [(b"a", b"b")]),
        wire.Related(4, b"a", True, b"", 1),
    ]
    router.receive([(SENDER, wire.encode(ask)) for ask in asks], 0.0)
    answers = [wire.decode_from_router(frame) for _, frame in router.replies()]
    assert [(one.request, one.code) for one in answers] == [  # type: ignore[union-attr]
        (request, wire.NO_STORE) for request in (1, 2, 3, 4)
    ]


def test_a_publish_is_not_repeated_without_end_while_it_is_under_way() -> None:
    house = House()
    house.say(SENDER, wire.Follows(1, [(b"ann", b"cat")]))
    for request in range(2, 2 + limits.PUBLISH_REPEATS + 1):
        house.say(SENDER, wire.Publish(request, [(b"cat", b"x")], b"key"))
    assert house.answers[SENDER] == []
    house.say(SENDER, wire.Publish(1000, [(b"cat", b"x")], b"key"))
    assert house.answers[SENDER].pop().code == wire.FULL
    house.store_changes()
    house.settle()
    assert len(house.answers[SENDER]) == 1 + limits.PUBLISH_REPEATS + 1


def test_the_next_followers_wait_for_frontends_to_take_these_but_not_for_long() -> None:
    house = House()
    ids = [b"user%d" % number for number in range(3 * limits.PUBLISH_FOLLOWERS)]
    for an_id in ids:
        house.store.follow(an_id, b"star")
    house.login(FRONT, *ids[::2])
    house.login(OTHER, *ids[1::2])
    house.router.tick(0.0)
    house.settle()
    house.delivered.clear()

    def turn(now: float) -> int:
        """Frames that one burst without arrivals makes."""
        found = house.router.deliveries(now)
        house.router.replies()
        return len(found)

    house.router.receive([(SENDER, wire.encode(wire.Publish(1, [(b"star", b"x")])))], 0.0)
    assert turn(0.0) == 2
    assert not turn(0.001)
    assert house.router.is_pacing()
    assert not house.router.has_work()
    front, other = (house.router.peers.find(address) for address in (FRONT, OTHER))
    assert front is not None
    assert other is not None
    front.received_bytes = front.handed_bytes
    assert not turn(0.002), "the other one has not"
    assert turn(0.002 + limits.PUBLISH_PATIENCE_S) == 2, "who is late is waited for no more"
    assert not turn(0.03)
    front.received_bytes = front.handed_bytes
    assert turn(0.031) == 2
    front.received_bytes = front.handed_bytes
    turn(0.032)
    assert not house.router.is_pacing()
    assert house.router.publishing is not None
    assert house.router.publishing.waiting == 0


def test_a_publish_behind_the_very_first_follow_waits_for_it_too() -> None:
    house = House()
    store, nothing_yet = house.store, None
    house.store = nothing_yet  # type: ignore[assignment]
    house.login(FRONT, b"ann")
    house.say(SENDER, wire.Follows(1, [(b"ann", b"cat")]), wire.Publish(2, [(b"cat", b"miaow")]))
    house.settle()
    assert house.answers[SENDER] == []
    house.store = store
    house.store_changes()
    house.settle()
    assert house.answers[SENDER] == [wire.Done(1, 1), wire.Published(2, [(1, 1, 1, 0)])]


def test_pages_are_answered_some_at_a_time() -> None:
    house = House()
    for number in range(1500):
        house.store.follow(b"user%d" % number, b"star")
    ask = wire.encode(wire.Related(1, b"star", True, b"", 1500))
    house.router.receive([(SENDER, ask)] * 10, 0.0)
    house.flush()
    assert len(house.answers[SENDER]) == 2
    house.settle()
    assert [len(answer.ids) for answer in house.answers[SENDER]] == [1500] * 10


def test_who_says_hello_again_is_not_told_what_it_asked_before() -> None:
    house = House()
    house.say(SENDER, wire.Follows(1, [(b"ann", b"cat")]))
    house.say(SENDER, wire.Hello(1, "sender", b"another!", 0))
    house.answers[SENDER].clear()
    house.store_changes()
    assert house.answers[SENDER] == []
    assert house.store.followers(b"cat") == [b"ann"]
