"""A frontend as it ships, but for its HTTP server: room, lot, delivery, link, session, on a simulated kernel.

Owns: how they are put together (as zfront/workers/worker.py does), how a client's request reaches the hub
(as zfront/http/acceptor.py does). Must not know: what they do.
"""

from __future__ import annotations

from contextlib import suppress

from tests.simulation.judge.ledger import Ledger
from tests.simulation.kernel import Kernel, Pair
from tests.simulation.loop import SimEvery, SimLoop
from tests.simulation.network import NOTICE_S, Network
from tests.simulation.routers import ENDPOINT
from tests.simulation.sockets import Descriptors, SimContext
from tests.simulation.world import Process
from zfront.connections.hub import Hub
from zfront.connections.parked_sockets import PACE_S, ParkedSockets
from zfront.connections.tick_wheel import TENTH_S
from zfront.date_header import Date
from zfront.requests.stream_request import StreamRequest, read_stream_request
from zfront.router_link import RouterLink
from zfront.settings import FrontSettings
from zrouter import wire

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 5\r\n\r\nfull\n"
_LOGIN = wire.encode(wire.Login(1, [], []))[:2]
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def computer(network: Network, descriptors: Descriptors, process: Process) -> None:
    """Give a process a loop, a kernel and ZeroMQ."""
    process.loop = SimLoop(process, descriptors.is_readable)
    process.context = SimContext(network, process, descriptors, process.loop.wake)
    process.kernel = Kernel(process, descriptors.add)
    process.on_go_on.append(lambda: network.went_on(process))
    process.on_go_on.append(process.loop.wake)


class Frontend:
    """Where the workers of one place run, one after the other."""

    def __init__(
        self, network: Network, descriptors: Descriptors, name: str, settings: FrontSettings, ledger: Ledger
    ) -> None:
        self.name = name
        self._ledger = ledger
        self.world = network.world
        self._network = network
        self._descriptors = descriptors
        self._settings = settings
        self._life = 0
        self.begin()

    def begin(self) -> None:
        """Start one."""
        self._life += 1
        self.process = Process(self.world, f"{self.name}.{self._life}")
        self.process.ahead_s = 200.0 + 7.3 * self._life
        computer(self._network, self._descriptors, self.process)
        self.process.context.on_frame = self._heard
        self.process.context.on_said = self._said
        self.process.run(self._build)

    def _heard(self, frame: bytes) -> None:
        """It has read this from the router: messages in it are as good as with its clients."""
        message = wire.decode_from_router(frame)
        if isinstance(message, wire.Deliver):
            bodies = [body for _, body, _ in message.messages] + [body for _, body, _ in message.fans]
            for body in bodies:
                entry = self._ledger.find(body.decode(errors="replace"))
                if entry is not None:
                    entry.heard.setdefault(self.name, self.world.now)

    def _said(self, frame: bytes) -> None:
        """It tells the router of ids: with those connections that it has now."""
        if not frame.startswith(_LOGIN):
            return
        login = wire.decode_to_router(frame)
        assert isinstance(login, wire.Login)
        pairs = self.process.kernel.open
        self._ledger.logins[self.name, login.request] = [
            (pairs[one], an_id)
            for an_id in login.ids
            for one in self.hub.subscriptions.listeners(an_id)
            if one in pairs
        ]

    def _build(self) -> None:
        hub = self.hub = Hub(
            self._settings,
            self._changed,
            self._watch_changed,
            clock=self.process.clock,
            random=self.world.chance,
            date=Date(lambda: 0.0),
        )
        subscriptions = hub.subscriptions
        link = self.link = RouterLink(
            ENDPOINT,
            self.name,
            holdings=subscriptions.ids,
            connections=subscriptions.count,
            watching=hub.watchers.ids,
            is_watched=hub.watchers.is_watched,
            report=lambda: {"delivered": hub.fan_out.delivered},
            deliver=hub.fan_out.deliver,
            evict=hub.evict,
            tell=hub.tell,
            resumption=hub.resumption,
        )
        hub.on_request = self._asked_again
        hub.on_parting = self._parting
        self._ticker: SimEvery | None = None
        self._second = 0
        self._pacer: SimEvery | None = None
        assert isinstance(hub.parked, ParkedSockets)
        self.process.loop.add_handler(hub.parked.fileno(), self._clients_did, SimLoop.READ)
        link.start()
        self.process.loop.call_every(1.0, self._sweep)

    def _clients_did(self, *_: int) -> None:
        parked = self.hub.parked
        assert isinstance(parked, ParkedSockets)
        parked.handle_events()
        if self._pacer is None and parked.has_paused():
            self._pacer = SimEvery(PACE_S, self._go_on)

    def _go_on(self) -> None:
        parked = self.hub.parked
        assert isinstance(parked, ParkedSockets)
        parked.go_on()
        if self._pacer is not None and not parked.has_paused():
            self._pacer.stop()
            self._pacer = None

    def end(self) -> None:
        """As SIGKILL: its kernel closes all connections."""
        self.process.kill()
        for one in list(self._network.connections):
            if one.dealer.process is self.process:
                one.dealer.is_closed = True
                one.cut(0.0, NOTICE_S * self.world.chance.random())
        self.process.kernel.end_all()

    def knock(self, pair: Pair) -> None:
        """A connection to the listening socket, with a request on it."""
        process = self.process
        if not process.is_alive:
            pair.reset()
            pair.on_bytes()
            return
        pair.on_event = process.loop.wake
        process.loop.add_callback(self._let_in, process.kernel.accept(pair))

    def _let_in(self, descriptor: int) -> None:
        kernel = self.process.kernel
        try:
            data = kernel.read(descriptor, 65536)
        except OSError:
            data = b""
        if not data:
            kernel.close(descriptor)
        elif self.hub.is_full():
            self.world.injected("full frontend")
            with suppress(OSError):
                kernel.write(descriptor, _FULL)
            kernel.close(descriptor)
        else:
            self.hub.enter(descriptor, _stream_request(data))

    def _asked_again(self, descriptor: int, data: bytes) -> None:
        self.hub.enter_again(descriptor, _stream_request(data))

    def _parting(self, descriptor: int) -> None:
        self.process.after(0.05, lambda: self.process.kernel.close(descriptor))

    def _changed(self, an_id: bytes) -> None:
        self.link.changed(an_id)
        if self._ticker is None and self.hub.is_ticking():
            self._ticker = SimEvery(TENTH_S, self._tick)

    def _watch_changed(self, an_id: bytes) -> None:
        self.link.watch_changed(an_id)

    def _tick(self) -> None:
        self.hub.tick()
        if self._ticker is not None and not self.hub.is_ticking():
            self._ticker.stop()
            self._ticker = None

    def _sweep(self) -> None:
        self._second += 1
        self.hub.sweep(self._second)


def _stream_request(data: bytes) -> StreamRequest:
    head = data.decode("latin-1").split("\r\n")
    path, _, query = head[0].split(" ")[1].partition("?")
    since = next((line.partition(": ")[2] for line in head if line.startswith("Last-Event-ID")), "")
    stream_request = read_stream_request(path, query, since)
    assert stream_request is not None
    return stream_request._replace(key=_KEY)
