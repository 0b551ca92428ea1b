"""The demo: the whole system at work on this machine, and a table of what it did.

Owns: starting and ending the programs, and the sums at the end. Must not know: their insides; it uses them as
a user does, by command line and RouterClient.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

import psutil
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from zrouter.client import RouterClient
from zrouter.session import RouterError

RATE_PER_S: Final = 1000
_START_S: Final = 15.0


class _Program:
    """One program of ours; `wait_address` is where it says that it listens."""

    def __init__(self, folder: Path, *command: str, out: int | None = None) -> None:
        self._log = folder / f"{command[0]}-{command[1]}.log"
        code = f"from {command[0]}.cli import main; main()"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, *command[1:]], stdout=out, stderr=log, text=True
            )

    def wait_address(self) -> str:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self._log.read_text().splitlines():
                if " listening on " in line:
                    return line.partition(" listening on ")[2].split()[0]
            time.sleep(0.05)
        raise RouterError(f"a program did not start: {self._log.read_text().strip()}")

    def rss_bytes(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run_demo(clients: int, seconds: float) -> bool:
    """Run it; whether every client connected and every message arrived."""
    console = Console()
    programs: list[_Program] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            return _run(Path(folder), programs, console, clients, seconds)
        finally:
            for program in reversed(programs):
                program.stop()


def _run(folder: Path, programs: list[_Program], console: Console, clients: int, seconds: float) -> bool:
    router = _Program(folder, "zrouter", "serve", "--bind", "tcp://127.0.0.1:0")
    programs.append(router)
    endpoint = router.wait_address()
    front = _Program(folder, "zfront", "serve", "--listen", "127.0.0.1:0", "--router", endpoint)
    programs.append(front)
    url = front.wait_address() + "/test/%d"
    memory = {"before": (router.rss_bytes(), front.rss_bytes())}
    count = int(seconds * RATE_PER_S)
    with RouterClient(endpoint) as api:
        swarm = _Program(
            folder, "zflood", "clients", "--url", url, "--ids", f"1-{clients}", "--every", "0.5", "--json",
            out=subprocess.PIPE,
        )  # fmt: skip
        programs.append(swarm)
        lines = _lines(swarm)
        seen: dict[str, Any] = {}
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
        with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
            connecting = progress.add_task("clients connected", total=clients)
            deadline = time.monotonic() + 60 + clients / 100
            while (online := api.stats()["connections"]) < clients and time.monotonic() < deadline:
                progress.update(connecting, completed=online)
                time.sleep(0.1)
            progress.update(connecting, completed=online)
            memory["with the clients"] = (router.rss_bytes(), front.rss_bytes())
            sender = _Program(
                folder, "zflood", "messages", "--router", endpoint, "--count", str(count), "--interval-ms",
                str(1000 / RATE_PER_S), "--max-id", str(clients), "--json", out=subprocess.PIPE,
            )  # fmt: skip
            programs.append(sender)
            sending = progress.add_task("messages received", total=count)
            quiet_until = time.monotonic() + seconds + 30
            while time.monotonic() < quiet_until:
                seen = _latest(lines, seen)
                progress.update(sending, completed=seen.get("chunks", 0))
                if sender.process.poll() is not None and seen.get("chunks", 0) >= count:
                    break
                time.sleep(0.1)
        memory["at the end"] = (router.rss_bytes(), front.rss_bytes())
        assert sender.process.stdout is not None
        sent = json.loads(sender.process.stdout.read().splitlines()[-1])
    lost = sent["handed"] - seen.get("chunks", 0)
    _show(console, clients, online, sent, seen, lost, memory)
    return (
        online == clients and lost == 0 and not seen["errors"] and not seen["closed"] and not sent["nobody"]
    )


def _show(
    console: Console,
    clients: int,
    online: int,
    sent: dict[str, Any],
    seen: dict[str, Any],
    lost: int,
    memory: dict[str, tuple[int, int]],
) -> None:
    table = Table("figure", "value", title=f"{clients:,} clients, {RATE_PER_S:,} messages/s")
    for name, value in {
        "connected": online,
        "closed": seen["closed"],
        "sent": sent["messages"],
        "received": seen["chunks"],
        "lost": lost,
        "errors": sum(seen["errors"].values()),
    }.items():
        table.add_row(name, f"{value:,}")
    table.add_row("latency p50 / p99 / max", f"{seen['p50_ms']} / {seen['p99_ms']} / {seen['max_ms']} ms")
    for when, (router_bytes, front_bytes) in memory.items():
        table.add_row(
            f"resident {when}", f"router {router_bytes / 1e6:.1f} MB, zfront {front_bytes / 1e6:.1f} MB"
        )
    grown = memory["with the clients"][1] - memory["before"][1]
    table.add_row("zfront bytes per connection", f"{grown / clients:,.0f}")
    console.print(table)


def _lines(program: _Program) -> queue.Queue[str]:
    """What a program prints, line by line, read aside."""
    lines: queue.Queue[str] = queue.Queue()
    stream = program.process.stdout
    assert stream is not None

    def read() -> None:
        for line in stream:
            lines.put(line)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _latest(lines: queue.Queue[str], seen: dict[str, Any]) -> dict[str, Any]:
    while not lines.empty():
        seen = json.loads(lines.get())
    return seen
