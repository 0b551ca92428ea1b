"""The router, as it ships, on a simulated ROUTER socket, with its store of follows in memory.

Owns: when its loop turns, its lives. Must not know: what it does; the judge looks on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import zmq

from tests.simulation.judge.ledger import Ledger
from tests.simulation.judge.link import LinkJudge
from tests.simulation.network import NOTICE_S, Network
from tests.simulation.sockets import Descriptors, SimContext
from tests.simulation.world import Process
from zrouter.follows.memory import MemoryFollows
from zrouter.follows.store import Change, StoreError
from zrouter.routing.follow_requests import Job
from zrouter.server import socket_loop
from zrouter.server.settings import RouterSettings
from zrouter.server.socket_loop import SocketLoop

ENDPOINT = "tcp://127.0.0.1:5570"
_TURN_S = 0.0004


class SimStore(MemoryFollows):
    """Follows in memory, on a disk that may fail."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = False
        self.opens = False  # although it fails

    @contextmanager
    def read(self) -> Iterator[MemoryFollows]:
        if self.fails:
            raise StoreError("simulated: the disk fails")
        yield self

    def change(self, changes: Iterable[Change]) -> list[bool]:
        if self.fails:
            raise StoreError("simulated: the disk fails")
        return super().change(changes)


class SimShelf:
    """The store's path: what is on it is still there after a restart."""

    def __init__(self) -> None:
        self.on_disk = SimStore()
        self.late_s = 0.002

    def store(self) -> SimStore:
        if self.on_disk.fails and not self.on_disk.opens:
            raise StoreError("simulated: it can't be opened")
        return self.on_disk

    def close(self) -> None:
        """Nothing to let go of."""


class SimWriter:
    """The thread that waits for the disk."""

    def __init__(self, process: Process, store_writer: SimShelf, wake: Callable[[], None]) -> None:
        self._process = process
        self._store_writer = store_writer
        self._wake = wake
        self._jobs: list[Job] = []
        self._results: list[tuple[int, list[bool] | StoreError]] = []

    def submit(self, job: Job) -> None:
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._process.after(self._store_writer.late_s * self._process.world.chance.random(), self._commit)

    def _commit(self) -> None:
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            try:
                self._results.append((job.number, self._store_writer.on_disk.change(job.changes)))
            except StoreError as error:
                self._results.append((job.number, error))
        self._wake()

    def results(self) -> list[tuple[int, list[bool] | StoreError]]:
        results, self._results = self._results, []
        return results

    def close(self) -> bool:
        return True


class RouterHost:
    """Where routers run, one after the other."""

    def __init__(
        self, network: Network, descriptors: Descriptors, settings: RouterSettings, ledger: Ledger
    ) -> None:
        self.world = network.world
        self.store_writer = SimShelf()
        self.life = 0
        self._turns = 0
        self.settings = settings
        self._network = network
        self._descriptors = descriptors
        self._ledger = ledger
        self.begin()

    def begin(self) -> None:
        """Start one."""
        self.life += 1
        process = self.process = Process(self.world, f"router {self.life}")
        process.ahead_s = 100.0 + self.life
        process.on_go_on.append(lambda: self._network.went_on(process))
        process.context = SimContext(self._network, process, self._descriptors, lambda: self._wake(process))
        self._turn_is_due = False
        process.run(self._build)
        self.world.trace("begin", process.name)

    def _build(self) -> None:
        process = self.process
        socket_loop._writer = lambda store_writer, wake: SimWriter(process, store_writer, wake)  # type: ignore
        store_writer: Any = self.store_writer
        self.service = SocketLoop(self.settings, store_writer)
        self.socket = process.context.router
        router = self.service._router
        self.judge = LinkJudge(self.world, self._ledger, self.settings.limits(), router.epoch, process.clock)
        self.socket.on_taken = self.judge.taken
        self.socket.on_sent = self.judge.sent
        self._wake(process)

    def end(self) -> None:
        """As SIGKILL: its kernel resets all connections."""
        self.process.kill()
        self._network.listeners.pop(ENDPOINT, None)
        for one in list(self._network.connections):
            if one.router is self.socket:
                one.cut(NOTICE_S * self.world.chance.random(), 0.0)
                self._network.forget(one)

    def _wake(self, process: Process) -> None:
        if process is self.process and not self._turn_is_due:
            self._turn_is_due = True
            process.after(self.world.chance.random() * _TURN_S + process.late_s, lambda: self._turn(process))

    def _turn(self, process: Process) -> None:
        if process is not self.process:
            return
        self._turn_is_due = False
        self.service.turn()
        self.judge.turned(self.service._router.known)
        if self.socket.has_arrivals() or self.service._router.has_work():
            self._wake(process)
        else:
            self._turns += 1
            process.after(
                self.socket.options[zmq.RCVTIMEO] / 1000, partial(self._time_out, process, self._turns)
            )

    def _time_out(self, process: Process, turn: int) -> None:
        if turn == self._turns:
            self._wake(process)
