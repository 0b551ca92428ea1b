"""Readiness and watchdog to systemd (sd_notify(3)); without systemd each call does nothing."""

from __future__ import annotations

import os

import sdnotify

_notifier = sdnotify.SystemdNotifier()


def ready(status: str) -> None:
    """Tell systemd that the service does its work from now on."""
    _notifier.notify(f"READY=1\nSTATUS={status}")


def stopping() -> None:
    """Tell systemd that the service is on its way out."""
    _notifier.notify("STOPPING=1")


def alive() -> None:
    """Feed the watchdog."""
    _notifier.notify("WATCHDOG=1")


def watchdog_s() -> float | None:
    """Seconds between two `alive()`, half of what systemd allows; None if it does not watch this process."""
    usec = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    return int(usec) / 2e6 if usec.isdigit() and pid == str(os.getpid()) else None
