"""Whom a step is about: one of those that there are, by the step's number.

Owns: which of them. Must not know: what is done to it.
"""

from __future__ import annotations

from typing import TypeVar

from tests.simulation.clients import Client
from tests.simulation.network import Connection
from tests.simulation.senders import Sender
from tests.simulation.simulation import Simulation
from tests.simulation.world import Process

_One = TypeVar("_One")


def pick(some: list[_One], number: int) -> _One | None:
    return some[number % len(some)] if some else None


def client_of(simulation: Simulation, number: int, *, is_there: bool) -> Client | None:
    return pick([one for one in simulation.clients if (one.pair is not None) == is_there], number)


def sender_of(simulation: Simulation, number: int) -> Sender | None:
    return pick([one for one in simulation.senders if one.is_up()], number)


def ids_of(simulation: Simulation, number: int, count: int) -> list[str]:
    ids = simulation.plan.ids
    return [ids[(number + 7 * turn) % len(ids)] for turn in range(count)]


def process_of(simulation: Simulation, number: int) -> Process:
    processes = [simulation.router.process, *simulation.processes()]  # the router twice as often
    return processes[number % len(processes)]


def connection_of(simulation: Simulation, number: int) -> Connection | None:
    return pick([one for one in simulation.network.connections if not one.dealer.routing_id], number)


def talker(simulation: Simulation, number: int) -> Client | None:
    return pick([one for one in simulation.clients if one.transport == "ws" and one.is_there], number)
