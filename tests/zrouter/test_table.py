"""RoutingTable against the simplest model: a dict of dicts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zrouter.clock import Clock
from zrouter.table import Holder, RoutingTable
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
        table.tick()
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
