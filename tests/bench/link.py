"""What others' sends wait beside peers of the link that say as much as they can, and the router's memory."""

from __future__ import annotations

import time

from tests.bench.lines import Line
from tests.bench.programs import Running, Stage, until
from tests.bench.sizes import size
from zrouter.client import RouterClient

IDS = 10_000
SECONDS = 5.0
PAUSE_S = 0.002
# Kind, how many peers, and whether they read.
FLOODS = (
    ("heartbeats", 1, "reads"), ("garbage", 1, "reads"), ("garbage", 1, "deaf"), ("sends", 1, "reads"),
    ("asked", 1, "deaf"), ("keys", 1, "reads"), ("whos", 1, "reads"), ("crowds", 1, "reads"),
    ("crowds", 1, "deaf"), ("stats", 1, "reads"), ("liars", 1, "deaf"), ("reports", 500, "deaf"),
    ("kicks", 1, "reads"), ("resumes", 1, "deaf"), ("greetings", 1, "reads"), ("logins", 1, "reads"),
    ("watches", 1, "reads"), ("hellos", 1, "deaf"), ("hellos", 500, "reads"), ("namesakes", 500, "reads"),
)  # fmt: skip


def hostile_peers() -> list[Line]:
    """Each kind in turn, beside a frontend whose messages are timed."""
    return [line for kind, peers, how in FLOODS for line in beside(kind, peers, how)]


def beside(kind: str, peers: int, how: str) -> list[Line]:
    """Of one kind: others' sends with receipts, and the router's memory at most and afterwards."""
    with Stage() as stage:
        router, endpoint = stage.router()
        stage.python("peers", "frontend", endpoint, 1, IDS).read()
        with RouterClient(endpoint, timeout_s=30) as api, RouterClient(endpoint, timeout_s=30) as sender:
            until(lambda: api.stats()["ids"] == IDS)
            before = router.rss_bytes()
            flood = stage.python("flooder", kind, endpoint, peers, how)
            flood.read()
            flood.process.stdin.write("\n")  # type: ignore[union-attr]
            flood.process.stdin.flush()  # type: ignore[union-attr]
            took, memory = sends(router, sender, size(int(SECONDS), 1))
            said = flood.ask()
            flood.stop()
            until(lambda: api.stats()["peers"] <= 3, 120)
            time.sleep(1)
            after = router.rss_bytes()
    name = f"{peers} {how}, {kind} ({said['said'] / said['seconds']:,.0f} frames/s)"
    return [
        Line(f"{name}: others' sends, p99", "ms", took[len(took) * 99 // 100], 10),
        Line(f"{name}: the slowest", "ms", took[-1], 100),
        Line(f"{name}: memory at most", "MB", memory / 1e6, 300),
        Line(f"{name}: memory that stays", "MB", (after - before) / 1e6, 30),
    ]


def sends(router: Running, sender: RouterClient, seconds: float) -> tuple[list[float], int]:
    """How long each send took [ms], sorted, and the most that the router's memory was [B]."""
    took: list[float] = []
    memory = 0
    ends = time.monotonic() + seconds
    look = 0.0
    while (began := time.monotonic()) < ends:
        assert sender.send(b"%d" % (2 + len(took) % (IDS - 2)), b"x") == 1
        took.append((time.monotonic() - began) * 1000)
        if began > look:
            memory, look = max(memory, router.rss_bytes()), began + 0.1
        time.sleep(PAUSE_S)
    return sorted(took), memory
