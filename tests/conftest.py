"""Real programs for the tests: started on free ports, ended by their pids."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from zrouter.client import RouterClient

# How long an example takes says more about the machine than about us. CI tries the same examples each time
# and so judges the change; those who work on it try others each time.
hypothesis.settings.register_profile("here", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("here")

# What a shell told the tests to ignore (`nohup make test &`, some runners of CI), the programs that they
# start would ignore, too.
for _signal in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, signal.default_int_handler if _signal is signal.SIGINT else signal.SIG_DFL)

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture(scope="session", autouse=True)
def own_data(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The stores of whoever runs the tests are left alone."""
    os.environ["XDG_DATA_HOME"] = str(tmp_path_factory.mktemp("data"))


class Program:
    """One running program; `address` is where it listens, as it said itself."""

    def __init__(self, log: Path, *command: str) -> None:
        self.command = command
        self._log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"from {command[0]}.cli import main; main()", *command[1:]],
                stderr=file,
            )
        try:
            self.address = self._wait_for_address()
        except BaseException:
            self.stop()
            raise

    def _wait_for_address(self) -> str:
        def said() -> str | None:
            found = re.search(r"listening on (\S+)", self._log.read_text())
            assert self.process.poll() is None, self._log.read_text()
            return found[1] if found else None

        return str(eventually(said))

    def log(self) -> str:
        """All that it said so far on standard error."""
        return self._log.read_text()

    def tell(self, signum: int) -> None:
        self.process.send_signal(signum)

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signum)
        return self.process.wait(15)


class Client:
    """A plain socket that asks for an id and reads what comes."""

    def __init__(self, address: str, target: str, read_head: bool = True) -> None:
        host, _, port = address.removeprefix("http://").rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.seen = b""
        if target:
            self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        if target and read_head:
            self.read_until(b"\r\n\r\n")

    def read_until(self, end: bytes) -> bytes:
        """All seen so far, once it holds `end`."""
        while end not in self.seen:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self.seen[-500:])
            self.seen += data
        return self.seen

    def read_to_end(self) -> bytes:
        """All there is until the server closes."""
        try:
            while data := self.socket.recv(65536):
                self.seen += data
        except ConnectionResetError:
            pass
        return self.seen


def eventually(look: Callable[[], Any], within_s: float = 30.0) -> Any:
    """The first true value of `look()`; fails if there is none in that time.

    Where the time is the point a test gives it; elsewhere it is long, for others may use the machine, too.
    """
    deadline = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.02)
    return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts programs: start("zrouter", "serve", ...)."""
    running: list[Program] = []

    def start_one(*command: str) -> Program:
        program = Program(tmp_path / f"{len(running)}.log", *command)
        running.append(program)
        return program

    yield start_one
    for program in running:
        program.stop()  # not kill: the workers of a killed supervisor would live on


@pytest.fixture
def router(start: Callable[..., Program], tmp_path: Path) -> Program:
    """A router on a free port, with a store of its own."""
    return start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", str(tmp_path / "follows"))


@pytest.fixture
def front(start: Callable[..., Program], router: Program) -> Program:
    """A frontend of that router."""
    return start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)


@pytest.fixture
def api(router: Program) -> Iterator[RouterClient]:
    """A client of that router."""
    with RouterClient(router.address) as client:
        yield client


def wait_for(api: RouterClient, an_id: str, connections: int) -> None:
    """Return when that id is on so many connections."""
    eventually(lambda: sum(n for _, n in api.who(an_id)[an_id]) == connections)
