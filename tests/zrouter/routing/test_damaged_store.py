"""A store that can't be read: whoever asked is told, and the router goes on, whatever exception it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.zrouter.routing.test_publishes import FRONT, SENDER, House
from zrouter import wire
from zrouter.follows.memory import MemoryFollows
from zrouter.follows.store import Follows, Packed

WHERE = ["read", "number", "names", "followers_of", "size"]
EXCEPTIONS = [
    IndexError("index 7 is out of bounds"),
    KeyError(b"x"),
    ValueError("x"),
    MemoryError(),
    OSError(5, "x"),
]


class Damaged(MemoryFollows):
    """Raises that in one of its methods, for the number of `cat` where it is asked of one."""

    def __init__(self, where: str, error: Exception) -> None:
        super().__init__()
        self.where, self.error = where, error
        self.is_damaged = False

    def _at(self, where: str, number: object = None) -> None:
        if self.is_damaged and self.where == where and number in (None, self._numbers.get(b"cat")):
            raise self.error

    @contextmanager
    def read(self) -> Iterator[MemoryFollows]:
        self._at("read")
        yield self

    @property
    def size(self) -> int:
        self._at("size")
        return super().size

    def number(self, an_id: bytes) -> int | None:
        self._at("number", self._numbers.get(an_id))
        return super().number(an_id)

    def names(self, numbers: Any) -> list[bytes]:
        self._at("names")
        return super().names(numbers)

    def followers_of(self, number: int) -> Packed:
        self._at("followers_of", number)
        return super().followers_of(number)


def a_house(store: Follows) -> House:
    house = House(store=store)
    store.follow(b"ann", b"cat")
    store.follow(b"ann", b"dog")
    house.login(FRONT, b"ann")
    assert house.publish((b"dog", b"woof")) == wire.Published(7, [(1, 1, 1, 0)])
    return house


@pytest.mark.parametrize("error", EXCEPTIONS, ids=repr)
@pytest.mark.parametrize("where", WHERE)
def test_a_page_and_a_publish_of_a_damaged_store_are_refused_and_sends_go_on(
    where: str, error: Exception
) -> None:
    store = Damaged(where, error)
    house = a_house(store)
    store.is_damaged = True
    asked = [
        wire.Related(3, b"cat", True, b"", 10),
        wire.Publish(4, [(b"dog", b"woof"), (b"cat", b"miaow")], b"key"),
    ]
    house.say(SENDER, *asked)
    house.router.tick(1.0)
    house.settle()
    refused = {answer.request: answer for answer in house.answers[SENDER] if type(answer) is wire.Error}
    assert {answer.code for answer in refused.values()} == {wire.STORE_FAILED}
    if where != "size":
        assert 3 in refused
    if where != "names":
        assert 1 <= refused[4].refused <= 2
    house.say(SENDER, wire.Send(5, [(b"ann", b"hi")]))
    assert house.answers[SENDER].pop() == wire.Receipts([(5, [1])])
    store.is_damaged = False
    assert house.publish((b"cat", b"miaow"), key=b"key2") == wire.Published(7, [(1, 1, 1, 0)])
    assert house.router.publishing is not None
    assert house.router.publishing.waiting == 0


def test_a_damaged_list_fails_the_publishes_to_it_and_no_others() -> None:
    store = Damaged("followers_of", IndexError())
    house = a_house(store)
    store.is_damaged = True
    house.say(SENDER, wire.Publish(1, [(b"cat", b"1")]), wire.Publish(2, [(b"dog", b"2")]))
    house.settle()
    first, second = sorted(house.answers[SENDER], key=lambda answer: answer.request)
    assert (first.code, first.refused) == (wire.STORE_FAILED, 1)
    assert second == wire.Published(2, [(1, 1, 1, 0)])


def test_a_list_that_is_damaged_in_its_middle_fails_the_publish_that_comes_there() -> None:
    store = MemoryFollows()
    house = a_house(store)
    number = store._numbers[b"cat"]
    store._followers[number] = {store._numbers[b"ann"], 4_000_000_000}
    house.say(SENDER, wire.Publish(1, [(b"cat", b"1")]), wire.Related(2, b"cat", True, b"", 10))
    house.settle()
    assert {answer.request: answer.code for answer in house.answers[SENDER]} == {
        1: wire.STORE_FAILED,
        2: wire.STORE_FAILED,
    }
