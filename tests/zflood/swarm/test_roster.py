"""Who tries again when, and what a cut is."""

from __future__ import annotations

import pytest

from zflood.swarm.roster import PAUSE_MAX_S, STEADY_S, Roster


def up(*clients: int, at: float = 0.0, reconnect: bool = True, wanted: int | None = None) -> Roster:
    roster = Roster(len(clients) if wanted is None else wanted, reconnect)
    for client in clients:
        roster.answered(client, at)
    return roster


def pause(roster: Roster, client: int, now: float) -> float:
    """How long it waits after an ending now; it is begun then."""
    roster.ended(client, now)
    wait = roster.wait_s(now)
    assert roster.next_due(now + wait) == client
    return wait


def test_a_client_that_ended_tries_again_at_once_and_once() -> None:
    roster = up(0, 1, 2)
    roster.ended(1, 5.0)
    assert roster.next_due(5.0) == 1
    assert roster.next_due(99.0) is None
    assert not roster.is_waiting


def test_without_reconnecting_nobody_tries_again() -> None:
    roster = up(0, reconnect=False)
    roster.ended(0, 5.0)
    assert not roster.is_waiting
    assert roster.next_due(99.0) is None
    assert roster.back_s(99.0) is None


def test_pauses_grow_to_a_second_and_are_spread() -> None:
    waits = []
    for _ in range(200):
        roster = up(0)
        waits.append([pause(roster, 0, 5.0) for _ in range(12)])
    assert {wait[0] for wait in waits} == {0.0}
    longest = [max(wait[attempt] for wait in waits) for attempt in range(12)]
    assert longest[1] <= 0.05 < longest[3] < longest[6]
    assert 0.8 * PAUSE_MAX_S < longest[-1] <= PAUSE_MAX_S
    assert min(wait[-1] for wait in waits) < 0.2 * PAUSE_MAX_S


def test_many_failed_attempts_are_no_overflow() -> None:
    roster = up(0)
    assert max(pause(roster, 0, 5.0) for _ in range(1000)) <= PAUSE_MAX_S


def test_a_steady_connection_makes_good_for_failed_attempts() -> None:
    roster = up(0, at=1000.0)
    for _ in range(5):
        pause(roster, 0, 1005.0)
    roster.answered(0, 1006.0)
    assert pause(roster, 0, 1006.0 + STEADY_S + 0.1) == 0.0


def test_a_server_that_ends_at_once_what_it_answers_is_asked_with_pauses() -> None:
    roster = up(0)
    waits = []
    for _ in range(20):
        waits.append(pause(roster, 0, 5.0))
        roster.answered(0, 5.0)
    assert sum(waits) > 1.0


def test_the_cut_lasts_from_the_first_that_ended_until_all_are_up() -> None:
    roster = up(0, 1, 2)
    assert roster.back_s(9.0) is None
    roster.ended(0, 10.0)
    roster.ended(1, 10.5)
    roster.answered(0, 11.0)
    assert roster.back_s(11.0) == 1.0  # so far
    roster.ended(2, 11.1)
    roster.answered(2, 11.2)
    roster.answered(1, 12.5)
    assert roster.back_s(99.0) == 2.5
    roster.ended(2, 100.0)
    roster.answered(2, 100.25)
    assert roster.back_s(200.0) == 0.25
    assert (roster.up, roster.connected, roster.reconnects) == (3, 7, 4)


def test_an_ending_before_all_are_up_is_no_cut() -> None:
    roster = up(0, 1, wanted=3)
    roster.ended(0, 1.0)
    roster.answered(0, 2.0)
    roster.answered(2, 3.0)
    assert roster.back_s(9.0) is None


def test_another_connection_of_a_client_that_is_up_is_no_reconnect() -> None:
    roster = up(0, 1, reconnect=False)
    roster.begins_again(1, 5.0)
    assert roster.is_waiting
    assert roster.next_due(5.0) == 1
    roster.answered(1, 5.1)
    assert (roster.up, roster.connected, roster.reconnects) == (2, 2, 0)


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_client_is_new_then_up_then_away(is_answered: bool) -> None:
    roster = Roster(1, is_reconnecting=True)
    assert (roster.is_up(0), roster.is_away(0)) == (False, False)
    if is_answered:
        roster.answered(0, 0.0)
        assert (roster.is_up(0), roster.is_away(0)) == (True, False)
    roster.ended(0, 1.0)
    assert (roster.is_up(0), roster.is_away(0)) == (False, True)
