"""What each step of a scenario does on the stage, and the figures that it leaves.

Owns: one function for each kind of step. Must not know: how programs are started and sampled (stage.py), the
form of a scenario's file.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from random import randint
from statistics import median
from typing import Any, Final

from zflood.latency import Latencies, stamp
from zflood.memory import Sample
from zflood.run.scenario import AnyStep, Broadcast, Connect, Cut, Each, Fault, Messages, Prepare, Rest
from zflood.run.stage import CLIENTS, FRONTEND, ROUTER, Stage, StopError
from zflood.run.trend import trend
from zflood.tuning import host, tune
from zflood.tuning.demand import Side

Figures = dict[str, float]
_BATCH: Final = 1000  # messages in one call, where the pace is the receivers'
_KICK: Final = 10_000  # ids in one call
_STALL_S: Final = 60.0  # without one more client
_GROWTH_FROM_S: Final = 300.0  # in less time a page or two look like a great slope


def carry_out(stage: Stage, step: AnyStep) -> Figures:
    """Do it; its figures, by name, and what every step leaves: time, CPU, memory, latency, errors.

    Raises:
        StopError: the run cannot go on.
    """
    before, seen_before = stage.sample(), stage.seen()
    counts_before = seen_before.latencies.counts()
    first_sample = len(stage.samples.get(FRONTEND, ()))
    began = time.monotonic()
    figures = KINDS[type(step)](stage, step)
    seconds = time.monotonic() - began
    after, seen = stage.sample(), stage.seen()
    figures = {"seconds": round(seconds, 3), **figures}
    figures["errors"] = (seen.errors - seen_before.errors).total()
    fresh = Latencies.of(seen.latencies.counts() - counts_before)
    if len(fresh):
        figures["p50_ms"], figures["p99_ms"] = fresh.percentile_ms(50), fresh.percentile_ms(99)
        figures["max_ms"] = fresh.max_ms()
    figures |= _resources(before, after, seconds)
    if isinstance(step, Messages) and seconds >= _GROWTH_FROM_S:
        figures |= _growth(stage.samples.get(FRONTEND, [])[first_sample:])
    return {f"{step.name}.{name}": value for name, value in figures.items()}


def _resources(before: dict[str, Sample], after: dict[str, Sample], seconds: float) -> Figures:
    """Memory at the end, and CPU in per cent of one core, of each group."""
    figures: Figures = {}
    for group, sample in after.items():
        figures[f"{group}_rss_mb"] = round(sample.rss_kb / 1024, 2)
        figures[f"{group}_pss_mb"] = round(sample.pss_kb / 1024, 2)
        cpu_s = sample.cpu_s - (before[group].cpu_s if group in before else 0.0)
        figures[f"{group}_cpu_percent"] = round(100 * max(0.0, cpu_s) / max(seconds, 1e-9), 1)
    return figures


def _growth(samples: list[Sample]) -> Figures:
    """How fast the frontend's memory grew in the last nine tenths of the time."""
    samples = samples[len(samples) // 10 :]
    grown = trend([sample.unix_s for sample in samples], [sample.rss_kb for sample in samples])
    if grown is None:
        return {}
    return {
        "slope_kb_per_h": round(grown.per_h, 1),
        "slope_low_kb_per_h": round(grown.low_per_h, 1),
        "slope_high_kb_per_h": round(grown.high_per_h, 1),
    }


def _prepare(stage: Stage, step: Prepare) -> Figures:
    here = host.read()
    demand = tune.demand_on(here, step.connections, Side.BOTH)
    lines = tune.lines_for(tune.judge(here, demand), "sysctl.d")
    try:
        for line in host.apply(lines):
            stage.narrator.say(f"{step.name}: set {line}")
    except host.HostError as error:
        raise StopError(
            f"{error}; `zflood tune --connections {step.connections}` says why it is needed"
        ) from None
    missing = [one for one in tune.judge(host.read(), demand) if one.verdict == "too small"]
    if missing:
        raise StopError("; ".join(f"{one.name} is {one.now}, {one.needed} is needed" for one in missing))
    return {"settings": len(lines)}


def _connect(stage: Stage, step: Connect) -> Figures:
    before = stage.sample()
    answered = stage.seen().connected + step.clients
    began = time.monotonic()
    stage.add_clients(step)

    def are_all_there() -> bool:
        there = stage.connected()
        stage.narrator.progress(f"{step.name}: clients connected", there, answered)
        return there >= answered

    there, more_within_s = stage.connected(), min(step.within_s, _STALL_S)
    while not stage.wait(are_all_there, more_within_s):
        before_that, there = there, stage.connected()
        if there == before_that or time.monotonic() - began > step.within_s:
            raise StopError(
                f"{there:,} of {answered:,} clients are connected after {time.monotonic() - began:.0f} s;"
                f" errors: {_in_words(stage.seen().errors) or 'none'}"
            )
    seconds = time.monotonic() - began
    figures: Figures = {"clients": step.clients, "per_s": round(step.clients / seconds)}
    after = stage.sample()
    for group in (ROUTER, FRONTEND):
        if group in after:
            rss_kb = after[group].rss_kb - before[group].rss_kb
            figures[f"{group}_bytes_per_client"] = round(1024 * rss_kb / step.clients)
    if ROUTER in after and FRONTEND in after:
        pss_kb = after[ROUTER].pss_kb + after[FRONTEND].pss_kb
        figures["pss_bytes_per_client"] = round(1024 * pss_kb / answered)
    if CLIENTS in after:
        figures["zflood_pss_bytes_per_client"] = round(1024 * after[CLIENTS].pss_kb / answered)
    return figures


def _messages(stage: Stage, step: Messages) -> Figures:
    if not step.per_s:
        ids = (b"%d" % randint(1, step.max_id) for _ in range(step.messages()))
        return _send_as_received(stage, step.name, ids, step.messages(), step.under_way, step.within_s)
    before = stage.received()
    began = time.monotonic()
    sender = stage.run(
        "zflood", "messages", "--router", stage.endpoint, "--count", str(step.messages()), "--interval-ms",
        str(1000 / step.per_s), "--max-id", str(step.max_id), "--senders", str(step.senders), "--json",
        "--every", "1",
    )  # fmt: skip

    def is_sent() -> bool:
        received = stage.received() - before
        stage.narrator.progress(f"{step.name}: messages received", received, step.messages())
        return sender.has_ended()

    if not stage.wait(is_sent, 2 * step.messages() / step.per_s + step.within_s):
        raise StopError(f"{sender.name} did not end in time")
    if sender.process.returncode:
        raise StopError(f"{sender.name}: {sender.said()}")
    sent = sender.latest
    return _settle(
        stage, step.name, before, began, sent["messages"], sent["handed"], sent["nobody"], step.within_s
    )


def _each(stage: Stage, step: Each) -> Figures:
    ids = (b"%d" % number for number in range(1, step.max_id + 1))
    return _send_as_received(stage, step.name, ids, step.max_id, step.under_way, step.within_s)


def _send_as_received(
    stage: Stage, name: str, ids: Iterator[bytes], count: int, under_way: int, within_s: float
) -> Figures:
    """Send as fast as the clients receive: never more than so many messages are under way."""
    before = stage.received()
    began = time.monotonic()
    sent = handed = nobody = 0
    to_realtime = time.time() - time.monotonic()

    def waiting() -> int:
        return handed - (stage.received() - before)

    while sent < count:
        if not stage.wait(lambda: waiting() < under_way, within_s):
            raise StopError(f"{waiting():,} messages were not received in {within_s:g} s")
        message = stamp(time.monotonic() + to_realtime)
        receipts = stage.api.send_many([(an_id, message) for an_id in islice(ids, _BATCH)])
        sent += len(receipts)
        handed += sum(receipts)
        nobody += receipts.count(0)
        stage.tick()
        stage.narrator.progress(f"{name}: messages sent", sent, count)
    return _settle(stage, name, before, began, sent, handed, nobody, within_s)


def _settle(
    stage: Stage, name: str, before: int, began: float, sent: int, handed: int, nobody: int, within_s: float
) -> Figures:
    """Wait until all that was handed over has been received, and count what was not."""

    def are_received() -> bool:
        received = stage.received() - before
        stage.narrator.progress(f"{name}: messages received", received, handed)
        return received >= handed

    stage.wait(are_received, within_s)
    received = stage.received() - before
    return {
        "sent": sent,
        "handed": handed,
        "nobody": nobody,
        "received": received,
        "lost": handed - received,
        "per_s": round(received / max(time.monotonic() - began, 1e-9)),
    }


def _broadcast(stage: Stage, step: Broadcast) -> Figures:
    took_ms: list[float] = []
    handed = received = 0
    for number in range(step.times):
        seen = stage.seen()
        before, counts = seen.received, seen.latencies.counts()
        to = stage.api.send(step.to, stamp(time.time()))
        stage.wait(lambda before=before, to=to: stage.received() - before >= to, step.within_s)  # type: ignore[misc]
        seen = stage.seen()
        handed, received = handed + to, received + seen.received - before
        took_ms.append(Latencies.of(seen.latencies.counts() - counts).max_ms())
        stage.narrator.say(f"{step.name} {number + 1}: {to:,} clients, the last after {took_ms[-1]:,.0f} ms")
    return {
        "times": step.times,
        "handed": handed,
        "received": received,
        "lost": handed - received,
        "last_client_ms": median(took_ms),
        "longest_ms": max(took_ms),
    }


def _cut(stage: Stage, step: Cut) -> Figures:
    back_s: list[float] = []
    for number in range(step.times):
        seen = stage.seen()
        wanted, answered = seen.active, seen.connected + seen.active
        began = time.monotonic()
        if step.how == "kill workers":
            stage.kill_workers()
        else:
            ids = list(map(str, stage.ids()))
            for first in range(0, len(ids), _KICK):
                stage.api.kick(*ids[first : first + _KICK])

        def are_back(wanted: int = wanted, answered: int = answered) -> bool:
            return stage.connected() >= answered and stage.active() >= wanted

        if not stage.wait(are_back, step.within_s):
            missing = max(wanted - stage.active(), answered - stage.connected())
            raise StopError(f"{missing:,} of {wanted:,} clients are not back in {step.within_s:g} s")
        back_s.append(stage.seen().back_s or time.monotonic() - began)
        stage.narrator.say(f"{step.name} {number + 1}: {wanted:,} clients were back after {back_s[-1]:.2f} s")
        stage.wait(lambda: False, step.rest_s)
    return {"times": step.times, "back_s": median(back_s), "longest_back_s": max(back_s)}


def _fault(stage: Stage, step: Fault) -> Figures:
    group = ROUTER if step.to == "router" else FRONTEND
    if step.what == "stop":
        stage.freeze(group, step.seconds)
    elif group == ROUTER:
        stage.kill_router()
        wanted = stage.seen().active
        began = time.monotonic()
        stage.wait(lambda: stage.api.stats()["connections"] >= wanted, 60)
        return {"logged_in_again_s": round(time.monotonic() - began, 2)}
    else:
        stage.kill_workers()
    return {}


def _rest(stage: Stage, step: Rest) -> Figures:
    stage.wait(lambda: False, step.seconds)
    return {}


KINDS: Final[dict[type, Callable[[Stage, Any], Figures]]] = {
    Prepare: _prepare,
    Connect: _connect,
    Messages: _messages,
    Each: _each,
    Broadcast: _broadcast,
    Cut: _cut,
    Fault: _fault,
    Rest: _rest,
}


def _in_words(errors: Counter[str]) -> str:
    return ", ".join(f"{count:,} x {kind}" for kind, count in errors.most_common(5))
