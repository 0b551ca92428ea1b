"""The mailboxes against the simplest model: a list of all messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zrouter import wire
from zrouter.routing.clock import Clock
from zrouter.routing.limits import Limits
from zrouter.routing.mailboxes import Mailboxes
from zrouter.wire import Delivery, Pair

IDS = [b"a", b"b", b"c"]
PAIRS = st.lists(st.tuples(st.sampled_from(IDS), st.binary(max_size=12)), min_size=1, max_size=4)
ASKED = st.tuples(st.sets(st.sampled_from(IDS), min_size=1), st.integers(0, 40))
# What happens: a frame, one that was for nobody, time, or a client that comes back.
STEPS = st.lists(st.one_of(PAIRS, PAIRS.map(tuple), st.integers(1, 20), ASKED), max_size=30)


def answer(mailboxes: Mailboxes, ids: set[bytes], position: int) -> tuple[bool, list[Delivery]]:
    while mailboxes.look_into(position, 3) >= 3:
        pass
    return mailboxes.missed(sorted(ids), position, ids)


def keep(mailboxes: Mailboxes, pairs: list[Pair]) -> None:
    frame = wire.encode(wire.Send(0, pairs))
    mailboxes.keep([frame], len(pairs), len(frame))


@given(STEPS)
def test_who_comes_back_gets_what_was_sent_since_and_none_of_it_twice(steps: list[object]) -> None:
    limits = Limits(mailbox_messages=4, mailbox_bytes=40, mailbox_s=50, mailbox_total=10_000)
    clock = Clock()
    mailboxes = Mailboxes(clock, limits)
    sent: list[tuple[Delivery, int]] = []
    skipped: list[Delivery] = []
    now = 0
    for step in steps:
        match step:
            case int():
                now += step
                clock.set(now)
                mailboxes.tick()
            case list():
                first = mailboxes.position + 1
                keep(mailboxes, step)
                sent += [((an_id, message, first + n), now) for n, (an_id, message) in enumerate(step)]
            case (set() as ids, int() as since):
                is_all, messages = answer(mailboxes, ids, since)
                missed = [one for one, _ in sent if one[0] in ids and one[2] > since]
                assert messages == [one for one in missed if one in messages]  # in order, once
                newest = [one for one, when in sent if one in missed and now - when <= 50]
                fits = all(
                    len(mine) <= 4 and sum(len(message) for _, message, _ in mine) <= 40
                    for mine in ([one for one in newest if one[0] == an_id] for an_id in ids)
                )
                is_unkept = any(an_id in ids and position > since for an_id, _, position in skipped)
                if is_all:
                    assert messages == missed
                    assert not is_unkept
                elif not is_unkept and since <= mailboxes.position and fits and newest == missed:
                    assert not sent or now - sent[0][1] > 50  # only age is a reason left
            case tuple():
                some = [(an_id, b"", mailboxes.position + 1 + n) for n, (an_id, _) in enumerate(step)]
                mailboxes.skipped.sent(some)
                mailboxes.keep([len(step)], len(step), 0, len(step))
                skipped += some


@given(st.lists(PAIRS, max_size=60))
def test_all_that_is_kept_has_a_bound_and_the_oldest_go(frames: list[list[Pair]]) -> None:
    mailboxes = Mailboxes(Clock(), Limits(mailbox_total=2000))
    for pairs in frames:
        keep(mailboxes, pairs)
        assert mailboxes.bytes <= 2000 + 200
    is_all, messages = answer(mailboxes, set(IDS), 0)
    count = sum(map(len, frames))
    assert is_all == (mailboxes.evicted == 0)
    assert mailboxes.messages + mailboxes.evicted == count
    assert [position for _, _, position in messages] == list(range(count - len(messages) + 1, count + 1))


def test_what_is_older_than_its_time_is_gone_and_said_to_be() -> None:
    clock = Clock()
    mailboxes = Mailboxes(clock, Limits(mailbox_s=10))
    keep(mailboxes, [(b"a", b"old")])
    for now in range(1, 14):
        clock.set(now)
        mailboxes.tick()
    keep(mailboxes, [(b"a", b"new")])
    assert answer(mailboxes, {b"a"}, 0) == (False, [(b"a", b"new", 2)])
    assert answer(mailboxes, {b"a"}, 1) == (True, [(b"a", b"new", 2)])


def test_a_position_that_was_never_reached_is_a_gap() -> None:
    assert answer(Mailboxes(Clock(), Limits()), {b"a"}, 7) == (False, [])


def test_without_mailboxes_nothing_is_kept_and_nobody_is_told_otherwise() -> None:
    mailboxes = Mailboxes(Clock(), Limits(mailbox_s=0))
    keep(mailboxes, [(b"a", b"x")])
    assert (mailboxes.position, mailboxes.messages) == (1, 0)
    assert answer(mailboxes, {b"a"}, 0) == (False, [])
    assert answer(mailboxes, {b"a"}, 1) == (True, [])  # nothing came since


def test_an_id_that_is_asked_for_twice_is_answered_once() -> None:
    mailboxes = Mailboxes(Clock(), Limits())
    keep(mailboxes, [(b"a", b"x")])
    mailboxes.look_into(0, 3)
    assert mailboxes.missed([b"a", b"a"], 0, {b"a"}) == (True, [(b"a", b"x", 1)])
