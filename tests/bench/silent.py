"""Connections that say nothing, clients that read nothing: what each takes of a worker and of the kernel."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from tests.bench.lines import Line
from tests.bench.programs import Stage, until
from tests.bench.sizes import size
from zrouter.client import RouterClient

SILENT = 15_000
STUCK = 8_000
_PER_SOURCE = 5_000
_DEFERRED_S = 8.0  # the kernel hands over a connection that says nothing after five to seven seconds
_MESSAGE = b"x" * 16_000
_ROUNDS = 400


def silent_clients() -> list[Line]:
    """15,000 connect and say nothing; then all have gone."""
    with Stage() as stage:
        _, endpoint = stage.router()
        front, port = stage.front(endpoint)
        _warm(port)
        before = front.rss_bytes()
        many = size(SILENT, 1_000)
        connections = [_connect(port, number) for number in range(many)]
        with RouterClient(endpoint) as api:
            time.sleep(_DEFERRED_S)
            during, here = front.rss_bytes(), _figure(api, "unparked")
            assert here > many / 2  # some of so many at once have to knock again
            for one in connections:
                one.close()
            until(lambda: not _figure(api, "unparked"))
            after = front.rss_bytes()
    return [
        Line(
            f"{many:,} connections that say nothing: memory of the worker for each",
            "B",
            (during - before) / here,
            1000,
        ),
        Line("they have gone: memory beside that of before", "", after / before, 1.1),
    ]


def stuck_clients() -> list[Line]:
    """8,000 clients that never read, sent more than any of them may have waiting."""
    with Stage() as stage:
        _, endpoint = stage.router()
        front, port = stage.front(endpoint)
        many = size(STUCK, 200)
        connections = []
        for number in range(many):
            connection = _connect(port, number, receives=4096)
            connection.sendall(b"GET /stream/stuck HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            connections.append(connection)
        with RouterClient(endpoint) as api:
            until(lambda: api.stats()["connections"] == many)
            time.sleep(1)
            kernel, memory, most = _kernel_bytes(), front.rss_bytes(), 0
            for _ in range(_ROUNDS):
                if api.send("stuck", _MESSAGE) <= 0:
                    break
                time.sleep(0.02)
                most = max(most, _kernel_bytes())
            grown = max(most - kernel, 0)
            user = front.rss_bytes() - memory
        for one in connections:
            one.close()
    return [
        Line(f"{many:,} clients that never read: the kernel's memory for each", "B", grown / many, 400_000),
        Line("the same: the worker's memory for each", "B", max(user, 0) / many, 200_000),
    ]


def _connect(port: int, number: int, receives: int = 0) -> socket.socket:
    connection = socket.socket()
    if receives:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    connection.bind((f"127.0.1.{1 + number // _PER_SOURCE}", 0))
    connection.connect(("127.0.0.1", port))
    return connection


def _warm(port: int) -> None:
    """Have all parts of the worker loaded that a client needs."""
    for _ in range(200):
        with socket.create_connection(("127.0.0.1", port)) as one:
            one.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            while one.recv(65536):
                pass


def _figure(api: RouterClient, name: str) -> float:
    return sum(float(peer.get(name, 0)) for peer in api.stats()["frontends"])


def _kernel_bytes() -> int:
    """What all TCP sockets of this machine hold, both ends."""
    line = next(one for one in Path("/proc/net/sockstat").read_text().splitlines() if one.startswith("TCP:"))
    return int(line.split()[-1]) * 4096
