"""Ticks against a plain list of when each connection is due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zfront.connections.tick_wheel import TickWheel

STEPS = st.lists(
    st.tuples(st.integers(3, 8), st.sampled_from([0.1, 0.2, 0.5, 1.3]), st.integers(0, 12)), max_size=40
)


@given(STEPS, st.integers(0, 10**6))
def test_each_is_due_at_its_own_pace_and_once_after_a_time_away(
    steps: list[tuple[int, float, int]], start: int
) -> None:
    ticks = TickWheel()
    model: dict[int, list[int]] = {}  # connection -> period, due, number
    tenth = start
    for connection, period_s, passed in steps:
        period = round(period_s * 10)
        if connection in model:
            ticks.remove(connection)
            del model[connection]
        else:
            ticks.add(connection, period_s, (tenth + 0.5) / 10)
            model[connection] = [period, tenth + period, 0]
        tenth += passed
        expected = []
        for other, row in model.items():
            if row[1] <= tenth:
                row[2] += 1
                row[1] = row[1] + row[0] if row[1] + row[0] > tenth else tenth + row[0]
                expected.append((other, row[2]))
        assert sorted(ticks.due((tenth + 0.5) / 10)) == sorted(expected)
    assert len(ticks) == len(model)


def test_what_has_left_leaves_nothing_behind() -> None:
    ticks = TickWheel()
    for connection in range(1000):
        ticks.add(connection, 0.1 * (connection + 1), 5.0)
    for connection in range(1000):
        ticks.remove(connection)
        ticks.remove(connection)
    assert not ticks
    assert ticks._wheel == {}
    assert ticks.due(10**9) == []
