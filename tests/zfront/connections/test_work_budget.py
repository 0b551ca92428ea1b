"""A client's budget against what its words say: a rate, a burst, a wait, and an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zfront.connections.work_budget import END, WorkBudget

RATE, BURST, PATIENCE_S = 100.0, 400.0, 20.0
UNITS = st.integers(1, 2000)
PAUSES = st.floats(0, 30)


def budget() -> WorkBudget:
    return WorkBudget(RATE, BURST, PATIENCE_S)


def test_a_burst_is_served_at_once_and_what_is_beyond_it_is_waited_for() -> None:
    one = budget()
    assert one.spend(7, BURST, 1000.0) == 0.0
    assert abs(one.spend(7, 50, 1000.0) - 0.5) < 1e-9
    assert one.delays == 1


def test_who_never_goes_beyond_the_rate_never_waits() -> None:
    one = budget()
    assert all(one.spend(3, 1, number / RATE) == 0.0 for number in range(100_000))


@given(st.lists(st.tuples(UNITS, PAUSES), max_size=50))
def test_who_waits_as_told_gets_the_rate_and_a_burst_and_not_more(steps: list[tuple[int, float]]) -> None:
    one = WorkBudget(RATE, BURST)
    now, served = 500.0, 0
    for units, pause_s in steps:
        now += pause_s
        # What is served at a moment may overdraw, but only from a place within the bound.
        assert served <= RATE * (now - 500.0) + BURST + 1e-3
        wait_s = one.spend(0, units, now)
        served += units
        now += wait_s


def test_who_goes_on_asking_for_more_is_ended_after_the_patience_and_not_before() -> None:
    one, now, waited_since = budget(), 0.0, None
    for _ in range(10_000):
        wait_s = one.spend(5, 32, now, wants_more=True)
        if wait_s == END:
            break
        if wait_s and waited_since is None:
            waited_since = now
        now += wait_s
    assert wait_s == END
    assert waited_since is not None
    assert PATIENCE_S < now - waited_since < PATIENCE_S + 1


def test_who_is_served_slower_than_it_asks_is_ended_as_well() -> None:
    """The server is busy: it comes to this client once a second, which so never owes anything again."""
    one, now = budget(), 0.0
    one.spend(5, BURST + 1, now, wants_more=True)
    while (wait_s := one.spend(5, 32, now, wants_more=True)) != END:
        now += max(wait_s, 1.0)
        assert now < 2 * PATIENCE_S
    assert now > PATIENCE_S


def test_who_had_to_wait_and_then_keeps_to_the_rate_is_forgiven() -> None:
    one = budget()
    assert one.spend(5, 2 * BURST, 0.0) > 0
    assert one.spend(5, 1, 10.0) == 0.0
    assert one.spend(5, 2 * BURST, 100.0) not in (0.0, END)


@given(st.lists(st.tuples(st.integers(0, 5000), UNITS, PAUSES), max_size=30))
def test_clients_do_not_pay_for_each_other(steps: list[tuple[int, int, float]]) -> None:
    together, now = budget(), 0.0
    alone: dict[int, WorkBudget] = {}
    for client, units, pause_s in steps:
        now += pause_s
        other = alone.setdefault(client, budget())
        assert together.spend(client, units, now) == other.spend(client, units, now)


def test_the_next_client_by_the_same_number_begins_anew() -> None:
    one = budget()
    one.spend(9, 10 * BURST, 0.0)
    one.forget(9)
    one.forget(100_000)  # no error if it never asked
    assert one.spend(9, BURST, 0.0) == 0.0
    assert one.spend(9, 1, 2 * PATIENCE_S, wants_more=True) == 0.0


def test_what_is_more_than_there_is_may_not_be_spent_and_costs_nothing() -> None:
    one = budget()
    assert one.may_spend(1, BURST, 0.0)
    assert not one.may_spend(1, 1, 0.0)
    assert one.may_spend(1, 100, 1.0)
    assert not one.may_spend(2, BURST + 1, 0.0)
    assert one.may_spend(2, BURST, 0.0)
