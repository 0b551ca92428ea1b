"""`zflood messages`: its count, its pace, many senders, and how it ends when something is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Client, Program, eventually, wait_for
from tests.end_to_end.flooding import MESSAGES
from zrouter.client import RouterClient

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "zflood.md"


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
    done = run("--router", router.address, "--count", "1", "--timeout", "0.3")
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


def test_many_senders_in_one_process_each_wait_for_their_receipts(
    router: Program, front: Program, api: RouterClient
) -> None:
    client = Client(front.address, "/test/1")
    wait_for(api, "1", 1)
    done = run(
        "--router", router.address, "--loop", "closed", "--count", "203", "--interval-ms", "1", "--max-id",
        "1", "--tasks", "20", "--senders", "2", "--json",
    )  # fmt: skip
    sent = json.loads(done.stdout.splitlines()[-1])
    assert (sent["messages"], sent["handed"], sent["nobody"], sent["errors"]) == (203, 203, 0, {})
    assert 0 < sent["p50_ms"] <= sent["p99_ms"] <= sent["max_ms"]
    client.read_until(b"Recvd msg #203: ")


def test_by_zipfs_law_id_1_gets_the_most(router: Program, front: Program, api: RouterClient) -> None:
    client = Client(front.address, "/test/1")
    wait_for(api, "1", 1)
    done = run(
        "--router", router.address, "--count", "2000", "--interval-ms", "0", "--max-id", "1000",
        "--distribution", "zipf", "--json",
    )  # fmt: skip
    # 13.4% by the law, 0.1% if all were as likely.
    handed = json.loads(done.stdout.splitlines()[-1])["handed"]
    assert 150 < handed < 400
    client.read_until(b"Recvd msg #%d: " % handed)


def test_messages_are_padded_to_the_size(router: Program, api: RouterClient) -> None:
    messages = api.login("1")
    assert run("--router", router.address, "--count", "1", "--max-id", "1", "--size", "100").returncode == 0
    assert len(next(messages).message) == 100


def test_what_is_published_goes_to_those_who_follow_and_the_receipts_say_to_how_many(
    start: Callable[..., Program], tmp_path: Path
) -> None:
    store = str(tmp_path / "store")
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", store)
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)
    clients = [Client(front.address, f"/test/{number}") for number in (1, 2)]
    with RouterClient(router.address) as api:
        for number in (1, 2):
            wait_for(api, str(number), 1)
        api.follow_many([(b"1", b"1"), (b"2", b"1"), (b"3", b"1")])  # nobody is 3, and nobody follows 2
    done = run(
        "--router", router.address, "--publish", "--count", "200", "--max-id", "2", "--interval-ms", "1",
        "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sent = json.loads(done.stdout.splitlines()[-1])
    assert sent["messages"] == 200
    reached = 200 - sent["nobody"]
    assert 0 < reached < 200
    assert (sent["followers"], sent["online"], sent["handed"], sent["kept"]) == (
        3 * reached, 2 * reached, 2 * reached, 0,
    )  # fmt: skip
    for client in clients:
        client.read_until(b"Recvd msg #%d: " % reached)


def test_a_router_without_a_store_refuses_what_is_published(start: Callable[..., Program]) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", "none")
    done = run("--router", router.address, "--publish", "--count", "5", "--json")
    assert done.returncode == 1
    sent = json.loads(done.stdout.splitlines()[-1])
    assert (sent["followers"], list(sent["errors"].values())) == (0, [5])


@pytest.mark.alone
def test_a_router_that_hangs_is_seen_in_the_latency_of_all_that_was_due(router: Program) -> None:
    flood = subprocess.Popen(
        [*MESSAGES, "--router", router.address, "--count", "1000", "--interval-ms", "1", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with RouterClient(router.address) as api:
        eventually(lambda: api.stats()["messages_in"] > 100)
    router.tell(signal.SIGSTOP)
    time.sleep(0.4)  # how long it hangs, which is what is measured
    router.tell(signal.SIGCONT)
    assert flood.stdout is not None
    sent = json.loads(flood.stdout.read().splitlines()[-1])
    assert flood.wait(10) == 0
    assert (sent["messages"], sent["nobody"]) == (1000, 1000)
    # Four in ten messages were due while it hung; a loop that waits would have sent one.
    assert sent["max_ms"] >= 350
    assert sent["p99_ms"] >= 300
    assert sent["seconds"] < 1.9


def test_a_router_that_comes_back_costs_no_more_than_what_was_under_way(
    start: Callable[..., Program], router: Program
) -> None:
    flood = subprocess.Popen(
        [*MESSAGES, "--router", router.address, "--count", "1500", "--interval-ms", "1", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with RouterClient(router.address) as api:
        eventually(lambda: api.stats()["messages_in"] > 100)
    router.stop(signal.SIGKILL)
    start("zrouter", "serve", "--bind", router.address)
    assert flood.stdout is not None
    sent = json.loads(flood.stdout.read().splitlines()[-1])
    assert flood.wait(20) == (1 if sent["errors"] else 0)
    assert sent["messages"] == 1500 == sent["nobody"] + sum(sent["errors"].values())
    assert sum(sent["errors"].values()) < 100


def test_messages_that_the_router_refuses_are_errors(router: Program) -> None:
    done = run("--router", router.address, "--count", "5", "--size", "70000", "--json")
    assert done.returncode == 1
    sent = json.loads(done.stdout.splitlines()[-1])
    assert sent["errors"] == {"a message of 70000 bytes is too long: 65536 are the limit": 5}


def test_json_lines_go_to_a_file_beside_the_lines_for_people(router: Program, tmp_path: Path) -> None:
    out = tmp_path / "sent.jsonl"
    done = run(
        "--router",
        router.address,
        "--count",
        "600",
        "--interval-ms",
        "1",
        "--every",
        "0.1",
        "--json",
        str(out),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["messages"] for line in out.read_text().splitlines()][-1] == 600
    said = done.stdout.splitlines()
    assert len(said) == len(out.read_text().splitlines()) >= 3
    assert re.fullmatch(
        r"sent 600  handed 0  nobody 600  [\d,]+/s  latency p50 \S+ p99 \S+ max \S+ ms  late max \S+ ms",
        said[-1],
    )


def test_the_figures_are_those_in_the_document(router: Program) -> None:
    sent = json.loads(run("--router", router.address, "--count", "1", "--json").stdout)
    section = DOCUMENT.read_text().split("\n### Figures of messages\n")[1].split("\n#")[0]
    assert list(sent) == re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_a_file_that_cannot_be_written_is_said_in_one_line(router: Program, tmp_path: Path) -> None:
    done = run("--router", router.address, "--json", str(tmp_path / "none" / "out"))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_on_a_terminal_a_bar_is_drawn_beside_the_lines(router: Program) -> None:
    ours, theirs = os.openpty()
    done = subprocess.run(
        [*MESSAGES, "--router", router.address, "--count", "700"],
        stdout=subprocess.PIPE, stderr=theirs, timeout=30, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    drawn = os.read(ours, 65536).decode()
    os.close(ours)
    os.close(theirs)
    assert "700/700" in drawn
    assert done.stdout.startswith(b"sent 700  ")


def test_senders_end_when_the_program_that_started_them_is_killed(router: Program) -> None:
    flood = subprocess.Popen([*MESSAGES, "--router", router.address, "--count", "100000", "--senders", "2"])
    with RouterClient(router.address) as api:
        eventually(lambda: api.stats()["peers"] == 3)
        flood.kill()
        flood.wait()
        eventually(lambda: api.stats()["peers"] == 1)


@pytest.mark.parametrize(
    "options",
    [
        ("--size", "20"),
        ("--loop", "open", "--interval-ms", "0"),
        ("--batch", "10"),
        ("--http", "http://127.0.0.1/%d", "--router", "tcp://127.0.0.1:1"),
        ("--http", "http://127.0.0.1/%d", "--publish"),
        ("--zipf-s", "2"),
        ("--zipf-s", "nan", "--distribution", "zipf"),
        ("--interval-ms", "inf"),
        ("--interval-ms", "nan"),
        ("--timeout", "nan"),
        ("--every", "inf"),
        ("--max-id", str(10**20)),
        ("--count", str(10**20)),
        ("--size", str(10**12)),
        ("--distribution", "zipf", "--max-id", "10000001"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(options: tuple[str, ...]) -> None:
    done = run(*options)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
