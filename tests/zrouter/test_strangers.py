"""Who has said nothing yet, on a clock of the test's."""

from __future__ import annotations

from zrouter.strangers import Strangers

FIRST = b"\0\xff\xff\xff\xfe"


def test_the_oldest_go_when_they_are_too_many_and_those_who_waited_too_long() -> None:
    strangers = Strangers(2, 5.0, FIRST)
    for connection in (7, 8, 9):
        strangers.came(connection, 0.0)
    assert strangers.unwanted(1.0) == [7]
    assert strangers.unwanted(5.0) == []
    strangers.came(10, 5.0)
    assert strangers.unwanted(5.1) == [8, 9]
    assert len(strangers) == 1


def test_who_spoke_or_went_is_no_stranger_and_a_descriptor_may_come_again() -> None:
    strangers = Strangers(2, 5.0, FIRST)
    strangers.came(7, 0.0)
    strangers.spoke(7)
    strangers.went(7)
    assert strangers.unwanted(9.0) == []
    strangers.came(7, 9.0)
    assert strangers.unwanted(14.0) == []
    assert strangers.unwanted(14.1) == [7]


def test_an_id_is_made_up_if_its_number_is_within_the_connections_that_came_past_the_highest_too() -> None:
    strangers = Strangers(9, 5.0, FIRST)
    for connection in range(3):
        strangers.came(connection, 0.0)
    is_made_up = strangers.is_made_up
    assert all(map(is_made_up, (b"\0\xff\xff\xff\xff", b"\0\0\0\0\0", b"\0\0\0\0\x01")))
    assert not any(map(is_made_up, (FIRST, b"\0\0\0\0\x02", b"\x01\0\0\0\0", b"\0\0\0\0", b"\0" * 6, b"")))
