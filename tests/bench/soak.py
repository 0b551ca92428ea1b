"""Ten minutes of the series' traffic: does the frontend's memory stay where it is?"""

from __future__ import annotations

import statistics
import threading
import time

from tests.bench.clients import CLIENTS, RATE, logged_in
from tests.bench.lines import Line
from tests.bench.programs import Stage

SOAK_S = 600
SETTLED_S = 120  # caches, pools and arenas have found their size by then
EVERY_S = 2.0


def soak() -> list[Line]:
    """1,000 messages a second to 10,000 clients for ten minutes: resident memory, and its slope."""
    with Stage() as stage:
        _, endpoint = stage.router()
        front, port = stage.front(endpoint)
        sink = stage.sink(port, CLIENTS)
        logged_in(endpoint, CLIENTS)
        sender = stage.python("senders", "pace", endpoint, CLIENTS, RATE, RATE * SOAK_S)
        sender.read()
        samples: list[tuple[float, float]] = []
        ended = threading.Event()
        began = time.monotonic()

        def sample() -> None:
            while not ended.wait(EVERY_S):
                samples.append((time.monotonic() - began, front.rss_bytes() / 1e6))

        sampler = threading.Thread(target=sample)
        sampler.start()
        try:
            sender.ask()
        finally:
            ended.set()
            sampler.join()
        if (came := sink.settle()) != RATE * SOAK_S:
            raise RuntimeError(f"{came} of {RATE * SOAK_S} messages came")
    settled = [(at, mb) for at, mb in samples if at > SETTLED_S]
    slope = statistics.linear_regression([at for at, _ in settled], [mb for _, mb in settled]).slope
    what = "10,000 clients, 10 minutes at 1,000 messages/s: zfront "
    return [
        Line(what + "resident at the end", "MB", settled[-1][1], 40),
        Line(what + "growth after the first two minutes", "MB/hour", slope * 3600, 1),
    ]
