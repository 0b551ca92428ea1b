"""The network of the link: connections of DEALER and ROUTER sockets, frames under way, what goes wrong.

Owns: latency, order, high-water marks, who hears when that a connection broke. Must not know: what is in a
frame.

A connection is two pipes. A pipe has frames in flight (the sender's queue, both kernels, the network), which
its high water mark bounds, and frames that have come. In a stopped process nothing comes, for ZeroMQ's
threads are stopped too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation.world import Process, World

if TYPE_CHECKING:
    from tests.simulation.sockets import SimDealer, SimRouter

# How long a frame is under way, and how long it takes until a broken connection is noticed [s].
LATENCY_S = 0.0004
NOTICE_S = 0.02


class Pipe:
    """One direction. `come` is called after each frame that has come."""

    def __init__(
        self, world: World, network: Network, receiver: Process, most_in: int, come: Callable[[], None]
    ) -> None:
        self.inbox: deque[bytes] = deque()
        self.most_out = 0  # frames in flight
        self.is_stalled = False
        self.is_cut = False
        self._most_in = most_in
        self._world = world
        self._network = network
        self._receiver = receiver
        self._come = come
        self._flight: deque[tuple[float, bytes]] = deque()

    def is_full(self) -> bool:
        """Whether no frame may be sent."""
        return len(self._flight) >= self.most_out

    def send(self, frame: bytes) -> None:
        """It is under way from now on."""
        when = self._world.now + self._network.latency()
        if self._flight:
            when = max(when, self._flight[-1][0])
        self._flight.append((when, frame))
        self._world.at(when, self.pump)

    def pump(self) -> None:
        """Let come what can."""
        flight = self._flight
        if self.is_stalled or self.is_cut or self._receiver.is_stopped or not self._receiver.is_alive:
            return
        has_come = False
        while flight and flight[0][0] <= self._world.now and len(self.inbox) < self._most_in:
            self.inbox.append(flight.popleft()[1])
            has_come = True
        if has_come:
            self._come()

    def take(self) -> bytes:
        """The frame that came first."""
        frame = self.inbox.popleft()
        if self._flight:
            self.pump()
        return frame

    def cut(self) -> None:
        """What is in flight is lost."""
        self.is_cut = True
        self._flight.clear()


class Connection:
    """One, between two sockets; `address` is the routing id that the router's socket made up for it."""

    def __init__(self, network: Network, dealer: SimDealer, router: SimRouter, address: bytes) -> None:
        world = network.world
        self.address = address
        self.dealer = dealer
        self.router = router
        self.is_open = True
        self.refuses = 0  # so many of the router's next frames find no room
        self.up = Pipe(world, network, router.process, min(router.most_in, network.most_frames), self._came)
        self.down = Pipe(
            world, network, dealer.process, min(dealer.most_in, network.most_frames), dealer.came
        )
        self.up.most_out = min(dealer.most_out, network.most_frames)
        self.down.most_out = min(router.most_out, network.most_frames)
        self._world = world

    def _came(self) -> None:
        self.router.came(self)

    def pump(self) -> None:
        """Let come what can, both ways."""
        self.up.pump()
        self.down.pump()

    def stall(self, is_stalled: bool) -> None:
        """Nothing gets through any more, and nobody hears of it; or what has waited does."""
        self.up.is_stalled = self.down.is_stalled = is_stalled
        self.pump()

    def cut(self, dealer_hears_s: float, router_hears_s: float) -> None:
        """It breaks; each end hears of it so much later."""
        if not self.is_open:
            return
        self.is_open = False
        self.up.cut()
        self.down.cut()
        self.dealer.process.after(dealer_hears_s, lambda: self.dealer.lost(self))
        self.router.process.after(router_hears_s, lambda: self.router.lost(self))


class Network:
    """All connections. `most_frames` bounds every queue beside what the sockets' own options say."""

    def __init__(self, world: World, most_frames: int = 1_000_000) -> None:
        self.world = world
        self.most_frames = most_frames
        self.late = 0.0  # the part of all frames that are late
        self.late_s = 0.05
        self.full = 0.0  # the part of the router's frames that find no room
        self.listeners: dict[str, SimRouter] = {}
        self.connections: list[Connection] = []
        self.is_parted: set[str] = set()  # names of processes that can't connect
        self._made = 0

    def latency(self) -> float:
        """Of a frame."""
        chance = self.world.chance
        if self.late and chance.random() < self.late:
            self.world.injected("late frame")
            return LATENCY_S + chance.random() * self.late_s
        return LATENCY_S * (0.2 + chance.random())

    def connect(self, dealer: SimDealer) -> bool:
        """Make a connection, if somebody listens; both ends know of it then."""
        router = self.listeners.get(dealer.endpoint)
        if router is None or router.process.is_stopped or dealer.process.name in self.is_parted:
            return False
        self._made += 1
        address = dealer.routing_id or b"\0" + self._made.to_bytes(4, "big")
        connection = Connection(self, dealer, router, address)
        self.connections.append(connection)
        router.met(connection)
        dealer.met(connection)
        return True

    def went_on(self, process: Process) -> None:
        """What waited for a stopped process comes."""
        for one in self.connections:
            if process in (one.dealer.process, one.router.process):
                one.pump()

    def forget(self, connection: Connection) -> None:
        """Nobody has it any more."""
        if connection in self.connections:
            self.connections.remove(connection)
