"""The store of follows: 15 million pairs are loaded, looked up, and changed.

The file is made once, by `zflood friends`, and kept in tests/bench/.build. Beside ours runs PostgreSQL,
where it is installed: COPY and two indexes, see follows_peers.py. Each load has a process of its own,
whose memory and CPU time are the kernel's.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.lines import Line, NotHereError, median
from zrouter.wire import Pair

USERS: Final = int(os.environ.get("FOLLOWS_USERS", "2000000"))
EACH: Final = 7.5
FOLLOWED: Final = USERS // 10
RECORDS: Final = round(USERS * EACH)
BUILD: Final = Path(__file__).parent / ".build"
MB: Final = 1e6
LOOKUPS: Final = 1000
CHANGES: Final = 100_000
BATCH: Final = 500  # changes that are committed together


class Cost(NamedTuple):
    """Of a program that has ended."""

    seconds: float
    cpu_s: float
    peak_bytes: int


def some_pairs(file: Path, count: int) -> list[Pair]:
    """The first ones of a file, which are in no order."""
    with file.open("rb") as lines:
        found = [line.rstrip(b"\n").split(b"\t") for line in islice(lines, count)]
    return [(subscriber, subscribee) for subscriber, subscribee in found]


def new_pairs(draw: random.Random, users: int, count: int) -> list[Pair]:
    """Whom so many might follow: a few get most."""
    return [
        (b"user:%d" % draw.randrange(users), b"artist:%d" % (users // 10 * draw.random() ** 4))
        for _ in range(count)
    ]


def records(users: int = USERS) -> Path:
    """The file with the pairs of so many users."""
    path = BUILD / f"zipf-{users}.tsv"
    if not path.exists():
        BUILD.mkdir(exist_ok=True)
        beside = path.with_suffix(".unfinished")
        with beside.open("wb") as file:
            subprocess.run(
                [sys.executable, "-c", "from zflood.cli import main; main()", "friends", "--zipf",
                 "--users", str(users), "--each", str(EACH), "--followed", str(users // 10)],
                stdout=file, check=True,
            )  # fmt: skip
        beside.rename(path)
    return path


def run(*command: str | Path) -> Cost:
    """Run a program to its end."""
    began = time.monotonic()
    pid = os.posix_spawnp(str(command[0]), [str(word) for word in command], os.environ)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"{command[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return Cost(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def load(store: Path, memory: str = "1G", file: Path | None = None) -> Cost:
    """Load the file with the program."""
    code = "from zrouter.cli import main; main()"
    return run(
        sys.executable, "-c", code, "follows", "load", file or records(), "--store", store, "--memory", memory
    )


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory on the disk of the checkout, not in memory."""
    BUILD.mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=BUILD))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def follows_load() -> list[Line]:
    """The load, with much memory and with little."""
    records()
    with scratch() as folder:
        much = load(folder / "much")
        size = sum(file.stat().st_blocks * 512 for file in (folder / "much").rglob("*") if file.is_file())
        little = load(folder / "little", "256M")
    return [
        Line(f"load of {RECORDS:,} pairs", "s", much.seconds, 20),
        Line("peak memory of the load", "MB", much.peak_bytes / MB, 1200),
        Line("load with --memory 256M", "s", little.seconds, 200),
        Line("peak memory with --memory 256M", "MB", little.peak_bytes / MB, 300),
        Line("size on disk", "MB", size / MB, 400),
    ]


def follows_load_postgresql() -> list[Line]:
    """The load, and PostgreSQL's in the same run."""
    from tests.bench.follows_peers import postgresql

    if not shutil.which("pg_config"):
        raise NotHereError("PostgreSQL is not installed (apt-get install postgresql)")
    records()
    with scratch() as folder:
        ours = load(folder / "ours")
        beside = postgresql(records(), folder)
    return [
        Line(
            f"load of {RECORDS:,} pairs", "s", ours.seconds, 0.2, beside.seconds, "PostgreSQL's",
            by_ratio=True,
        )
    ]  # fmt: skip


def loaded(users: int = USERS) -> Path:
    """A store that stays from one measure to the next."""
    store = BUILD / f"store-{users}"
    if not store.exists():
        load(store, file=records(users))
    return store


def follows_lookup() -> list[Line]:
    """Followers of random ids, as ids, and of the one who has most, as an array over the map."""
    from zrouter.follows.lmdb_store.store import LmdbFollows

    with LmdbFollows(loaded()) as store:
        draw = random.Random(1)
        ids = [b"artist:%d" % draw.randrange(FOLLOWED) for _ in range(LOOKUPS)]
        rates, arrays = [], []
        for _ in range(5):
            began = time.monotonic()
            for an_id in ids:
                store.followers(an_id)
            rates.append(LOOKUPS / (time.monotonic() - began))
            began = time.monotonic()
            with store.read() as view:
                number = view.number(b"artist:0")
                assert number is not None
                view.followers_of(number).whole()
            arrays.append((time.monotonic() - began) * 1e6)
        began = time.monotonic()
        most = len(store.followers(b"artist:0"))
        seconds = time.monotonic() - began
    return [
        Line("followers of random ids, as ids", "lookups/s", median(rates[1:]), 10_000, at_least=True),
        Line(f"all {most:,} of the largest, as an array", "us", median(arrays), 1000),
        Line(f"all {most:,} of the largest, as ids", "s", seconds, 1),
    ]


def follows_changes() -> list[Line]:
    """Changes with group commit, and what so many of them cost the lookups."""
    from zrouter.follows.lmdb_store.store import LmdbFollows
    from zrouter.follows.store import Change

    with scratch() as folder:
        shutil.copytree(loaded(), folder / "store")
        with LmdbFollows(folder / "store") as store:
            draw = random.Random(2)
            ids = [b"artist:%d" % draw.randrange(FOLLOWED) for _ in range(LOOKUPS)]

            def lookups_cpu_s() -> float:
                found = []
                for _ in range(5):
                    began = time.process_time()
                    for an_id in ids:
                        store.followers(an_id)
                    found.append(time.process_time() - began)
                return min(found)

            before = lookups_cpu_s()
            old = some_pairs(records(), CHANGES // 2)
            new = new_pairs(draw, USERS, CHANGES // 2)
            # In turns: half of them follow, half end what there is.
            made = [
                Change(is_follow, *pair)
                for pairs in zip(new, old, strict=True)
                for is_follow, pair in zip((True, False), pairs, strict=True)
            ]
            began, cpu = time.monotonic(), time.process_time()
            for at in range(0, CHANGES, BATCH):
                store.change(made[at : at + BATCH])
            seconds, cpu_s = time.monotonic() - began, time.process_time() - cpu
            after = lookups_cpu_s()
    return [
        Line(f"follow and unfollow, {BATCH} a commit", "changes/s", CHANGES / seconds, 5000, at_least=True),
        Line("CPU of a change", "us", cpu_s / CHANGES * 1e6, 200),
        Line(
            f"lookups after {CHANGES:,} changes", "us", after / LOOKUPS * 1e6, 1.1,
            yardstick=before / LOOKUPS * 1e6, against="before", by_ratio=True,
        ),
    ]  # fmt: skip
