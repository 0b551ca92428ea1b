"""docs/operations.md explains every figure of `zrouter stats --json`, and no other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import Client, Program, eventually, wait_for
from tests.test_settings import DOCUMENT, PROGRAMS
from tests.test_settings import documented as documented_settings
from zrouter.client import RouterClient
from zrouter.wire import KEPT

# A write has to meet a reset that the epoll has not yet told of; a test can't bring that about at will.
BY_CHANCE = {"closed_reset", "closed_aged", "closed_idle", "closed_fault"}
WITH_TOKENS = {
    "admitted", "renewed", "revocations", "closed_expired", "closed_refused", "closed_revoked",
    "auth_asked", "auth_failed", "auth_kept",
    "auth_kept_bytes", "auth_under_way",
}  # fmt: skip


def documented(heading: str) -> set[str]:
    section = DOCUMENT.split(f"\n### {heading}\n")[1].split("\n#")[0]
    keys = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert len(keys) == len(set(keys)) > 0
    return set(keys)


def stats(router: Program) -> dict[str, Any]:
    """What the program prints."""
    code = "from zrouter.cli import main; main()"
    command = [sys.executable, "-c", code, "stats", "--json", "--router", router.address]
    figures: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return figures


def test_the_routers_figures_are_those_in_the_document(router: Program) -> None:
    assert set(stats(router)) == documented("Figures of the router")


def test_a_frontends_figures_are_those_in_the_document(
    router: Program, front: Program, api: RouterClient
) -> None:
    wait_for(api, "1", 0)
    for end in (gone, chatty, slow, evicted):
        end(front, api)

    def row() -> dict[str, Any]:
        rows = stats(router)["frontends"]
        return rows[0] if rows else {}

    eventually(lambda: sum(count for key, count in row().items() if key.startswith("closed_")) == 4)
    assert set(row()) == documented("Figures of a frontend") - BY_CHANCE - WITH_TOKENS


def gone(front: Program, api: RouterClient) -> None:
    """A client that hangs up."""
    Client(front.address, "/test/1").socket.close()


def chatty(front: Program, api: RouterClient) -> None:
    """A client that keeps talking."""
    client = Client(front.address, "/test/1")
    client.socket.sendall(b"x" * 100_000)
    client.read_to_end()


def slow(front: Program, api: RouterClient) -> None:
    """A client that does not read."""
    client = Client(front.address, "/test/slow")
    wait_for(api, "slow", 1)
    eventually(lambda: api.send_many([(b"slow", b"x" * 60_000)] * 16)[0] == KEPT)
    client.socket.close()


def evicted(front: Program, api: RouterClient) -> None:
    """A client whose id is kicked."""
    client = Client(front.address, "/test/kicked")
    wait_for(api, "kicked", 1)
    api.kick("kicked")
    client.read_to_end()


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_counter_that_a_setting_names_is_a_figure(program: str) -> None:
    figures = documented("Figures of the router") | documented("Figures of a frontend")
    counters = {counter for row in documented_settings(program) for counter in re.findall(r"`(\w+)`", row[5])}
    assert counters
    assert counters <= figures
