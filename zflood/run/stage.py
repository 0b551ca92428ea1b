"""Where one run of a scenario plays: its programs, what they hold in memory, what the clients have seen.

Owns: starting and ending the programs, sampling, the time line. Must not know: steps (steps.py), the report.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Final

import psutil

from zflood.latency import Latencies
from zflood.memory import Sample, SampleFile, take
from zflood.moments import Moment
from zflood.run.narrator import Narrator
from zflood.run.programs import Program, ProgramError, end_undisturbed
from zflood.run.scenario import Connect, Services
from zrouter.client import RouterClient

ROUTER: Final = "router"
FRONTEND: Final = "zfront"
CLIENTS: Final = "zflood"
_LOOK_S: Final = 0.02
_REPORT_S: Final = 0.1  # how often clients tell what they have seen; one process in ten, a tenth as often


class StopError(Exception):
    """The run cannot go on; the text says why."""


@dataclass
class Seen:
    """What all clients have seen so far."""

    active: int = 0
    connected: int = 0
    closed: int = 0
    received: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    back_s: float = 0.0  # how long the last cut lasted for them
    latencies: Latencies = field(default_factory=Latencies)


class Stage:
    """See the module's docstring."""

    def __init__(
        self,
        folder: Path,
        services: Services,
        sample_s: float,
        min_free_mb: float,
        narrator: Narrator,
    ) -> None:
        self.samples: dict[str, list[Sample]] = {}
        self.moments: list[Moment] = []
        self.endpoint = services.attach_router
        self.base_url = services.attach_frontend
        self.narrator = narrator
        self._began = time.monotonic()
        self._folder = folder
        self._services = services
        self._sample_s = sample_s
        self._min_free_bytes = min_free_mb * 1e6
        self._programs: list[Program] = []
        self._groups: dict[str, list[Program]] = {}
        self._files = contextlib.ExitStack()
        self._sample_files: dict[str, SampleFile] = {}
        self._ids: list[range] = []
        self._next_sample = 0.0
        self._counts_before: Counter[int] = Counter()

    def __enter__(self) -> Stage:
        try:
            if not self.endpoint:
                self._start_router("tcp://127.0.0.1:0")
            if not self.base_url:
                front = self._start(
                    FRONTEND, "zfront", "serve", "--listen", "127.0.0.1:0", "--router", self.endpoint,
                    "--workers", str(self._services.workers), *self._services.frontend,
                )  # fmt: skip
                self.base_url = front.wait_address().rstrip("/")
            self.api = self._files.enter_context(RouterClient(self.endpoint, name="scenario", retry=True))
            self.sample()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not issubclass(kind, Exception):
            end_undisturbed()
        for program in reversed(self._programs):
            program.stop()
        self._files.close()

    def elapsed_s(self) -> float:
        """Since the beginning of the run."""
        return time.monotonic() - self._began

    # ---- what steps do with it ------------------------------------------------------------------------

    def add_clients(self, step: Connect) -> None:
        """Start the clients of a step."""
        self._ids.append(range(step.first_id, step.first_id + step.clients))
        every_s = _REPORT_S * max(1, step.processes // 10)
        command = [
            "zflood", "clients", "--url", self.base_url + step.path,
            "--ids", f"{step.first_id}-{step.first_id + step.clients - 1}", "--rate", str(step.rate),
            "--every", str(every_s), "--json",
        ]  # fmt: skip
        if step.processes:
            command += ["--processes", str(step.processes)]
        if step.reconnect:
            command += ["--reconnect"]
        self._start(CLIENTS, *command)

    def run(self, *command: str) -> Program:
        """Start another program, that ends by itself."""
        return self._start("", *command)

    def seen(self) -> Seen:
        """What the clients have seen, as they told last."""
        seen = Seen()
        for program in self._groups.get(CLIENTS, ()):
            told = program.latest
            seen.active += told.get("active", 0)
            seen.connected += told.get("connected", 0)
            seen.closed += told.get("closed", 0)
            seen.received += told.get("chunks", 0)
            seen.errors.update(told.get("errors", {}))
            seen.back_s = max(seen.back_s, told.get("back_s") or 0.0)
            if told:
                seen.latencies.add(told["histogram"].encode())
        return seen

    def received(self) -> int:
        """Messages that the clients have received, as they told last."""
        return sum(program.latest.get("chunks", 0) for program in self._groups.get(CLIENTS, ()))

    def connected(self) -> int:
        """Connections that were answered so far, as the clients told last."""
        return sum(program.latest.get("connected", 0) for program in self._groups.get(CLIENTS, ()))

    def active(self) -> int:
        """Connections that are open, as the clients told last."""
        return sum(program.latest.get("active", 0) for program in self._groups.get(CLIENTS, ()))

    def wait(self, is_done: Callable[[], bool], within_s: float) -> bool:
        """Keep sampling until it is done; False if it was not in time.

        Raises:
            StopError: a program ended, or memory ran short.
        """
        deadline = time.monotonic() + within_s
        while not is_done():
            self.tick()
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_S)
        return True

    def tick(self) -> None:
        """Sample if it is time.

        Raises:
            StopError: a program ended, or memory ran short.
        """
        if time.monotonic() < self._next_sample:
            return
        self.sample()
        for program in self._programs:
            if program not in self._groups[""] and program.has_ended():
                raise StopError(f"{program.name} has ended: {program.said()}")
        if psutil.virtual_memory().available < self._min_free_bytes:
            raise StopError(f"less than {self._min_free_bytes / 1e6:,.0f} MB of memory are free")

    def sample(self) -> dict[str, Sample]:
        """Look at everything now."""
        self._next_sample = time.monotonic() + self._sample_s
        seen = self.seen()
        now: dict[str, Sample] = {}
        for group, programs in self._groups.items():
            if group:
                now[group] = take((program.ps for program in programs), seen.active)
                self.samples.setdefault(group, []).append(now[group])
                self._sample_file(group).append(now[group])
        counts = seen.latencies.counts()
        fresh = Latencies.of(counts - self._counts_before)
        self._counts_before = counts
        figures = (
            (fresh.percentile_ms(50), fresh.percentile_ms(99), fresh.max_ms()) if len(fresh) else (0, 0, 0)
        )
        moment = Moment(self.elapsed_s(), seen.active, seen.received, seen.errors.total(), *figures)
        self.moments.append(moment)
        return now

    def kill_router(self) -> None:
        """SIGKILL, and a new one at the same address."""
        for program in self._ours(ROUTER):
            program.process.kill()
            program.process.wait()
            self._programs.remove(program)
        self._groups[ROUTER].clear()
        self._start_router(self.endpoint)

    def kill_workers(self) -> None:
        """SIGKILL to every worker of the frontend, whose supervisor starts others.

        Raises:
            StopError: it has no supervisor, or is not ours to kill.
        """
        workers = [worker for program in self._ours(FRONTEND) for worker in program.ps.children()]
        if not workers:
            raise StopError("a frontend with one worker has no supervisor that would start another")
        for worker in workers:
            worker.kill()

    def freeze(self, group: str, seconds: float) -> None:
        """SIGSTOP to all processes of a group, and SIGCONT after so long."""
        family = [one for program in self._ours(group) for one in (program.ps, *program.ps.children(True))]
        for process in family:
            os.kill(process.pid, signal.SIGSTOP)
        try:
            self.wait(lambda: False, seconds)
        finally:
            for process in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGCONT)

    def ids(self) -> Iterator[int]:
        """The ids of all clients that were added."""
        return chain.from_iterable(self._ids)

    # ---- inside -----------------------------------------------------------------------------------------

    def _ours(self, group: str) -> list[Program]:
        """The programs that may be broken, for they were started for this run.

        Raises:
            StopError: there are none.
        """
        programs = self._groups.get(group)
        if not programs:
            raise StopError(f"the {group} was not started for this run, so nothing is done to it")
        return programs

    def _start_router(self, bind: str) -> None:
        router = self._start(ROUTER, "zrouter", "serve", "--bind", bind, *self._services.router)
        self.endpoint = router.wait_address()

    def _start(self, group: str, *command: str) -> Program:
        log = self._folder / f"{len(self._programs)}-{'-'.join(command[:2])}.log"
        try:
            program = Program(log, *command)
        except OSError as error:
            raise ProgramError(f"{command[0]} could not be started: {error}") from None
        self._programs.append(program)
        self._groups.setdefault(group, []).append(program)
        self._groups.setdefault("", [])
        return program

    def _sample_file(self, group: str) -> SampleFile:
        if group not in self._sample_files:
            path = self._folder / f"{group}.tsv"
            self._sample_files[group] = SampleFile(self._files.enter_context(path.open("w+")))
        return self._sample_files[group]
