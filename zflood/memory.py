"""The memory sampler: a row every so often about some processes, their connections and the kernel's share.

Owns: what is read from /proc and how the rows look. Must not know: who runs the processes.

The series had a one-line shell loop that wrote the time twice, resident memory and established connections;
these are the first columns here too, so that its files and ours can be drawn in one picture.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple, TextIO

import psutil

_PAGE_KB: Final = os.sysconf("SC_PAGE_SIZE") // 1024
_ESTABLISHED: Final = b"01"
_CGROUP: Final = Path("/sys/fs/cgroup/system.slice")
_UNIT: Final = re.compile(r"[A-Za-z0-9:_@\\-][A-Za-z0-9:_.@\\-]{0,254}")  # systemd.unit(5)
_MOST: Final = 1 << 63


class Sample(NamedTuple):
    """One row. Sums over the processes and their children; kB are 1,024 bytes.

    PSS and USS are without the processes of another user, which only root may look at so closely.
    """

    time: str  # local, for people
    unix_s: int
    rss_kb: int  # resident; pages that processes share are counted in each
    connections: int  # established, of the port
    pss_kb: int  # resident, shared pages divided by those who share them
    uss_kb: int  # of these processes only: what would be free without them
    processes: int
    cpu_s: float  # of the processes that run now, since their start
    tcp_kb: int  # buffers of all TCP sockets of this host
    tcp_sockets: int  # of this host
    slab_kb: int  # the kernel's own objects on this host, sockets among them


_SERIES_COLUMNS: Final = 4
_KINDS: Final = (str, int, int, int, int, int, int, float, int, int, int)


class NotFoundError(Exception):
    """There is no such process."""


class SampleFile:
    """Rows, tab-separated under one header; each is in the file when `append` returns."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        if out.seekable() and out.readable():
            _cut_torn_row(out)
        if not out.seekable() or out.seek(0, os.SEEK_END) == 0:
            self._write(Sample._fields)

    def append(self, sample: Sample) -> None:
        """Add a row."""
        self._write(map(str, sample))

    def _write(self, cells: Iterable[str]) -> None:
        self._out.write("\t".join(cells) + "\n")
        self._out.flush()


def _cut_torn_row(out: TextIO) -> None:
    """A row that was not written to its end, for the disk was full, say. Of no other file than ours."""
    header = "\t".join(Sample._fields).encode() + b"\n"
    out.seek(0)
    if not header.startswith(line := out.buffer.readline(len(header))):
        return
    whole = len(header) * line.endswith(b"\n")
    for line in out.buffer:
        whole += len(line) * line.endswith(b"\n")
    out.truncate(whole)


def read_samples(path: Path, warn: Callable[[str], object] = lambda _: None) -> list[Sample]:
    """The rows of a file; of the series' own loop, say, that has the first four columns only.

    A last row that has no end of line is left out, with a warning.

    Raises:
        ValueError: a row cannot be read, or there is none.
    """
    rows: list[Sample] = []
    *lines, torn = path.read_text(errors="replace").split("\n")
    if torn:
        warn(f"{path}, line {len(lines) + 1}: not written to its end, left out")
    for number, line in enumerate(lines, 1):
        cells = line.split("\t")
        if not line or cells[0] == Sample._fields[0]:
            continue
        if not _SERIES_COLUMNS <= len(cells) <= len(Sample._fields):
            raise ValueError(
                f"{path}, line {number}: {len(cells)} columns; a sample has 4 to {len(Sample._fields)}"
            )
        cells += ["0"] * (len(Sample._fields) - len(cells))
        try:
            row = Sample._make(kind(cell) for kind, cell in zip(_KINDS, cells, strict=True))
            if not all(0 <= figure < _MOST for figure in row[1:]):
                raise ValueError("a figure is negative or beyond all bounds")
            rows.append(row)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    if not rows:
        raise ValueError(f"{path}: no samples")
    return rows


def by_pids(pids: Iterable[int]) -> Callable[[], list[psutil.Process]]:
    """Finds these processes as long as they run; never another one that got the number of one of them.

    Raises:
        NotFoundError: one does not run even now.
    """
    try:
        found = [psutil.Process(pid) for pid in pids]
    except psutil.NoSuchProcess as error:
        raise NotFoundError(f"there is no process {error.pid}") from None
    return lambda: [process for process in found if _runs(process)]


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def by_name(name: str) -> Callable[[], list[psutil.Process]]:
    """Finds processes that run this program, also after they were started again."""

    def is_it(process: psutil.Process) -> bool:
        command = process.info["cmdline"] or []
        words = [Path(word).name for word in command[:2]]
        return bool(process.info["name"] == name or name in words) and process.pid != os.getpid()

    return lambda: [one for one in psutil.process_iter(["name", "cmdline"]) if is_it(one)]


def by_unit(unit: str) -> Callable[[], list[psutil.Process]]:
    """Finds the processes of a systemd unit of this host, also after it was started again.

    Raises:
        ValueError: no unit can have this name.
    """
    if not _UNIT.fullmatch(unit):
        raise ValueError(f"{unit[:300]!r}: no unit can have this name")
    name = unit if "." in unit else f"{unit}.service"

    def find() -> list[psutil.Process]:
        found = []
        # An instance has a slice of its own: system-zfront.slice/zfront@8000.service
        for folder, _, _ in os.walk(_CGROUP):
            if os.path.basename(folder) == name:
                # Its processes, and then the group itself, may go at any time.
                for pid in _text(Path(folder, "cgroup.procs")).split():
                    with contextlib.suppress(psutil.NoSuchProcess):
                        found.append(psutil.Process(int(pid)))
        return found

    return find


def take(processes: Iterable[psutil.Process], connections: int) -> Sample:
    """Look once; `connections` is what the row says of them."""
    now = time.time()
    rss = pss = uss = count = 0
    cpu_s = 0.0
    family: dict[int, psutil.Process] = {}
    for process in processes:
        try:
            family |= {one.pid: one for one in [process, *process.children(recursive=True)]}
        except psutil.NoSuchProcess:
            continue
    for process in family.values():
        try:
            rss += process.memory_info().rss
            times = process.cpu_times()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it has just ended, or is hidden from us
        count += 1
        cpu_s += times.user + times.system
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            memory = process.memory_full_info()
            pss, uss = pss + memory.pss, uss + memory.uss
    tcp_sockets, tcp_kb = _tcp()
    return Sample(
        datetime.fromtimestamp(now).isoformat(" ", "seconds"),
        int(now),
        rss // 1024,
        connections,
        pss // 1024,
        uss // 1024,
        count,
        round(cpu_s, 2),
        tcp_kb,
        tcp_sockets,
        _slab_kb(),
    )


def established(port: int) -> int:
    """Established TCP connections whose port on this side is `port`.

    Reads /proc/net/tcp in pieces: a million connections are 150 MB of text there.
    """
    # Its columns: number, local address:port, remote address:port, state; all but the first in hexadecimal.
    columns = rb"^ *\d+: [0-9A-F]+:%04X [0-9A-F]+:[0-9A-F]{4} %b " % (port, _ESTABLISHED)
    row = re.compile(columns, re.MULTILINE)
    count = 0
    for name in ("tcp", "tcp6"):
        path = Path("/proc/net", name)
        if not path.exists():
            continue
        rest = b""
        with path.open("rb") as file:
            while data := file.read(1 << 20):
                lines, _, rest = (rest + data).rpartition(b"\n")
                count += len(row.findall(lines))
            count += len(row.findall(rest))
    return count


def samples(
    find: Callable[[], list[psutil.Process]], port: int | None, every_s: float, until_gone: bool
) -> Iterator[Sample]:
    """A sample every so often [s], the first one now; ends when there is no process, if `until_gone`.

    One that takes longer than that is followed by the next at once, not by those that were missed.
    """
    due = time.monotonic()
    while True:
        processes = find()
        if until_gone and not processes:
            return
        yield take(processes, 0 if port is None else established(port))
        due = max(due + every_s, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def _tcp() -> tuple[int, int]:
    """TCP sockets in use on this host, and the memory of their buffers [kB]; /proc/net/sockstat."""
    found = re.search(r"^TCP: inuse (\d+) .*\bmem (\d+)", _text(Path("/proc/net/sockstat")), re.MULTILINE)
    return (int(found[1]), int(found[2]) * _PAGE_KB) if found else (0, 0)


def _slab_kb() -> int:
    found = re.search(r"^Slab: +(\d+) kB", _text(Path("/proc/meminfo")), re.MULTILINE)
    return int(found[1]) if found else 0


def _text(path: Path) -> str:
    """Of a file of the kernel; empty if it is not there, or not any more."""
    try:
        return path.read_text()
    except OSError:
        return ""
