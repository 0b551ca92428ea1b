"""A thread that does what waits for the disk, so that the loop never does.

Owns: the queue of jobs, the thread, the outcomes until somebody takes them. Must not know: what a job is.

While some jobs are under way others gather for the next time, which takes all of them: group commit. How the
loop is woken when some are done is its own: `wake` is called in the thread.
"""

from __future__ import annotations

import queue
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

JobT = TypeVar("JobT")
OutcomeT = TypeVar("OutcomeT")

_CLOSE_S: Final = 5.0
# How long the thread may compute while the loop waits for its turn; Python's own default is ten times that.
_TURN_S: Final = 0.0005


class JobThread(ABC, Generic[JobT, OutcomeT]):
    """`submit`, `results` and `close` are for one other thread; about `MOST` is done in one go."""

    MOST: int

    def __init__(self, name: str, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._jobs: queue.SimpleQueue[JobT | None] = queue.SimpleQueue()
        self._results: deque[tuple[int, OutcomeT]] = deque()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        sys.setswitchinterval(_TURN_S)
        self._thread.start()

    @abstractmethod
    def size(self, job: JobT) -> int:
        """How much of MOST a job is."""

    @abstractmethod
    def do(self, jobs: list[JobT]) -> list[tuple[int, OutcomeT]]:
        """Do these, in order: the number and the outcome of each. In the thread; it raises nothing."""

    def submit(self, job: JobT) -> None:
        """Do this soon, behind all before."""
        self._jobs.put(job)

    def results(self) -> list[tuple[int, OutcomeT]]:
        """What came of those that are done since the last call."""
        found = []
        while self._results:
            found.append(self._results.popleft())
        return found

    def close(self) -> bool:
        """Whether all that was submitted is done; the disk, or another writer, may take too long."""
        self._jobs.put(None)
        self._thread.join(_CLOSE_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        job = self._jobs.get()
        while job is not None:
            jobs, size = [job], self.size(job)
            job = None
            while size < self.MOST and not self._jobs.empty():
                job = self._jobs.get()
                if job is None:
                    self._finish(jobs)
                    return
                jobs.append(job)
                size += self.size(job)
            self._finish(jobs)
            job = self._jobs.get()

    def _finish(self, jobs: list[JobT]) -> None:
        self._results.extend(self.do(jobs))
        self._wake()
