"""Where one run of a scenario plays: its programs, what they hold in memory, what the clients have seen.

Owns: starting and ending the programs, sampling, the time line. Must not know: steps (steps.py), the report.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

import psutil

from zflood.check.folder import FOLLOWS
from zflood.check.sender_log import SenderLog
from zflood.latency import Latencies
from zflood.memory import Sample, SampleFile, take
from zflood.run.narrator import Narrator
from zflood.run.programs import Program, ProgramError, end_undisturbed
from zflood.run.scenario import Connect, Services
from zflood.shared_counters import Counts, SharedCounters
from zflood.swarm.swarm import processes_needed
from zflood.time_line import Mark, Moment
from zrouter.client import RouterClient

ROUTER: Final = "router"
FRONTEND: Final = "zfront"
CLIENTS: Final = "zflood"
_LOOK_S: Final = 0.02
# How often clients tell what they have seen, with all latencies; what is needed sooner is on their board.
_REPORT_S: Final = 1.0
_TELL_S: Final = 10.0  # they have told by then, or never will


class StopError(Exception):
    """The run cannot go on; the text says why."""


@dataclass
class Seen:
    """What all clients have told so far."""

    active: int = 0
    connected: int = 0
    closed: int = 0
    received: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    back_s: float = 0.0  # how long the last cut lasted for them
    latencies: Latencies = field(default_factory=Latencies)

    def has(self, counts: Counts) -> bool:
        """Whether all that was counted has been told."""
        told = (self.connected, self.closed, self.received, self.errors.total())
        wanted = (counts.connected, counts.closed, counts.chunks, counts.errors)
        return all(one >= least for one, least in zip(told, wanted, strict=True))


class Look(NamedTuple):
    """Everything at one moment."""

    samples: dict[str, Sample]  # by group
    seen: Seen


class Flow(NamedTuple):
    """Messages that are being sent in the background."""

    name: str
    sender: Program
    received_before: int
    began: float  # on the monotonic clock


class Environment:
    """See the module's docstring.

    `check` is the folder for what is to be compared, `store` where the router has its follows; None for none.
    """

    def __init__(
        self,
        folder: Path,
        services: Services,
        sample_s: float,
        min_free_mb: float,
        narrator: Narrator,
        check: Path | None = None,
        store: Path | None = None,
    ) -> None:
        self.samples: dict[str, list[Sample]] = {}
        self.moments: list[Moment] = []
        self.marks: list[Mark] = []
        self.endpoint = services.attach_router
        self.base_url = services.attach_frontend
        self.narrator = narrator
        self.flows: list[Flow] = []
        self._began = time.monotonic()
        self._folder = folder
        self._check = check
        self._store = store
        self._sent: SenderLog | None = None
        self._services = services
        self._sample_s = sample_s
        self._min_free_bytes = min_free_mb * 1e6
        self._groups: dict[str, list[Program]] = {}
        self._boards: list[SharedCounters] = []
        self._numbers = count()
        self._report_s = _REPORT_S
        self._at_end = contextlib.ExitStack()
        self._sample_files: dict[str, SampleFile] = {}
        self._ids: list[range] = []
        self._next_sample = 0.0
        self._counts_before: Counter[int] = Counter()

    def __enter__(self) -> Environment:
        with contextlib.ExitStack() as undo:
            undo.push(self)
            if self._store is not None:
                self._at_end.callback(shutil.rmtree, self._store, ignore_errors=True)
            if not self.endpoint:
                self._start_router("tcp://127.0.0.1:0")
            if not self.base_url:
                front = self._start(
                    FRONTEND, "zfront", "serve", "--listen", "127.0.0.1:0", "--router", self.endpoint,
                    "--workers", str(self._services.workers), *self._services.frontend,
                )  # fmt: skip
                self.base_url = front.wait_address().rstrip("/")
            # Ended first: it says goodbye to a router that is still there to hear it.
            self.api = self._at_end.enter_context(self._client())
            self.sample()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not issubclass(kind, Exception):
            end_undisturbed()
        self._at_end.close()

    def elapsed_s(self) -> float:
        """Since the beginning of the run."""
        return time.monotonic() - self._began

    # ---- what steps do with it ------------------------------------------------------------------------

    def add_clients(self, step: Connect) -> None:
        """Start the clients of a step."""
        self._ids.append(range(step.first_id, step.first_id + step.clients))
        processes = step.processes or processes_needed(step.clients)
        self._report_s = _REPORT_S * max(1, processes // 10)
        board = self._folder / f"clients-{len(self._boards)}.board"
        self._boards.append(SharedCounters.make(board, processes))
        self._at_end.callback(board.unlink)
        command = [
            "zflood", "clients", "--url", self.base_url + step.path,
            "--ids", f"{step.first_id}-{step.first_id + step.clients - 1}", "--rate", str(step.rate),
            "--every", str(self._report_s), "--json", "--processes", str(processes), "--board", str(board),
            "--transport", step.transport, *self._on_record(),
        ]  # fmt: skip
        if step.reconnect:
            command += ["--reconnect"]
        self._start(CLIENTS, *command)

    def start_load(self, lines: Iterable[bytes]) -> tuple[int, Program]:
        """Write who follows whom, and start to load it into the router's store; how many pairs that are.

        Raises:
            StopError: the router was not started for this run.
        """
        self._ours(ROUTER)
        assert self._store is not None
        folder = self._check or self._folder  # what is compared later needs the file, too
        folder.mkdir(exist_ok=True)
        path, pairs = folder / FOLLOWS, 0
        with path.open("wb") as file:
            for some in lines:
                pairs += some.count(b"\n")
                file.write(some)
                self._tick()
        if self._check is None:
            self._at_end.callback(path.unlink, missing_ok=True)
        return pairs, self.run("zrouter", "follows", "load", str(path), "--store", str(self._store))

    def start_sender(self, messages: int, per_s: float, max_id: int, senders: int, publish: bool) -> Program:
        """Start `zflood messages`, which ends by itself."""
        return self.run(
            "zflood", "messages", "--router", self.endpoint, "--count", str(messages), "--interval-ms",
            str(1000 / per_s), "--max-id", str(max_id), "--senders", str(senders), "--json", "--every", "1",
            *(("--publish",) if publish else ()), *self._on_record(),
        )  # fmt: skip

    def send_many(self, ids: Sequence[bytes], message: bytes) -> list[int]:
        """Send the message to each of these, and put on record what came of it; the receipts."""
        if self._check is None:
            return self.api.send_many([(an_id, message) for an_id in ids])
        if self._sent is None:
            self._sent = SenderLog(self._check)
            self._at_end.callback(self._sent.close)
        first, marks = self._sent.marks(len(ids))
        began_ns, receipts = time.time_ns(), list[int]()
        try:
            receipts = self.api.send_many(
                [(an_id, message + mark) for an_id, mark in zip(ids, marks, strict=True)]
            )
        finally:
            self._sent.told(began_ns, first, ids, receipts)
        return receipts

    def run(self, *command: str) -> Program:
        """Start another program, that ends by itself."""
        log = self._folder / f"{next(self._numbers)}-{'-'.join(command[:2])}.log"
        try:
            program = Program(log, *command)
        except OSError as error:
            raise ProgramError(f"{command[0]} could not be started: {error}") from None
        self._at_end.callback(program.stop)
        return program

    def counts(self) -> Counts:
        """What the clients have counted up to now."""
        return Counts(*map(sum, zip(*(board.total() for board in self._boards), strict=True)))

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

    def wait_told(self) -> None:
        """Return when the clients have told all that they have counted up to now.

        Raises:
            StopError: as `wait`.
        """
        counts = self.counts()
        self.wait(lambda: self.seen().has(counts), _TELL_S + 2 * self._report_s)

    def mark(self, name: str) -> None:
        """Something happens now that the time line shows."""
        self.marks.append(Mark(self.elapsed_s(), name))

    def wait(self, is_done: Callable[[], bool], within_s: float) -> bool:
        """Keep sampling until it is done; False if it was not in time.

        Raises:
            StopError: a program ended, or memory ran short.
        """
        deadline = time.monotonic() + within_s
        while True:
            self._tick()
            if is_done():
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_S)

    def check(self) -> None:
        """See that all is as it should be.

        Raises:
            StopError: a program ended, or memory ran short.
        """
        for program in chain.from_iterable(self._groups.values()):
            if program.process.poll() is not None:
                errors = in_words(self.seen().errors)
                raise StopError(
                    f"{program.name} has ended: {program.said()}{f'; errors: {errors}' if errors else ''}"
                )
        if psutil.virtual_memory().available < self._min_free_bytes:
            raise StopError(f"less than {self._min_free_bytes / 1e6:,.0f} MB of memory are free")

    def sample(self) -> Look:
        """Look at everything now."""
        self._next_sample = time.monotonic() + self._sample_s
        seen, counts = self.seen(), self.counts()
        now: dict[str, Sample] = {}
        for group, programs in self._groups.items():
            now[group] = take((program.ps for program in programs), counts.active)
            self.samples.setdefault(group, []).append(now[group])
            self._sample_file(group).append(now[group])
        fresh = seen.latencies.since(self._counts_before)
        self._counts_before = seen.latencies.counts()
        self.moments.append(
            Moment(self.elapsed_s(), counts.active, counts.chunks, counts.errors, **fresh.figures())
        )
        return Look(now, seen)

    def kill_router(self) -> None:
        """SIGKILL, and a new one at the same address."""
        for program in self._ours(ROUTER):
            program.process.kill()
            program.process.wait()
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
        # At the same moment: else clients of the first come back to the next, and are cut off once more.
        for worker in workers:
            worker.suspend()
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

    def _on_record(self) -> tuple[str, ...]:
        """What our own tools are told so that all is put on record."""
        return ("--check", str(self._check)) if self._check is not None else ()

    def _start_router(self, bind: str) -> None:
        store = str(self._store or "none")
        router = self._start(
            ROUTER, "zrouter", "serve", "--bind", bind, "--store", store, *self._services.router
        )
        self.endpoint = router.wait_address()

    def _start(self, group: str, *command: str) -> Program:
        program = self.run(*command)
        self._groups.setdefault(group, []).append(program)
        return program

    def _client(self) -> RouterClient:
        try:
            return RouterClient(self.endpoint, name="scenario", retry=True)
        except ValueError as error:  # no endpoint at all: the scenario's own word
            raise StopError(f"router {self.endpoint}: {error}") from None

    def _tick(self) -> None:
        """Sample and see that all is well, if it is time."""
        if time.monotonic() >= self._next_sample:
            self.sample()
            self.check()

    def _sample_file(self, group: str) -> SampleFile:
        if group not in self._sample_files:
            path = self._folder / f"{group}.tsv"
            self._sample_files[group] = SampleFile(self._at_end.enter_context(path.open("w+")))
        return self._sample_files[group]


def in_words(errors: Counter[str]) -> str:
    """The most frequent ones."""
    return ", ".join(f"{count:,} x {kind}" for kind, count in errors.most_common(5))
