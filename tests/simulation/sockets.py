"""What ZeroMQ is to our shells, simulated: contexts, DEALER with its monitor, ROUTER, as far as they use it.

Owns: what a socket option, a send or a recv does, and when a socket's descriptor is readable. Must not know:
frames.

A descriptor signals edges, as ZeroMQ's do: it is readable from when something comes until the socket is used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import zmq

from tests.simulation.network import NOTICE_S, Connection, Network
from tests.simulation.world import Process, World
from zrouter.server.pending_hellos import PendingHellos

_RECONNECT_MAX = 5  # doublings


class Descriptors:
    """Which descriptors of processes are readable, and whose loop is to be woken."""

    def __init__(self) -> None:
        self._last = 100_000
        self.readable: dict[int, Callable[[], bool]] = {}

    def add(self, is_readable: Callable[[], bool]) -> int:
        self._last += 1
        self.readable[self._last] = is_readable
        return self._last

    def is_readable(self, descriptor: int) -> bool:
        look = self.readable.get(descriptor)
        return look is not None and look()


class SimMonitor:
    """Events of a DEALER's connections."""

    def __init__(self, dealer: SimDealer) -> None:
        self.events: deque[int] = deque()
        self._dealer = dealer
        self._descriptor = dealer.context.descriptors.add(lambda: bool(self.events))

    def fileno(self) -> int:
        return self._descriptor

    def get(self, option: int) -> int:
        assert option == zmq.EVENTS
        return int(zmq.POLLIN) if self.events else 0

    def close(self, linger: int | None = None) -> None:
        self.events.clear()
        self._dealer.context.descriptors.readable.pop(self._descriptor, None)


class _Socket:
    def __init__(self, context: SimContext) -> None:
        self.context = context
        self.process = context.process
        self.most_in = self.most_out = 1000
        self.routing_id = b""
        self.options: dict[int, Any] = {}
        self.is_closed = False

    def set(self, option: int, value: Any) -> None:
        self.options[int(option)] = value
        if option == zmq.RCVHWM:
            self.most_in = value
        elif option == zmq.SNDHWM:
            self.most_out = value
        elif option == zmq.ROUTING_ID:
            self.routing_id = value

    setsockopt = set

    def get_string(self, option: int) -> str:
        return "tcp://simulated"


class SimDealer(_Socket):
    """A DEALER socket that connects to one endpoint, with ZMQ_IMMEDIATE."""

    def __init__(self, context: SimContext) -> None:
        super().__init__(context)
        self.endpoint = ""
        self.connection: Connection | None = None
        self.monitor: SimMonitor | None = None
        self.is_signaled = False
        # Frames of a connection that has gone: its pipe is read to the end, in turn with that of the next.
        self._left: deque[bytes] = deque()
        self._tries = 0
        self._descriptor = context.descriptors.add(lambda: self.is_signaled)

    def fileno(self) -> int:
        return self._descriptor

    def connect(self, endpoint: str) -> None:
        self.endpoint = endpoint
        if endpoint.startswith("inproc"):
            self.context.network.connect(self)
        else:
            self._try_soon(NOTICE_S / 4)

    def get_monitor_socket(self, events: int) -> SimMonitor:
        self.monitor = SimMonitor(self)
        return self.monitor

    def disable_monitor(self) -> None:
        self.monitor = None

    def close(self, linger: int | None = None) -> None:
        self.is_closed = True
        self.monitor = None
        self.context.descriptors.readable.pop(self._descriptor, None)
        if self.connection is not None:
            self.connection.cut(0.0, NOTICE_S * self.context.world.chance.random())
            self.connection = None

    def recv(self, flags: int = 0) -> bytes:
        self.is_signaled = False
        has_new = self.connection is not None and bool(self.connection.down.inbox)
        if self._left and not (has_new and self.context.world.chance.random() < 0.5):
            frame = self._left.popleft()
        elif self.connection is not None and has_new:
            frame = self.connection.down.take()
        else:
            raise zmq.Again
        self.context.on_frame(frame)
        return frame

    def send(self, frame: bytes, flags: int = 0) -> None:
        self.is_signaled = False
        if self.connection is None or self.connection.up.is_full():
            raise zmq.Again
        self.context.on_said(bytes(frame))
        self.connection.up.send(bytes(frame))

    def get(self, option: int) -> int:
        assert option == zmq.EVENTS
        self.is_signaled = False
        has_some = self._left or (self.connection is not None and self.connection.down.inbox)
        can_send = self.connection is not None and not self.connection.up.is_full()
        return (zmq.POLLIN if has_some else 0) | (zmq.POLLOUT if can_send else 0)

    def poll(self, timeout_ms: int = 0, flags: int = 1) -> int:
        return self.get(zmq.EVENTS) & flags

    # ---- the network's -----------------------------------------------------------------------------------

    def met(self, connection: Connection) -> None:
        """There is a connection."""
        self.connection = connection
        self._tries = 0
        self._happened(zmq.EVENT_HANDSHAKE_SUCCEEDED)

    def lost(self, connection: Connection) -> None:
        """It broke, as this end hears."""
        if self.connection is connection and not self.is_closed:
            self._left.extend(connection.down.inbox)
            self.connection = None
            self._happened(zmq.EVENT_DISCONNECTED)
            self._try_soon(0.05)

    def came(self) -> None:
        """A frame has."""
        self.is_signaled = True
        self.context.wake()

    def _happened(self, event: int) -> None:
        if self.monitor is not None:
            self.monitor.events.append(int(event))
        self.came()

    def _try_soon(self, delay_s: float) -> None:
        self.process.after(delay_s * (0.5 + self.context.world.chance.random()), self._try)

    def _try(self) -> None:
        if not self.is_closed and self.connection is None and not self.context.network.connect(self):
            self._tries = min(self._tries + 1, _RECONNECT_MAX)
            self._try_soon(0.03 * 2**self._tries)


class Part(NamedTuple):
    """A frame that came by no descriptor."""

    bytes: bytes

    def get(self, option: int) -> int:
        raise zmq.ZMQError(zmq.EINVAL)


class NoDoorkeeper:
    """In place of a Doorkeeper: connections of the simulated network have no descriptors to cut."""

    def __init__(self, *arguments: Any) -> None:
        self.pending_hellos = PendingHellos(1, 1.0, b"")

    def look(self, now: float, counters: Any) -> None:
        """Nobody is there."""

    def close(self) -> None:
        """Nothing to close."""


class SimRouter(_Socket):
    """A ROUTER socket with ZMQ_ROUTER_MANDATORY."""

    def __init__(self, context: SimContext) -> None:
        super().__init__(context)
        self.routes: dict[bytes, Connection] = {}
        self.on_taken: Callable[[bytes, bytes], None] = lambda address, frame: None  # the judge's
        self.on_sent: Callable[[bytes, bytes, bool], None] = lambda address, frame, is_sent: None
        self._readable: deque[Connection] = deque()  # in turn, those with frames
        self._part = b""
        self._has_part = False
        self._to: Connection | None = None
        self._is_scanning = False

    def bind(self, endpoint: str) -> None:
        self.context.network.listeners[endpoint] = self
        if endpoint.startswith("tcp"):
            self.context.router = self

    def close(self, linger: int | None = None) -> None:
        self.is_closed = True

    def recv(self, flags: int = 0, copy: bool = True) -> Any:
        if self._has_part:
            self._has_part = False
            return self._part if copy else Part(self._part)
        if not self._readable:
            raise zmq.Again
        connection = self._readable.popleft()
        self._part, self._has_part = connection.up.take(), True
        if connection.up.inbox and connection not in self._readable:
            self._readable.append(connection)
        self.on_taken(connection.address, self._part)
        return connection.address

    def get(self, option: int) -> int:
        if option == zmq.RCVMORE:
            return int(self._has_part)
        assert option == zmq.EVENTS
        return int(zmq.POLLIN) if self._readable else 0

    def send(self, part: bytes, flags: int = 0) -> None:
        if flags & zmq.SNDMORE:
            connection = self.routes.get(part)
            if connection is None:
                self.on_sent(part, b"", False)
                raise zmq.ZMQError(zmq.EHOSTUNREACH)
            network = self.context.network
            is_full = network.full and self.context.world.chance.random() < network.full
            if is_full or connection.refuses or connection.down.is_full():
                self.context.world.injected("full queue")
                connection.refuses = max(0, connection.refuses - 1)
                self.on_sent(part, b"", False)
                raise zmq.Again
            self._to = connection
            return
        assert self._to is not None
        self.on_sent(self._to.address, part, True)
        self._to.down.send(bytes(part))

    def has_arrivals(self) -> bool:
        """Whether a frame has come."""
        return bool(self._readable)

    # ---- the network's -----------------------------------------------------------------------------------

    def met(self, connection: Connection) -> None:
        """There is a connection."""
        self.routes[connection.address] = connection

    def lost(self, connection: Connection) -> None:
        """It broke, as this end hears."""
        self.routes.pop(connection.address, None)
        self.context.network.forget(connection)

    def came(self, connection: Connection) -> None:
        """A frame has."""
        if connection not in self._readable:
            self._readable.append(connection)
        self.context.wake()


class SimContext:
    """A ZeroMQ context of a simulated process; `wake` wakes its loop."""

    def __init__(
        self, network: Network, process: Process, descriptors: Descriptors, wake: Callable[[], None]
    ) -> None:
        self.network = network
        self.world: World = network.world
        self.process = process
        self.descriptors = descriptors
        self.wake = wake
        self.router: SimRouter | None = None
        # The judge's: a peer has read this, or says it.
        self.on_frame: Callable[[bytes], None] = lambda frame: None
        self.on_said: Callable[[bytes], None] = lambda frame: None

    def socket(self, kind: int) -> SimDealer | SimRouter:
        return SimRouter(self) if kind == zmq.ROUTER else SimDealer(self)

    def term(self) -> None:
        """Nothing to wait for."""


def recv_monitor_message(monitor: SimMonitor, flags: int = 0) -> dict[str, Any]:
    """As pyzmq's."""
    if not monitor.events:
        raise zmq.Again
    return {"event": monitor.events.popleft()}


def module(context: Callable[[], SimContext]) -> Any:
    """What a shell takes for the module zmq; `context` makes one of the process that runs."""
    names = {name: getattr(zmq, name) for name in dir(zmq) if not name.startswith("_")}
    backend = SimpleNamespace(
        Socket=SimpleNamespace(
            send=lambda socket, part, flags=0: socket.send(part, flags),
            recv=lambda socket, flags=0: socket.recv(flags),
            get=lambda socket, option: socket.get(option),
        )
    )
    return SimpleNamespace(**{**names, "Context": context, "backend": backend})
