"""`zflood clients` as a program that runs beside the test, and servers for it that break the rules."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ZFLOOD = [sys.executable, "-c", "from zflood.cli import main; main()"]
CLIENTS = [*ZFLOOD, "clients"]
MESSAGES = [*ZFLOOD, "messages"]


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

    def lines(self) -> Iterator[dict[str, Any]]:
        """Figures as they come, until it ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.seen = json.loads(line)
            yield self.seen

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first figures of which this holds."""
        for seen in self.lines():
            if holds(seen):
                return seen
        raise AssertionError(f"it ended: {self.seen}")

    def stop(self) -> dict[str, Any]:
        """Its last figures."""
        if self.status is None:
            self._process.send_signal(signal.SIGINT)
            for _ in self.lines():
                pass
            self.status = self._process.wait(20)
        return self.seen


def flooded(*options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and last figures, once it ended by itself."""
    done = subprocess.run([*CLIENTS, "--json", *options], capture_output=True, text=True, timeout=60)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@contextmanager
def saying(*said: bytes) -> Iterator[str]:
    """The address of a server that says this, one after the other, each to a request, and closes then."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                for part in said:
                    connection.recv(4096)
                    connection.sendall(part)

        server = threading.Thread(target=serve)
        server.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        server.join()


@contextmanager
def mute(backlog: int) -> Iterator[str]:
    """The address of a server that lets so many connections and one more in, and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
