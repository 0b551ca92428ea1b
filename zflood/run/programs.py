"""Our own programs, started and ended as a user would do it.

Owns: the processes, their logs, the lines that they print. Must not know: what they are started for.
"""

from __future__ import annotations

import ctypes
import json
import os
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
_SAID: Final = 2000  # characters of the end of what a program wrote
# Settings of the user's own programs, which are not what a scenario asks for.
_NOT_OURS: Final = ("ZROUTER_", "ZFRONT_", "ZFLOOD_")
_PR_SET_PDEATHSIG: Final = 1
_prctl: Final = ctypes.CDLL(None).prctl  # looked up before any fork


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
                errors="replace",
                env={name: value for name, value in os.environ.items() if not name.startswith(_NOT_OURS)},
                preexec_fn=_end_with_us,
                process_group=0,  # Ctrl-C is for us, who end the programs in their order
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
            for line in self._read_log().splitlines():
                if " listening on " in line:
                    return line.partition(" listening on ")[2].split()[0]
            time.sleep(0.02)
        if self.process.poll() is None:
            raise ProgramError(f"{self.name} did not say in {_START_S:g} s where it listens: {self.said()}")
        raise ProgramError(f"{self.name} did not start: {self.said()}")

    def said(self) -> str:
        """How it ended, if it did, and the end of what it wrote to standard error."""
        code = self.process.poll()
        how = "" if code is None else f"killed by signal {-code}, " if code < 0 else f"exit code {code}, "
        return how + (self._read_log()[-_SAID:].strip() or "it said nothing")

    def has_ended(self) -> bool:
        """Whether it ended, and all that it printed was read."""
        return self.process.poll() is not None and not self._reader.is_alive()

    def interrupt(self) -> None:
        """As Ctrl-C: it ends when it has said what it did."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        if self.process.poll() is None:
            # To zflood that is Ctrl-C: its processes report for the last time, and write their records.
            self.process.send_signal(signal.SIGINT if self.name.startswith("zflood ") else signal.SIGTERM)
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _read_log(self) -> str:
        return self._log.read_text(errors="replace")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self.latest = json.loads(line)


def _end_with_us() -> None:
    """In the new process: SIGTERM once the thread that started it is no more, be it by SIGKILL."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
