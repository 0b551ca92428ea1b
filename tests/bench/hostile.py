"""What others feel of clients that say as much as they can."""

from __future__ import annotations

from tests.bench.clients import logged_in
from tests.bench.lines import Line
from tests.bench.programs import Stage
from tests.bench.sizes import size

OTHERS = 200
RATE = 500
RUDE = 600


def hostile_clients() -> list[Line]:
    """600 of each kind beside 200 ordinary ones, whose messages are timed."""
    return [
        line for what in ("pings", "commands", "bad", "logins", "bytes", "polls") for line in beside(what)
    ]


def beside(what: str, rude: int | None = None) -> list[Line]:
    """Of one kind: the others' latency, and how often the router took the frontend for dead."""
    rude = size(RUDE, 50) if rude is None else rude
    with Stage() as stage:
        _, endpoint = stage.router()
        front, port = stage.front(endpoint)
        sink = stage.sink(port, OTHERS)
        logged_in(endpoint, OTHERS)
        sender = stage.python("senders", "pace", endpoint, OTHERS, RATE, RATE * size(30, 4))
        sender.read()
        clients = stage.python("rude", what, port, rude)
        clients.read()
        clients.ask()
        cpu_s = front.exact_cpu_s()
        seconds = sender.ask()["seconds"]
        percent = (front.exact_cpu_s() - cpu_s) / seconds * 100
        sink.settle(within_s=60)
        said = clients.ask()
        found, lapsed = sink.program.ask("latency"), _lapsed(endpoint)
    name = f"beside {rude} that flood with {what}"
    return [
        Line(f"{name}: others' p99", "ms", found["p99_ms"], 10),
        Line(f"{name}: others' worst", "ms", found["max_ms"], 1000),
        Line(f"{name}: messages that did not come", "", RATE * size(30, 4) - found["n"], 0),
        Line(f"{name}: times the frontend was logged out", "", lapsed, 0),
        Line(f"{name}: CPU of the frontend", "%", percent, 100),
        Line(f"{name}: rude clients ended", "", said["ended"], 0, at_least=True),
    ]


def _lapsed(endpoint: str) -> float:
    from zrouter.client import RouterClient

    with RouterClient(endpoint) as api:
        figures = api.stats()
        return float(figures["lapsed"] + figures["unreachable"])
