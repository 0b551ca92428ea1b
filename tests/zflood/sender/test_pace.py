"""The schedule of an open loop, without a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zflood.sender.pace import Schedule, share


def test_a_message_is_due_at_its_time_and_not_before() -> None:
    schedule = Schedule(began_s=100.0, interval_s=0.25, messages=3)
    assert [schedule.at(number) for number in range(3)] == [100.0, 100.25, 100.5]
    assert [schedule.due(now) for now in (99.9, 100.0, 100.24, 100.25, 100.5, 200.0)] == [0, 1, 1, 2, 3, 3]


def test_a_delay_shifts_nothing() -> None:
    schedule = Schedule(began_s=0.0, interval_s=0.5, messages=1000)
    assert schedule.due(20.0) == 41
    assert schedule.at(41) == 20.5


@given(st.integers(1, 200), st.integers(1, 64), st.floats(1e-6, 10))
def test_the_shares_of_all_senders_are_the_whole(messages: int, senders: int, interval_s: float) -> None:
    shares = [share(5.0, interval_s, messages, number, senders) for number in range(senders)]
    assert sum(each.messages for each in shares) == messages
    times = sorted(each.at(number) for each in shares for number in range(each.messages))
    assert times == pytest.approx([5.0 + number * interval_s for number in range(messages)])
