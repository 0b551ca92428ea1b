"""Which way the arrows run, and which rooms have no I/O."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Rules without I/O: they import none of what talks to the world, and never ask the time.
PURE = [
    "zrouter/errors.py",
    "zrouter/arguments.py",
    "zrouter/wire.py",
    "zrouter/table.py",
    "zrouter/peers.py",
    "zrouter/strangers.py",
    "zrouter/clock.py",
    "zrouter/lingering.py",
    "zrouter/counters.py",
    "zrouter/limits.py",
    "zrouter/figures.py",
    "zrouter/repeats.py",
    "zrouter/presence.py",
    "zrouter/burst.py",
    "zrouter/comebacks.py",
    "zrouter/questions.py",
    "zrouter/publishing.py",
    "zrouter/pacing.py",
    "zrouter/following.py",
    "zrouter/router.py",
    "zrouter/session.py",
    "zrouter/telling.py",
    "zrouter/mailbox.py",
    "zrouter/unkept.py",
    "zrouter/cursor.py",
    "zrouter/resumption.py",
    "zrouter/follows/store.py",
    "zrouter/follows/memory.py",
    "zrouter/follows/packed.py",
    "zrouter/follows/samples.py",
    "zrouter/follows/online.py",
    "zrouter/follows/ends.py",
    "zrouter/follows/records.py",
    "zrouter/follows/intern.py",
    "zrouter/follows/export.py",
    "zrouter/inbox.py",
    "zrouter/watching.py",
    "zrouter/claims.py",
    "zfront/audience.py",
    "zfront/budget.py",
    "zfront/pauses.py",
    "zfront/pings.py",
    "zfront/api/answers.py",
    "zfront/api/asked.py",
    "zfront/api/batch.py",
    "zfront/api/follows.py",
    "zfront/api/gate.py",
    "zfront/api/plain.py",
    "zfront/api/problem.py",
    "zfront/watchers.py",
    "zfront/rows.py",
    "zfront/visit.py",
    "zfront/ticks.py",
    "zfront/transports/chunks.py",
    "zfront/transports/chunked.py",
    "zfront/transports/objects.py",
    "zfront/transports/ndjson.py",
    "zfront/transports/sse.py",
    "zfront/transports/poll.py",
    "zfront/transports/ws.py",
    "zfront/sockets.py",
    "zfront/origins.py",
    "zfront/hosts.py",
    "zfront/full.py",
    "zfront/urls.py",
    "zfront/heads.py",
    "zfront/safety.py",
    "zfront/faults.py",
    "zfront/forwarded.py",
    "zfront/wishes.py",
    "zflood/swarm/tally.py",
    "zflood/swarm/roster.py",
    "zflood/swarm/transports/interface.py",
    "zflood/swarm/transports/responses.py",
    "zflood/swarm/transports/chunked.py",
    "zflood/swarm/transports/events.py",
    "zflood/swarm/transports/sse.py",
    "zflood/swarm/transports/ws.py",
    "zflood/swarm/transports/poll.py",
    "zflood/swarm/transports/objects.py",
    "zflood/swarm/transports/ndjson.py",
    "zflood/check/numbers.py",
    "zflood/check/history.py",
    "zflood/check/compare.py",
    "zflood/tuning/demand.py",
    "zflood/run/scenario.py",
    "zflood/run/amount.py",
    "zflood/run/expectation.py",
    "zflood/tuning/sysctls.py",
    "zflood/tuning/tune.py",
    "zflood/friends.py",
    "zflood/sender/ids.py",
    "zflood/sender/pace.py",
]
WORLD = {"socket", "select", "asyncio", "zmq", "tornado", "lmdb", "redis", "time", "datetime"}

# zfront and zflood stand on these rooms of zrouter, zrouter on neither, and they never on each other.
GROUND = {"errors", "wire", "cursor", "resumption", "client", "aio", "session", "dealer", "daemon"}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("room", PURE)
def test_rules_have_no_io_and_no_clock(room: str) -> None:
    assert {name.split(".")[0] for name in imports(ROOT / room)} & WORLD == set()


@pytest.mark.parametrize("path", sorted(ROOT.glob("z*/**/*.py")), ids=str)
def test_arrows_run_down_to_the_ground_floor(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    for name in imports(path):
        house, _, room = name.partition(".")
        if house not in {"zrouter", "zfront", "zflood"} or house == package:
            continue
        assert house == "zrouter", f"{path} imports {name}"
        assert package != "zrouter", f"{path} imports {name}"
        assert room.split(".")[0] in GROUND, f"{path} imports {name}"
