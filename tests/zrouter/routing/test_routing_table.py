"""RoutingTable against the simplest model: a dict of dicts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zrouter.routing.clock import Clock
from zrouter.routing.routing_table import Holder, RoutingTable
from zrouter.wire import KEPT

IDS = [b"a", b"b", b"c"]
STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(IDS), st.integers(0, 20)), max_size=40)


@given(STEPS, st.integers(0, 2))
def test_the_table_agrees_with_a_dict_of_dicts(steps: list[tuple[int, bytes, int]], forgotten: int) -> None:
    table, holders = RoutingTable(Clock()), [Holder(b"%d" % n, str(n)) for n in range(3)]
    model: dict[bytes, dict[str, int]] = {an_id: {} for an_id in IDS}
    for number, an_id, connections in steps:
        table.set(holders[number], an_id, connections)
        table.set(holders[number], an_id, connections)
        model[an_id].pop(str(number), None)
        if connections:
            model[an_id][str(number)] = connections
    table.forget(holders[forgotten])
    for held in model.values():
        held.pop(str(forgotten), None)
    assert holders[forgotten].held == {}
    for an_id, held in model.items():
        assert {holder.name: count for holder, count in table.holders(an_id)} == held
        route = table.routes.get(an_id)
        assert (route is None) == (not held)
        if route is not None:
            for holder in holders:
                holder.inbox.clear()
            route[0]((an_id, b"x", 1))
            assert route[1] == sum(held.values())
            assert {h.name for h in holders if h.inbox == [(an_id, b"x", 1)]} == set(held)
    assert table.connections == sum(sum(held.values()) for held in model.values())


@given(STEPS, st.integers(0, 5), st.integers(1, 3))
def test_an_id_that_left_lingers_until_it_is_back_or_forgotten(
    steps: list[tuple[int, bytes, int]], linger_s: int, most: int
) -> None:
    clock = Clock()
    table, holders = RoutingTable(clock, linger_s, most), [Holder(b"%d" % n, str(n)) for n in range(3)]
    held: dict[bytes, set[int]] = {an_id: set() for an_id in IDS}
    left: dict[bytes, int] = {}
    for now, (number, an_id, connections) in enumerate(steps):
        clock.set(now)
        while table.expire(1):
            pass
        left = {an_id: when for an_id, when in left.items() if now - when <= linger_s}
        table.set(holders[number], an_id, connections)
        was_held = bool(held[an_id])
        (held[an_id].add if connections else held[an_id].discard)(number)
        if held[an_id]:
            left.pop(an_id, None)
        elif was_held and linger_s:
            left[an_id] = now
            while len(left) > most:
                del left[next(iter(left))]
        for other in IDS:
            route = table.routes.get(other)
            assert (route is not None and route[1] == KEPT) == (other in left)
        assert len(table) == sum(map(bool, held.values()))
        assert table.lingering == len(left)


LEAVING = st.lists(
    st.tuples(
        st.sampled_from(["set", "set", "leave", "log out", "look", "time"]),
        st.integers(0, 2),
        st.sampled_from(IDS),
        st.integers(0, 20),
    ),
    max_size=60,
)


@given(LEAVING, st.integers(0, 1))
def test_nobody_sees_that_ids_are_taken_some_at_a_time_from_a_holder_that_left(
    steps: list[tuple[str, int, bytes, int]], linger_s: int
) -> None:
    clock = Clock()
    table = RoutingTable(clock, linger_s * 100.0, 10)
    holders = [Holder(b"%d" % n, str(n)) for n in range(3)]
    model: dict[bytes, dict[Holder, int]] = {an_id: {} for an_id in IDS}
    left: dict[bytes, float] = {}
    for what, number, an_id, connections in steps:
        holder, held = holders[number], model[an_id]
        match what:
            case "set":
                table.set(holder, an_id, connections)
                was_held = bool(held)
                held.pop(holder, None)
                if connections:
                    held[holder] = connections
                    left.pop(an_id, None)
                elif was_held and not held:
                    left[an_id] = clock.now
            case "leave":
                table.leave(holder)
                for one, of in model.items():
                    if of.pop(holder, 0) and not of:
                        left[one] = clock.now
                holders[number] = Holder(b"new", "new")
            case "log out":
                table.log_out(1)
            case "time":
                clock.set(clock.now + 1.0)
            case "look":
                assert dict(table.holders(an_id)) == held
                assert table.count(an_id) == sum(held.values())
                table.settle([an_id])
                route = table.routes.get(an_id)
                if held or (linger_s and an_id in left):
                    assert route is not None
                    assert route[1] == (sum(held.values()) or KEPT)
                    assert set(route[2]) == set(held)
                    assert table.left_at(an_id) == (None if held else left[an_id])
                else:
                    assert route is None
        assert table.connections == sum(sum(of.values()) for of in model.values())
    while table.is_unsettled:
        table.log_out(2)
    assert len(table) == sum(map(bool, model.values()))
    assert table.lingering == (len(left) if linger_s else 0)


def test_a_holder_whose_ids_come_and_go_takes_no_places_of_others() -> None:
    clock = Clock()
    table, quiet, busy = RoutingTable(clock, 120.0, 100), Holder(b"1", "quiet"), Holder(b"2", "busy")
    mine = [b"quiet%d" % number for number in range(40)]
    for an_id in mine:
        table.set(quiet, an_id, 1)
        table.set(quiet, an_id, 0)
    for number in range(5000):
        clock.set(number / 100)
        table.set(busy, b"%d" % number, 1)
        table.set(busy, b"%d" % number, 0)
    table.leave(busy)
    assert all(table.left_at(an_id) == 0.0 for an_id in mine)
    assert (table.lingering, table.evicted) == (100, 40 + 5000 - 100)
    assert table.left_at(b"4999") is not None  # of the busy one the last that left


def test_places_are_shared_out_by_who_has_most_down_to_the_last() -> None:
    table, holders = RoutingTable(Clock(), 120.0, 3), [Holder(b"%d" % n, str(n)) for n in range(4)]
    for number, holder in enumerate([0, 0, 0, 1, 2, 3, 3]):
        table.set(holders[holder], b"%d" % number, 1)
    for number, holder in enumerate([0, 0, 0, 1, 2, 3, 3]):
        table.set(holders[holder], b"%d" % number, 0)
    kept = [holder for number, holder in enumerate([0, 0, 0, 1, 2, 3, 3]) if b"%d" % number in table.routes]
    assert len(kept) == 3
    assert len(set(kept)) == 3


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=150))
def test_who_has_to_go_left_first_of_the_holder_with_most(steps: list[tuple[int, int]]) -> None:
    clock = Clock()
    table, holders = RoutingTable(clock, 60.0, 8), [Holder(b"%d" % n, str(n)) for n in range(3)]
    left: dict[int, float] = {}  # id -> when; each is one holder's
    for an_id, what in steps:
        clock.set(clock.now + (20.0 if what == 9 else 1.0))
        while table.expire(1):
            pass
        left = {one: at for one, at in left.items() if clock.now - at <= 60.0}
        holder = holders[min(an_id % 4, 2)]
        table.set(holder, b"%d" % an_id, 1)
        left.pop(an_id, None)
        if what:
            table.set(holder, b"%d" % an_id, 0)
            left[an_id] = clock.now
        known = {int(one) for one in table.routes if not table.count(one)}
        gone = left.keys() - known
        assert len(gone) == max(0, len(left) - 8)
        for one in gone:
            by_holder = [[at for of, at in left.items() if min(of % 4, 2) == n] for n in range(3)]
            mine = by_holder[min(one % 4, 2)]
            assert len(mine) == max(map(len, by_holder))
            assert left.pop(one) == min(mine)
        assert known == left.keys()
