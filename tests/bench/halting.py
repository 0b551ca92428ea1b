"""How long an idle core of a virtual machine waits for work before it halts, set for a measure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.lines import NotHereError

SHIPPED = Path(__file__).parents[2] / "systemd" / "tmpfiles.d" / "60-zcomet-halt.conf"
GOVERNOR = Path("/sys/devices/system/cpu/cpuidle/current_governor")


@contextmanager
def halting_late() -> Iterator[None]:
    """The kernel as the file for tmpfiles.d sets it; as it was again at the end.

    Raises NotHereError where cores do not poll before they halt, or we are not root.
    """
    line = next(line for line in SHIPPED.read_text().splitlines() if line.startswith("w"))
    _, path, *_, value = line.split()
    parameter = Path(path)
    if not GOVERNOR.exists() or GOVERNOR.read_text().strip() != "haltpoll" or not parameter.exists():
        raise NotHereError("the kernel's idle governor is not haltpoll")
    if not os.access(parameter, os.W_OK):
        raise NotHereError(f"{parameter} can be set by root only")
    before = parameter.read_text()
    parameter.write_text(value)
    try:
        yield
    finally:
        parameter.write_text(before)
