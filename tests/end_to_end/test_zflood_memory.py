"""`zflood memory` and `zflood urls`, as people run them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Client, Program, eventually
from tests.end_to_end.flooding import ZFLOOD
from zflood.memory import read_samples


def test_a_frontend_is_sampled_with_its_workers_until_it_ends(front: Program, tmp_path: Path) -> None:
    client = Client(front.address, "/test/1")
    port = front.address.rpartition(":")[2]
    out = tmp_path / "mem.tsv"
    sampler = subprocess.Popen(
        [*ZFLOOD, "memory", "--pid", str(front.process.pid), "--port", port, "--every", "0.1", "--out", out],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    eventually(lambda: out.exists() and len(out.read_text().splitlines()) > 3)
    client.socket.close()
    front.stop()
    shown, _ = sampler.communicate(timeout=10)
    assert sampler.returncode == 0
    rows = read_samples(out)
    assert shown == out.read_text()
    assert rows[1].connections == 1
    assert rows[1].rss_kb > 10_000


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_and_leaves_whole_rows(tmp_path: Path, signum: signal.Signals) -> None:
    out = tmp_path / "mem.tsv"
    sampler = subprocess.Popen(
        [*ZFLOOD, "memory", "--pid", str(os.getpid()), "--every", "0.1", "--out", str(out)],
        stdout=subprocess.DEVNULL,
    )
    eventually(lambda: out.exists() and len(out.read_text().splitlines()) > 2)
    sampler.send_signal(signum)
    assert sampler.wait(10) == 0
    assert out.read_text().endswith("\n")
    read_samples(out)


def test_it_survives_the_restart_of_what_it_samples(tmp_path: Path) -> None:
    script = tmp_path / "a-program-that-restarts"
    script.write_text("input()")
    sampler = subprocess.Popen(
        [*ZFLOOD, "memory", "--name", script.name, "--every", "0.1", "--json"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert sampler.stdout is not None
    try:
        for wanted in (0, 1, 0, 1):
            one = wanted and subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE)
            while json.loads(sampler.stdout.readline())["processes"] != wanted:
                pass
            if one:
                one.communicate(b"\n")
    finally:
        sampler.terminate()
        sampler.communicate(timeout=10)


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        ([], 2, "one of --pid, --name and --unit"),
        (["--pid", "1", "--name", "x"], 2, "one of"),
        (["--pid", str(2**22 + 1)], 1, "no process"),
        (["--name", "x", "--count", "1", "--out", "/nowhere/mem.tsv"], 1, "/nowhere"),
        (["--name", "x", "--count", "1", "--every", "nan"], 2, "is not a number"),
        (["--name", "x", "--count", "1", "--every", "inf"], 2, "is not a number"),
        (["--unit", "/etc", "--count", "1"], 2, "no unit can have this name"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments: list[str], status: int, why: str) -> None:
    done = subprocess.run([*ZFLOOD, "memory", *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == status
    assert why in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--name", "--unit"])
def test_who_does_not_run_is_named_once(option: str) -> None:
    done = subprocess.run(
        [*ZFLOOD, "memory", option, "nobody-has-this-name", "--count", "2", "--every", "0.1"],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == "zflood: no process of nobody-has-this-name runs here now\n"
    assert len(done.stdout.splitlines()) == 3  # under the header, though it is a pipe


def test_interrupted_a_command_without_figures_says_nothing_and_exits_130() -> None:
    urls = subprocess.Popen(
        [*ZFLOOD, "urls", "--count", "1000000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert urls.stdout is not None
    urls.stdout.readline()
    urls.send_signal(signal.SIGINT)
    _, said = urls.communicate(timeout=20)
    assert (urls.returncode, said) == (130, b"")


def test_help_names_the_variable_of_each_option() -> None:
    done = subprocess.run([*ZFLOOD, "memory", "--help"], capture_output=True, text=True, timeout=30)
    assert done.stdout.count("ZFLOOD_MEMORY_") == 8


def test_urls_are_what_clients_read(front: Program) -> None:
    url = f"{front.address}/test/%d"
    urls = subprocess.run(
        [*ZFLOOD, "urls", "--count", "3", "--first", "7", "--url", url], capture_output=True, text=True
    ).stdout
    assert urls.splitlines() == [f"{front.address}/test/{number}" for number in (7, 8, 9)]
    clients = subprocess.run(
        [*ZFLOOD, "clients", "--urls", "-", "--seconds", "1"], input=urls, capture_output=True, text=True
    )
    assert clients.returncode == 0, clients.stderr
    assert "Active 3" in clients.stdout
