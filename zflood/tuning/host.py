"""What this host has: kernel settings, limits, memory; and setting what can be set.

Owns: /proc and the control groups' files. Must not know: what is enough (tune.py, sysctls.py).
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import psutil

from zflood.tuning.sysctls import ALSO_READ, NUMBERS, RULES, Host, Values

_PROC: Final = Path("/proc")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}")
_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F]{1,32}")
_CAP_SYS_RESOURCE: Final = 24  # linux/capability.h; it allows to raise a hard limit


class HostError(Exception):
    """A setting could not be made; the text says which and why."""


def read(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> Host:
    """Read all that the rules ask for; what this host does not show is left out."""
    found = {key: _setting(proc, key) for key in (*RULES, *ALSO_READ)}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Host(
        sysctls={key: values for key, values in found.items() if values},
        open_files=(_values(proc / "sys/fs/file-nr") or (0,))[0],
        files_soft=soft,
        files_hard=hard,
        may_raise_files=_may_raise(proc),
        reserved_ports=_text(_path(proc, "net.ipv4.ip_local_reserved_ports")).strip(),
        addresses=_addresses(),
        tracked=_tracked(proc),
        memory_bytes=min([*_available(), *_rooms(proc, cgroups)], default=None),
    )


def apply(lines: Iterable[str], proc: Path = _PROC) -> list[str]:
    """Set each of these sysctl.d lines at once; returns those that were set.

    Raises:
        HostError: some could not be set; the others are.
    """
    done: list[str] = []
    failed: dict[str, list[str]] = {}
    for line in lines:
        key, _, value = line.partition(" = ")
        try:
            _path(proc, key).write_text(value)
        except OSError as error:
            failed.setdefault(_reason(error), []).append(key)
        else:
            done.append(line)
    if failed:
        raise HostError("; ".join(f"cannot set {', '.join(keys)}: {why}" for why, keys in failed.items()))
    return done


def _reason(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "only root may" if os.geteuid() else "not allowed, even to root here (a container?)"
    if error.errno == errno.EROFS:
        return "/proc/sys is read-only here (a container?)"
    return error.strerror or str(error)


def _path(proc: Path, key: str) -> Path:
    return proc / "sys" / key.replace(".", "/")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _values(path: Path) -> Values:
    """The numbers in a file; none if it is not there, or has something else in it."""
    words = _text(path).split()
    return tuple(map(int, words)) if all(_NUMBER.fullmatch(word) for word in words) else ()


def _setting(proc: Path, key: str) -> Values:
    """Its numbers; none if they are not as many as the rules know."""
    values = _values(_path(proc, key))
    return values if len(values) == NUMBERS.get(key, 1) else ()


def _may_raise(proc: Path) -> bool:
    """Whether any program started here could raise its hard limit: the bounding set allows it to root."""
    for line in _text(proc / "self/status").splitlines():
        name, _, value = line.partition(":")
        if name == "CapBnd" and _HEXADECIMAL.fullmatch(value.strip()):
            return bool(int(value, 16) >> _CAP_SYS_RESOURCE & 1)
    return False


def _available() -> Iterator[int]:
    """Bytes that may be taken without swapping; nothing if the kernel does not say."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        yield psutil.virtual_memory().available


def _addresses() -> int:
    """IPv4 addresses of this host but those of loopback."""
    return sum(
        each.family == socket.AF_INET and not each.address.startswith("127.")
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
    )


def _tracked(proc: Path) -> int | None:
    """Tracked connections while one of ours is open, so that 0 means that none is ever tracked."""
    path = _path(proc, "net.netfilter.nf_conntrack_count")
    if not (before := _values(path)):
        return None
    try:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
            return (_values(path) or before)[0]
    except OSError:  # a network namespace whose loopback is down
        return before[0]


def _rooms(proc: Path, cgroups: Path) -> Iterator[int]:
    """Bytes that each control group above us may still take: version 2, and the memory controller of 1."""
    for line in _text(proc / "self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "-", "-"][:3]
        if controllers == "":
            base, names = cgroups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base = cgroups / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = base / path.strip("/")
        for each in (group, *group.parents):
            limit, used = _text(each / names[0]).strip(), _text(each / names[1]).strip()
            if limit.isdigit() and used.isdigit():
                yield max(0, int(limit) - int(used) + _reclaimable(each, names[2]))
            if each == base:
                break


def _reclaimable(group: Path, name: str) -> int:
    """Bytes of files in memory that nobody has used lately; the kernel takes them back before it refuses."""
    for line in _text(group / "memory.stat").splitlines():
        key, _, value = line.partition(" ")
        if key == name and _NUMBER.fullmatch(value):
            return int(value)
    return 0
