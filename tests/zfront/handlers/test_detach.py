"""What Tornado leaves behind for a parked connection: nothing, without any help of the cyclic collector."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections import Counter

from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from zfront.connections.hub import Hub
from zfront.handlers.app import make_app
from zfront.settings import FrontSettings

KINDS = {"ChunkedHandler", "IOStream", "HTTP1Connection", "HTTP1ServerConnection", "HTTPServerRequest"}


def alive() -> Counter[str]:
    """How many objects of each kind there are."""
    return Counter(type(thing).__name__ for thing in gc.get_objects() if type(thing).__name__ in KINDS)


async def park(count: int) -> Counter[str]:
    """Park so many connections Tornado's way; what is left of its objects."""
    hub = Hub(FrontSettings(), lambda _: None, lambda _: None)
    server = HTTPServer(make_app(hub))
    listener, port = bind_unused_port()
    server.add_sockets([listener])
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for client in clients:
        client.sendall(b"GET /test/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    for _ in range(200):
        await asyncio.sleep(0)
    assert len(hub.parked) == count
    left = alive()
    hub.end_some(count)
    server.stop()
    for client in clients:
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        client.close()
    return left


def test_nothing_of_tornado_stays_for_a_parked_connection() -> None:
    gc.collect()
    gc.disable()
    try:
        left = asyncio.run(park(50))
    finally:
        gc.enable()
    assert not left
