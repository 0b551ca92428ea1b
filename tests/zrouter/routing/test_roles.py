"""Who may say what, whose a name and an idempotency key are, and what a changed list of keys does."""

from __future__ import annotations

from typing import Final, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrouter import wire
from zrouter.routing.roles import ROLES, Identity
from zrouter.routing.router import Router
from zrouter.wire import encode

A, B = b"\0a", b"\0b"
ALL: Final = frozenset(ROLES)
# As docs/link-security.md says it; one of each kind, with the roles that are enough.
KINDS: Final[list[tuple[wire.ToRouter, frozenset[str]]]] = [
    (wire.Hello(wire.VERSION, "a", b"i" * 8, 0), ALL),
    (wire.Heartbeat(0), ALL),
    (wire.Goodbye(1), ALL),
    (wire.Login(1, [b"x"], [1]), frozenset({"frontend"})),
    (wire.Logout(1, [b"x"]), frozenset({"frontend"})),
    (wire.Resume(1, [b"x"], 0, 0), frozenset({"frontend"})),
    (wire.Watch(1, [b"x"]), frozenset({"frontend"})),
    (wire.Unwatch(1, [b"x"]), frozenset({"frontend"})),
    (wire.Send(1, [(b"x", b"m")]), frozenset({"sender"})),
    (wire.Publish(1, [(b"x", b"m")]), frozenset({"sender"})),
    (wire.Who(1, [b"x"]), frozenset({"inspector"})),
    (wire.Stats(1), frozenset({"inspector"})),
    (wire.Related(1, b"x", True, b"", 10), frozenset({"inspector", "admin"})),
    (wire.Kick(1, [b"x"]), frozenset({"admin"})),
    (wire.Follows(1, [(b"x", b"y")]), frozenset({"admin"})),
    (wire.Unfollows(1, [(b"x", b"y")]), frozenset({"admin"})),
    (wire.Revoke(1, [(wire.REVOKED_SUB, b"x", 1, 0)]), frozenset({"admin"})),
    (wire.Revocations(1, 0), frozenset({"frontend"})),
]


class Guarded:
    """A router, and whose key each connection has."""

    def __init__(self, **keys: Identity) -> None:
        self.keys = {name.encode(): identity for name, identity in keys.items()}
        self.router = Router(1, identify=lambda address: self.keys.get(address[1:]))

    def hello(self, address: bytes, name: str, instance: bytes = b"i" * 8, now: float = 0.0) -> list[object]:
        return self.say(address, wire.Hello(wire.VERSION, name, instance, 0), now)

    def say(self, address: bytes, message: wire.ToRouter, now: float = 0.0) -> list[object]:
        """What that connection is told."""
        self.router.receive([(address, encode(message))], now)
        out = list(self.router.deliveries()) + self.router.replies()
        return [wire.decode_from_router(frame) for to, frame in out if to == address]


def key(name: str, *roles: str) -> Identity:
    return Identity(name, frozenset(roles), name * 8)


def code_of(answers: list[object]) -> str:
    return next((answer.code for answer in answers if isinstance(answer, wire.Error)), "")


def test_each_kind_is_in_the_table() -> None:
    assert {type(message) for message, _ in KINDS} == set(get_args(wire.ToRouter))


@given(st.sets(st.sampled_from(ROLES), min_size=1))
def test_a_key_may_say_what_one_of_its_roles_is_for_and_nothing_else(roles: set[str]) -> None:
    for message, enough in KINDS:
        guarded = Guarded(a=key("ann", *roles))
        guarded.hello(A, "a")
        is_refused = code_of(guarded.say(A, message)) == wire.FORBIDDEN
        assert is_refused == (not roles & enough), message
        assert guarded.router.counters.forbidden == is_refused
        assert "a" in {peer.name for peer in guarded.router.peers} or isinstance(message, wire.Goodbye)


def test_what_is_refused_does_nothing_and_names_the_role() -> None:
    guarded = Guarded(a=key("ann", "sender"), b=key("bob", "frontend"))
    guarded.hello(A, "a")
    guarded.hello(B, "b")
    [error] = guarded.say(A, wire.Login(7, [b"x"], [1]))
    assert isinstance(error, wire.Error)
    assert (error.request, error.text) == (7, "Login needs the role frontend; key ann has sender")
    [error] = guarded.say(B, wire.Send(8, [(b"x", b"m"), (b"y", b"m")]))
    assert isinstance(error, wire.Error)
    assert (error.request, error.refused, error.code) == (8, 2, wire.FORBIDDEN)
    assert len(guarded.router.table) == 0
    assert guarded.router.counters.messages_in == 0


def test_who_has_no_key_is_not_known() -> None:
    guarded = Guarded()
    assert code_of(guarded.hello(A, "a")) == wire.FORBIDDEN
    assert code_of(guarded.say(A, wire.Stats(1))) == wire.SAY_HELLO
    assert len(guarded.router.peers) == 0


@pytest.mark.parametrize("instance", [b"i" * 8, b"j" * 8], ids=["its instance", "another instance"])
def test_a_name_stays_with_the_key_that_has_it(instance: bytes) -> None:
    guarded = Guarded(a=key("ann", "frontend"), b=key("eve", "frontend"))
    guarded.hello(A, "front1")
    guarded.say(A, wire.Login(1, [b"x"], [1]))
    assert code_of(guarded.hello(B, "front1", instance)) == wire.FORBIDDEN
    assert [peer.address for peer in guarded.router.peers] == [A]
    assert len(guarded.router.table) == 1
    guarded.say(A, wire.Goodbye(2))
    assert code_of(guarded.hello(B, "front1", instance)) == ""


def test_one_key_may_have_many_connections_of_one_name() -> None:
    guarded = Guarded(a=key("ann", "frontend"), b=key("ann", "frontend"))
    guarded.hello(A, "front1", b"i" * 8)
    assert code_of(guarded.hello(B, "front1", b"j" * 8)) == ""
    assert len(guarded.router.peers) == 2
    # The same process again: its first connection is over.
    guarded.keys[b"c"] = key("ann", "frontend")
    guarded.hello(b"\0c", "front1", b"i" * 8)
    assert {peer.address for peer in guarded.router.peers} == {B, b"\0c"}


def test_an_idempotency_key_is_its_owners_alone() -> None:
    guarded = Guarded(a=key("ann", "sender"), b=key("bob", "sender"), c=key("ann", "sender"))
    for address in (A, B, b"\0c"):
        guarded.hello(address, f"s{address.hex()}")
    assert code_of(guarded.say(A, wire.Send(1, [(b"x", b"one")], b"order-1"))) == ""
    assert code_of(guarded.say(B, wire.Send(1, [(b"x", b"two")], b"order-1"))) == ""
    assert guarded.router.counters.repeated == 0
    assert code_of(guarded.say(b"\0c", wire.Send(1, [(b"x", b"one")], b"order-1"))) == ""
    assert guarded.router.counters.repeated == 1
    assert code_of(guarded.say(A, wire.Send(2, [(b"x", b"other")], b"order-1"))) == wire.KEY_REUSED


def test_who_says_hello_again_in_the_same_burst_keeps_its_key() -> None:
    guarded = Guarded(a=key("ann", "sender"))
    guarded.hello(A, "a")
    del guarded.keys[b"a"]  # the shell tells of a connection's key only when it speaks first
    hello = encode(wire.Hello(wire.VERSION, "a", b"i" * 8, 0))
    guarded.router.receive([(A, encode(wire.Goodbye(1))), (A, hello), (A, hello)], 0.0)
    assert len(guarded.router.peers) == 1


def test_a_changed_list_takes_roles_gives_roles_and_ends_who_is_not_in_it() -> None:
    guarded = Guarded(a=key("ann", "sender"), b=key("bob", "frontend"), c=key("eve", "frontend"))
    names = {"ann": "a", "bob": "b", "eve": "c"}
    for name in names.values():
        guarded.hello(b"\0" + name.encode(), name)
    guarded.say(B, wire.Login(1, [b"x"], [1]))
    guarded.say(b"\0c", wire.Login(1, [b"y"], [1]))
    now = {"ann": key("ann", "sender", "inspector"), "bob": key("bob", "sender")}
    guarded.router.reidentify(lambda before: now.get(before.key))
    told = {to: wire.decode_from_router(frame) for to, frame in guarded.router.replies()}
    assert {to: code_of([answer]) for to, answer in told.items()} == {
        B: wire.SAY_HELLO,
        b"\0c": wire.FORBIDDEN,
    }
    assert len(guarded.router.table) == 0
    assert code_of(guarded.say(A, wire.Stats(3))) == ""
    assert sorted(loss.why for loss in guarded.router.losses()) == [
        "its key bob has fewer roles",
        "its key eve was taken out",
    ]


def test_a_thousand_namesakes_that_greet_all_the_time_cost_no_more_than_one_pulse_each_a_second() -> None:
    router = Router(1)
    count, pulses = 1000, 0
    for at in range(count):
        address = b"\0%d" % at
        router.receive([(address, encode(wire.Hello(wire.VERSION, "same", b"%08d" % at, 0)))], at / count)
        router.deliveries()
        pulses += len(router.replies()) - 1
    assert pulses < 2 * count


def test_hellos_without_end_are_refused_and_the_peer_stays() -> None:
    router = Router(1)
    hello = encode(wire.Hello(wire.VERSION, "a", b"i" * 8, 0))
    router.receive([(A, hello)] * 100, 0.0)
    answers = [wire.decode_from_router(frame) for _, frame in router.replies()]
    refused = [answer for answer in answers if isinstance(answer, wire.Error)]
    assert {error.code for error in refused} == {wire.FULL}
    assert 80 <= len(refused) < 100
    assert len(router.peers) == 1
    router.receive([(A, hello)], 20.0)
    assert isinstance(wire.decode_from_router(router.replies()[-1][1]), wire.Welcome)
