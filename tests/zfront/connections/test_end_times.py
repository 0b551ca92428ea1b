"""Who is due when, against a plain list."""

from __future__ import annotations

import functools
import operator

from hypothesis import given
from hypothesis import strategies as st

from zfront.connections.end_times import Due, EndTimes


def test_a_connection_is_warned_and_then_ends() -> None:
    ends = EndTimes(10, now=1000)
    ends.begin(5, 60, now=1000)
    assert not ends.is_anyone_due(1049.9)
    assert ends.due(1049.9, 9) == []
    assert ends.due(1050, 9) == [Due(5, True)]
    assert ends.due(1059.9, 9) == []
    assert ends.due(1060, 9) == [Due(5, False)]
    assert ends.due(9999, 9) == []
    assert not ends.is_anyone_due(9999)


def test_who_was_away_for_long_is_not_warned_any_more() -> None:
    ends = EndTimes(10, now=0)
    ends.begin(1, 60, now=0)
    assert ends.due(60, 9) == [Due(1, False)]
    assert ends.due(99, 9) == []


def test_one_whose_end_is_near_is_not_warned() -> None:
    ends = EndTimes(10, now=0)
    ends.begin(1, 10, now=0)
    ends.begin(2, -5, now=0)
    assert ends.due(0, 9) == [Due(2, False)]
    assert ends.due(10, 9) == [Due(1, False)]


def test_a_new_end_takes_the_place_of_the_old_one() -> None:
    ends = EndTimes(0, now=0)
    ends.begin(1, 5, now=0)
    ends.begin(1, 100, now=4)
    ends.begin(2, 5, now=0)
    ends.forget(2)
    ends.forget(99_999)
    assert ends.due(50, 9) == []
    assert ends.due(104, 9) == [Due(1, False)]


def test_an_end_further_away_than_a_row_can_say_is_the_furthest_there_is() -> None:
    ends = EndTimes(10, now=5e8)
    ends.begin(1, 1e12, now=5e8)
    assert ends.due(5e8 + 6 * 365 * 86400, 9) == []


def test_many_at_once_are_due_in_portions() -> None:
    ends = EndTimes(0, now=0)
    for connection in range(1000):
        ends.begin(connection, 1, now=0)
    portions = [[due.connection for due in ends.due(1, 300)] for _ in range(5)]
    assert list(map(len, portions)) == [300, 300, 300, 100, 0]
    assert sorted(functools.reduce(operator.iadd, portions, [])) == list(range(1000))


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 50), st.integers(0, 60), st.booleans())))
def test_as_a_plain_list_would_have_it(steps: list[tuple[int, int, int, bool]]) -> None:
    ends, plain = EndTimes(10, now=0), {}
    now = 0
    for connection, passes_s, ends_in_s, stays in steps:
        now += passes_s
        if stays:
            ends.begin(connection, ends_in_s, now)
            plain[connection] = now + ends_in_s
        else:
            ends.forget(connection)
            plain.pop(connection, None)
        over = {due.connection for due in ends.due(now, 10_000) if not due.is_warning}
        assert over == {one for one, at in plain.items() if at <= now}
        plain = {one: at for one, at in plain.items() if at > now}
        assert len(ends) == len(plain)
