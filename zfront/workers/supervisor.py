"""Several workers on one address: forked after the imports, watched, started again when they die or hang.

Owns: the children, their listening sockets (a queue of new clients outlives its worker), signals, systemd's
watchdog. Must not know: what a worker does.
"""

from __future__ import annotations

import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import Final

from zfront.workers.liveness import LivenessPipe, WorkerEnd, liveness_pipe
from zrouter.daemon import notify

log = logging.getLogger("zfront")

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_TURN_S: Final = 0.25
# A turn that took that much longer than it should: the supervisor was away and heard nobody.
_AWAY_S: Final = 1.0
# After a life shorter than this there is a pause, which doubles each time.
_SHORT_LIFE_S: Final = 10.0
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 10.0

Work = Callable[[int, socket.socket, LivenessPipe], None]


class _Worker:
    """One place among the workers: its listener, and the process that serves it just now, if there is one."""

    def __init__(self, number: int, listener: socket.socket) -> None:
        self.number = number
        self.listener = listener
        self.pid = 0
        self.end: WorkerEnd | None = None
        self.started = 0.0
        self.heard = 0.0
        self.pause_s = 0.0
        self.start_at = 0.0


class Supervisor:
    """Runs `work(number, listener, lifeline)` in a process for each listener until SIGTERM or SIGINT.

    A worker that says nothing for `worker_timeout_s` is killed and started again. Workers that are not gone
    `shutdown_timeout_s` after the signal are killed.
    """

    def __init__(
        self, listeners: list[socket.socket], work: Work, worker_timeout_s: float, shutdown_timeout_s: float
    ) -> None:
        self._workers = [_Worker(number, listener) for number, listener in enumerate(listeners)]
        self._work = work
        self._worker_timeout_s = worker_timeout_s
        self._shutdown_timeout_s = shutdown_timeout_s
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._were_all_ready = False
        self._kill_at: float | None = None  # when those that still run are killed; set once we stop

    def run(self) -> bool:
        """Serve until told to stop; whether the workers began and ended as they should."""
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)
        # Before the first fork: from now on a signal waits in the socket until the loop takes it.
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for signum in (*_SIGNALS, signal.SIGCHLD):
            signal.signal(signum, lambda *_: None)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        gc.collect()
        gc.freeze()
        watchdog_s = notify.watchdog_s()
        next_alive = turned = time.monotonic()
        is_good = True
        while True:
            now = time.monotonic()
            if now - turned > _TURN_S + _AWAY_S:
                self._excuse_all(now)
            turned = now
            is_good = self._reap(now) and is_good
            if not is_good:
                self._stop(now)
            self._end_the_hung(now)
            if self._kill_at is None:
                self._start_due(now)
            elif not any(worker.pid for worker in self._workers):
                notify.stopping()
                return is_good
            elif now >= self._kill_at:
                self._kill_at = now + self._shutdown_timeout_s
                is_good = False
                log.error("workers did not stop within %g s: killing them", self._shutdown_timeout_s)
                self._tell_all(signal.SIGKILL)
            if watchdog_s is not None and self._were_all_ready and now >= next_alive:
                next_alive = now + watchdog_s
                notify.alive()
            self._listen(now)

    def _listen(self, now: float) -> None:
        """Wait for words of workers and for signals, no longer than a turn."""
        for key, _ in self._selector.select(_TURN_S):
            if key.fileobj is self._wake_read:
                signals = self._wake_read.recv(4096)
                if any(signum in signals for signum in _SIGNALS):
                    self._stop(now)
                continue
            worker: _Worker = key.data
            assert worker.end is not None
            worker.heard = time.monotonic()
            if not worker.end.hear():
                self._selector.unregister(worker.end)  # it is reaped when it has ended
        if not self._were_all_ready and all(w.end is not None and w.end.is_ready for w in self._workers):
            self._were_all_ready = True
            log.info("%d workers are ready", len(self._workers))
            notify.ready(f"{len(self._workers)} workers")

    def _stop(self, now: float) -> None:
        if self._kill_at is None:
            self._kill_at = now + self._shutdown_timeout_s
            notify.stopping()
            self._tell_all(signal.SIGTERM)

    def _tell_all(self, signum: signal.Signals) -> None:
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, signum)

    def _start_due(self, now: float) -> None:
        for worker in self._workers:
            if not worker.pid and now >= worker.start_at:
                self._start(worker, now)

    def _start(self, worker: _Worker, now: float) -> None:
        end, theirs = liveness_pipe()
        # A signal for the child must not meet our handlers in it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            end.close()
            self._be_worker(worker, theirs)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        theirs.close()
        worker.pid, worker.end, worker.started, worker.heard = pid, end, now, now
        self._selector.register(end, selectors.EVENT_READ, worker)

    def _be_worker(self, worker: _Worker, theirs: LivenessPipe) -> None:
        """The child's life; never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for signum in (*_SIGNALS, signal.SIGCHLD):
                signal.signal(signum, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            self._selector.close()
            self._wake_read.close()
            self._wake_write.close()
            for other in self._workers:
                if other.end is not None:
                    other.end.close()
                if other is not worker:
                    other.listener.close()
            self._work(worker.number, worker.listener, theirs)
            status = 0
        except Exception:  # whatever it was: it is logged here or nowhere, os._exit prints nothing
            log.exception("worker %d failed", worker.number)
        finally:
            os._exit(status)

    def _reap(self, now: float) -> bool:
        """Take note of those that ended; False if one never came to work, so that there is no use in more."""
        is_good = True
        for worker in self._workers:
            if not worker.pid or os.waitpid(worker.pid, os.WNOHANG)[0] == 0:
                continue
            assert worker.end is not None
            pid, worker.pid = worker.pid, 0
            if worker.end.fileno() in self._selector.get_map():
                self._selector.unregister(worker.end)
            worker.end.close()
            worker.end = None
            if self._kill_at is not None:
                continue
            if not self._were_all_ready:
                log.error("worker %d (pid %d) could not start", worker.number, pid)
                is_good = False
                continue
            lived_s = now - worker.started
            worker.pause_s = (
                min(max(worker.pause_s * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
                if lived_s < _SHORT_LIFE_S
                else 0.0
            )
            worker.start_at = now + worker.pause_s
            log.error(
                "worker %d (pid %d) died after %.1f s: starting it again in %g s",
                worker.number, pid, lived_s, worker.pause_s,
            )  # fmt: skip
        return is_good

    def _end_the_hung(self, now: float) -> None:
        for worker in self._workers:
            if worker.pid and now - worker.heard > self._worker_timeout_s and self._kill_at is None:
                log.error("worker %d (pid %d) hangs: killing it", worker.number, worker.pid)
                worker.heard = now
                os.kill(worker.pid, signal.SIGKILL)

    def _excuse_all(self, now: float) -> None:
        for worker in self._workers:
            worker.heard = now
