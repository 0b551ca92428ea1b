"""`python -m tests.bench.follows_peers`: the same file into other stores, and a table and a graph of it.

Each store is a server or a file of its own in a scratch directory, with what is usual for a load: COPY
and two indexes for PostgreSQL, two WITHOUT ROWID tables for SQLite, sets both ways for Redis, a bag with
an index for Mnesia. What is needed comes from Debian: postgresql, redis-server, erlang-base, erlang-
mnesia. What is not there is left out.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import click
import psutil

from tests.bench.follows import RECORDS, load, records, scratch

RESULTS: Final = Path(__file__).parents[2] / "docs" / "results" / "follows-load"
LARGEST: Final = "artist:0"


class Loaded(NamedTuple):
    """What a load took."""

    store: str
    seconds: float  # until all is durable and found both ways
    cpu_s: float
    peak_bytes: int
    disk_bytes: int
    largest_s: float  # all followers of the one who has most


class Watched:
    """CPU time and the highest memory of processes and their children, looked at now and then.

    What they share is counted once, as much as one of them has of it.
    """

    def __init__(self, *pids: int) -> None:
        self._roots = [psutil.Process(pid) for pid in pids]
        self._cpu: dict[tuple[int, float], float] = {}
        self.peak_bytes = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _look(self) -> None:
        resident = shared = 0
        for root in self._roots:
            try:
                every = [root, *root.children(recursive=True)]
            except psutil.Error:
                continue
            for process in every:
                try:
                    times = process.cpu_times()
                    self._cpu[process.pid, process.create_time()] = times.user + times.system
                    memory = process.memory_info()
                    resident += memory.rss - memory.shared
                    shared = max(shared, memory.shared)
                except psutil.Error:
                    continue
        self.peak_bytes = max(self.peak_bytes, resident + shared)

    def _watch(self) -> None:
        while not self._is_over.wait(0.2):
            self._look()

    @property
    def cpu_s(self) -> float:
        """User and system."""
        return sum(self._cpu.values())

    def __enter__(self) -> Watched:
        self._look()
        before = dict(self._cpu)
        self._thread.start()
        self._before = sum(before.values())
        return self

    def __exit__(self, *_: object) -> None:
        self._look()
        self._is_over.set()
        self._thread.join()


def disk_bytes(path: Path) -> int:
    """What is in a directory."""
    return sum(file.stat().st_blocks * 512 for file in path.rglob("*") if file.is_file())


def ours(file: Path, folder: Path) -> Loaded:
    """zcomet."""
    from zrouter.follows.lmdb_store.store import LmdbFollows

    cost = load(folder / "zcomet", file=file)
    with LmdbFollows(folder / "zcomet") as store:
        began = time.monotonic()
        store.followers(LARGEST.encode())
        largest_s = time.monotonic() - began
    return Loaded(
        "zcomet", cost.seconds, cost.cpu_s, cost.peak_bytes, disk_bytes(folder / "zcomet"), largest_s
    )


def postgresql(file: Path, folder: Path) -> Loaded:
    """PostgreSQL: COPY into a table, then an index for each direction, and a checkpoint."""
    programs = Path(subprocess.check_output(["pg_config", "--bindir"], text=True).strip())
    place = Path(tempfile.mkdtemp(prefix="follows-pg-", dir="/tmp"))
    data = place / "data"
    owner: dict[str, str] = {}
    if os.geteuid() == 0:
        shutil.chown(place, "postgres", "postgres")
        owner = {"user": "postgres", "group": "postgres"}

    def pg(*words: str | Path) -> None:
        subprocess.run(
            list(map(str, words)),
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=place,
            extra_groups=[] if owner else None,
            **owner,
        )  # type: ignore[call-overload]

    pg(programs / "initdb", "-D", data, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
    memory = "-c shared_buffers=512MB -c maintenance_work_mem=512MB -c max_wal_size=8GB"
    options = f"-k {place} -c listen_addresses= {memory}"
    pg(programs / "pg_ctl", "-D", data, "-w", "-l", place / "log", "-o", options, "start")
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        client = [str(programs / "psql"), "-h", str(place), "-U", "postgres" if owner else os.environ["USER"]]
        client += ["-d", "postgres", "-q", "-v", "ON_ERROR_STOP=1"]

        def sql(text: str, stdin: Path | None = None) -> None:
            with open(stdin or os.devnull, "rb") as source:
                subprocess.run([*client, "-c", text], check=True, stdin=source, stdout=subprocess.DEVNULL)

        with Watched(pid) as watched:
            began = time.monotonic()
            sql("CREATE TABLE follows (subscriber text NOT NULL, subscribee text NOT NULL)")
            sql("COPY follows FROM STDIN", file)
            sql("CREATE UNIQUE INDEX ON follows (subscriber, subscribee)")
            sql("CREATE INDEX ON follows (subscribee, subscriber)")
            sql("CHECKPOINT")
            seconds = time.monotonic() - began
        sql("VACUUM ANALYZE follows")
        began = time.monotonic()
        sql(f"SELECT subscriber FROM follows WHERE subscribee = '{LARGEST}'")
        largest_s = time.monotonic() - began
        return Loaded(
            "PostgreSQL", seconds, watched.cpu_s, watched.peak_bytes, disk_bytes(data / "base"), largest_s
        )
    finally:
        pg(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(place, ignore_errors=True)


SQLITE: Final = """
import itertools, sqlite3, sys
db = sqlite3.connect(sys.argv[2])
db.execute("PRAGMA journal_mode = OFF")
db.execute("PRAGMA synchronous = OFF")
db.execute("PRAGMA cache_size = -1000000")
db.execute("CREATE TABLE following (a TEXT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID")
db.execute("CREATE TABLE followers (b TEXT, a TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID")
db.execute("CREATE TEMP TABLE t (a TEXT, b TEXT)")
with open(sys.argv[1]) as file:
    db.executemany("INSERT INTO t VALUES (?, ?)", (line.rstrip("\\n").split("\\t") for line in file))
db.execute("INSERT INTO following SELECT DISTINCT a, b FROM t ORDER BY a, b")
db.execute("INSERT INTO followers SELECT DISTINCT b, a FROM t ORDER BY b, a")
db.commit()
"""


def sqlite(file: Path, folder: Path) -> Loaded:
    """SQLite: two tables without row ids, filled in order."""
    import sqlite3

    path = folder / "sqlite" / "follows.db"
    path.parent.mkdir()
    process = subprocess.Popen([sys.executable, "-c", SQLITE, str(file), str(path)])
    with Watched(process.pid) as watched:
        began = time.monotonic()
        if process.wait():
            raise RuntimeError("SQLite failed")
        with path.open("rb") as written:
            os.fsync(written.fileno())
        seconds = time.monotonic() - began
    db = sqlite3.connect(path)
    began = time.monotonic()
    db.execute("SELECT a FROM followers WHERE b = ?", (LARGEST,)).fetchall()
    largest_s = time.monotonic() - began
    db.close()
    return Loaded("SQLite", seconds, watched.cpu_s, watched.peak_bytes, disk_bytes(path.parent), largest_s)


REDIS: Final = """
import collections, socket, sys
link = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
def sets(prefix, of, member):
    found = collections.defaultdict(list)
    for line in open(sys.argv[1], "rb"):
        pair = line.rstrip(b"\\n").split(b"\\t")
        found[pair[of]].append(pair[member])
    out, asked = bytearray(), 0
    for key, members in found.items():
        for at in range(0, len(members), 1000):
            some = members[at : at + 1000]
            out += b"*%d\\r\\n$4\\r\\nSADD\\r\\n" % (len(some) + 2)
            out += b"$%d\\r\\n%b%b\\r\\n" % (len(key) + 1, prefix, key)
            out += b"".join([b"$%d\\r\\n%b\\r\\n" % (len(one), one) for one in some])
            asked += 1
            if len(out) > 1 << 20:
                yield out, asked
                out, asked = bytearray(), 0
    yield out, asked
for words in ((b"<", 1, 0), (b">", 0, 1)):
    for out, asked in sets(*words):
        link.sendall(out)
        answers = 0
        while answers < asked:
            answers += link.recv(1 << 20).count(b"\\r\\n")
"""


def redis(file: Path, folder: Path) -> Loaded:
    """Redis: a set of ids for each id and direction, then saved to disk."""
    place = folder / "redis"
    place.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--dir", str(place), "--save", "", "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
    )
    try:
        import redis as client_of

        client = client_of.Redis(port=port, socket_timeout=600)
        deadline = time.monotonic() + 10
        while True:
            try:
                client.ping()
                break
            except client_of.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        with Watched(server.pid) as watched:
            began = time.monotonic()
            subprocess.run([sys.executable, "-c", REDIS, str(file), str(port)], check=True)
            client.save()
            seconds = time.monotonic() - began
        began = time.monotonic()
        client.smembers(f"<{LARGEST}")
        largest_s = time.monotonic() - began
        return Loaded("Redis", seconds, watched.cpu_s, watched.peak_bytes, disk_bytes(place), largest_s)
    finally:
        server.kill()
        server.wait()


def mnesia(file: Path, folder: Path) -> Loaded:
    """Mnesia: a bag with an index on its second column, as in the series; see follows_mnesia.escript."""
    place = folder / "mnesia"
    place.mkdir()
    script = Path(__file__).parent / "follows_mnesia.escript"
    process = subprocess.Popen(
        ["escript", str(script), str(file), str(place), LARGEST], stdout=subprocess.PIPE, text=True
    )
    with Watched(process.pid) as watched:
        out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError("Mnesia failed")
    said = json.loads(out.splitlines()[-1])
    if not said["followers"]:
        raise RuntimeError("Mnesia does not find the largest")
    return Loaded(
        "Mnesia", said["seconds"], watched.cpu_s, watched.peak_bytes, disk_bytes(place), said["largest_s"]
    )


STORES: Final[dict[str, tuple[str, Callable[[Path, Path], Loaded]]]] = {
    "zcomet": (sys.executable, ours),
    "postgresql": ("pg_config", postgresql),
    "sqlite": (sys.executable, sqlite),
    "redis": ("redis-server", redis),
    "mnesia": ("escript", mnesia),
}


def table(found: list[Loaded]) -> str:
    """As Markdown."""
    lines = [
        "| store | load [s] | of PostgreSQL's | CPU [s] | peak memory [MB] | on disk [MB]"
        " | all followers of the largest [s] |",
        "|---|---|---|---|---|---|---|",
    ]
    beside = next((one.seconds for one in found if one.store == "PostgreSQL"), None)
    for one in found:
        ratio = f"{one.seconds / beside:.2f}" if beside else ""
        lines.append(
            f"| {one.store} | {one.seconds:.1f} | {ratio} | {one.cpu_s:.1f} | {one.peak_bytes / 1e6:,.0f} |"
            f" {one.disk_bytes / 1e6:,.0f} | {one.largest_s:.3f} |"
        )
    return "\n".join(lines) + "\n"


def draw(found: list[Loaded], path: Path) -> None:
    """Bars: how long, how much memory, how much disk."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    every = figure.subplots(1, 3, sharey=True)
    names = [one.store for one in found]
    for axes, values, title in zip(
        every,
        (
            [one.seconds for one in found],
            [one.peak_bytes / 1e6 for one in found],
            [one.disk_bytes / 1e6 for one in found],
        ),
        ("load [s]", "peak memory [MB]", "on disk [MB]"),
        strict=True,
    ):
        bars = axes.barh(names, values, color=["#D55E00", *["#0072B2"] * (len(found) - 1)])
        axes.bar_label(bars, fmt="{:,.0f}", padding=2)
        axes.set_title(title)
        axes.margins(x=0.2)
    every[0].invert_yaxis()
    figure.savefig(path)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(STORES)), metavar="[STORE]...")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(names: tuple[str, ...], out: Path) -> None:
    """Load the same file into each STORE (all if none is named), one after another."""
    found = []
    file = records()
    for name in names or STORES:
        program, load_into = STORES[name]
        if shutil.which(program) is None:
            print(f"{name}: {program} is not installed", file=sys.stderr)
            continue
        with scratch() as folder:
            found.append(load_into(file, folder))
        print(found[-1], flush=True)
    out.mkdir(parents=True, exist_ok=True)
    head = f"# {RECORDS:,} pairs into several stores\n\n`python -m tests.bench.follows_peers`\n\n"
    (out / "report.md").write_text(head + table(found) + "\n![](load.png)\n")
    (out / "report.json").write_text(json.dumps([one._asdict() for one in found], indent=1) + "\n")
    draw(found, out / "load.png")


if __name__ == "__main__":
    main()
