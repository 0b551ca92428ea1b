"""Clients in as many processes as they need, and what they have seen together.

Owns: who connects to what, the sums. Must not know: sockets, how the sums are shown.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final, NamedTuple

from zflood.check.client_log import ClientLog
from zflood.latency import Latencies
from zflood.processes import Processes
from zflood.shared_counters import Counts, SharedCounters
from zflood.swarm.clients import PER_SOURCE, Clients, Target, target
from zflood.swarm.transports import transport

_REPORT_S: Final = 0.25
_RESERVED_DESCRIPTORS: Final = 100


class Seen(NamedTuple):
    """What one process has seen so far."""

    active: int
    connected: int
    closed: int
    ended: int
    chunks: int
    gaps: int
    errors: dict[str, int]
    cuts: dict[str, int]
    latencies: bytes
    reconnects: int
    back_s: float | None


@dataclass
class Totals:
    """What all have seen. `seconds` since the beginning."""

    active: int = 0  # connections open now
    connected: int = 0  # connections that were answered with 200
    closed: int = 0  # connections that ended, for any reason
    ended: int = 0  # of these, such that the server brought to their end: a last chunk, a close frame
    chunks: int = 0  # messages: chunks, events, lines, WebSocket messages, of answers what is in them
    gaps: int = 0  # notices that messages are gone
    errors: Counter[str] = field(default_factory=Counter)
    latencies: Latencies = field(default_factory=Latencies)
    reconnects: int = 0  # of `connected`, such of clients that had been away
    cuts: Counter[str] = field(default_factory=Counter)  # how servers went; only if clients connect again
    back_s: float | None = None  # the last cut, until all were back or so far; the longest of the processes
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "seconds": round(self.seconds, 3),
            "active": self.active,
            "connected": self.connected,
            "closed": self.closed,
            "ended": self.ended,
            "chunks": self.chunks,
            "gaps": self.gaps,
            "errors": dict(self.errors),
            "latencies": len(self.latencies),
            "p50_ms": self.latencies.percentile_ms(50),
            "p99_ms": self.latencies.percentile_ms(99),
            "max_ms": self.latencies.max_ms(),
            "reconnects": self.reconnects,
            "cuts": dict(self.cuts),
            "back_s": None if self.back_s is None else round(self.back_s, 3),
            # HdrHistogram's compressed form, in microseconds, of all latencies so far.
            "histogram": self.latencies.encode().decode(),
        }


class Urls(NamedTuple):
    """The URLs to connect to: a pattern with %d for each id of a range, or a list."""

    pattern: str
    first: int
    last: int
    listed: Sequence[str] | None = None

    def __len__(self) -> int:
        return self.last - self.first + 1 if self.listed is None else len(self.listed)

    def each(self) -> Iterator[str]:
        """One after the other."""
        return map(self.at, range(len(self)))

    def at(self, index: int) -> str:
        """One of them, counted from 0."""
        if self.listed is not None:
            return self.listed[index]
        return self.pattern.replace("%d", str(self.first + index))


class Plan(NamedTuple):
    """Whom to connect to, how fast, and for how long."""

    urls: Urls
    rate_per_s: float  # of all processes together; 0 = no limit
    seconds: float | None  # None: until every connection has ended
    processes: int
    source: IPv4Network | None
    every_s: float  # between two reports
    transport: str = "chunked"  # one of TRANSPORTS
    reconnect: bool = False  # clients whose connection ended connect again
    timeout_s: float | None = None  # the longest wait for a connection and its answer
    board: Path | None = None  # gets live counts, a row of each process
    check: Path | None = None  # the folder that gets the records of all that clients see


def processes_needed(connections: int) -> int:
    """How many processes so many connections need, for a process may only have so many descriptors."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return max(1, -(-connections // max(1, limit - _RESERVED_DESCRIPTORS)))


def run(plan: Plan) -> Iterator[Totals]:
    """Connect and read; yields the totals now and then, and at the end.

    Raises:
        CrewError: a process could not do its work.
    """

    def work(number: int, report: Callable[[Seen], None]) -> None:
        _be_clients(plan, number, report)

    began = time.monotonic()
    next_show = began + plan.every_s
    reports: list[Seen] = []
    for reports in Processes[Seen](plan.processes, work).reports():
        now = time.monotonic()
        if now >= next_show:
            next_show += plan.every_s
            yield _together(reports, now - began)
    yield _together(reports, time.monotonic() - began)


def _be_clients(plan: Plan, number: int, report: Callable[[Seen], None]) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sources = -(-len(plan.urls) // plan.processes) // PER_SOURCE + 1

    def where(client: int) -> Target:
        return target(plan.urls.at(number + client * plan.processes))

    clients = Clients(
        transport(plan.transport),
        len(range(number, len(plan.urls), plan.processes)),
        where,
        rate_per_s=plan.rate_per_s / plan.processes,
        source=plan.source,
        first_source=number * sources,
        reconnect=plan.reconnect,
        timeout_s=plan.timeout_s,
        record=partial(ClientLog, plan.check, plan.transport) if plan.check else None,
    )
    board = SharedCounters(plan.board) if plan.board else None
    began = time.monotonic()
    every_s = min(_REPORT_S, plan.every_s)
    next_report = began + every_s
    try:
        while clients.is_at_work():
            now = time.monotonic()
            if plan.seconds is not None and now - began >= plan.seconds:
                break
            clients.step()
            if board is not None:
                board.write(number, _counts(clients))
            if now >= next_report:
                next_report = now + every_s
                report(_seen(clients))
    finally:  # interrupted, too
        report(_seen(clients))
        clients.close()


def _seen(clients: Clients) -> Seen:
    tally, reconnects = clients.tally, clients.reconnects
    return Seen(
        clients.active,
        reconnects.connected,
        clients.closed,
        tally.ended,
        tally.chunks,
        tally.gaps,
        dict(tally.errors),
        dict(tally.cuts),
        tally.latencies.encode(),
        reconnects.reconnects,
        reconnects.back_s(time.monotonic()),
    )


def _counts(clients: Clients) -> Counts:
    tally = clients.tally
    errors = tally.errors.total()
    return Counts(clients.active, clients.reconnects.connected, clients.closed, tally.chunks, errors)


def _together(reports: Sequence[Seen], seconds: float) -> Totals:
    totals = Totals(seconds=seconds)
    for seen in reports:
        totals.active += seen.active
        totals.connected += seen.connected
        totals.closed += seen.closed
        totals.ended += seen.ended
        totals.chunks += seen.chunks
        totals.gaps += seen.gaps
        totals.errors.update(seen.errors)
        totals.cuts.update(seen.cuts)
        totals.latencies.add(seen.latencies)
        totals.reconnects += seen.reconnects
        totals.back_s = max((s for s in (totals.back_s, seen.back_s) if s is not None), default=None)
    return totals
