"""A room goes by the clock that it is given, and by no other."""

from __future__ import annotations

import socket

from zfront.connections.hub import Hub
from zfront.connections.parked_sockets import ParkedSockets
from zfront.requests.stream_request import StreamRequest, read_stream_request
from zfront.settings import FrontSettings


def stream_request(path: str) -> StreamRequest:
    found = read_stream_request(path, "")
    assert found is not None
    return found


def test_a_poll_is_answered_and_a_stream_ends_when_the_clock_of_the_room_says_so() -> None:
    now = 1000.0
    hub = Hub(FrontSettings(poll_timeout=30, max_age=100), lambda _: None, lambda _: None, clock=lambda: now)
    ours, poller = socket.socketpair()
    stream, listener = socket.socketpair()
    for one in (ours, stream):
        one.setblocking(False)
    after_poller = ours.fileno() + 1  # each second has a share of the connections, by their numbers
    hub.enter(ours.detach(), stream_request("/poll/a"))
    hub.enter(stream.detach(), stream_request("/test/a"))
    poller.setblocking(False)
    for second in range(30):
        hub.sweep(second)
    assert len(hub.parked) == 2
    now += 30
    hub.sweep(0)
    assert poller.recv(1000).startswith(b"HTTP/1.1 204")
    now += 111
    for second in range(30):
        hub.sweep(after_poller + second)  # so the poll is idle before it is old
    assert isinstance(hub.parked, ParkedSockets)
    hub.parked.handle_events()
    assert hub.closed == {"aged": 1, "idle": 1}
    assert listener.recv(1000).endswith(b"0\r\n\r\n")
