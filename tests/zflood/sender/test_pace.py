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


def test_what_shares_a_send_is_due_at_the_same_time() -> None:
    schedule = Schedule(began_s=10.0, interval_s=0.25, messages=7, together=4)
    assert [schedule.at(number) for number in range(7)] == [10.0] * 4 + [11.0] * 3
    assert [schedule.due(now) for now in (9.9, 10.0, 10.99, 11.0, 99.0)] == [0, 4, 4, 7, 7]


@pytest.mark.parametrize(
    ("per_s", "senders", "most", "together"),
    [
        (1, 1, 1000, 1),
        (1000, 1, 1000, 1),
        (5000, 1, 1000, 5),
        (5000, 2, 1000, 2),
        (5000, 1, 1, 1),
        (1e9, 1, 64, 64),
    ],
)
def test_a_millisecond_is_the_grain_of_a_schedule(
    per_s: float, senders: int, most: int, together: int
) -> None:
    own = share(0.0, 1 / per_s, 100_000, 0, senders, most)
    assert own.together == together
    assert own.at(10 * together) == pytest.approx(10 * together * senders / per_s)  # the rate stays


@given(st.integers(1, 200), st.integers(1, 64), st.floats(1e-6, 10))
def test_the_shares_of_all_senders_are_the_whole(messages: int, senders: int, interval_s: float) -> None:
    shares = [share(5.0, interval_s, messages, number, senders) for number in range(senders)]
    assert sum(each.messages for each in shares) == messages
    times = sorted(each.at(number) for each in shares for number in range(each.messages))
    assert times == pytest.approx([5.0 + number * interval_s for number in range(messages)])
