"""What breaks, breaks alone, and is counted: kill -9, SIGSTOP, slow clients, no descriptors left."""

from __future__ import annotations

import os
import re
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from tests.conftest import Client, Program, eventually, wait_for
from zrouter.client import RouterClient
from zrouter.errors import RouterUnavailableError
from zrouter.wire import KEPT


@pytest.mark.alone
def test_a_killed_frontend_is_logged_out_within_three_seconds(
    router: Program, front: Program, api: RouterClient
) -> None:
    clients = [Client(front.address, "/test/1") for _ in range(2)]
    wait_for(api, "1", 2)
    front.stop(signal.SIGKILL)
    eventually(lambda: api.who("1")["1"] == [], within_s=3.0)
    port = front.address.rpartition(":")[2]
    line = rf"logged out 'zfront@.*:{port}', which held 1 ids: unreachable, its connection has gone\n"
    eventually(lambda: re.search(line, router.log()))
    for client in clients:
        client.read_to_end()


@pytest.mark.alone
def test_a_stopped_frontend_is_logged_out_and_comes_back_by_itself(front: Program, api: RouterClient) -> None:
    client = Client(front.address, "/test/1")
    wait_for(api, "1", 1)
    front.tell(signal.SIGSTOP)
    eventually(lambda: api.who("1")["1"] == [], within_s=3.0)
    front.tell(signal.SIGCONT)
    wait_for(api, "1", 1)
    assert api.send("1", "again") == 1
    client.read_until(b"'again'")


def test_a_frontend_that_does_not_read_makes_no_router_grow_and_what_is_dropped_is_said(
    start: Callable[..., Program],
) -> None:
    # A lease that does not end while it is stopped, the smallest window that there may be, and nothing kept.
    bounds = ("--lease", "60", "--window", "4M", "--mailbox-seconds", "0")
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", *bounds)
    options = ("--listen", "127.0.0.1:0", "--router", router.address)
    stopped, other = start("zfront", "serve", *options), start("zfront", "serve", *options)
    away, there = Client(stopped.address, "/test/away"), Client(other.address, "/test/there")
    with RouterClient(router.address) as api:
        wait_for(api, "away", 1)
        wait_for(api, "there", 1)
        stopped.tell(signal.SIGSTOP)
        memory = psutil.Process(router.process.pid).memory_info
        before = memory().rss
        sent = 2000
        handed = api.send_many((b"away", b"x" * 60_000) for _ in range(sent))  # 120 MB
        taken = handed.count(1)
        assert 0 < taken < 200
        assert handed.count(0) == sent - taken
        assert memory().rss - before < 30e6
        stats = api.stats()
        assert stats["dropped_backlog"] == sent - taken
        rows = [row for row in stats["frontends"] if row["dropped"]]
        assert [(row["dropped"], row["under_way_bytes"] <= 4 << 20) for row in rows] == [(sent - taken, True)]
        assert 1 <= router.log().count("dropped messages for a frontend that does not keep up") <= 20
        assert api.send("there", "at once") == 1
        there.read_until(b"'at once'")
        stopped.tell(signal.SIGCONT)
        back = Client(stopped.address, "/test/back")
        wait_for(api, "back", 1)
        assert eventually(lambda: api.send("back", "again") == 1)
        back.read_until(b"'again'")
        away.socket.close()


def test_no_client_notices_a_router_that_is_killed_and_started_again(
    start: Callable[..., Program], router: Program, front: Program
) -> None:
    clients = [Client(front.address, f"/test/{number}") for number in range(200)]
    with RouterClient(router.address) as api:
        wait_for(api, "199", 1)
    router.stop(signal.SIGKILL)
    start("zrouter", "serve", "--bind", router.address)
    with RouterClient(router.address) as api:
        eventually(lambda: api.stats()["ids"] == 200)
        assert api.send_many((b"%d" % number, b"back") for number in range(200)) == [1] * 200
    for client in clients:
        assert b"#1: 'back'" in client.read_until(b"'back'")


def test_a_stopped_router_is_a_clear_error_and_then_goes_on(router: Program, api: RouterClient) -> None:
    assert api.send("1", "x") == 0
    router.tell(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(RouterUnavailableError):
        api.send("1", "x", timeout_s=0.5)
    assert time.monotonic() - began < 3
    router.tell(signal.SIGCONT)
    assert eventually(lambda: api.send("1", "x") == 0)


def test_one_client_too_many_is_told_to_come_back(start: Callable[..., Program], router: Program) -> None:
    front = start(
        "zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address, "--max-connections", "2"
    )
    kept = [Client(front.address, "/test/1") for _ in range(2)]
    seen = Client(front.address, "/test/1", read_head=False).read_to_end()
    assert seen.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: " in seen
    kept[0].socket.close()
    eventually(
        lambda: Client(front.address, "/test/1", read_head=False).read_until(b"\r\n\r\n")[9:12] == b"200"
    )


def test_a_dead_worker_is_started_again(
    start: Callable[..., Program], router: Program, api: RouterClient
) -> None:
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", "--workers", "2", "--router", router.address)
    clients = [Client(front.address, "/test/1") for _ in range(20)]
    wait_for(api, "1", 20)
    pids = eventually(lambda: [row["pid"] for row in api.stats()["frontends"] if "pid" in row])
    os.kill(pids[0], signal.SIGKILL)
    fresh = [Client(front.address, "/test/2") for _ in range(20)]
    wait_for(api, "2", 20)
    assert api.send("2", "x") == 20
    for client in fresh:
        client.read_until(b"'x'")
    assert front.process.poll() is None
    assert 0 < api.send("1", "survivors") < len(clients)


def test_a_frontend_without_descriptors_pauses_and_goes_on(
    start: Callable[..., Program], router: Program, api: RouterClient
) -> None:
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)
    eventually(lambda: api.stats()["peers"] == 2)
    used = len(os.listdir(f"/proc/{front.process.pid}/fd"))
    _, hard = resource.prlimit(front.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(front.process.pid, resource.RLIMIT_NOFILE, (used + 5, hard))
    clients = [Client(front.address, "/test/1", read_head=False) for _ in range(20)]
    eventually(lambda: any("paused" in row and row["paused"] for row in api.stats()["frontends"]))
    used_cpu_s = psutil.Process(front.process.pid).cpu_times()
    resource.prlimit(front.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
    wait_for(api, "1", 20)
    assert psutil.Process(front.process.pid).cpu_times().user - used_cpu_s.user < 1.0
    assert api.send("1", "all") == 20
    for client in clients:
        client.read_until(b"'all'")


def test_a_frontend_says_what_the_router_refused_it(start: Callable[..., Program]) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--max-ids", "1")
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)
    clients = [Client(front.address, f"/test/{number}") for number in range(2)]
    line = f"the router {router.address} refuses us: the router holds 1 ids, its limit\n"
    eventually(lambda: line in front.log() or line.replace("holds 1", "holds 0") in front.log())
    assert front.log().count("refuses us") == 1
    for client in clients:
        client.socket.close()


def test_two_signals_to_stop_are_one(front: Program) -> None:
    client = Client(front.address, "/test/1")
    front.tell(signal.SIGTERM)
    front.tell(signal.SIGTERM)
    assert front.process.wait(10) == 0
    client.read_to_end()


def test_a_frontend_that_stops_accepts_nobody_logs_out_at_once_and_closes_its_clients_at_a_pace(
    front: Program, api: RouterClient
) -> None:
    clients = [Client(front.address, "/test/1") for _ in range(2100)]
    wait_for(api, "1", 2100)
    ends = select.epoll()
    for client in clients:
        ends.register(client.socket, select.EPOLLIN)
    front.tell(signal.SIGTERM)
    closed_at: list[float] = []
    while len(closed_at) < len(clients):
        for descriptor, _ in ends.poll(10):
            ends.unregister(descriptor)
            closed_at.append(time.monotonic())
    # 500 at a time, with a pause of 20 ms behind each: they don't all come back to others at once.
    assert closed_at[-1] - closed_at[0] > 0.07
    assert api.send("1", "x") in (0, KEPT)
    assert front.process.wait(10) == 0
    for client in clients:
        assert client.read_to_end().endswith(b"0\r\n\r\n")
    with pytest.raises(OSError, match="refused"):
        Client(front.address, "/test/1")


def test_a_second_frontend_on_the_same_port_does_not_start(front: Program, router: Program) -> None:
    address = front.address.removeprefix("http://")
    second = subprocess.run(
        [sys.executable, "-c", "from zfront.cli import main; main()", "serve", "--listen", address],
        capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert second.returncode == 1
    assert second.stderr == f"zfront: cannot listen on {address}: Address already in use\n"
