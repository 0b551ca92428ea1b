"""`zflood clients` as a program that runs beside the test."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

CLIENTS = [sys.executable, "-c", "from zflood.cli import main; main()", "clients"]


class Flood:
    """Runs until it is left; `seen` are its last figures."""

    def __init__(self, *options: str) -> None:
        self.seen: dict[str, Any] = {}
        self.status: int | None = None
        self._process = subprocess.Popen(
            [*CLIENTS, "--every", "0.1", *options, "--json"], stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Flood:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first figures of which this holds."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.seen = json.loads(line)
            if holds(self.seen):
                return self.seen
        raise AssertionError(f"it ended: {self.seen}")

    def stop(self) -> dict[str, Any]:
        """Its last figures."""
        if self.status is None:
            assert self._process.stdout is not None
            self._process.send_signal(signal.SIGINT)
            for line in self._process.stdout:
                self.seen = json.loads(line)
            self.status = self._process.wait(20)
        return self.seen


def flooded(*options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and last figures, once it ended by itself."""
    done = subprocess.run([*CLIENTS, "--json", *options], capture_output=True, text=True, timeout=60)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])
