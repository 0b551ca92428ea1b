"""What each step of a scenario does on the stage, and the figures that it leaves.

Owns: one function for each kind of step. Must not know: how programs are started and sampled
(environment.py), the form of a scenario's file.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from random import randint
from statistics import median
from typing import Any, Final, NamedTuple

from zflood.latency import stamp
from zflood.memory import Sample
from zflood.run import graph
from zflood.run.environment import CLIENTS, FRONTEND, ROUTER, Environment, Flow, StopError, in_words
from zflood.run.figures import counted
from zflood.run.programs import Program
from zflood.run.scenario import (
    AnyStep,
    Broadcast,
    Connect,
    Cut,
    Each,
    Fault,
    Finish,
    Follows,
    Messages,
    Prepare,
    Rest,
)
from zflood.run.trend import trend
from zflood.tuning import host, tune
from zflood.tuning.demand import Side
from zrouter.wire import KEPT

Figures = dict[str, float]
_BATCH: Final = 1000  # messages in one call, where the pace is the receivers'
_KICK: Final = 10_000  # ids in one call
_STALL_S: Final = 60.0  # without one more client
_WEIGHS_NOTHING_FROM: Final = 100_000  # clients
_QUIET_S: Final = 1.5  # nothing has come for so long: nothing will
_GROWTH_FROM_S: Final = 300.0  # in less time a page or two look like a great slope


class Receipts(NamedTuple):
    """What the router said of messages."""

    sent: int = 0
    handed: int = 0  # connections
    nobody: int = 0
    kept: int = 0  # for clients that left a short while ago

    def and_these(self, receipts: Sequence[int]) -> Receipts:
        """With those of further messages."""
        kept = receipts.count(KEPT)
        return Receipts(
            self.sent + len(receipts),
            self.handed + sum(receipts) - kept * KEPT,
            self.nobody + receipts.count(0),
            self.kept + kept,
        )


def carry_out(environment: Environment, step: AnyStep) -> Figures:
    """Do it; its figures, by name, and what every step leaves: time, CPU, memory, latency, errors.

    Raises:
        StopError: the run cannot go on.
    """
    before = environment.sample()
    latencies_before = before.seen.latencies.counts()
    first_sample = len(environment.samples.get(FRONTEND, ()))
    began = time.monotonic()
    figures = KINDS[type(step)](environment, step)
    seconds = time.monotonic() - began
    environment.wait_told()
    after = environment.sample()
    figures = {"seconds": round(seconds, 3), **figures}
    figures["errors"] = (after.seen.errors - before.seen.errors).total()
    figures |= after.seen.latencies.since(latencies_before).figures()
    figures |= _resources(before.samples, after.samples, seconds)
    if isinstance(step, Messages) and seconds >= _GROWTH_FROM_S:
        figures |= _growth(environment.samples.get(FRONTEND, [])[first_sample:])
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


def _prepare(environment: Environment, step: Prepare) -> Figures:
    here = host.read()
    demand = tune.demand_on(here, step.connections, Side.BOTH)
    lines = tune.lines_for(tune.judge(here, demand), "sysctl.d")
    try:
        for line in host.apply(lines):
            environment.narrator.say(f"{step.name}: set {line}")
    except host.HostError as error:
        raise StopError(
            f"{error}; `zflood tune --connections {step.connections}` says why it is needed"
        ) from None
    missing = [one for one in tune.judge(host.read(), demand) if one.verdict == "too small"]
    if missing:
        raise StopError("; ".join(f"{one.name} is {one.now}, {one.needed} is needed" for one in missing))
    return {"settings": len(lines)}


def _follows(environment: Environment, step: Follows) -> Figures:
    try:
        pairs, load = environment.start_load(graph.lines(step))
    except ValueError as error:
        raise StopError(str(error)) from None
    if not environment.wait(load.has_ended, step.within_s):
        raise StopError(f"{load.name} did not end in {step.within_s:g} s")
    if load.process.returncode:
        raise StopError(f"{load.name}: {load.said()}")
    return {"users": step.users, "pairs": pairs}


def _connect(environment: Environment, step: Connect) -> Figures:
    before = environment.sample().samples
    answered = environment.counts().connected + step.clients
    began = time.monotonic()
    environment.add_clients(step)

    def are_all_there() -> bool:
        there = environment.counts().connected
        environment.narrator.progress(f"{step.name}: clients connected", there, answered)
        return there >= answered

    there, more_within_s = environment.counts().connected, min(step.within_s, _STALL_S)
    while not environment.wait(are_all_there, more_within_s):
        before_that, there = there, environment.counts().connected
        if there == before_that or time.monotonic() - began > step.within_s:
            raise StopError(
                f"{there:,} of {answered:,} clients are connected after {time.monotonic() - began:.0f} s;"
                f" errors: {in_words(environment.seen().errors) or 'none'}"
            )
    seconds = time.monotonic() - began
    figures: Figures = {"clients": step.clients, "per_s": round(step.clients / seconds)}
    after = environment.sample().samples
    for group in (ROUTER, FRONTEND):
        if group in after:
            rss_kb = after[group].rss_kb - before[group].rss_kb
            figures[f"{group}_bytes_per_client"] = round(1024 * rss_kb / step.clients)
    # With fewer, what a process weighs without clients is most of it.
    is_shared = answered >= _WEIGHS_NOTHING_FROM
    if is_shared and ROUTER in after and FRONTEND in after:
        pss_kb = after[ROUTER].pss_kb + after[FRONTEND].pss_kb
        figures["pss_bytes_per_client"] = round(1024 * pss_kb / answered)
    if is_shared and CLIENTS in after:
        figures["zflood_pss_bytes_per_client"] = round(1024 * after[CLIENTS].pss_kb / answered)
    return figures


def _messages(environment: Environment, step: Messages) -> Figures:
    if not step.per_s:
        ids = (b"%d" % randint(1, step.max_id) for _ in range(step.messages()))
        return _send_as_received(environment, step.name, ids, step.messages(), step.under_way, step.within_s)
    before = environment.counts().chunks
    began = time.monotonic()
    sender = environment.start_sender(step.messages(), step.per_s, step.max_id, step.senders, step.publish)
    if step.background:
        environment.flows.append(Flow(step.name, sender, before, began))
        environment.wait(lambda: environment.counts().chunks > before or sender.has_ended(), step.within_s)
        return {}

    def is_sent() -> bool:
        if step.publish:  # how many clients get one is told with the receipt
            environment.narrator.progress(
                f"{step.name}: published", sender.latest.get("messages", 0), step.messages()
            )
        else:
            received = environment.counts().chunks - before
            environment.narrator.progress(f"{step.name}: messages received", received, step.messages())
        return sender.has_ended()

    if not environment.wait(is_sent, 2 * step.messages() / step.per_s + step.within_s):
        raise StopError(f"{sender.name} did not end in time")
    if sender.process.returncode:
        raise StopError(f"{sender.name}: {_why(sender)}")
    sent = sender.latest
    receipts = Receipts(sent["messages"], sent["handed"], sent["nobody"], sent["kept"])
    reached = {name: sent[name] for name in ("followers", "online")} if step.publish else {}
    return {**_settle(environment, step.name, before, began, receipts, step.within_s), **reached}


def _why(sender: Program) -> str:
    """What was wrong with messages, or how their sender ended."""
    return in_words(Counter(sender.latest.get("errors", {}))) or sender.said()


def _finish(environment: Environment, step: Finish) -> Figures:
    figures: Figures = {"sent": 0, "handed": 0, "kept": 0, "nobody": 0, "received": 0}
    for flow in environment.flows:
        if step.interrupt and not flow.sender.has_ended():
            flow.sender.interrupt()
        if not environment.wait(flow.sender.has_ended, step.within_s):
            raise StopError(f"{flow.name}: {flow.sender.name} did not end in {step.within_s:g} s")
        if flow.sender.process.returncode:
            raise StopError(f"{flow.name}: {flow.sender.name}: {_why(flow.sender)}")
        told = flow.sender.latest
        figures["sent"] += told["messages"]
        for name in ("handed", "kept", "nobody"):
            figures[name] += told[name]
    quiet_since, received = time.monotonic(), -1

    def is_quiet() -> bool:
        nonlocal quiet_since, received
        if environment.counts().chunks != received:
            quiet_since, received = time.monotonic(), environment.counts().chunks
        return time.monotonic() - quiet_since > _QUIET_S

    if not environment.wait(is_quiet, step.within_s):
        raise StopError(f"clients still receive {step.within_s:g} s after the last message")
    if environment.flows:
        first = environment.flows[0]
        figures["received"] = received - first.received_before
        figures["per_s"] = round(figures["received"] / max(quiet_since - first.began, 1e-9))
    environment.flows.clear()
    return figures


def _each(environment: Environment, step: Each) -> Figures:
    ids = (b"%d" % number for number in range(1, step.max_id + 1))
    return _send_as_received(environment, step.name, ids, step.max_id, step.under_way, step.within_s)


def _send_as_received(
    environment: Environment, name: str, ids: Iterator[bytes], count: int, under_way: int, within_s: float
) -> Figures:
    """Send as fast as the clients receive: never more than so many messages are under way."""
    before = environment.counts().chunks
    began = time.monotonic()
    all_of_them = Receipts()
    to_realtime = time.time() - time.monotonic()

    def waiting() -> int:
        return all_of_them.handed - (environment.counts().chunks - before)

    while all_of_them.sent < count:
        if not environment.wait(lambda: waiting() < under_way, within_s):
            raise StopError(f"{waiting():,} messages were not received in {within_s:g} s")
        message = stamp(time.monotonic() + to_realtime)
        receipts = environment.send_many(list(islice(ids, _BATCH)), message)
        all_of_them = all_of_them.and_these(receipts)
        environment.narrator.progress(f"{name}: messages sent", all_of_them.sent, count)
    return _settle(environment, name, before, began, all_of_them, within_s)


def _settle(
    environment: Environment, name: str, before: int, began: float, receipts: Receipts, within_s: float
) -> Figures:
    """Wait until all that was handed over has been received, and count what was not."""

    def are_received() -> bool:
        received = environment.counts().chunks - before
        environment.narrator.progress(f"{name}: messages received", received, receipts.handed)
        return received >= receipts.handed

    environment.wait(are_received, within_s)
    received = environment.counts().chunks - before
    return {
        **receipts._asdict(),
        "received": received,
        "lost": receipts.handed - received,
        "per_s": round(received / max(time.monotonic() - began, 1e-9)),
    }


def _has_counted(environment: Environment, chunks: int) -> bool:
    return environment.counts().chunks >= chunks


def _broadcast(environment: Environment, step: Broadcast) -> Figures:
    took_ms: list[float] = []
    handed = received = 0
    for number in range(step.times):
        before, latencies_before = environment.counts().chunks, environment.seen().latencies.counts()
        to = Receipts().and_these(environment.send_many([step.to.encode()], stamp(time.time()))).handed
        environment.wait(partial(_has_counted, environment, before + to), step.within_s)
        environment.wait_told()
        handed, received = handed + to, received + environment.counts().chunks - before
        took_ms.append(environment.seen().latencies.since(latencies_before).max_ms())
        environment.narrator.say(
            f"{step.name} {number + 1}: {counted(to, 'client')}, the last after {took_ms[-1]:,.0f} ms"
        )
    return {
        "times": step.times,
        "handed": handed,
        "received": received,
        "lost": handed - received,
        "last_client_ms": median(took_ms),
        "longest_ms": max(took_ms),
    }


def _cut(environment: Environment, step: Cut) -> Figures:
    back_s: list[float] = []
    for number in range(step.times):
        counts = environment.counts()
        wanted, answered = counts.active, counts.connected + counts.active
        environment.mark(f"{step.name} {number + 1}")
        began = time.monotonic()
        if step.how == "kill workers":
            environment.kill_workers()
        else:
            ids = list(map(str, environment.ids()))
            for first in range(0, len(ids), _KICK):
                environment.api.kick(*ids[first : first + _KICK])

        def are_back(wanted: int = wanted, answered: int = answered) -> bool:
            counts = environment.counts()
            return counts.connected >= answered and counts.active >= wanted

        if not environment.wait(are_back, step.within_s):
            counts = environment.counts()
            missing = max(wanted - counts.active, answered - counts.connected)
            raise StopError(f"{missing:,} of {counted(wanted, 'client')} not back in {step.within_s:g} s")
        took_s = time.monotonic() - began
        environment.wait_told()
        back_s.append(environment.seen().back_s or took_s)
        environment.narrator.say(
            f"{step.name} {number + 1}: {counted(wanted, 'client')} back after {back_s[-1]:.2f} s"
        )
        environment.wait(lambda: False, step.rest_s)
    return {"times": step.times, "back_s": median(back_s), "longest_back_s": max(back_s)}


def _fault(environment: Environment, step: Fault) -> Figures:
    group = ROUTER if step.to == "router" else FRONTEND
    if step.what == "stop":
        environment.freeze(group, step.seconds)
    elif group == ROUTER:
        environment.kill_router()
        wanted = environment.counts().active
        began = time.monotonic()
        environment.wait(lambda: environment.api.stats()["connections"] >= wanted, 60)
        return {"logged_in_again_s": round(time.monotonic() - began, 2)}
    else:
        environment.kill_workers()
    return {}


def _rest(environment: Environment, step: Rest) -> Figures:
    environment.wait(lambda: False, step.seconds)
    return {}


KINDS: Final[dict[type, Callable[[Environment, Any], Figures]]] = {
    Prepare: _prepare,
    Follows: _follows,
    Connect: _connect,
    Messages: _messages,
    Each: _each,
    Broadcast: _broadcast,
    Cut: _cut,
    Fault: _fault,
    Finish: _finish,
    Rest: _rest,
}
