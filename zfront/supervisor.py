"""Several workers on one address: forked after the imports, started again when they die.

Owns: the children, their listening sockets (a queue of new clients outlives its worker), signals. Must not
know: what a worker does.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable

from zrouter.daemon import notify

log = logging.getLogger("zfront")

# A worker that dies sooner than this after its start is started again only after as long a pause.
_TOO_SOON_S = 1.0


def supervise(listeners: list[socket.socket], work: Callable[[int, socket.socket], None]) -> None:
    """Run `work(number, listener)` in a process each, until SIGTERM or SIGINT."""
    children: dict[int, int] = {}  # pid -> number
    started: dict[int, float] = {}
    stopping = False

    def stop(signum: int, _: object) -> None:
        nonlocal stopping
        stopping = True
        for pid in children:
            os.kill(pid, signal.SIGTERM)

    def start(number: int) -> None:
        # A signal between fork and bookkeeping would miss the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
            status = 1
            try:
                work(number, listeners[number])
                status = 0
            except Exception:
                log.exception("worker %d failed", number)
            finally:
                os._exit(status)
        children[pid] = number
        started[number] = time.monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))

    gc.collect()
    gc.freeze()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, stop)
    for number in range(len(listeners)):
        start(number)
    notify.ready(f"{len(listeners)} workers")
    watchdog_s = notify.watchdog_s()
    if watchdog_s is not None:
        signal.signal(signal.SIGALRM, lambda *_: notify.alive())
        signal.setitimer(signal.ITIMER_REAL, watchdog_s, watchdog_s)
    while children:
        pid, status = os.wait()
        number = children.pop(pid)
        if stopping:
            continue
        log.error("worker %d (pid %d) died with status %d: starting it again", number, pid, status)
        if time.monotonic() - started[number] < _TOO_SOON_S:
            time.sleep(_TOO_SOON_S)
        if not stopping:
            start(number)
    notify.stopping()
