"""What is read from a host is what the kernel says, bounds of containers included; and setting it."""

from __future__ import annotations

import resource
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest

from zflood.tuning import host
from zflood.tuning.demand import Side
from zflood.tuning.sysctls import RULES
from zflood.tuning.tune import demand_on, judge


@pytest.mark.skipif(shutil.which("sysctl") is None, reason="sysctl is not installed")
def test_the_settings_are_those_that_sysctl_shows() -> None:
    here = host.read()
    for key in RULES:
        shown = subprocess.run(["sysctl", "-n", key], capture_output=True, text=True).stdout
        assert here.sysctls.get(key, ()) == tuple(map(int, shown.split()))


def test_the_limits_are_those_of_this_process() -> None:
    here = host.read()
    assert (here.files_soft, here.files_hard) == resource.getrlimit(resource.RLIMIT_NOFILE)
    assert here.open_files > 0


def test_the_bounding_set_says_whether_the_limit_can_be_raised(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    for bounding, expected in (("000001ffffffffff", True), ("000001fffeffffff", False)):
        (tmp_path / "self/status").write_text(f"Name:\tx\nCapBnd:\t{bounding}\n")
        assert host.read(tmp_path).may_raise_files is expected


def test_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "sys/fs").mkdir(parents=True)
    (tmp_path / "sys/fs/file-max").write_text("1000\n")
    here = host.read(tmp_path)
    assert here.sysctls == {"fs.file-max": (1000,)}
    assert here.tracked is None
    assert not here.may_raise_files


@pytest.mark.parametrize("text", ["", "many\n", "1 2 3 4\n", "\ufffd\n", "0x10\n", "9" * 5000])
def test_what_has_something_else_in_it_is_left_out(tmp_path: Path, text: str) -> None:
    write(tmp_path / "sys/net/ipv4", {"ip_local_port_range": text, "ip_local_reserved_ports": text})
    write(tmp_path / "sys/fs", {"file-max": text, "file-nr": text})
    write(tmp_path / "sys/net/netfilter", {"nf_conntrack_count": "x"})
    write(tmp_path / "self", {"status": f"CapBnd:\t{text}", "cgroup": text})
    here = host.read(tmp_path, tmp_path)
    assert here.sysctls == {}
    assert here.tracked is None
    assert judge(here, demand_on(here, 1000, Side.BOTH))


def write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc of a process in /a/b of both kinds of control groups."""
    write(tmp_path / "proc/self", {"cgroup": "4:cpu,memory:/a/b\n2:pids:/x\n0::/a/b\n"})
    return tmp_path / "proc"


@pytest.mark.parametrize("version", [1, 2])
def test_the_narrowest_control_group_bounds_the_memory(proc: Path, tmp_path: Path, version: int) -> None:
    limit, used, free = (
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file 100")
        if version == 1
        else ("memory.max", "memory.current", "inactive_file 100")
    )
    groups = tmp_path / "groups" / ("memory" if version == 1 else "")
    unbounded = "9223372036854771712" if version == 1 else "max"
    write(groups / "a/b", {limit: unbounded, used: "5000"})
    assert host.read(proc, tmp_path / "groups").memory_bytes == pytest.approx(
        psutil.virtual_memory().available, rel=0.1
    )
    write(groups / "a", {limit: "9000", used: "6000", "memory.stat": f"anon 1\n{free}\n"})
    assert host.read(proc, tmp_path / "groups").memory_bytes == 3100
    write(groups / "a/b", {limit: "1000", used: "1200", "memory.stat": "anon 7\n"})
    assert host.read(proc, tmp_path / "groups").memory_bytes == 0


def test_setting_writes_where_the_kernel_reads(tmp_path: Path) -> None:
    write(tmp_path / "sys/net/ipv4", {"tcp_mem": "1 2 3\n"})
    assert host.apply(["net.ipv4.tcp_mem = 4 5 6"], tmp_path) == ["net.ipv4.tcp_mem = 4 5 6"]
    assert host.read(tmp_path).sysctls["net.ipv4.tcp_mem"] == (4, 5, 6)


def test_what_cannot_be_set_is_named_and_the_others_are_set(tmp_path: Path) -> None:
    write(tmp_path / "sys/fs", {"nr_open": "1\n"})
    lines = ["net.missing = 2", "fs.nr_open = 3", "net.none = 4"]
    with pytest.raises(host.HostError, match=r"cannot set net\.missing, net\.none: No such file"):
        host.apply(lines, tmp_path)
    assert host.read(tmp_path).sysctls["fs.nr_open"] == (3,)
