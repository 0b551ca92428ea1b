"""The plan of one history: what a world is made of, and the steps that are taken in it; all from the seed.

Owns: which bounds are small, who is there, what is done and goes wrong when. Must not know: how a step is
taken.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final, NamedTuple

from zrouter.wire import LONE_MESSAGE_BYTES

# What is done, with how often.
LOAD: Final = {
    "connect": 20,
    "hang up": 6,
    "wish": 14,
    "rewatch": 4,
    "send": 30,
    "batch": 12,
    "publish": 10,
    "follow": 8,
    "ask": 3,
    "say": 2,
    "watch who left": 3,
}
# What goes wrong, and what is not nice.
FAULTS: Final = {
    "kick": 3,
    "reset": 8,
    "reset in a write": 8,
    "half close": 3,
    "slow reader": 5,
    "forgets": 2,
    "reconnect": 8,
    "cut": 8,
    "stall": 3,
    "part": 2,
    "stop": 6,
    "slow": 6,
    "late frames": 5,
    "refuse": 8,
    "kill router": 3,
    "kill frontend": 2,
    "store fails": 3,
    "clock": 2,
    "key again": 4,
    "hasty": 4,
    "hello again": 3,
    "hard return": 3,
    "key reused": 2,
    "too large": 2,
    "retire": 2,
}
TRANSPORTS: Final = ("test", "stream", "sse", "ws", "ws", "poll")


class Step(NamedTuple):
    """What is done at that time [s]; the numbers say to whom and how much, of as many as there are then."""

    at: float
    kind: str
    a: int
    b: int
    c: int

    def __str__(self) -> str:
        return f"{self.at:8.3f} s  {self.kind} {self.a} {self.b} {self.c}"


class Plan(NamedTuple):
    """See the module's docstring."""

    seed: int
    frontends: int
    senders: int
    ids: list[str]
    clients: list[tuple[str, list[int], list[int]]]  # transport, ids and watched ids by their place
    router: dict[str, Any]  # its settings
    front: dict[str, Any]
    knobs: dict[str, Any]
    most_frames: int
    steps: list[Step]


def plan(seed: int, steps: int = 300) -> Plan:
    """The plan of that seed."""
    chance = Random(f"plan {seed}")
    ids = _ids(chance)
    clients = [_client(chance, len(ids)) for _ in range(chance.randint(3, 12))]
    router = _router(chance, len(ids))
    return Plan(
        seed,
        chance.randint(1, 3),
        chance.randint(1, 2),
        ids,
        clients,
        router,
        {
            "outbox": chance.choice((300, 3000, 65536)),
            # The least is more than a question waits for its answer, and then for room.
            "poll_timeout": chance.choice((8, 30, 30)),
            "alive": chance.choice((0, 1, 25)),
            "max_connections": chance.choice((3, 100, 100, 100)),
        },
        _knobs(chance),
        chance.choice((4, 30, 10_000, 10_000)),
        _steps(chance, steps),
    )


def _ids(chance: Random) -> list[str]:
    several = chance.choice((2, 3, 5, 10))
    ids = [f"id{number}" for number in range(several)]
    if chance.random() < 0.5:
        ids += ["x", "é" * 127 + "y", "a b/c?&=%"]
    if chance.random() < 0.2:
        ids += [f"{number:03}".ljust(255, "z") for number in range(12)]
    return ids


def _client(chance: Random, ids: int) -> tuple[str, list[int], list[int]]:
    most = chance.choice((1, 1, 2, 4, ids))
    own = chance.sample(range(ids), min(most, ids))
    watched = chance.sample(range(ids), min(chance.choice((0, 0, 1, 2)), ids))
    return chance.choice(TRANSPORTS), own, watched


def _router(chance: Random, ids: int) -> dict[str, Any]:
    def small(usual: Any, *others: Any) -> Any:
        """The usual bound in most worlds, in some a small one."""
        return chance.choice(others) if chance.random() < 0.3 else usual

    max_message = small(65536, 64, 300)
    max_frame = 1 << 20
    if max_message < 65536:
        max_frame = max_message + chance.choice((LONE_MESSAGE_BYTES, LONE_MESSAGE_BYTES, 20_000))
    return {
        "max_message": max_message,
        "max_frame": max_frame,
        "window": 3 * (max_frame + 1) if max_frame < 1 << 20 else 64 << 20,
        "queue_in": small(1000, 2, 20),
        "queue_out": small(10_000, 3, 20),
        "max_ids": small(5_000_000, max(2, ids - 2), max(2, ids // 2)),
        "mailbox_messages": small(50, 2, 5),
        "mailbox_bytes": small(65536, 200),
        "mailbox_seconds": small(120.0, 0.0, 2.0, 8.0),
        "mailbox_total": small(128 << 20, 3000, 30_000),
        "mailbox_ids": small(1_000_000, 1, 3),
        "idempotency_seconds": small(300.0, 0.0),
        "presence_linger": small(5.0, 0.5, 2.0),
        "max_watches": small(1_000_000, 3),
    }


def _knobs(chance: Random) -> dict[str, Any]:
    small = {
        "zrouter.server.settings.BURST_BYTES": 1,
        "zrouter.server.socket_loop.BURST_FRAMES": 3,
        "zfront.connections.fan_out._WRITE_BYTES": 300,
        "zrouter.link.announcements.PORTION": 2,
        "zrouter.routing.publishes.PUBLISH_SLICE": 2,
        "zrouter.routing.publishes.PUBLISH_LOOK_UPS": 2,
        "zrouter.routing.flow_control.PUBLISH_FOLLOWERS": 3,
        "zrouter.link.resumption.UNDER_WAY": 1,
        "zrouter.routing.resume_requests.RESUME_MESSAGES": 5,
        "zrouter.routing.resume_requests.MAX_RESUMES": 2,
        "zrouter.link.dealer.BURST_FRAMES": 2,
        "zrouter.link.dealer.BURST_MESSAGES": 3,
        "zrouter.routing.presence.STATES": 1,
        "zrouter.wire.FAN_IDS": 2,
        "zrouter.wire.PRESENCE_WINDOW": 60,
    }
    knobs = {name: value for name, value in small.items() if chance.random() < 0.2}
    return knobs | {"zrouter.server.settings.BURST_BYTES": 1}


def _steps(chance: Random, count: int) -> list[Step]:
    # Not every fault in every world: those that are rare with others come to be alone.
    kinds = {kind: weight for kind, weight in FAULTS.items() if chance.random() < 0.5} | LOAD
    at, steps = 1.0, [Step(0.3 + 0.05 * number, "connect", number, number, 0) for number in range(12)]
    pause_s = chance.choice((0.02, 0.1, 0.3))
    for kind in chance.choices(list(kinds), list(kinds.values()), k=count):
        at += chance.choice((0.0, 0.0002, pause_s * chance.random(), 2 * pause_s * chance.random()))
        steps.append(Step(round(at, 4), kind, *(chance.randrange(1 << 20) for _ in range(3))))
    return steps
