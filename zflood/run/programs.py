"""Our own programs, started and ended as a user would do it.

Owns: the processes, their logs, the lines that they print. Must not know: what they are started for.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import psutil

_START_S: Final = 20.0
# A frontend closes its clients at a pace; its supervisor kills a worker that has not ended after 30 s.
_STOP_S: Final = 45.0


class ProgramError(Exception):
    """A program did not start, or ended by itself; the text has what it said."""


def end_in_order() -> None:
    """From now on SIGTERM unwinds us as Ctrl-C does, so that what was started is ended, too."""
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda signum, _: sys.exit(128 + signum))


def end_undisturbed() -> None:
    """From now on no signal keeps us from ending what was started; SIGKILL does."""
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(signum, signal.SIG_IGN)


class Program:
    """One running program: `Program(log, "zfront", "serve", "--workers", "2")`."""

    def __init__(self, log: Path, *command: str) -> None:
        self.name = " ".join(command[:2])
        self.latest: dict[str, Any] = {}  # the last line of JSON that it printed
        self._log = log
        code = f"from {command[0]}.cli import main; main()"
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", code, *command[1:]],
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        self.ps = psutil.Process(self.process.pid)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_address(self) -> str:
        """Where it says that it listens.

        Raises:
            ProgramError: it ended, or said nothing for 20 s.
        """
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self._log.read_text().splitlines():
                if " listening on " in line:
                    return line.partition(" listening on ")[2].split()[0]
            time.sleep(0.02)
        raise ProgramError(f"{self.name} did not start: {self.said()}")

    def said(self) -> str:
        """The end of what it wrote to standard error."""
        return self._log.read_text()[-2000:].strip() or "it said nothing"

    def has_ended(self) -> bool:
        """Whether it ended, and all that it printed was read."""
        return self.process.poll() is not None and not self._reader.is_alive()

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self.latest = json.loads(line)
