"""Several workers: one that dies or hangs is replaced, none outlives its supervisor, all end when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.conftest import Client, Program, eventually
from zfront.transports import chunked
from zrouter.client import RouterClient


@pytest.fixture
def serve(start: Callable[..., Program], router: Program) -> Callable[..., Program]:
    """Starts a frontend with two workers, both of them ready."""

    def serve_two(*options: str) -> Program:
        program = start(
            "zfront",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--router",
            router.address,
            "--workers",
            "2",
            *options,
        )
        eventually(lambda: "2 workers are ready" in program.log())
        return program

    return serve_two


def workers(program: Program) -> list[psutil.Process]:
    return list(psutil.Process(program.process.pid).children())


def clients_of_both(program: Program) -> dict[int, Client]:
    """A client on each worker, by the worker's pid."""
    found: dict[int, Client] = {}

    def connect() -> bool:
        client = Client(program.address, f"/test/{len(found)}")
        ours = client.socket.getsockname()
        for worker in workers(program):
            if any(c.raddr == ours for c in worker.net_connections("tcp")):
                found.setdefault(worker.pid, client)
        return len(found) == 2

    eventually(connect)
    return found


def test_a_killed_worker_is_replaced_and_clients_of_the_other_notice_nothing(
    serve: Callable[..., Program], api: RouterClient
) -> None:
    program = serve()
    clients = clients_of_both(program)
    dead, alive = clients
    os.kill(dead, signal.SIGKILL)
    clients[dead].read_to_end()
    eventually(lambda: len(workers(program)) == 2 and dead not in [w.pid for w in workers(program)])
    # Connections that were in the dead one's queue, or come to its place, are served by the new one.
    more = [Client(program.address, "/test/new") for _ in range(20)]
    eventually(lambda: sum(n for _, n in api.who("new")["new"]) == len(more))
    survivor = clients[alive]
    survivor.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        survivor.socket.recv(1)


def test_workers_of_a_killed_supervisor_end_and_close_their_clients(
    serve: Callable[..., Program], api: RouterClient
) -> None:
    program = serve()
    clients = clients_of_both(program)
    orphans = workers(program)
    program.stop(signal.SIGKILL)
    psutil.wait_procs(orphans, timeout=5)
    assert not any(orphan.is_running() for orphan in orphans)
    for client in clients.values():
        assert client.read_to_end().endswith(chunked.LAST)
    eventually(lambda: api.stats()["ids"] == 0)


def test_a_worker_that_hangs_is_killed_and_replaced(serve: Callable[..., Program]) -> None:
    program = serve("--worker-timeout", "1.5")
    hung = workers(program)[0]
    hung.suspend()
    eventually(lambda: not hung.is_running() or hung.status() == psutil.STATUS_ZOMBIE)
    eventually(lambda: len(workers(program)) == 2)
    assert f"(pid {hung.pid}) hangs: killing it" in program.log()


def test_a_supervisor_that_was_away_itself_kills_nobody(serve: Callable[..., Program]) -> None:
    program = serve("--worker-timeout", "1.5")
    before = [worker.pid for worker in workers(program)]
    program.tell(signal.SIGSTOP)
    time.sleep(2.0)  # longer than the timeout is the point
    program.tell(signal.SIGCONT)
    time.sleep(0.5)
    assert [worker.pid for worker in workers(program)] == before
    assert "hangs" not in program.log()


def test_sigterm_ends_clients_with_the_last_chunk_and_the_exit_code_is_0(
    serve: Callable[..., Program], api: RouterClient
) -> None:
    program = serve()
    clients = clients_of_both(program)
    assert program.stop() == 0
    for client in clients.values():
        assert client.read_to_end().endswith(chunked.LAST)
    eventually(lambda: api.stats()["ids"] == 0)
    assert api.stats()["goodbyes"] == 2


def test_a_stop_is_bounded_even_when_a_worker_hangs(serve: Callable[..., Program]) -> None:
    program = serve("--shutdown-timeout", "1")
    hung = workers(program)[0]
    hung.suspend()
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(5) == 1
    assert not hung.is_running()
    assert "did not stop within 1 s" in program.log()


def test_a_worker_that_dies_again_and_again_is_started_after_growing_pauses(
    serve: Callable[..., Program],
) -> None:
    program = serve()

    def pauses() -> list[float]:
        said = [line for line in program.log().splitlines() if "starting it again in" in line]
        return [float(line.split("starting it again in ")[1].split()[0]) for line in said]

    for count in range(1, 4):
        victim = max(workers(program), key=lambda worker: worker.create_time())
        victim.kill()
        eventually(partial(lambda expected: len(pauses()) == expected, count))
        eventually(lambda: len(workers(program)) == 2)
    assert pauses()[0] < pauses()[1] < pauses()[2]


def test_a_worker_holds_no_descriptor_of_the_others(serve: Callable[..., Program]) -> None:
    def sockets(process: psutil.Process) -> set[str]:
        links = Path(f"/proc/{process.pid}/fd").iterdir()
        return {target for link in links if (target := os.readlink(link)).startswith("socket:")}

    program = serve()
    first, second = workers(program)
    assert not sockets(first) & sockets(second)
    assert len(sockets(psutil.Process(program.process.pid)) & sockets(first)) == 1  # its listener


def test_a_frontend_that_cannot_start_its_workers_says_so_and_exits_1() -> None:
    done = subprocess.run(
        [
            sys.executable, "-c", "from zfront.cli import main; main()", "serve", "--listen", "127.0.0.1:0",
            "--workers", "2", "--router", "ipc:///" + "x" * 200,
        ],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 1
    assert "zfront: not all workers began" in done.stderr
