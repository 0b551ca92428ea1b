"""What keys of the link (CURVE) cost: the same flood and the same calls with them and without, in turns."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.bench.lines import Line, median
from tests.bench.programs import Stage, until
from tests.bench.router import BATCH, MESSAGES, SENDERS, SINGLES, flood
from tests.bench.sizes import size
from tests.link_keys import LinkKeys
from zrouter.client import RouterClient

CALLS = 10_000
PART = 500  # calls on one link before it is the other's turn
WITHOUT = "without keys"


def link_keys() -> list[Line]:
    """Batches and single messages flat out, and the time of a send with a receipt."""
    with tempfile.TemporaryDirectory() as folder:
        keys = LinkKeys(Path(folder))
        for role in ("frontend", "inspector", "sender"):
            keys.peer(role, role)
        options = keys.serve_options()
        batched = size(MESSAGES, MESSAGES // 10)
        single = size(SINGLES, SINGLES // 10)
        plain, plain_us = flood(batched, BATCH, 1, False)
        curve, curve_us = flood(batched, BATCH, 1, False, *options, keys=keys)
        plain_single, _ = flood(single, 1, SENDERS, False)
        curve_single, _ = flood(single, 1, SENDERS, False, *options, keys=keys)
        plain_ms, curve_ms = _median_times(keys, size(CALLS, CALLS // 10))
    return [
        Line(
            "link with keys, batched: throughput", "/s", curve, 0.6, plain, WITHOUT, at_least=True,
            by_ratio=True,
        ),
        Line(
            "link with keys, batched: CPU per message", "us", curve_us, 1.7, plain_us, WITHOUT, by_ratio=True
        ),
        Line(
            "link with keys, 4 senders, single messages: throughput", "/s", curve_single, 0.6, plain_single,
            WITHOUT, at_least=True, by_ratio=True,
        ),
        Line(
            "link with keys, a send with a receipt: p50", "ms", curve_ms, 1.3, plain_ms, WITHOUT,
            by_ratio=True,
        ),
    ]  # fmt: skip


def _median_times(keys: LinkKeys, calls: int) -> tuple[float, float]:
    """How long a send to one id takes without keys and with them [ms], on two routers in turns."""
    with Stage() as stage:
        clients = []
        for options, frontend, sender in (
            ((), "", None),
            (keys.serve_options(), keys.peer("frontend", "frontend"), keys.peer("sender", "sender")),
        ):
            _, endpoint = stage.router(*options)
            stage.python("peers", "frontend", endpoint, 1, 1, "", frontend).read()
            client = RouterClient(endpoint, timeout_s=30, curve_key_file=sender)
            until(lambda client=client: client.send(b"1", b"x") == 1)  # type: ignore[misc]
            clients.append(client)
        took: list[list[float]] = [[], []]
        for _ in range(calls // PART):
            for client, times in zip(clients, took, strict=True):
                for _ in range(PART):
                    began = time.perf_counter()
                    client.send(b"1", b"x")
                    times.append((time.perf_counter() - began) * 1000)
        for client in clients:
            client.close()
    return median(took[0]), median(took[1])
