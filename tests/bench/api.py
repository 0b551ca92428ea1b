"""What the HTTP API takes in: a batch at a time on one connection, single sends on some that are kept alive.

The client is one process on plain sockets: a prepared request is written, and its answer read to the end.
Yardstick of single sends: the same, as a Tornado handler and an AsyncRouterClient would do it.
"""

from __future__ import annotations

from tests.bench.lines import Line
from tests.bench.programs import Running, Stage

SECONDS = 5.0
CONNECTIONS = 8
MESSAGES = 1000  # of a batch


def _post(stage: Stage, port: int, what: str, connections: int) -> tuple[float, int]:
    """Answers a second of a client, and how many messages have a receipt."""
    found = stage.python("posts", what, port, connections, MESSAGES, SECONDS).read()
    if found["failed"]:
        raise RuntimeError(f"{found['failed']} answers were not 200")
    return found["answers"] / found["seconds"], int(found["answers"])


def _cpu_us(program: Running, before: float, count: int) -> float:
    return (program.cpu_s() - before) / count * 1e6


def api_batch() -> list[Line]:
    """POST /api/send with 1,000 messages, one connection: as an array, and as lines."""
    lines = []
    with Stage() as stage:
        _, endpoint = stage.router()
        front, port = stage.front(endpoint)
        for what in ("array", "lines"):
            before = front.cpu_s()
            rate, count = _post(stage, port, what, 1)
            us = _cpu_us(front, before, count * MESSAGES)
            lines += [
                Line(f"batches of 1,000 as {what}", "/s", rate * MESSAGES, 100_000, at_least=True),
                Line(f"batches of 1,000 as {what}: zfront CPU per message", "us", us, 3),
            ]
    return lines


def api_single() -> list[Line]:
    """POST /api/send/ID, 8 connections, one request at a time on each."""
    with Stage() as stage:
        _, endpoint = stage.router()
        naive = stage.python("naive", endpoint)
        port = int(naive.read()["port"])
        before = naive.cpu_s()
        naive_rate, count = _post(stage, port, "single", CONNECTIONS)
        naive_us = _cpu_us(naive, before, count)
    with Stage() as stage:
        _, endpoint = stage.router()
        front, port = stage.front(endpoint)
        before = front.cpu_s()
        rate, count = _post(stage, port, "single", CONNECTIONS)
        us = _cpu_us(front, before, count)
        before = front.cpu_s()
        long_rate, count = _post(stage, port, "long", CONNECTIONS)
        long_us = _cpu_us(front, before, count)
    what = "single sends, one worker, kept alive"
    return [
        Line(what, "/s", rate, 4000, naive_rate, "naive Tornado", at_least=True),
        Line(what + ": zfront CPU per send", "us", us, 100, naive_us, "naive Tornado"),
        Line(what + ", the long way", "/s", long_rate, 500, naive_rate, "naive Tornado", at_least=True),
        Line(what + ", the long way: zfront CPU", "us", long_us, 600, naive_us, "naive Tornado"),
    ]
