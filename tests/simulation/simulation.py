"""One history: a world is built by its plan, the steps are taken, all comes to rest and is judged.

Owns: who is there, and the order of all that. Must not know: how a step is taken (steps.py), what is promised
(judge/).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from tests.simulation.clients import Client
from tests.simulation.frontends import Frontend
from tests.simulation.installed import installed
from tests.simulation.judge.ending import Ending
from tests.simulation.judge.ledger import Ledger
from tests.simulation.kernel import Pair
from tests.simulation.network import Network
from tests.simulation.plan import Plan, Step
from tests.simulation.routers import RouterHost
from tests.simulation.senders import Sender
from tests.simulation.sockets import Descriptors
from tests.simulation.world import Broken, Process, World
from zfront.settings import FrontSettings
from zrouter.server.settings import RouterSettings

MOST_EVENTS = 400_000
_LOOK_S = 0.25
_PROBE_S = 0.5  # a poll that is answered asks again
_REST_S = 45.0  # within which everything has come to rest


class Outcome(NamedTuple):
    """What came of it."""

    seed: int
    broken: str  # the kind of promise, empty: none
    words: str
    faults: dict[str, int]
    events: int
    simulated_s: float
    messages: int
    digest: str
    trace: list[str]


class Simulation:
    """All that is there, for the steps."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.ledger = Ledger()
        self.descriptors = Descriptors()
        self.network = Network(world, plan.most_frames)
        settings = RouterSettings(**plan.router)
        self.router = RouterHost(self.network, self.descriptors, settings, self.ledger)
        front = FrontSettings(**plan.front)
        self.frontends = [
            Frontend(self.network, self.descriptors, f"front{number}", front, self.ledger)
            for number in range(plan.frontends)
        ]
        self.senders = [
            Sender(self.network, self.descriptors, number, self.ledger)
            for number in range(1, plan.senders + 1)
        ]
        self.clients = [
            Client(
                world,
                self.ledger,
                number,
                kind,
                [plan.ids[one] for one in own],
                [plan.ids[one] for one in watched],
            )
            for number, (kind, own, watched) in enumerate(plan.clients)
        ]
        self.ledger.on_login = self._is_known
        self.is_resting = False
        self._turn = 0
        self.keys: list[tuple[Sender, bytes]] = []
        for frontend in self.frontends:
            self.equip(frontend)

    def _is_known(self, pair: Pair, an_id: bytes) -> None:
        client = self.clients[pair.number]
        if client.pair is pair:
            client.witness.is_known(an_id.decode())

    def processes(self) -> list[Process]:
        """All of them."""
        fronts, senders = self.frontends, self.senders
        return [self.router.process, *(one.process for one in fronts), *(one.process for one in senders)]

    def equip(self, frontend: Frontend) -> None:
        """A frontend was started: the judge looks on."""
        kernel = frontend.process.kernel
        kernel.on_read = lambda pair, data: self.clients[pair.number].was_read(pair, data)

    def rest(self) -> None:
        """No more faults: everybody goes on, and who is away comes back."""
        world = self.world
        world.trace("rest")
        self.is_resting = True
        self.network.late = self.network.full = 0.0
        self.network.is_parted.clear()
        self.router.store_writer.on_disk.fails = False
        if not self.router.process.is_alive:
            self.router.begin()
        for frontend in self.frontends:
            if not frontend.process.is_alive:
                frontend.begin()
                self.equip(frontend)
        for process in self.processes():
            process.go_on()
            process.late_s = 0.0
        for connection in list(self.network.connections):
            connection.refuses = 0
            connection.stall(False)
        for client in self.clients:
            client.reads_s, client.reads_bytes, client.hub = 0.0005, 1 << 16, 1 << 18
            if client.pair is not None:
                client.pair.writes_left = -1
                client.pair.hub = 1 << 18
                client.pair.on_event()

    def come_back(self) -> None:
        """Those who are away and are to be here."""
        for client in self.clients:
            if client.pair is None and not client.is_retired:
                # Where there is no room, there is elsewhere.
                self._turn += 1
                client.connect(self.frontends[self._turn % len(self.frontends)])


def play(
    plan: Plan,
    take: Callable[[Simulation, Step], None],
    steps: list[Step] | None = None,
    *,
    keeps_trace: bool = False,
) -> Outcome:
    """Play that plan, or only some steps of it."""
    world = World(plan.seed, keeps_trace=keeps_trace)
    knobs = {}
    for path, value in plan.knobs.items():
        module, _, name = path.rpartition(".")
        import_module(module)
        knobs[sys.modules[module], name] = value
    kind = words = ""
    messages = 0
    with installed(world, knobs):
        simulation = None
        try:
            simulation = Simulation(world, plan)
            for step in plan.steps if steps is None else steps:
                world.at(step.at, _taking(simulation, step, take))
            last = max((step.at for step in plan.steps if steps is None or step in steps), default=0.0)
            world.run_until(last + 0.5, MOST_EVENTS)
            _come_to_rest(simulation)
        except Broken as broken:
            kind, words = broken.kind, f"{broken} (at {world.now:.3f} s)"
        messages = len(simulation.ledger.entries) if simulation else 0
    return Outcome(
        plan.seed,
        kind,
        words,
        dict(world.faults),
        world.events,
        world.now,
        messages,
        world.digest(),
        world.lines,
    )


def _taking(
    simulation: Simulation, step: Step, take: Callable[[Simulation, Step], None]
) -> Callable[[], None]:
    def do() -> None:
        simulation.world.trace("step", step.kind, step.a, step.b, step.c)
        take(simulation, step)

    return do


def _come_to_rest(simulation: Simulation) -> None:
    world = simulation.world
    simulation.rest()
    ending = Ending(simulation)
    ending.make_hub()
    world.run_until(world.now + 3.0, MOST_EVENTS)
    _wait_for_rest(simulation, ending)
    for an_id in simulation.plan.ids:
        ending.probe(an_id)
        world.run_until(world.now + _PROBE_S, MOST_EVENTS)
    _wait_for_rest(simulation, ending)
    ending.judge()


def _wait_for_rest(simulation: Simulation, ending: Ending) -> None:
    world = simulation.world
    until = world.now + _REST_S
    while (why := ending.unrest()) and world.now < until:
        simulation.come_back()
        world.run_until(world.now + _LOOK_S, MOST_EVENTS)
    if why:
        raise Broken(*why)
