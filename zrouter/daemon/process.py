"""Figures of this very process: memory, CPU time, pid."""

from __future__ import annotations

import os
from typing import Any

import psutil


def figures() -> dict[str, Any]:
    """`pid`, resident bytes `rss_bytes`, and `cpu_s`, the seconds of CPU used so far, user and system.

    Only `pid` while the process has no descriptor left to read /proc with: whoever reports must go on.
    """
    try:
        process = psutil.Process()
        with process.oneshot():
            cpu = process.cpu_times()
            rss_bytes = process.memory_info().rss
    except (OSError, psutil.Error):
        return {"pid": os.getpid()}
    return {"pid": os.getpid(), "rss_bytes": rss_bytes, "cpu_s": round(cpu.user + cpu.system, 2)}
