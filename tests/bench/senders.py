"""Senders that a user could have written: on RouterClient, to random ids.

`python -m tests.bench.senders flood ENDPOINT IDS SECONDS WINDOW SHARED [MESSAGE]`  as fast as the sink reads
`python -m tests.bench.senders pace ENDPOINT IDS RATE COUNT`  stamped messages at RATE/s, with receipts
`python -m tests.bench.senders publish ENDPOINT ID RATE COUNT`  to who follows, without a stamp
`python -m tests.bench.senders once ENDPOINT ID`  one stamped message
"""

from __future__ import annotations

import json
import mmap
import random
import struct
import sys
import time

from zrouter.client import RouterClient

MESSAGE = b"0123456789012345678901234"
BATCH = 256


def flood(
    router: RouterClient, ids: int, seconds: float, window: int, shared: str, message: bytes = MESSAGE
) -> dict[str, float]:
    """Never more than `window` messages ahead of what the sink has counted."""
    with open(shared, "r+b") as file:
        counter = mmap.mmap(file.fileno(), 8)
    pools = [[(b"%d" % random.randint(1, ids), message) for _ in range(BATCH)] for _ in range(400)]
    before = struct.unpack("Q", counter[:8])[0]
    sent = 0
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if sent - (struct.unpack("Q", counter[:8])[0] - before) >= window:
            time.sleep(0.0002)
            continue
        router.send_many(pools[(sent // BATCH) % len(pools)], receipts=False)
        sent += BATCH
    return {"sent": sent, "seconds": time.monotonic() - began}


def pace(router: RouterClient, ids: int, rate: float, count: int) -> dict[str, float]:
    """Open loop: a message is due when the clock says so, and waits for no receipt of another."""
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        pair = b"%d" % random.randint(1, ids), b"t=%d" % time.time_ns()
        router.send_many([pair], receipts=False)
    return {"seconds": time.monotonic() - began}


def publish(router: RouterClient, an_id: str, rate: float, count: int) -> dict[str, float]:
    """Open loop: as `pace`, to those who follow the id."""
    began = time.monotonic()
    handed = 0
    for number in range(count):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        handed += router.publish(an_id, MESSAGE).handed
    return {"handed": handed, "seconds": time.monotonic() - began}


def main(what: str, endpoint: str, *rest: str) -> None:
    """Run one of them when a line comes on standard input."""
    with RouterClient(endpoint) as router:
        router.stats()
        print("{}", flush=True)
        sys.stdin.readline()
        found: dict[str, float]
        if what == "flood":
            messages = [one.encode() for one in rest[4:]]
            found = flood(router, int(rest[0]), float(rest[1]), int(rest[2]), rest[3], *messages)
        elif what == "pace":
            found = pace(router, int(rest[0]), float(rest[1]), int(rest[2]))
        elif what == "publish":
            found = publish(router, rest[0], float(rest[1]), int(rest[2]))
        else:
            found = {"handed": router.send(rest[0], b"t=%d" % time.time_ns())}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
