"""Connections that are not parked: each kind has a bound, and the oldest goes for a new one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from zfront.http import unparked
from zfront.http.unparked import Unparked


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class FakeStream:
    """What Unparked needs of a stream: Tornado's is in the tests with real programs."""

    def __init__(self, house: Unparked, is_reading: bool = True) -> None:
        self.house = house
        self.is_reading = is_reading
        self.is_cut = False

    def reading(self) -> bool:
        return self.is_reading

    def cut(self) -> None:
        self.is_cut = True
        self.house.remove(self)


class House:
    def __init__(self, limit: int = 100, api_limit: int = 3) -> None:
        self.clock = Clock()
        self.parked = 0
        self.said: list[int] = []
        self.all = Unparked(lambda: self.parked, limit, api_limit, self.said.append, self.clock)
        self.far: dict[int, socket.socket] = {}

    def wait(self) -> int:
        near, far = socket.socketpair()
        descriptor = near.detach()
        self.far[descriptor] = far
        self.all.wait(descriptor)
        self.clock.now += 0.001
        return descriptor

    def stream(self, is_reading: bool = True) -> FakeStream:
        stream = FakeStream(self.all, is_reading)
        self.all.add(stream)
        self.clock.now += 0.001
        return stream

    def is_open(self, descriptor: int) -> bool:
        self.far[descriptor].setblocking(False)
        try:
            return self.far[descriptor].recv(1) != b""
        except BlockingIOError:
            return True


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    for far in house.far.values():
        far.close()


def test_one_that_says_something_is_handed_on_and_forgotten(house: House) -> None:
    silent, said = house.wait(), house.wait()
    house.far[said].send(b"x")
    house.all.handle_events()
    assert house.said == [said]
    assert len(house.all) == 1
    assert house.is_open(silent)
    os.close(said)


def test_one_that_has_gone_is_handed_on_too(house: House) -> None:
    gone = house.wait()
    house.far[gone].close()
    house.all.handle_events()
    assert house.said == [gone]
    os.close(gone)


def test_who_stays_silent_is_closed_after_a_while(house: House) -> None:
    first = house.wait()
    house.clock.now += unparked.SILENT_S - 1
    second = house.wait()
    house.clock.now += 2
    house.all.sweep()
    assert not house.is_open(first)
    assert house.is_open(second)
    assert len(house.all) == 1
    assert house.all.made_way == 0


def test_the_oldest_goes_for_a_new_one_whatever_its_kind(house: House) -> None:
    house.parked = 100 - 70  # so 70 places are left
    oldest = house.wait()
    stream = house.stream()
    others = [house.wait() for _ in range(68)]
    assert house.is_open(oldest)
    house.wait()
    assert not house.is_open(oldest)
    assert not stream.is_cut
    house.stream()
    assert stream.is_cut
    assert all(house.is_open(one) for one in others)
    assert (len(house.all), house.all.made_way) == (70, 2)


def test_parked_clients_push_the_others_out_but_for_a_few(house: House) -> None:
    waiting = [house.wait() for _ in range(80)]
    house.parked = 90
    house.all.make_way()
    assert len(house.all) == unparked.LEAST
    assert [house.is_open(one) for one in waiting] == [False] * 16 + [True] * 64


def test_streams_have_a_bound_of_their_own() -> None:
    house = House(limit=10_000)
    first = house.stream()
    for _ in range(unparked.STREAMS):
        house.stream()
    assert first.is_cut
    assert len(house.all) == unparked.STREAMS


def test_those_that_may_use_the_api_are_pushed_out_by_nobody_else() -> None:
    house = House(limit=64)
    backend = house.stream()
    house.all.may_use_api(backend)
    for _ in range(300):
        house.wait()
        house.stream()
    assert not backend.is_cut


def test_of_too_many_api_streams_the_oldest_that_waits_for_its_client_goes() -> None:
    house = House(api_limit=3)
    busy = house.stream(is_reading=False)
    house.all.may_use_api(busy)
    idle = [house.stream() for _ in range(3)]
    for one in idle:
        house.all.may_use_api(one)
    assert [one.is_cut for one in (busy, *idle)] == [False, True, False, False]


def test_a_stream_that_was_closed_takes_no_place(house: House) -> None:
    stream = house.stream()
    house.all.remove(stream)
    house.all.may_use_api(stream)
    assert len(house.all) == 0
