"""`zflood messages`: its count, its pace, many senders, and how it ends when something is wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

from tests.conftest import Client, Program, eventually, wait_for
from zrouter.client import RouterClient

MESSAGES = [sys.executable, "-c", "from zflood.cli import main; main()", "messages"]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MESSAGES, *options], capture_output=True, text=True, timeout=60)


def test_all_senders_together_send_the_count_and_their_receipts_add_up(
    router: Program, front: Program, api: RouterClient
) -> None:
    client = Client(front.address, "/test/1")
    wait_for(api, "1", 1)
    done = run(
        "--router", router.address, "--count", "301", "--max-id", "2", "--interval-ms", "0",
        "--senders", "3", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sent = json.loads(done.stdout.splitlines()[-1])
    assert sent["messages"] == 301
    assert sent["handed"] + sent["nobody"] == 301
    assert 0 < sent["handed"] < 301
    eventually(lambda: api.stats()["messages_in"] == 301)
    client.read_until(b"Recvd msg #%d: " % sent["handed"])


def test_the_pace_is_kept_by_all_senders_together(router: Program) -> None:
    done = run("--router", router.address, "--count", "400", "--interval-ms", "2", "--senders", "2", "--json")
    sent = json.loads(done.stdout.splitlines()[-1])
    assert sent["messages"] == 400
    # 400 messages, one every 2 ms: not sooner than their clock allows.
    assert sent["seconds"] >= 0.79


def test_without_a_router_it_says_so_and_exits_1(router: Program) -> None:
    router.stop()
    done = run("--router", router.address, "--count", "1")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"zflood: no router answers at {router.address}"]


def test_interrupted_it_tells_what_was_sent(router: Program) -> None:
    flood = subprocess.Popen(
        [*MESSAGES, "--router", router.address, "--count", "100000", "--senders", "2", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with RouterClient(router.address) as api:
        eventually(lambda: api.stats()["messages_in"] > 600)
        flood.send_signal(signal.SIGINT)
        assert flood.stdout is not None
        assert json.loads(flood.stdout.read().splitlines()[-1])["messages"] >= 600
        assert flood.wait(10) == 0
        eventually(lambda: api.stats()["peers"] == 1)
