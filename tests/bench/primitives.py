"""`python -m tests.bench.primitives`: what the pieces of the hot path cost, in microseconds, best of 7.

The decision records quote these; they say where the time of a message goes, not how fast the system is.
"""

from __future__ import annotations

import contextlib
import timeit
from collections.abc import Callable
from typing import Any

import zmq
import zmq.backend

from zfront.transports import chunked
from zrouter import wire
from zrouter.routing.burst import Burst
from zrouter.routing.clock import Clock
from zrouter.routing.counters import Counters
from zrouter.routing.idempotency import Idempotency
from zrouter.routing.limits import Limits
from zrouter.routing.mailboxes import Mailboxes
from zrouter.routing.peers import Peer
from zrouter.routing.routing_table import RoutingTable

BATCH = 256
FRAME = b"x" * 40


def cost_us(what: Callable[[], object], number: int = 2000, each: int = 1) -> float:
    """Microseconds for one of the `each` things that a call does."""
    return min(timeit.repeat(what, number=number, repeat=7)) / number / each * 1e6


def link() -> dict[str, float]:
    """ZeroMQ over inproc, so that no I/O thread takes part."""
    context = zmq.Context()
    a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    a.bind("inproc://primitives")
    b.connect("inproc://primitives")
    for socket in (a, b):
        socket.set(zmq.SNDHWM, 0)
        socket.set(zmq.RCVHWM, 0)
    get: Any = zmq.backend.Socket.get
    no_wait, events, more = int(zmq.NOBLOCK), int(zmq.EVENTS), int(zmq.RCVMORE)
    poller = zmq.Poller()
    poller.register(b, zmq.POLLIN)

    def nothing_there() -> None:
        with contextlib.suppress(zmq.Again):
            b.recv(no_wait)

    def received(copy: bool = True) -> float:
        def pass_many() -> None:
            for _ in range(BATCH):
                a.send(FRAME)
            for _ in range(BATCH):
                b.recv(copy=copy)

        def send_many() -> None:
            for _ in range(BATCH):
                a.send(FRAME)

        both = cost_us(pass_many, 50, BATCH)
        sent = cost_us(send_many, 50, BATCH)
        while get(b, events) & zmq.POLLIN:
            b.recv()
        return both - sent

    costs = {
        "recv": received(),
        "recv(copy=False)": received(copy=False),
        "get(RCVMORE)": cost_us(lambda: get(b, more)),
        "get(EVENTS)": cost_us(lambda: get(b, events)),
        "recv with nothing there (zmq.Again)": cost_us(nothing_there),
        "Poller.poll(0)": cost_us(lambda: poller.poll(0)),
    }
    a.close(0)
    b.close(0)
    context.term()
    return costs


def rules() -> dict[str, float]:
    """A pair's way through our own code, in batches."""
    clock = Clock()
    table = RoutingTable(clock)
    burst = Burst(table, Mailboxes(clock, Limits()), Idempotency(clock, 300.0, 1 << 25), Limits(), Counters())
    frontend, sender = Peer(b"\0f", "f", b"i" * 8, 1.0, 0.0), Peer(b"\0s", "s", b"i" * 8, 1.0, 0.0)
    ids = [b"%d" % number for number in range(10_000)]
    for an_id in ids:
        table.set(frontend, an_id, 1)
    send = wire.Send(0, [(an_id, FRAME) for an_id in ids[:BATCH]])
    frame = wire.encode(send)

    def route() -> None:
        burst.send(sender, frame, send)
        burst.deliveries([frontend])
        burst.end()
        frontend.handed_bytes = 0

    escaped = chunked.escape(FRAME)
    return {
        f"decode a pair, {BATCH} in a frame": cost_us(lambda: wire.decode_to_router(frame), each=BATCH),
        f"route and pack a pair, {BATCH} in a frame": cost_us(route, each=BATCH),
        "escape a message": cost_us(lambda: chunked.escape(FRAME)),
        "make its chunk": cost_us(lambda: chunked.message_chunk(7, escaped)),
    }


if __name__ == "__main__":
    for name, us in (link() | rules()).items():
        print(f"{us:8.3f} us  {name}")
