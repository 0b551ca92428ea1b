"""Who tries again when, and what a cut is."""

from __future__ import annotations

import pytest

from zflood.swarm.reconnects import PAUSE_MAX_S, STEADY_S, Reconnects


def up(*clients: int, at: float = 0.0, reconnect: bool = True, wanted: int | None = None) -> Reconnects:
    reconnects = Reconnects(len(clients) if wanted is None else wanted, reconnect)
    for client in clients:
        reconnects.answered(client, at)
    return reconnects


def pause(reconnects: Reconnects, client: int, now: float) -> float:
    """How long it waits after an ending now; it is begun then."""
    reconnects.ended(client, now)
    wait = reconnects.wait_s(now)
    assert reconnects.next_due(now + wait) == client
    return wait


def test_a_client_that_ended_tries_again_at_once_and_once() -> None:
    reconnects = up(0, 1, 2)
    reconnects.ended(1, 5.0)
    assert reconnects.next_due(5.0) == 1
    assert reconnects.next_due(99.0) is None
    assert not reconnects.is_waiting


def test_without_reconnecting_nobody_tries_again() -> None:
    reconnects = up(0, reconnect=False)
    reconnects.ended(0, 5.0)
    assert not reconnects.is_waiting
    assert reconnects.next_due(99.0) is None
    assert reconnects.back_s(99.0) is None


def test_pauses_grow_to_a_second_and_are_spread() -> None:
    waits = []
    for _ in range(200):
        reconnects = up(0)
        waits.append([pause(reconnects, 0, 5.0) for _ in range(12)])
    assert {wait[0] for wait in waits} == {0.0}
    longest = [max(wait[attempt] for wait in waits) for attempt in range(12)]
    assert longest[1] <= 0.05 < longest[3] < longest[6]
    assert 0.8 * PAUSE_MAX_S < longest[-1] <= PAUSE_MAX_S
    assert min(wait[-1] for wait in waits) < 0.2 * PAUSE_MAX_S


def test_many_failed_attempts_are_no_overflow() -> None:
    reconnects = up(0)
    assert max(pause(reconnects, 0, 5.0) for _ in range(1000)) <= PAUSE_MAX_S


def test_a_steady_connection_makes_good_for_failed_attempts() -> None:
    reconnects = up(0, at=1000.0)
    for _ in range(5):
        pause(reconnects, 0, 1005.0)
    reconnects.answered(0, 1006.0)
    assert pause(reconnects, 0, 1006.0 + STEADY_S + 0.1) == 0.0


def test_a_server_that_ends_at_once_what_it_answers_is_asked_with_pauses() -> None:
    reconnects = up(0)
    waits = []
    for _ in range(20):
        waits.append(pause(reconnects, 0, 5.0))
        reconnects.answered(0, 5.0)
    assert sum(waits) > 1.0


def test_the_cut_lasts_from_the_first_that_ended_until_all_are_up() -> None:
    reconnects = up(0, 1, 2)
    assert reconnects.back_s(9.0) is None
    reconnects.ended(0, 10.0)
    reconnects.ended(1, 10.5)
    reconnects.answered(0, 11.0)
    assert reconnects.back_s(11.0) == 1.0  # so far
    reconnects.ended(2, 11.1)
    reconnects.answered(2, 11.2)
    reconnects.answered(1, 12.5)
    assert reconnects.back_s(99.0) == 2.5
    reconnects.ended(2, 100.0)
    reconnects.answered(2, 100.25)
    assert reconnects.back_s(200.0) == 0.25
    assert (reconnects.up, reconnects.connected, reconnects.reconnects) == (3, 7, 4)


def test_an_ending_before_all_are_up_is_no_cut() -> None:
    reconnects = up(0, 1, wanted=3)
    reconnects.ended(0, 1.0)
    reconnects.answered(0, 2.0)
    reconnects.answered(2, 3.0)
    assert reconnects.back_s(9.0) is None


def test_another_connection_of_a_client_that_is_up_is_no_reconnect() -> None:
    reconnects = up(0, 1, reconnect=False)
    reconnects.begins_again(1, 5.0)
    assert reconnects.is_waiting
    assert reconnects.next_due(5.0) == 1
    reconnects.answered(1, 5.1)
    assert (reconnects.up, reconnects.connected, reconnects.reconnects) == (2, 2, 0)


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_client_is_new_then_up_then_away(is_answered: bool) -> None:
    reconnects = Reconnects(1, is_reconnecting=True)
    assert (reconnects.is_up(0), reconnects.is_away(0)) == (False, False)
    if is_answered:
        reconnects.answered(0, 0.0)
        assert (reconnects.is_up(0), reconnects.is_away(0)) == (True, False)
    reconnects.ended(0, 1.0)
    assert (reconnects.is_up(0), reconnects.is_away(0)) == (False, True)
