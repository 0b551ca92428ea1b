"""Who waits to be told what it missed: one that comes for the first time, too, gets all from its login on."""

from __future__ import annotations

from zrouter.cursor import NEW, Cursor
from zrouter.resumption import Resumption
from zrouter.wire import Message, Resume, Resumed

EPOCH = 7


class Frontend:
    """One client with one id, and a router that is asked."""

    def __init__(self) -> None:
        self.told: list[Resumed] = []
        self.resumption = Resumption(
            lambda: [1], lambda _: [b"a"], lambda _: None, lambda _, answer: self.told.append(answer)
        )
        self.resumption.welcomed(EPOCH)
        self.resumption.begin(1, NEW)

    def asks(self) -> Cursor:
        """Where the client is, as the router is asked now."""
        [(make, self._answered)] = self.resumption.requests()
        message: Message = make(1)
        assert isinstance(message, Resume)
        return Cursor(message.epoch, message.position)

    def is_answered(self, position: int) -> None:
        """The router's answer to that."""
        self._answered(Resumed(1, position, "", []))


def test_a_new_client_has_missed_nothing() -> None:
    front = Frontend()
    assert front.asks() == NEW
    front.is_answered(40)
    assert [one.position for one in front.told] == [40]
    assert len(front.resumption) == 0


def test_what_came_for_a_new_client_before_the_router_is_asked_is_asked_for() -> None:
    front = Frontend()
    front.resumption.withheld(1, 41)
    front.resumption.withheld(1, 43)
    assert front.asks() == Cursor(EPOCH, 40)
    front.is_answered(43)
    assert len(front.told) == 1


def test_what_came_for_a_new_client_before_the_answer_is_asked_for_again() -> None:
    front = Frontend()
    assert front.asks() == NEW
    front.resumption.withheld(1, 41)
    front.is_answered(41)
    assert not front.told
    assert front.asks() == Cursor(EPOCH, 40)
    front.is_answered(41)
    assert len(front.told) == 1


def test_a_client_that_comes_back_asks_from_where_it_was() -> None:
    front = Frontend()
    front.resumption.begin(1, Cursor(EPOCH, 9))
    front.resumption.withheld(1, 41)
    assert front.asks() == Cursor(EPOCH, 9)
