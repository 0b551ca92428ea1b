"""Publishes: to very many followers of whom few are there, beside other sends, of friends; and who follows.

With `--quick` there are fewer of all. Followers are a file that is loaded, as a user would do it.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.bench.clients import logged_in
from tests.bench.follows import EACH, load, loaded, new_pairs, records, scratch, some_pairs
from tests.bench.lines import Line, median
from tests.bench.programs import Running, Sink, Stage, until
from tests.bench.sizes import size
from zrouter.aio import AsyncRouterClient
from zrouter.client import PublishReceipt, RouterClient

POPULAR: Final = "popular"
PUBLISHES: Final = 50  # for the router's CPU
ROUNDS: Final = 10  # of a publish and a broadcast
OTHERS, OTHERS_PER_S = 1000, 1000
FIRST_FOLLOWER: Final = 1_000_001  # of those whose publishes are beside others' messages
OFTEN: Final = 10  # publishes a second beside other sends
WORKERS: Final = 2
CHANGES: Final = 100_000
CHANGED_TOGETHER: Final = 5000
LOOKUPS: Final = 1000
MOST_FOLLOWED: Final = 10
_TIMEOUT_S: Final = 60.0


@contextmanager
def followed(first: int, followers: int) -> Iterator[Path]:
    """A store in which ids from `first` on follow POPULAR, and nobody anybody else."""
    with scratch() as folder:
        file = folder / "popular.tsv"
        file.write_bytes(
            b"".join(b"%d\t%b\n" % (number, POPULAR.encode()) for number in range(first, first + followers))
        )
        load(folder / "store", file=file)
        yield folder / "store"


def reached(router: RouterClient, online: int) -> PublishReceipt:
    """The receipt of a publish, once the router has found all who are there."""
    return until(lambda: (found := router.publish(POPULAR, b"first")).online == online and found)  # type: ignore[no-any-return]


def publish_popular() -> list[Line]:
    """To 500,000 followers, 10,000 of them online on 2 workers; beside a send to one id of all of these."""
    followers, online = size(500_000, 50_000), size(10_000, 1000)
    with followed(1, followers) as store, Stage() as stage:
        router, endpoint = stage.router("--store", str(store))
        _, port = stage.front(endpoint, "--workers", str(WORKERS))
        sink = stage.sink(port, online, "/test/%d?id=everybody")
        logged_in(endpoint, online + 1)
        with RouterClient(endpoint, timeout_s=_TIMEOUT_S) as api:
            receipt = reached(api, online)
            if receipt != (followers, online, online, 0):
                raise RuntimeError(f"{receipt}")
            cpu_ms, spent = [], sink.settle()
            for _ in range(PUBLISHES):
                before = router.exact_cpu_s()
                api.publish(POPULAR, b"to all")
                cpu_ms.append((router.exact_cpu_s() - before) * 1000)
                spent = sink.settle(spent + online)
            sink.program.ask("latency")
            published, sent = [], []
            for _ in range(ROUNDS):
                published.append(_last_ms(sink, online, lambda message: api.publish(POPULAR, message)))
                sent.append(_last_ms(sink, online, lambda message: api.send(b"everybody", message)))
    what = f"publish to {followers:,} followers, {online:,} online"
    return [
        Line(f"{what}: CPU of the router until the receipt", "ms", median(cpu_ms), 10),
        Line(
            f"{what}: until the last client has it", "ms", median(published), 1.3, median(sent),
            "a plain broadcast", by_ratio=True,
        ),
    ]  # fmt: skip


def _last_ms(sink: Sink, clients: int, send: Callable[[bytes], object]) -> float:
    """How long a message took to the last of so many clients."""
    before = sink.messages()
    send(b"t=%d" % time.time_ns())
    sink.settle(before + clients)
    found = sink.program.ask("latency")
    # One whose stamp was cut in two by a read is not sampled.
    if sink.messages() - before != clients or found["n"] < clients * 0.99:
        raise RuntimeError(f"{sink.messages() - before} of {clients} came, {found['n']} with a stamp")
    return float(found["max_ms"])


def publish_others() -> list[Line]:
    """1,000 single sends a second to clients of a frontend; without, and with ten such publishes a second.

    The followers are clients of two other workers: with those who read them, that is 100,000 writes a second.
    """
    followers, online, seconds = size(500_000, 50_000), size(10_000, 1000), size(10, 3)
    with followed(FIRST_FOLLOWER, followers) as store, Stage() as stage:
        _, endpoint = stage.router("--store", str(store))
        _, port = stage.front(endpoint, "--workers", str(WORKERS))
        stage.sink(port, online, f"/test/{FIRST_FOLLOWER // 100_000}%05d")
        _, port = stage.front(endpoint)
        sink = stage.sink(port, OTHERS)
        logged_in(endpoint, OTHERS + online)
        with RouterClient(endpoint, timeout_s=_TIMEOUT_S) as api:
            reached(api, online)
        alone = _others_p99_ms(stage, endpoint, sink, seconds)
        publisher = stage.python("senders", "publish", endpoint, POPULAR, OFTEN, OFTEN * seconds)
        publisher.read()
        _go(publisher)
        beside = _others_p99_ms(stage, endpoint, sink, seconds)
        published = publisher.read()
    if published["handed"] != OFTEN * seconds * online:
        raise RuntimeError(f"{published['handed']} of {OFTEN * seconds * online} were handed over")
    if published["seconds"] > seconds * 1.5:
        raise RuntimeError(f"publishes took {published['seconds']:.1f} s, not {seconds}")
    what = f"other sends beside {OFTEN} publishes/s to {followers:,}, {online:,} online"
    return [Line(f"{what}: p99", "ms", beside, 5, alone, "without")]


def _go(program: Running) -> None:
    assert program.process.stdin is not None
    program.process.stdin.write("\n")
    program.process.stdin.flush()


def _others_p99_ms(stage: Stage, endpoint: str, sink: Sink, seconds: int) -> float:
    count = OTHERS_PER_S * seconds
    sender = stage.python("senders", "pace", endpoint, OTHERS, OTHERS_PER_S, count)
    sender.read()
    before = sink.messages()
    sink.program.ask("latency")
    sender.ask()
    if sink.settle(before + count) - before != count:
        raise RuntimeError(f"{sink.messages() - before} of {count} other messages came")
    return float(sink.program.ask("latency")["p99_ms"])


def publish_friends() -> list[Line]:
    """The scenario of friends: each of 10,000 follows 15, 1,000 publishes a second, all is compared."""
    changes = {"seconds": size(30, 5), "clients": size(10_000, 1000), "per_s": size(1000, 200)}
    with scratch() as folder, Stage() as stage:
        settings = [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
        done = stage.ours("zflood", "run", "friends", *settings, "--report", str(folder))
        done.process.communicate()
        if not (folder / "report.json").exists():
            raise RuntimeError(done.log.read_text()[-2000:])
        [one] = json.loads((folder / "report.json").read_text())["runs"]
    figures: dict[str, Any] = one["figures"]
    if one["stopped"]:
        raise RuntimeError(one["stopped"])
    what = f"{changes['clients']:,} friends, {changes['per_s']:,} publishes/s"
    wanted = size(14, 12) * changes["per_s"]  # programs that start take their share of the time
    return [
        Line(f"{what}: lost", "", figures["messages.lost"] + figures["check.lost"], 0),
        Line(f"{what}: other offences", "", figures["check.offences"] - figures["check.lost"], 0),
        Line(f"{what}: latency p99", "ms", figures["messages.p99_ms"], 20),
        Line(f"{what}: deliveries", "/s", figures["messages.per_s"], wanted, at_least=True),
    ]


def follow_changes_router() -> list[Line]:
    """100,000 follows and unfollows through the router, on disk; what a publish and a lookup cost after."""
    users = size(2_000_000, 2_000_000 * 2 // 15)
    artists, online = users // 10, size(10_000, 1000)
    draw = random.Random(3)
    ids = [b"artist:%d" % draw.randrange(artists) for _ in range(LOOKUPS)]
    popular = [b"artist:%d" % (number % MOST_FOLLOWED) for number in range(LOOKUPS // 2)]
    with scratch() as folder, Stage() as stage:
        shutil.copytree(loaded(users), folder / "store")
        router, endpoint = stage.router("--store", str(folder / "store"))
        stage.python("peers", "frontend", endpoint, 0, online - 1, "user:").read()
        logged_in(endpoint, online)
        with RouterClient(endpoint, timeout_s=_TIMEOUT_S) as api:

            def costs_us() -> dict[str, float]:
                return {
                    "lookup of followers": _cost_us(
                        router, lambda: asyncio.run(_look_up(endpoint, ids)), len(ids)
                    ),
                    "publish of a random id": _cost_us(router, lambda: _publish(api, ids), len(ids)),
                    f"publish of the {MOST_FOLLOWED} most followed": _cost_us(
                        router, lambda: _publish(api, popular), len(popular)
                    ),
                }

            costs_us()  # mailboxes fill: with no change at all the second time is a twelfth dearer
            before = _least(costs_us(), costs_us())
            old = some_pairs(records(users), CHANGES // 2)
            new = new_pairs(draw, users, CHANGES // 2)
            cpu, began = router.exact_cpu_s(), time.monotonic()
            for at in range(0, CHANGES // 2, CHANGED_TOGETHER):
                api.follow_many(new[at : at + CHANGED_TOGETHER])
                api.unfollow_many(old[at : at + CHANGED_TOGETHER])
            seconds, cpu_s = time.monotonic() - began, router.exact_cpu_s() - cpu
            after = _least(costs_us(), costs_us())
    pairs = round(users * EACH)
    lines = [
        Line(
            f"follow and unfollow through the router, of {pairs:,}", "/s", CHANGES / seconds, 5000,
            at_least=True,
        ),
        Line("the same: CPU of the router", "us", cpu_s / CHANGES * 1e6, 200),
    ]  # fmt: skip
    return lines + [
        Line(f"{what}, after {CHANGES:,} changes", "us", after[what], 1.1, us, "before", by_ratio=True)
        for what, us in before.items()
    ]


def _least(*found: dict[str, float]) -> dict[str, float]:
    return {what: min(one[what] for one in found) for what in found[0]}


def _cost_us(router: Running, work: Callable[[], object], count: int) -> float:
    """The router's CPU for each of so many; the first time is to warm up, then the best counts."""
    found = []
    for _ in range(11):
        before = router.exact_cpu_s()
        work()
        found.append((router.exact_cpu_s() - before) / count * 1e6)
    return min(found[1:])


async def _look_up(endpoint: str, ids: Iterable[bytes]) -> None:
    """All at once: else the router's CPU is most of all that of waking up for each."""
    async with AsyncRouterClient(endpoint, timeout_s=_TIMEOUT_S) as api:
        await asyncio.gather(*(api.followers(an_id) for an_id in ids))


def _publish(api: RouterClient, ids: Iterable[bytes]) -> None:
    api.publish_many([(an_id, b"0123456789012345678901234") for an_id in ids])
