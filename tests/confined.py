"""Run a program under what a unit allows, without systemd: `python -m tests.confined UNIT PROGRAM...`.

Its system calls (SystemCallFilter=, others fail with EPERM), memory that is never writable and executable
(MemoryDenyWriteExecute=), no new privileges, UMask=. Through libseccomp, as systemd does it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

_SCMP_ACT_ALLOW: Final = 0x7FFF0000
_SCMP_ACT_ERRNO: Final = 0x00050000
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_MDWE: Final = 65
LIBSECCOMP: Final = "libseccomp.so.2"


def settings(unit: Path, name: str) -> list[str]:
    """The values of a setting, in order."""
    return [line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith(f"{name}=")]


def calls(group: str) -> set[str]:
    """The system calls of a group."""
    if not group.startswith("@"):
        return {group}
    shown = subprocess.check_output(["systemd-analyze", "syscall-filter", group], text=True)
    words = [line.strip() for line in shown.splitlines()[1:]]
    return set().union(*(calls(word) for word in words if word and not word.startswith("#")))


def allowed(unit: Path) -> set[str]:
    """What its filter lets through."""
    found: set[str] = set()
    for value in settings(unit, "SystemCallFilter"):
        some = set().union(*map(calls, value.removeprefix("~").split()))
        found = found - some if value.startswith("~") else found | some
    return found


def confine(unit: Path) -> None:
    """From now on this process and its children are held as that unit holds them."""
    names = allowed(unit)
    os.umask(int(settings(unit, "UMask")[0], 8))
    libc, seccomp = ctypes.CDLL(None, use_errno=True), ctypes.CDLL(LIBSECCOMP)
    assert libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    if settings(unit, "MemoryDenyWriteExecute") == ["yes"] and libc.prctl(_PR_SET_MDWE, 1, 0, 0, 0):
        assert ctypes.get_errno() == errno.EINVAL, "a kernel before 6.3 does not know it"
    seccomp.seccomp_init.restype = ctypes.c_void_p
    of = ctypes.c_void_p(seccomp.seccomp_init(_SCMP_ACT_ERRNO | errno.EPERM))
    for name in names:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            assert seccomp.seccomp_rule_add(of, ctypes.c_uint32(_SCMP_ACT_ALLOW), number, 0) == 0, name
    assert seccomp.seccomp_load(of) == 0


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execv(
        sys.executable, [sys.executable, "-c", f"from {sys.argv[2]}.cli import main; main()", *sys.argv[3:]]
    )
