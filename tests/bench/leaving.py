"""A frontend with a million ids comes and goes: what others' sends wait, and the router's memory."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.bench.lines import Line
from tests.bench.programs import Running, Stage, until
from tests.bench.sizes import size
from zrouter.client import RouterClient

FEW = 1000  # ids of the frontend that others send to
PAUSE_S = 0.002


def leaving() -> list[Line]:
    """It is killed; another client sends all the time, and waits for receipts."""
    many = size(1_000_000, 50_000)
    with Stage() as stage:
        router, endpoint = stage.router()
        stage.python("peers", "frontend", endpoint, 1, FEW).read()
        with RouterClient(endpoint) as api, RouterClient(endpoint) as sender:
            until(lambda: api.stats()["ids"] == FEW)
            crowd = stage.python("peers", "frontend", endpoint, FEW + 1, FEW + many)
            came, memory = _sends_until(router, sender, lambda: api.stats()["ids"] == FEW + many)
            crowd.read()
            crowd.process.kill()
            went, more = _sends_until(router, sender, lambda: api.stats()["mailbox_ids"] == many)
            assert api.stats()["ids"] == FEW
        return [
            # Dictionaries that grow: at 699,050 ids two of them at once.
            Line("a frontend logs in 1,000,000 ids: others' sends, p99", "ms", _p99(came), 30),
            Line("the same: the slowest send beside the logins", "ms", max(came), 100),
            Line("it is killed: others' sends until its ids are logged out, p99", "ms", _p99(went), 10),
            Line("the same: the slowest", "ms", max(went), 10),
            Line("the same: memory of the router at most", "MB", max(memory, more) / 1e6, 300),
        ]


def _sends_until(
    router: Running, sender: RouterClient, is_over: Callable[[], bool]
) -> tuple[list[float], int]:
    """How long each send took until then [ms], and the most that the router's memory was [B]."""
    took: list[float] = []
    memory, look = 0, time.monotonic() + 0.5
    while True:
        began = time.monotonic()
        assert sender.send(b"%d" % (1 + len(took) % FEW), b"x") == 1
        took.append((time.monotonic() - began) * 1000)
        if began > look:
            memory, look = max(memory, router.rss_bytes()), began + 0.2
            if is_over():
                return took, memory
        time.sleep(PAUSE_S)


def _p99(values: list[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]
