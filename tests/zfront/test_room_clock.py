"""A room goes by the clock that it is given, and by no other."""

from __future__ import annotations

import socket

from zfront.lot import Lot
from zfront.room import Room
from zfront.settings import FrontSettings
from zfront.visit import Visit, read_visit


def visit(path: str) -> Visit:
    found = read_visit(path, "")
    assert found is not None
    return found


def test_a_poll_is_answered_and_a_stream_ends_when_the_clock_of_the_room_says_so() -> None:
    now = 1000.0
    room = Room(
        FrontSettings(poll_timeout=30, max_age=100), lambda _: None, lambda _: None, clock=lambda: now
    )
    ours, poller = socket.socketpair()
    stream, listener = socket.socketpair()
    for one in (ours, stream):
        one.setblocking(False)
    after_poller = ours.fileno() + 1  # each second has a share of the connections, by their numbers
    room.enter(ours.detach(), visit("/poll/a"))
    room.enter(stream.detach(), visit("/test/a"))
    poller.setblocking(False)
    for second in range(30):
        room.sweep(second)
    assert len(room.lot) == 2
    now += 30
    room.sweep(0)
    assert poller.recv(1000).startswith(b"HTTP/1.1 204")
    now += 111
    for second in range(30):
        room.sweep(after_poller + second)  # so the poll is idle before it is old
    assert isinstance(room.lot, Lot)
    room.lot.handle_events()
    assert room.closed == {"aged": 1, "idle": 1}
    assert listener.recv(1000).endswith(b"0\r\n\r\n")
