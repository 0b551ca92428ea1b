"""The comparison: nothing is said of a good record, and whatever is changed in one is found."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.zflood.check.histories import SECOND, Event, World, good, offset
from zflood.check import client_log
from zflood.check.numbers import number
from zflood.check.sender_log import TAKEN, UNKNOWN
from zrouter.wire import KEPT

randoms = st.randoms(use_true_random=False)
steps = st.integers(10, 60)


def messages(world: World) -> list[int]:
    """Where in the record of clients the messages stand."""
    return [at for at, event in enumerate(world.seen) if event[0] == client_log.MESSAGE]


def due(world: World) -> list[int]:
    """Such of them as are missed: with chunked, those whose sender was told of as many as saw them."""
    receipts = {
        number(sender, first): told[0]
        for sender, events in world.sent.items()
        for _, _, first, _, told in events[1:]
    }
    sights = Counter(event[3] for event in world.seen if event[0] == client_log.MESSAGE)
    return [
        at
        for at in messages(world)
        if world.seen[at][4] or receipts[world.seen[at][3]] == sights[world.seen[at][3]]
    ]


@given(randoms, steps, st.booleans())
def test_a_good_record_is_found_good(random: Random, count: int, with_gaps: bool) -> None:
    world = good(random, count, with_gaps)
    verdict = world.verdict()
    assert not verdict.offences, verdict.first
    assert verdict.messages == sum(len(events) - 1 for events in world.sent.values())
    assert verdict.sights == len(messages(world))
    assert verdict.gaps == sum(event[0] == client_log.GAP for event in world.seen)


@given(randoms, steps)
def test_a_message_that_one_client_did_not_see_is_lost(random: Random, count: int) -> None:
    world = good(random, count)
    assume(due(world))
    del world.seen[random.choice(due(world))]
    assert dict(world.verdict().offences) == {"lost": 1}


@given(randoms, steps)
def test_a_message_that_comes_again_is_there_twice(random: Random, count: int) -> None:
    world = good(random, count)
    assume(messages(world))
    at = random.choice(messages(world))
    again = random.randint(at + 1, len(world.seen) - 1)
    world.seen.insert(again, world.seen[at])
    assert world.verdict().offences["twice"] == 1
    assert set(world.verdict().offences) == {"twice"}


@given(randoms, steps)
def test_messages_of_one_sender_that_change_places_are_out_of_order(random: Random, count: int) -> None:
    world = good(random, count)
    pairs = [
        (one, other)
        for one in messages(world)
        for other in messages(world)
        if one < other
        and world.seen[one][1] == world.seen[other][1]
        and world.seen[one][3] >> 48 == world.seen[other][3] >> 48
    ]
    assume(pairs)
    one, other = random.choice(pairs)
    first, second = world.seen[one], world.seen[other]
    world.seen[one], world.seen[other] = (*first[:3], *second[3:]), (*second[:3], *first[3:])
    assert world.verdict().offences["out_of_order"] >= 1


@given(randoms, steps)
def test_messages_of_two_senders_are_in_the_order_of_their_offsets(random: Random, count: int) -> None:
    world = good(random, count)
    pairs = [
        (one, other)
        for one in messages(world)
        for other in messages(world)
        if one < other and world.seen[one][1] == world.seen[other][1] and world.seen[one][4]
    ]
    assume(pairs)
    one, other = random.choice(pairs)
    first, second = world.seen[one], world.seen[other]
    world.seen[one], world.seen[other] = (*first[:3], *second[3:]), (*second[:3], *first[3:])
    assert world.verdict().offences["out_of_order"] >= 1


@given(randoms, steps, st.integers(1, 3))
def test_a_receipt_of_more_connections_than_saw_it_is_wrong(random: Random, count: int, more: int) -> None:
    world = good(random, count)
    sender = random.choice(list(world.sent))
    handed = [at for at, event in enumerate(world.sent[sender][1:], 1) if event[4][0] > 0]
    assume(handed)
    at = random.choice(handed)
    began, ended, first, ids, _ = world.sent[sender][at]
    saw = sum(event[0] == client_log.MESSAGE and event[3] == number(sender, first) for event in world.seen)
    world.sent[sender][at] = (began, ended, first, ids, [saw + more])
    offences = world.verdict().offences
    assert offences["wrong_receipt"] + offences["lost"] >= 1
    assert set(offences) <= {"wrong_receipt", "lost"}


@given(randoms, steps)
def test_nobody_is_a_wrong_receipt_for_what_somebody_saw(random: Random, count: int) -> None:
    world = good(random, count)
    sender = random.choice(list(world.sent))
    handed = [at for at, event in enumerate(world.sent[sender][1:], 1) if event[4][0] > 0]
    assume(handed)
    at = random.choice(handed)
    world.sent[sender][at] = (*world.sent[sender][at][:4], [0])
    assert dict(world.verdict().offences) == {"wrong_receipt": 1}


@given(randoms, steps)
def test_what_no_sender_has_sent_is_found(random: Random, count: int) -> None:
    world = good(random, count)
    sender = random.choice(list(world.sent))
    seen_of = [
        (at, number(sender, event[2]))
        for at, event in enumerate(world.sent[sender][1:], 1)
        if any(one[0] == client_log.MESSAGE and one[3] == number(sender, event[2]) for one in world.seen)
    ]
    assume(seen_of)
    at, one = random.choice(seen_of)
    del world.sent[sender][at]
    sights = sum(event[0] == client_log.MESSAGE and event[3] == one for event in world.seen)
    assert dict(world.verdict().offences) == {"never_sent": sights}


@given(randoms, steps)
def test_a_message_for_an_id_that_the_client_has_not_is_found(random: Random, count: int) -> None:
    world = good(random, count)
    sender = random.choice(list(world.sent))
    seen_of = [
        at
        for at, event in enumerate(world.sent[sender][1:], 1)
        if any(one[0] == client_log.MESSAGE and one[3] == number(sender, event[2]) for one in world.seen)
    ]
    assume(seen_of)
    at = random.choice(seen_of)
    world.sent[sender][at] = (*world.sent[sender][at][:3], ["somebody else's"], world.sent[sender][at][4])
    assert world.verdict().offences["wrong_client"] >= 1


# ---- a record by hand --------------------------------------------------------------------------------

CLIENT: list[Event] = [
    (client_log.CLIENT, 0, SECOND, "sse", ["a"]),
    (client_log.BEGIN, 0, SECOND),
    (client_log.UP, 0, SECOND),
]
OPEN: list[Event] = [*CLIENT, (client_log.OPEN, 0, 2 * SECOND, offset(1))]
LEAVE = (client_log.LEAVE, 0, 100 * SECOND)


def sent(at_s: float, receipt: int) -> dict[int, list[Event]]:
    began = int(at_s * SECOND)
    return {1: [(True,), (began, began + 1000, 1, ["a"], [receipt])]}


@pytest.mark.parametrize(
    ("at_s", "receipt", "kind"),
    [
        (50, 1, "lost"),
        (50, KEPT, "lost"),
        (50, TAKEN, "lost"),
        (50, 0, "lost"),  # it was logged in, and nobody is no answer then
        (50, UNKNOWN, ""),  # perhaps it never came to the router
        (1.5, KEPT, ""),  # before the client was told that it gets all
        (99.8, 1, ""),  # may be under way when the client hangs up
        (98, 1, "lost"),
    ],
)
def test_what_is_due_depends_on_when_it_was_sent_and_on_the_receipt(
    at_s: float, receipt: int, kind: str
) -> None:
    world = World([*OPEN, LEAVE], sent(at_s, receipt))
    assert set(world.verdict().offences) == ({kind} if kind else set())


def test_a_receipt_may_not_count_a_client_that_is_told_only_later_that_all_comes() -> None:
    assert not World([*OPEN, LEAVE], sent(1.5, 0)).verdict().offences
    assert dict(World([*OPEN, LEAVE], sent(1.5, 1)).verdict().offences) == {"wrong_receipt": 1}


def test_a_gap_excuses_what_was_sent_since_the_last_word_and_nothing_else() -> None:
    gap = (client_log.GAP, 0, 40 * SECOND, "evicted", offset(9))
    for at_s, is_lost in ((30, False), (39, False), (50, True)):
        verdict = World([*OPEN, gap, LEAVE], sent(at_s, 1)).verdict()
        assert (bool(verdict.offences), verdict.gaps) == (is_lost, 1)


def test_who_was_cut_and_did_not_come_back_misses_nothing_after_that() -> None:
    end = (client_log.END, 0, 40 * SECOND, "")
    assert not World([*OPEN, end], sent(50, KEPT)).verdict().offences
    assert World([*OPEN, end], sent(30, 1)).verdict().offences["lost"] == 1


def test_one_message_has_one_offset_for_all() -> None:
    other = [(kind, 1, *rest) for kind, _, *rest in OPEN]
    one = number(1, 1)
    came = [
        (client_log.MESSAGE, 0, 51 * SECOND, one, offset(5)),
        (client_log.MESSAGE, 1, 51 * SECOND, one, offset(6)),
    ]
    world = World([*OPEN, *other, *came, LEAVE, (client_log.LEAVE, 1, 100 * SECOND)], sent(50, 2))
    assert dict(world.verdict().offences) == {"out_of_order": 1}


def test_a_sender_over_many_connections_has_no_order_of_its_own() -> None:
    came = [(client_log.MESSAGE, 0, at * SECOND, number(1, count), "") for at, count in ((51, 2), (52, 1))]
    for is_in_order in (True, False):
        told = {1: [(is_in_order,), (50 * SECOND, 50 * SECOND + 1, 1, ["a", "a"], [1, 1])]}
        world = World([*CLIENT, *came, LEAVE], told)
        assert bool(world.verdict().offences["out_of_order"]) == is_in_order


def test_an_offence_is_told_in_words() -> None:
    [words] = World([*OPEN, LEAVE], sent(50, 1)).verdict().first
    assert words == "lost: message 1.1 to 'a' (handed to 1) did not come to client 0 of seen-0001 (sse)"


def published(*counts: tuple[int, str, int]) -> dict[int, list[Event]]:
    """One sender's record: of each message the count, who published it, and the receipt."""
    batches = [(50 * SECOND, 50 * SECOND + 1, count, [an_id], [receipt]) for count, an_id, receipt in counts]
    return {1: [(True, True), *batches]}


def follower(client: int, *came: tuple[int, int], an_id: str = "") -> list[Event]:
    """A client's record: of each message that came its count and position; without one it is chunked."""
    is_resumable = all(position for _, position in came)
    events: list[Event] = [
        (client_log.CLIENT, client, 1, "sse" if is_resumable else "chunked", [an_id or f"f{client}"]),
        (client_log.BEGIN, client, 1),
        (client_log.UP, client, 2),
    ]
    if is_resumable:
        events.append((client_log.OPEN, client, 3, offset(1)))
    for at, (count, position) in enumerate(came):
        place = offset(position) if position else ""
        events.append((client_log.MESSAGE, client, 51 * SECOND + at, number(1, count), place))
    return [*events, (client_log.LEAVE, client, 100 * SECOND)]


FOLLOWS = [("f0", "a"), ("f1", "a"), ("f0", "b"), ("away", "a")]


def test_what_is_published_is_for_those_who_follow() -> None:
    # In portions, each with a position of its own; of two publishers in any order.
    records = [*follower(0, (2, 2), (1, 3)), *follower(1, (1, 4)), *follower(2, an_id="a")]
    verdict = World(records, published((1, "a", 2), (2, "b", 1)), FOLLOWS).verdict()
    assert not verdict.offences, verdict.first


@pytest.mark.parametrize(
    ("records", "offences"),
    [
        ([*follower(0, (1, 2)), *follower(1)], {"lost": 1}),
        ([*follower(0, (1, 2)), *follower(1, (1, 3), (1, 4))], {"twice": 1}),
        ([*follower(0, (1, 2)), *follower(1, (1, 3)), *follower(2, (1, 3))], {"wrong_client": 1}),
        ([*follower(0, (1, 0)), *follower(1)], {"lost": 1}),
        ([*follower(0, (1, 2)), *follower(1, (1, 3)), *follower(2, (9, 3))], {"never_sent": 1}),
    ],
)
def test_what_is_wrong_with_a_publish_is_found(records: list[Event], offences: dict[str, int]) -> None:
    assert dict(World(records, published((1, "a", 2)), FOLLOWS).verdict().offences) == offences


def test_messages_of_one_publisher_come_in_order() -> None:
    told = published((1, "a", 1), (2, "a", 1))
    world = World(follower(0, (2, 0), (1, 0)), told, [("f0", "a")])
    assert dict(world.verdict().offences) == {"out_of_order": 1}


def test_a_publish_that_nobody_was_told_of_was_for_nobody() -> None:
    world = World(follower(0, (1, 2)), published((1, "a", 0)), FOLLOWS)
    assert dict(world.verdict().offences) == {"wrong_receipt": 1}
