"""`zflood tune` as its users run it: what it says, the file it writes, and what it sets."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zflood.tuning.sysctls import RULES

TUNE = [sys.executable, "-c", "from zflood.cli import main; main()", "tune"]
# Some settings are the whole machine's. Each of these is large enough for them on any machine.
FEW = "100"
NO_HOST_HAS = str(10**9)

is_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2"
)


def run(*options: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*before, *TUNE, *options], capture_output=True, text=True, timeout=30)


def as_json(*options: str, before: tuple[str, ...] = ()) -> tuple[int, dict[str, Any]]:
    done = run("--json", *options, before=before)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_every_rule_has_a_line_with_a_verdict() -> None:
    status, said = as_json("--connections", NO_HOST_HAS)
    assert status == 1
    assert not said["fine"]
    verdicts = {finding["name"]: finding["verdict"] for finding in said["findings"]}
    assert set(RULES) < set(verdicts)
    assert verdicts["memory"] == "too small"
    assert verdicts["open files, hard limit"] == "too small"
    assert all(finding["why"] for finding in said["findings"])


def test_the_table_says_the_same() -> None:
    done = run("--connections", NO_HOST_HAS)
    assert done.returncode == 1
    assert done.stdout.startswith("1,000,000,000 connections, side: both\n")
    for key in RULES:
        assert f" {key} " in done.stdout
    _, said = as_json("--connections", NO_HOST_HAS)
    for line in said["sysctl"]:
        # Open files of the whole machine change from run to run.
        assert line.startswith("fs.file-max") or f"  {line}\n" in done.stdout
    assert re.search(r"\d+ of \d+ too small\n$", done.stdout)


@pytest.mark.parametrize("side", ["server", "clients", "both"])
def test_a_side_has_the_processes_and_the_memory_of_its_programs_only(side: str) -> None:
    _, said = as_json("--connections", FEW, "--side", side)
    assert (said["side"], said["connections"]) == (side, 100)
    assert (said["workers"] > 0) == (said["memory_bytes"]["zfront"] > 0) == (side != "clients")
    assert (said["processes"] > 0) == (said["memory_bytes"]["zflood"] > 0) == (side != "server")


def test_the_file_that_it_writes_is_one_that_sysctl_reads(tmp_path: Path) -> None:
    path = tmp_path / "61-zcomet.conf"
    done = run("--connections", NO_HOST_HAS, "--write", str(path))
    assert done.returncode == 1
    assert str(path) in done.stdout
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+ = \d+( \d+)*", line) for line in lines)
    assert f"net.ipv4.tcp_rmem = {' '.join(_values('net.ipv4.tcp_rmem'))}" in lines
    if "--dry-run" in subprocess.run(["sysctl", "--help"], capture_output=True, text=True).stdout:
        read = subprocess.run(["sysctl", "--dry-run", "-p", str(path)], capture_output=True, text=True)
        assert read.stdout.splitlines() == lines


def _values(key: str) -> list[str]:
    return Path("/proc/sys", key.replace(".", "/")).read_text().split()


def test_a_file_that_cannot_be_written_is_one_line_and_exit_1(tmp_path: Path) -> None:
    done = run("--connections", FEW, "--write", str(tmp_path / "none" / "x.conf"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No such file" in done.stderr


@pytest.mark.parametrize("options", [(), ("--connections", "0"), ("--connections", "1", "--side", "left")])
def test_what_makes_no_sense_is_a_usage_error(options: tuple[str, ...]) -> None:
    assert run(*options).returncode == 2


def test_who_is_not_root_is_told_so() -> None:
    # All that the command needs is imported first: another user may not be allowed to read it.
    code = (
        "import encodings.idna, os, zflood.commands, zflood.tuning.host, zflood.tuning.tune\n"
        "from zflood.cli import main\n"
        "os.geteuid() or os.setuid(65534)\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "tune", "--connections", NO_HOST_HAS, "--apply"],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.fullmatch(r"zflood: cannot set .*fs\.file-max.*: only root may\n", done.stderr)


@pytest.fixture
def namespace() -> Iterator[tuple[str, ...]]:
    """The beginning of a command line that runs in a network namespace, with settings of its own."""
    name = f"zt{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True, capture_output=True)
    try:
        yield ("ip", "netns", "exec", name)
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


def shell(before: tuple[str, ...], command: str) -> str:
    return subprocess.run([*before, "sh", "-c", command], check=True, capture_output=True, text=True).stdout


@pytest.mark.root
@is_root
def test_what_is_too_small_is_set_at_once_and_fine_then(namespace: tuple[str, ...]) -> None:
    shell(namespace, "echo 16 > /proc/sys/net/core/somaxconn")
    shell(namespace, "echo 50000 50050 > /proc/sys/net/ipv4/ip_local_port_range")
    status, said = as_json("--connections", FEW, before=namespace)
    assert status == 1
    lines = ["net.ipv4.ip_local_port_range = 10000 65535", "net.core.somaxconn = 100"]
    assert said["sysctl"] == lines
    status, said = as_json("--connections", FEW, "--apply", before=namespace)
    assert status == 0
    assert (said["applied"], said["sysctl"]) == (lines, [])
    assert shell(namespace, "cat /proc/sys/net/core/somaxconn") == "100\n"


@pytest.mark.root
@is_root
def test_what_a_network_namespace_does_not_show_is_unknown_and_stops_nobody(
    namespace: tuple[str, ...],
) -> None:
    if shell(namespace, "cat /proc/sys/net/ipv4/tcp_mem 2>/dev/null || true"):
        pytest.skip("this kernel shows tcp_mem in a network namespace")
    status, said = as_json("--connections", FEW, before=namespace)
    assert status == 0
    unknown = [each["name"] for each in said["findings"] if each["verdict"] == "unknown"]
    assert unknown == ["net.core.netdev_max_backlog", "net.ipv4.tcp_mem"]
