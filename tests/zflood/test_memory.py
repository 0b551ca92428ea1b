"""The memory sampler: what it reads, how its file looks, whose processes it finds."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from zflood import memory
from zflood.memory import NotFoundError, Sample, SampleFile, read_samples, take

ROW = Sample("2026-01-02 03:04:05", 1_767_323_045, 100, 2, 90, 80, 1, 1.5, 7, 8, 9)


def test_a_sample_says_what_the_kernel_says() -> None:
    sample = take([psutil.Process()], 3)
    mine = psutil.Process().memory_full_info()
    assert sample.connections == 3
    assert sample.processes == 1 + len(psutil.Process().children(recursive=True))
    assert sample.rss_kb == pytest.approx(mine.rss / 1024, rel=0.1)
    assert 0 < sample.uss_kb <= sample.pss_kb <= sample.rss_kb
    assert sample.cpu_s > 0
    assert sample.slab_kb > 0


def test_children_are_summed() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        parent = take([psutil.Process()], 0)
        alone = take([psutil.Process(child.pid)], 0)
        assert parent.processes >= 2
        assert parent.rss_kb > alone.rss_kb
        child.communicate(b"\n")


def test_established_connections_of_a_port_are_counted_and_no_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert memory.established(port) == 0  # listening is not established
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        assert memory.established(port) == 3
        for client in clients:
            client.close()


def test_rows_go_under_one_header_whoever_appends(tmp_path: Path) -> None:
    path = tmp_path / "mem.tsv"
    for _ in range(2):
        with path.open("a+") as file:
            rows = SampleFile(file)
            rows.append(ROW)
            assert path.read_text().endswith("\t9\n")  # in the file already
    lines = path.read_text().splitlines()
    assert lines[0].split("\t") == list(Sample._fields)
    assert len(lines) == 3
    assert read_samples(path) == [ROW, ROW]


def test_a_row_that_was_torn_is_cut_off_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "mem.tsv"
    for torn in ("", "2026-01-02 03:0", "2026-01-02 03:04:05\t17673"):
        with path.open("a+") as file:
            SampleFile(file).append(ROW)
            file.write(torn)
    with path.open("a+") as file:
        SampleFile(file)
    assert read_samples(path) == [ROW] * 3


def test_a_torn_header_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "mem.tsv"
    path.write_text("time\tunix")
    with path.open("a+") as file:
        SampleFile(file).append(ROW)
    assert read_samples(path) == [ROW]
    assert len(path.read_text().splitlines()) == 2


def test_nothing_is_cut_from_a_file_that_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("dear diary,\ntoday")
    with path.open("a+") as file:
        SampleFile(file)
    assert path.read_text() == "dear diary,\ntoday"


def test_the_series_own_file_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "series.log"
    path.write_text("Thu Oct 30 12:00:00 2008\t1225368000\t81240\t10000\n")
    (sample,) = read_samples(path)
    assert (sample.rss_kb, sample.connections, sample.pss_kb) == (81_240, 10_000, 0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no samples"),
        ("t\t1\t2\t3", "no samples"),  # torn
        ("a b\n", "line 1: 1 columns"),
        ("t\t1\t2\tmany\n", "line 1: invalid literal"),
        ("t\t1\t-2\t3\n", "line 1: a figure is negative"),
        (f"t\t1\t{10**400}\t3\n", "line 1: a figure is negative or beyond"),
    ],
)
def test_a_file_that_is_none_is_said(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "x.tsv"
    path.write_text(text)
    with pytest.raises(ValueError, match=why):
        read_samples(path)


def test_a_process_that_has_gone_is_never_mistaken_for_another() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        find = memory.by_pids([child.pid])
        child.wait()
    assert find() == []
    with pytest.raises(NotFoundError, match=f"no process {child.pid}"):
        memory.by_pids([child.pid])


def test_a_program_is_found_by_its_name_and_by_its_script(tmp_path: Path) -> None:
    script = tmp_path / "a-program-of-this-test"
    script.write_text("input()")
    find = memory.by_name(script.name)
    assert find() == []
    with subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE) as child:
        assert [process.pid for process in find()] == [child.pid]
        child.communicate(b"\n")
    assert os.getpid() not in [process.pid for process in memory.by_name("python3")()]


def test_the_processes_of_a_unit_are_found_under_its_slice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    find = memory.by_unit("zfront@8000")
    assert find() == []
    unit = tmp_path / "system-zfront.slice" / "zfront@8000.service"
    unit.mkdir(parents=True)
    (unit / "cgroup.procs").write_text(f"{os.getpid()}\n{2**22 + 1}\n")
    assert [process.pid for process in find()] == [os.getpid()]
    (unit / "cgroup.procs").unlink()  # it is going
    assert find() == []


@pytest.mark.parametrize("name", ["/etc", "..", "a/b", "*", "", "x" * 300])
def test_what_no_unit_can_be_called_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no unit"):
        memory.by_unit(name)
