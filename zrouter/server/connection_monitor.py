"""Watches who connects to the ROUTER socket, and cuts off who stays without a Hello.

Owns: the socket's monitor, the descriptors of its connections. Must not know: what a message means, or who is
to be cut; that is pending_hellos.py.

The descriptors are ZeroMQ's, whose thread may close one at any time; so each connection is known by the
kernel's number for it (SO_COOKIE, socket(7)) too, and nothing but `shutdown` is done to it.
"""

from __future__ import annotations

import ctypes
import logging
import os
import socket
from contextlib import suppress
from typing import Any, Final

import zmq
from zmq.utils.monitor import parse_monitor_message

from zrouter.routing.counters import Counters
from zrouter.server.pending_hellos import PendingHellos

log = logging.getLogger("zrouter")

_SO_COOKIE: Final = 57
_ENDPOINT: Final = "inproc://connection-monitor"
_PROBE_ENDPOINT: Final = "inproc://first"
_EVENTS: Final = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED | zmq.EVENT_ACCEPT_FAILED
_COMPLAIN_EACH_S: Final = 10.0


def seed() -> None:
    """Let ZeroMQ's first routing id be one that nobody can guess. Before the first ROUTER socket is made.

    libzmq takes it from rand(), which it does not seed: else it is the same in every process.
    """
    ctypes.CDLL(None).srand(int.from_bytes(os.urandom(4)))


class ConnectionMonitor:
    """Of one ROUTER socket that nobody is connected to yet."""

    def __init__(
        self, context: zmq.Context[Any], router: zmq.Socket[Any], most: int, patience_s: float
    ) -> None:
        self.pending_hellos = PendingHellos(most, patience_s, _first_id(context, router))
        self._cookies: dict[int, bytes] = {}
        self._complained = float("-inf")
        router.monitor(_ENDPOINT, _EVENTS)
        self._monitor = context.socket(zmq.PAIR)
        self._monitor.set(zmq.LINGER, 0)
        self._monitor.set(zmq.RCVHWM, 0)  # ZeroMQ's thread must not wait for us
        self._monitor.connect(_ENDPOINT)

    def look(self, now: float, counters: Counters) -> None:
        """Take what has happened, and cut off who is unwanted."""
        with suppress(zmq.Again):
            while True:
                self._happened(self._monitor.recv_multipart(zmq.NOBLOCK), now, counters)
        for connection in self.pending_hellos.unwanted(now):
            self.cut(connection, counters)

    def cut(self, connection: int, counters: Counters) -> None:
        """End that connection, if it still is the one that was accepted."""
        counters.strangers_cut += 1
        found = _Borrowed.of(connection)
        if found is None:
            return
        try:
            if found.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8) == self._cookies.get(connection):
                found.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has gone by itself
        finally:
            found.detach()

    def close(self) -> None:
        """Look no more."""
        self._monitor.close()

    def _happened(self, parts: list[bytes], now: float, counters: Counters) -> None:
        event = parse_monitor_message(parts)
        kind, connection = event["event"], event["value"]
        if kind == zmq.EVENT_ACCEPTED:
            self._cookies[connection] = _cookie(connection)
            self.pending_hellos.came(connection, now)
        elif kind == zmq.EVENT_DISCONNECTED:
            self._cookies.pop(connection, None)
            self.pending_hellos.went(connection)
        elif kind == zmq.EVENT_ACCEPT_FAILED:
            counters.accepts_failed += 1
            if now - self._complained >= _COMPLAIN_EACH_S:
                self._complained = now
                log.warning("could not accept a connection: %s", os.strerror(connection))


class _Borrowed(socket.socket):
    """A socket object on a descriptor that belongs to somebody else: `detach` it, never close it."""

    @classmethod
    def of(cls, connection: int) -> _Borrowed | None:
        try:
            return cls(fileno=connection)
        except OSError:
            return None


def _cookie(connection: int) -> bytes:
    found = _Borrowed.of(connection)
    if found is None:
        return b""
    try:
        return found.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)
    except OSError:
        return b""
    finally:
        found.detach()


def _first_id(context: zmq.Context[Any], router: zmq.Socket[Any]) -> bytes:
    """The routing id that the socket makes up first, by a connection of our own."""
    router.bind(_PROBE_ENDPOINT)
    probe = context.socket(zmq.DEALER)
    probe.set(zmq.LINGER, 0)
    probe.connect(_PROBE_ENDPOINT)
    probe.send(b"")
    first, _ = router.recv_multipart()
    probe.close()
    router.unbind(_PROBE_ENDPOINT)
    return first
