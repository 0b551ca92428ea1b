"""What zflood itself costs: its clients beside the client in C."""

from __future__ import annotations

from typing import Any

from tests.bench.clients import CLIENTS, C
from tests.bench.lines import Line
from tests.bench.programs import Running, Stage, until

FEW = 1000
BUSY_RATE, BUSY = 20_000, 100_000


def _clients(stage: Stage, port: int, count: int) -> Running:
    return stage.ours(
        "zflood", "clients", "--url", f"http://127.0.0.1:{port}/test/%d", "--ids", f"1-{count}", "--json",
        "--every", "0.25",
    )  # fmt: skip


def _read_until_connected(clients: Running, count: int) -> None:
    told: dict[str, Any] = {}

    def are_connected() -> bool:
        told.update(clients.read())
        return bool(told["connected"] == count)

    try:
        until(are_connected, 60, pause_s=0)
    except TimeoutError:
        raise TimeoutError(
            f"{told['connected']} of {count} clients connected; errors: {told['errors']}"
        ) from None


def swarm() -> list[Line]:
    """Memory of each connection, and CPU of each message read, at 20,000 messages a second."""
    with Stage() as stage:
        c, port = stage.bare_c()
        sink = stage.sink(port, CLIENTS)
        before = sink.program.cpu_s()
        c.ask(f"pace {BUSY_RATE} {BUSY}")
        sink.settle(BUSY)
        c_us = (sink.program.cpu_s() - before) / BUSY * 1e6
    with Stage() as stage:
        c, port = stage.bare_c()
        few = _clients(stage, port, FEW)
        _read_until_connected(few, FEW)
        few_bytes = few.rss_bytes()
    with Stage() as stage:
        c, port = stage.bare_c()
        clients = _clients(stage, port, CLIENTS)
        _read_until_connected(clients, CLIENTS)
        each_bytes = (clients.rss_bytes() - few_bytes) / (CLIENTS - FEW)
        until(lambda: c.ask()["clients"] >= CLIENTS)
        before = clients.cpu_s()
        c.ask(f"pace {BUSY_RATE} {BUSY}")
        until(lambda: clients.read()["chunks"] >= BUSY, 30, pause_s=0)
        us = (clients.cpu_s() - before) / BUSY * 1e6
    return [
        Line("zflood clients: memory of each connection", "B", each_bytes, 1024),
        Line("zflood clients: CPU per message read", "us", us, 2.0, c_us, C, by_ratio=True),
    ]


def messages() -> list[Line]:
    """One process of `zflood messages`, without a pace."""
    count = 2_000_000
    with Stage() as stage:
        _, endpoint = stage.router()
        sender = stage.ours(
            "zflood", "messages", "--router", endpoint, "--count", str(count), "--interval-ms", "0", "--json",
            "--every", "60",
        )  # fmt: skip
        sent = sender.read()
    assert sent["messages"] == count
    return [
        Line(
            "zflood messages: one process, with receipts",
            "/s",
            count / sent["seconds"],
            500_000,
            at_least=True,
        )
    ]
