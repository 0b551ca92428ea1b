"""The programs that a measurement runs: ours, the yardstick in C, Redis; what CPU and memory they use.

Owns: starting and ending them, asking the yardstick. Must not know: what is measured.
"""

from __future__ import annotations

import json
import mmap
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
START_S = 20.0


class Running:
    """One running program. `cpu_s()` is of all its threads, and of its children if it has some."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True, cwd=ROOT
            )
        self._ps = psutil.Process(self.process.pid)

    def cpu_s(self) -> float:
        """Seconds of CPU so far, user and system."""
        return sum(sum(one.cpu_times()[:2]) for one in self._family())

    def exact_cpu_s(self) -> float:
        """The same, not in steps of 10 ms; without threads that have ended."""
        return (
            sum(
                int((task / "schedstat").read_text().split()[0])
                for one in self._family()
                for task in Path(f"/proc/{one.pid}/task").iterdir()
            )
            / 1e9
        )

    def rss_bytes(self) -> int:
        """Resident memory now."""
        return sum(int(one.memory_info().rss) for one in self._family())

    def ask(self, line: str = "") -> dict[str, Any]:
        """Say a line to it and read one line of JSON."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def read(self) -> dict[str, Any]:
        """The next line of JSON that it prints."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended: {self.log.read_text()[-2000:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    def said(self, pattern: str) -> str:
        """The first group of the pattern, once its log or output has it."""
        assert self.process.stdout is not None
        if self.process.args[0] == str(yardstick()):  # type: ignore[index]
            return re.search(pattern, self.process.stdout.readline())[1]  # type: ignore[index]

        def look() -> str | None:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args!r} ended: {self.log.read_text()[-2000:]}")
            found = re.search(pattern, self.log.read_text())
            return found[1] if found else None

        return str(until(look))

    def stop(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _family(self) -> list[psutil.Process]:
        return [self._ps, *self._ps.children(recursive=True)]


class Stage:
    """Where programs run; all of them end with it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._programs: list[Running] = []

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in reversed(self._programs):
            program.stop()
        self._folder.cleanup()

    def run(self, *command: str) -> Running:
        """Start any program."""
        log = Path(self._folder.name) / f"{len(self._programs)}.log"
        program = Running(list(command), log)
        self._programs.append(program)
        return program

    def ours(self, *command: str) -> Running:
        """Start zrouter, zfront or zflood."""
        return self.run(sys.executable, "-c", f"from {command[0]}.cli import main; main()", *command[1:])

    def python(self, module: str, *arguments: object) -> Running:
        """Start a module of the benchmark."""
        return self.run(sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments))

    def router(self, *more: str) -> tuple[Running, str]:
        """A router, and its endpoint; without a store if none is named."""
        program = self.ours("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", "none", *more)
        return program, program.said(r"listening on (\S+)")

    def front(self, endpoint: str, *more: str) -> tuple[Running, int]:
        """A frontend, and its port."""
        program = self.ours("zfront", "serve", "--listen", "127.0.0.1:0", "--router", endpoint, *more)
        return program, int(program.said(r"listening on http://127.0.0.1:(\d+)"))

    def bare_c(self) -> tuple[Running, int]:
        """The yardstick as a server, and its port."""
        program = self.run(str(yardstick()), "serve", "0")
        return program, int(program.said(r"listening (\d+)"))

    def sink(self, port: int, clients: int, target: str = "/test/%d") -> Sink:
        """Clients of a server, all connected when this returns."""
        shared = Path(self._folder.name) / f"{len(self._programs)}.count"
        shared.write_bytes(bytes(8))
        return Sink(
            self.run(str(yardstick()), "sink", str(port), str(clients), target, str(shared)), shared, clients
        )


class Sink:
    """Clients that read, in one process of the yardstick."""

    def __init__(self, program: Running, shared: Path, clients: int) -> None:
        self.program = program
        self.shared = shared
        with shared.open("r+b") as file:
            self._counter = mmap.mmap(file.fileno(), 8)
        until(lambda: program.ask()["connected"] == clients, 120, pause_s=0.05)

    def messages(self) -> int:
        """Messages read so far, by all clients."""
        return int(struct.unpack("Q", self._counter[:8])[0])

    def settle(self, at_least: int = 0, within_s: float = 30.0) -> int:
        """How many were read, once that many were and no more come."""
        until(lambda: self.messages() >= at_least, within_s)
        before, found = -1, self.messages()
        while found != before:
            time.sleep(0.2)
            before, found = found, self.messages()
        return found


def until(look: Callable[[], Any], within_s: float = START_S, pause_s: float = 0.02) -> Any:
    """The first true value of `look()`.

    Raises:
        TimeoutError: there was none in that time.
    """
    deadline = time.monotonic() + within_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing within {within_s} s")
        time.sleep(pause_s)
    return found


def yardstick() -> Path:
    """The compiled yardstick, made if it is older than its source."""
    source, made = HERE / "yardstick.c", HERE / ".build" / "yardstick"
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        made.parent.mkdir(exist_ok=True)
        subprocess.run(["cc", "-O2", "-Wall", "-o", str(made), str(source)], check=True)
    return made
