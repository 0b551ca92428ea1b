"""Who has said nothing yet, on a clock of the test's."""

from __future__ import annotations

from zrouter.server.pending_hellos import PendingHellos

FIRST = b"\0\xff\xff\xff\xfe"


def test_the_oldest_go_when_they_are_too_many_and_those_who_waited_too_long() -> None:
    pending_hellos = PendingHellos(2, 5.0, FIRST)
    for connection in (7, 8, 9):
        pending_hellos.came(connection, 0.0)
    assert pending_hellos.unwanted(1.0) == [7]
    assert pending_hellos.unwanted(5.0) == []
    pending_hellos.came(10, 5.0)
    assert pending_hellos.unwanted(5.1) == [8, 9]
    assert len(pending_hellos) == 1


def test_who_spoke_or_went_is_no_stranger_and_a_descriptor_may_come_again() -> None:
    pending_hellos = PendingHellos(2, 5.0, FIRST)
    pending_hellos.came(7, 0.0)
    pending_hellos.spoke(7)
    pending_hellos.went(7)
    assert pending_hellos.unwanted(9.0) == []
    pending_hellos.came(7, 9.0)
    assert pending_hellos.unwanted(14.0) == []
    assert pending_hellos.unwanted(14.1) == [7]


def test_an_id_is_made_up_if_its_number_is_within_the_connections_that_came_past_the_highest_too() -> None:
    pending_hellos = PendingHellos(9, 5.0, FIRST)
    for connection in range(3):
        pending_hellos.came(connection, 0.0)
    is_made_up = pending_hellos.is_made_up
    assert all(map(is_made_up, (b"\0\xff\xff\xff\xff", b"\0\0\0\0\0", b"\0\0\0\0\x01")))
    assert not any(map(is_made_up, (FIRST, b"\0\0\0\0\x02", b"\x01\0\0\0\0", b"\0\0\0\0", b"\0" * 6, b"")))
