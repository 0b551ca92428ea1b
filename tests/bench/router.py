"""What the router alone does: throughput beside Redis, memory of an id, coming back after kill -9."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator

from tests.bench.lines import Line
from tests.bench.programs import Running, Stage, until
from tests.link_keys import LinkKeys
from zrouter.client import RouterClient
from zrouter.wire import Pair

IDS = 10_000
BATCH = 256
MESSAGES = 4_000_000
SINGLES = 400_000  # for each of the senders
SENDERS = 4
MANY_IDS = 100_000
KEPT_EACH = 10
REDIS = "Redis"


def _frontends(stage: Stage, endpoint: str, keys: LinkKeys | None) -> list[Running]:
    half = IDS // 2
    own = [keys.peer("frontend", "frontend")] if keys else []
    found = [
        stage.python("peers", "frontend", endpoint, 1, half, "", *own),
        stage.python("peers", "frontend", endpoint, half + 1, IDS, "", *own),
    ]
    for frontend in found:
        frontend.read()
    with _inspector(endpoint, keys) as api:
        until(lambda: api.stats()["ids"] == IDS)
    return found


def _inspector(endpoint: str, keys: LinkKeys | None) -> RouterClient:
    return RouterClient(endpoint, curve_key_file=keys.peer("inspector", "inspector") if keys else None)


def flood(
    messages: int, batch: int, senders: int, receipts: bool, *options: str, keys: LinkKeys | None = None
) -> tuple[float, float]:
    """Messages a second through a router, and its CPU for each [us]; fails if one was lost.

    `keys`: all of the link is encrypted with them.
    """
    own = [keys.peer("sender", "sender")] if keys else []
    with Stage() as stage:
        router, endpoint = stage.router(*options)
        frontends = _frontends(stage, endpoint, keys)
        running = [
            stage.python("peers", "sender", endpoint, messages, batch, IDS, receipts, *own)
            for _ in range(senders)
        ]
        for sender in running:
            sender.read()
        cpu = router.cpu_s()
        began = time.monotonic()
        for sender in running:
            assert sender.process.stdin is not None
            sender.process.stdin.write("\n")
            sender.process.stdin.flush()
        done = [sender.read() for sender in running]
        seconds = time.monotonic() - began
        us = (router.cpu_s() - cpu) * 1e6
        accepted = sum(found["accepted"] for found in done)
        with _inspector(endpoint, keys) as api:
            stats = api.stats()
        arrived = sum(frontend.ask()["messages"] for frontend in frontends)
        if stats["messages_out"] != accepted or arrived != accepted:
            raise RuntimeError(f"accepted {accepted}, routed {stats['messages_out']}, arrived {arrived}")
        if receipts and sum(found["handed"] for found in done) != accepted:
            raise RuntimeError("receipts do not add up")
    return accepted / seconds, us / accepted


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _redis() -> tuple[float, float]:
    """Redis PUBLISH, pipelined, as many channels on two subscribers: messages a second, and its CPU [us]."""
    with Stage() as stage:
        port = _free_port()
        redis = stage.run(
            "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--client-output-buffer-limit", "pubsub 0 0 0",
        )  # fmt: skip

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        until(answers)
        half = IDS // 2
        for first, last in ((0, half - 1), (half, IDS - 1)):
            stage.python("peers", "subscriber", port, first, last).read()
        cpu = redis.cpu_s()
        began = time.monotonic()
        sender = stage.run(
            "redis-benchmark", "-p", str(port), "-n", str(MESSAGES), "-P", str(BATCH), "-r", str(IDS),
            "-c", "2", "-q", "PUBLISH", "__rand_int__", "0123456789012345678901234",
        )  # fmt: skip
        assert sender.process.stdout is not None
        sender.process.stdout.read()
        sender.process.wait()
        seconds = time.monotonic() - began
        return MESSAGES / seconds, (redis.cpu_s() - cpu) / MESSAGES * 1e6


def throughput() -> list[Line]:
    """25-byte messages to 10,000 ids on 2 frontends."""
    redis_rate, redis_us = _redis()
    rate, us = flood(MESSAGES, BATCH, 1, receipts=False)
    receipts_rate, receipts_us = flood(MESSAGES, BATCH, 1, receipts=True)
    return [
        Line("router, batched: throughput", "/s", rate, 1.0, redis_rate, REDIS, at_least=True, by_ratio=True),
        Line("router, batched: CPU per message", "us", us, 1.0, redis_us, REDIS, by_ratio=True),
        Line(
            "router, batched, with receipts: throughput", "/s", receipts_rate, 0.7, redis_rate, REDIS,
            at_least=True, by_ratio=True,
        ),
        Line(
            "router, batched, with receipts: CPU per message", "us", receipts_us, 1.4, redis_us, REDIS,
            by_ratio=True,
        ),
    ]  # fmt: skip


def singles() -> list[Line]:
    """Four senders, one message in each frame."""
    rate, _ = flood(SINGLES, 1, SENDERS, receipts=False)
    receipts_rate, _ = flood(SINGLES, 1, SENDERS, receipts=True)
    return [
        Line("router, 4 senders, single messages: throughput", "/s", rate, 500_000, at_least=True),
        Line("the same with receipts", "/s", receipts_rate, 250_000, at_least=True),
    ]


def memory() -> list[Line]:
    """100,000 ids from one frontend."""
    with Stage() as stage:
        router, endpoint = stage.router()
        stage.python("peers", "frontend", endpoint, 1, 1000).read()
        with RouterClient(endpoint) as api:
            until(lambda: api.stats()["ids"] == 1000)
            before = router.rss_bytes()
            stage.python("peers", "frontend", endpoint, 100_001, 100_000 + MANY_IDS).read()
            until(lambda: api.stats()["ids"] == 1000 + MANY_IDS)
        each = (router.rss_bytes() - before) / MANY_IDS
    return [Line("router memory per id", "B", each, 250)]


def mailboxes() -> list[Line]:
    """What it costs to keep messages for clients that come back: in throughput, and in memory."""
    off, _ = flood(MESSAGES, BATCH, 1, False, "--mailbox-seconds", "0")
    on, _ = flood(MESSAGES, BATCH, 1, False)
    off_receipts, _ = flood(MESSAGES, BATCH, 1, True, "--mailbox-seconds", "0")
    on_receipts, _ = flood(MESSAGES, BATCH, 1, True)
    kept, looked_into = _kept_bytes()
    return [
        Line(
            "mailboxes on: throughput", "/s", on, 0.6, off, "off", at_least=True, by_ratio=True
        ),
        Line(
            "mailboxes on, with receipts: throughput", "/s", on_receipts, 0.6, off_receipts, "off",
            at_least=True, by_ratio=True,
        ),
        Line("mailboxes: memory of a message of 100 B", "B", kept, 350),
        Line("the same, once somebody has come back", "B", looked_into, 350),
    ]  # fmt: skip


def _kept_bytes() -> tuple[float, float]:
    """Memory of each of 1,000,000 messages of 100 B to 100,000 ids, before and after a look into them."""
    count = MANY_IDS * KEPT_EACH
    with Stage() as stage:
        router, endpoint = stage.router("--mailbox-total", "2G", "--mailbox-seconds", "3600")
        _, port = stage.front(endpoint)
        stage.python("peers", "frontend", endpoint, 1, MANY_IDS).read()
        with RouterClient(endpoint) as api:
            until(lambda: api.stats()["ids"] == MANY_IDS)
            assert min(api.send_many(_to_all(1))) == 1
            before, kept = router.rss_bytes(), api.stats()["mailbox_messages"]
            offset = _first_offset(port)
            assert min(api.send_many(_to_all(KEPT_EACH))) == 1
            assert api.stats()["mailbox_messages"] - kept == count
            after = router.rss_bytes()
            assert len(_missed(port, offset)) == KEPT_EACH
            looked_into = router.rss_bytes()
    return (after - before) / count, (looked_into - before) / count


def _to_all(times: int) -> Iterator[Pair]:
    for _ in range(times):
        for number in range(1, MANY_IDS + 1):
            yield b"%d" % number, b"x" * 100


def _first_offset(port: int) -> str:
    """Where a client is that comes now."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stream/1") as lines:
        return str(json.loads(lines.readline())["offset"])


def _missed(port: int, offset: str) -> list[str]:
    """What the client of id 1 gets that comes back."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stream/1?since={offset}") as lines:
        return [json.loads(lines.readline())["message"] for _ in range(KEPT_EACH)]


def presence() -> list[Line]:
    """100,000 ids are watched: what a login costs the router that nobody watches, and that somebody does."""
    alone = _login_us(watched_from=0)
    beside = _login_us(watched_from=2 * MANY_IDS)
    told = _login_us(watched_from=1)
    each, watch = _watch_cost()
    return [
        Line(
            "CPU of a login, 100,000 other ids watched", "us", beside, 1.2, alone, "unwatched", by_ratio=True
        ),
        Line("CPU of a login that a watcher is told", "us", told, 6.0, alone, "unwatched", by_ratio=True),
        Line("router memory of a watched id", "B", each, 350),
        Line("CPU of a watch, until its state is told", "us", watch, 10),
    ]


def _login_us(watched_from: int) -> float:
    """The router's CPU for each of 100,000 logins while as many ids from that number on are watched [us]."""
    with Stage() as stage:
        router, endpoint = stage.router()
        with RouterClient(endpoint, timeout_s=None) as watcher, RouterClient(endpoint) as api:
            states = watcher.watch(*_ids(watched_from)) if watched_from else iter(())
            cpu = router.exact_cpu_s()
            stage.python("peers", "frontend", endpoint, 1, MANY_IDS).read()
            if watched_from == 1:
                assert all(next(states).connections == 1 for _ in range(MANY_IDS))
            until(lambda: api.stats()["ids"] == MANY_IDS)
            return (router.exact_cpu_s() - cpu) / MANY_IDS * 1e6


def _watch_cost() -> tuple[float, float]:
    """The router's memory of each of 100,000 watched ids, and its CPU until the watcher knows all [us]."""
    with Stage() as stage:
        router, endpoint = stage.router()
        stage.python("peers", "frontend", endpoint, 1, MANY_IDS).read()
        with RouterClient(endpoint, timeout_s=None) as watcher:
            until(lambda: watcher.stats()["ids"] == MANY_IDS)
            before, cpu = router.rss_bytes(), router.exact_cpu_s()
            states = watcher.watch(*_ids(1))
            for _ in range(MANY_IDS):
                next(states)
            spent = (router.exact_cpu_s() - cpu) * 1e6
            return (router.rss_bytes() - before) / MANY_IDS, spent / MANY_IDS


def _ids(first: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + MANY_IDS)]


def comeback() -> list[Line]:
    """The router is killed with 10,000 ids on 4 workers, and started again."""
    workers = 4
    with Stage() as stage:
        port = _free_port()
        endpoint = f"tcp://127.0.0.1:{port}"
        router = stage.ours("zrouter", "serve", "--bind", endpoint, "--store", "none")
        router.said(r"listening on (\S+)")
        _, http = stage.front(endpoint, "--workers", str(workers))
        sink = stage.sink(http, IDS)
        with RouterClient(endpoint) as api:
            until(lambda: api.stats()["ids"] == IDS)
        os.kill(router.process.pid, signal.SIGKILL)
        router.process.wait()
        time.sleep(1.0)
        router = stage.ours("zrouter", "serve", "--bind", endpoint, "--store", "none")
        router.said(r"listening on (\S+)")
        began = time.monotonic()
        with RouterClient(endpoint) as api:
            until(lambda: api.stats()["ids"] == IDS, pause_s=0.01)
        seconds = time.monotonic() - began
        closed = sink.program.ask()["closed"]
    return [
        Line("router killed and started again: all ids logged in after", "s", seconds, 1.0),
        Line("the same: clients lost", "", closed, 0),
    ]
