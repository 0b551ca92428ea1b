"""What a client costs: parked, arriving, written to at full speed, all at once, and at a steady pace."""

from __future__ import annotations

import time

from tests.bench.halting import halting_late
from tests.bench.lines import Line
from tests.bench.programs import Running, Sink, Stage, until

CLIENTS = 10_000
FEW, MANY = 1000, 15_000
FLOOD_S = 5.0
WINDOW = 4000  # messages that may be under way while flooding, for us and for the yardstick
RATE, PACED = 1000, 10_000
C = "bare C"


def logged_in(router: str, connections: int) -> None:
    """Return when the router knows of so many connections."""
    from zrouter.client import RouterClient

    with RouterClient(router) as api:
        until(lambda: api.stats()["connections"] >= connections, 60)


def parking() -> list[Line]:
    """1,000 clients, then 14,000 more: memory and CPU of each of these."""
    with Stage() as stage:
        c, port = stage.bare_c()
        stage.sink(port, FEW)
        before = c.ask()["cpu_s"]
        stage.sink(port, MANY - FEW, "/test/b%d")
        c_us = (c.ask()["cpu_s"] - before) / (MANY - FEW) * 1e6
    memory_each, us = come()
    return [
        Line("memory per parked connection", "B", memory_each, 256),
        Line("CPU per new connection, request to parked", "us", us, 45, c_us, C),
    ]


def come(*options: str, path: str = "/test/", query: str = "") -> tuple[float, float]:
    """Memory [B] and CPU [us] of each client that comes to our frontend."""
    with Stage() as stage:
        _, endpoint = stage.router()
        front, port = stage.front(endpoint, *options)
        stage.sink(port, FEW, f"{path}%d{query}")
        logged_in(endpoint, FEW)
        time.sleep(0.5)
        cpu, memory = front.cpu_s(), front.rss_bytes()
        stage.sink(port, MANY - FEW, f"{path}b%d{query}")
        logged_in(endpoint, MANY)
        time.sleep(0.5)
        us = (front.cpu_s() - cpu) / (MANY - FEW) * 1e6
        return (front.rss_bytes() - memory) / (MANY - FEW), us


def saturated() -> list[Line]:
    """Random ids, as fast as the clients read."""
    with Stage() as stage:
        c, port = stage.bare_c()
        sink = stage.sink(port, CLIENTS)
        found = c.ask(f"flood {FLOOD_S} {WINDOW} {sink.shared}")
        if found["missed"]:
            raise RuntimeError(f"the yardstick could not write {found['missed']} messages")
        c_us = found["cpu_s"] / found["written"] * 1e6
        c_rate = found["written"] / found["seconds"]
    router_us, front_us, rate = flooded("/test/")
    what = "saturated, random ids: "
    return [
        Line(
            what + "router + zfront CPU per message", "us", router_us + front_us, 1.6, c_us, C, by_ratio=True
        ),
        Line(what + "zfront CPU per message", "us", front_us, 1.3, c_us, C, by_ratio=True),
        Line(what + "delivered, one worker", "/s", rate, 0.6, c_rate, C, at_least=True, by_ratio=True),
    ]


def flooded(path: str, *message: str) -> tuple[float, float, float]:
    """CPU [us] of the router and of one frontend for each message delivered, and how many a second were."""
    with Stage() as stage:
        router, endpoint = stage.router()
        front, port = stage.front(endpoint)
        sink = stage.sink(port, CLIENTS, f"{path}%d")
        logged_in(endpoint, CLIENTS)
        sender = stage.python("senders", "flood", endpoint, CLIENTS, FLOOD_S, WINDOW, sink.shared, *message)
        sender.read()
        cpu_front, cpu_router, before = front.cpu_s(), router.cpu_s(), sink.messages()
        sent = sender.ask()
        delivered = sink.settle(before + int(sent["sent"])) - before
        if delivered != sent["sent"]:
            raise RuntimeError(f"{delivered} of {sent['sent']:.0f} messages came")
        front_us = (front.cpu_s() - cpu_front) / delivered * 1e6
        router_us = (router.cpu_s() - cpu_router) / delivered * 1e6
        return router_us, front_us, delivered / sent["seconds"]


def _last_ms(sink: Sink, expected: int) -> float:
    sink.settle(expected)
    return float(sink.program.ask("latency")["max_ms"])


def broadcast() -> list[Line]:
    """One id on every connection: from the send to the last client."""
    times = 5
    with Stage() as stage:
        c, port = stage.bare_c()
        sink = stage.sink(port, CLIENTS)
        c_ms = []
        for number in range(1, times + 1):
            c.ask("broadcast")
            c_ms.append(_last_ms(sink, number * CLIENTS))
    with Stage() as stage:
        _, endpoint = stage.router()
        _, port = stage.front(endpoint)
        sink = stage.sink(port, CLIENTS, "/test/everybody?n=%d")
        logged_in(endpoint, CLIENTS)
        ms = []
        for number in range(1, times + 1):
            sender = stage.python("senders", "once", endpoint, "everybody")
            sender.read()
            sender.ask()
            ms.append(_last_ms(sink, number * CLIENTS))
            sender.process.wait()
    return [
        Line(
            "broadcast to 10,000 connections, until the last has it", "ms", sorted(ms)[times // 2], 1.25,
            sorted(c_ms)[times // 2], C, by_ratio=True,
        )
    ]  # fmt: skip


def _paced(servers: list[Running], sink: Sink, sender: Running, line: str) -> tuple[dict[str, float], float]:
    cpu = sum(server.cpu_s() for server in servers)
    began = time.monotonic()
    sender.ask(line)
    spent = time.monotonic() - began
    percent = (sum(server.cpu_s() for server in servers) - cpu) / spent * 100
    sink.settle()
    return sink.program.ask("latency"), percent


def paced() -> list[Line]:
    """1,000 messages a second to random ids: latency and CPU."""
    with Stage() as stage:
        c, port = stage.bare_c()
        sink = stage.sink(port, CLIENTS)
        c_found, c_percent = _paced([c], sink, c, f"pace {RATE} {PACED}")
    found, percent = _pace()
    what = "1,000 messages/s to random ids: "
    return [
        Line(what + "latency p50", "ms", found["p50_ms"], 0.4, c_found["p50_ms"], C),
        Line(what + "latency p99", "ms", found["p99_ms"], 1.0, c_found["p99_ms"], C),
        Line(what + "CPU of router + zfront", "%", percent, 15, c_percent, C),
    ]


def paced_awake() -> list[Line]:
    """`paced` on a virtual machine whose idle cores wait a little before they halt."""
    with halting_late():
        return [line._replace(what=line.what + ", cores halt late") for line in paced()]


def _pace(*options: str) -> tuple[dict[str, float], float]:
    """Latencies at a steady pace, and the CPU of our router and frontend [% of one core]."""
    with Stage() as stage:
        router, endpoint = stage.router()
        front, port = stage.front(endpoint, *options)
        sink = stage.sink(port, CLIENTS)
        logged_in(endpoint, CLIENTS)
        sender = stage.python("senders", "pace", endpoint, CLIENTS, RATE, PACED)
        sender.read()
        found, percent = _paced([router, front], sink, sender, "")
        if found["n"] != PACED:
            raise RuntimeError(f"{found['n']} of {PACED} messages came")
    return found, percent


def held() -> list[Line]:
    """The same frontend as a plain Tornado server: each client keeps its handler, stream and coroutine."""
    (memory, us), (held_memory, held_us) = come(), come("--no-park")
    (found, percent), (held_found, held_percent) = _pace(), _pace("--no-park")
    rows = (
        ("memory of a connection", "B", memory, 0.05, held_memory),
        ("CPU of a new connection", "us", us, 0.3, held_us),
        ("1,000 messages/s: latency p50", "ms", found["p50_ms"], 1.0, held_found["p50_ms"]),
        ("1,000 messages/s: CPU of router + zfront", "%", percent, 1.0, held_percent),
    )
    return [
        Line(what, unit, ours, bar, theirs, "not parked", by_ratio=True)
        for what, unit, ours, bar, theirs in rows
    ]
