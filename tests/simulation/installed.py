"""Puts the simulated kernel, ZeroMQ, loop and clock where the shells that ship have the real ones.

Owns: which names of which modules are replaced, and put back. Must not know: what they do.

So the rules *and* the shells are those that ship: Hub, ParkedSockets, FanOut, RouterLink, Session,
Dealer, Router, SocketLoop. One world at a time: the names are those of the whole interpreter.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any
from zlib import crc32

import zfront.connections.fan_out
import zfront.connections.parked_sockets
import zfront.router_link
import zrouter.link.announcements
import zrouter.link.dealer
import zrouter.routing.presence
import zrouter.routing.publishes
import zrouter.server.socket_loop
from tests.simulation import kernel, sockets
from tests.simulation.loop import SimEvery
from tests.simulation.world import World


@contextmanager
def installed(world: World, knobs: dict[tuple[ModuleType, str], Any]) -> Iterator[None]:
    """For as long as this is open. `knobs` are constants that are others here: small bounds are reached."""
    put: list[tuple[Any, str, Any]] = []

    def replace(where: Any, name: str, value: Any) -> None:
        put.append((where, name, getattr(where, name)))  # fails loudly if the code has moved
        setattr(where, name, value)

    zmq = sockets.module(lambda: world.running.context)
    parked = kernel.modules(lambda: world.running.kernel)
    clock = SimpleNamespace(
        monotonic=lambda: world.running.clock(),
        time_ns=lambda: world.chance.getrandbits(40) | 1 << 41,
        time=lambda: world.now,
    )
    random_bytes = SimpleNamespace(urandom=lambda count: world.chance.randbytes(count), _exit=_exit)
    SimEvery.current = lambda: world.running.loop
    for module in (zrouter.link.dealer, zrouter.server.socket_loop, zfront.router_link):
        replace(module, "zmq", zmq)
    for module in (zrouter.link.dealer, zrouter.server.socket_loop):
        replace(module, "_get", zmq.backend.Socket.get)
    replace(zrouter.server.socket_loop, "seed", lambda: None)
    replace(zrouter.server.socket_loop, "ConnectionMonitor", sockets.NoDoorkeeper)
    replace(zrouter.link.dealer, "recv_monitor_message", sockets.recv_monitor_message)
    for module in (zrouter.server.socket_loop, zfront.router_link):
        replace(module, "time", clock)
    replace(zfront.router_link, "os", random_bytes)
    replace(zfront.router_link, "IOLoop", SimpleNamespace(current=lambda: world.running.loop, READ=1))
    replace(zfront.router_link, "Periodic", SimEvery)
    for name, value in parked.items():
        replace(zfront.connections.parked_sockets, name, value)
    for function in vars(zfront.connections.parked_sockets.ParkedSockets).values():
        if getattr(function, "__defaults__", None):
            defaults = tuple(
                parked["os"].write if getattr(one, "__name__", "") == "write" else one
                for one in function.__defaults__
            )
            replace(function, "__defaults__", defaults)
    # Sets of watchers go by their address in memory, which is another each time.
    replace(zrouter.routing.presence.Watcher, "__hash__", lambda watcher: crc32(watcher.address))
    for (module, name), value in knobs.items():
        replace(module, name, value)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        for where, name, value in reversed(put):
            setattr(where, name, value)


def _exit(code: int) -> None:
    raise SystemExit(code)
