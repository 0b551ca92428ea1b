"""The router's store of follows: opened when it is there or first needed, written to in a thread of its own.

Owns: the store's path, the thread that waits for the disk, its commits. Must not know: who asked for a
change, what a publish is.

The loop never waits for the disk. While one commit is under way, changes gather for the next, which takes all
of them: group commit. How the loop is woken when one is done is its own: `wake` is called in the thread.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from zrouter.follows.lmdb_store.directory import Directory
from zrouter.follows.lmdb_store.store import LmdbFollows
from zrouter.follows.store import Change, StoreError
from zrouter.routing.follow_requests import Job

log = logging.getLogger("zrouter.store")

# Changes in one commit: beyond it, a commit gains little.
COMMIT_CHANGES: Final = 500
_CLOSE_S: Final = 5.0
# How long the thread may compute while the loop waits for its turn; Python's own default is ten times that.
_TURN_S: Final = 0.0005


class StoreWriter:
    """One path, opened once, for all threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._home = Directory(path)
        self._lock = threading.Lock()
        self._store: LmdbFollows | None = None

    def store(self) -> LmdbFollows | None:
        """The store; None if nothing is there.

        Raises:
            StoreError: it can't be opened.
        """
        if self._store is not None:
            return self._store
        return self._open(create=False) if self._home.exists() else None

    def check(self) -> None:
        """Say at the start what would be found out with the first follow, and where follows are.

        Raises:
            StoreError: what is there can't be opened, or nothing can be made there.
        """
        if self.store() is not None:
            return
        there = self.path
        while not there.exists() and there != there.parent:
            there = there.parent
        if not there.is_dir():
            raise StoreError(f"{self.path}: {there} is no directory")
        if not os.access(there, os.W_OK | os.X_OK):
            raise StoreError(f"{self.path}: nothing can be made in {there}")
        log.info("follows will be in %s", self.path)

    def make(self) -> LmdbFollows:
        """The store, made if nothing is there.

        Raises:
            StoreError: it can't be opened, or made.
        """
        return self._store or self._open(create=True)

    def _open(self, *, create: bool) -> LmdbFollows:
        with self._lock:
            if self._store is None:
                self._store = LmdbFollows(self.path, create=create)
                log.info("follows are in %s", self.path)
                exposed = self._store.exposed()
                if exposed:
                    log.warning(exposed)
            return self._store

    def close(self) -> None:
        """Let go of it."""
        if self._store is not None:
            self._store.close()


class WriterThread:
    """Puts changes into the store in a thread. `submit` and `results` are for one thread."""

    def __init__(self, store_writer: StoreWriter, wake: Callable[[], None]) -> None:
        self._store_writer = store_writer
        self._wake = wake
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._results: deque[tuple[int, list[bool] | StoreError]] = deque()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        sys.setswitchinterval(_TURN_S)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Store these changes soon, in order."""
        self._jobs.put(job)

    def results(self) -> list[tuple[int, list[bool] | StoreError]]:
        """What came of those that are done since the last call: see Following.stored."""
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
        is_open = True
        while is_open:
            jobs = [self._jobs.get()]
            count = _size(jobs[0])
            while count < COMMIT_CHANGES and not self._jobs.empty():
                jobs.append(self._jobs.get())
                count += _size(jobs[-1])
            is_open = None not in jobs
            self._commit([job for job in jobs if job is not None])

    def _commit(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        try:
            done = iter(self._store_writer.make().change(_all_of(jobs)))
            # As a whole or not at all: each job has one answer.
            self._results.extend([(job.number, [next(done) for _ in job.changes]) for job in jobs])
        except StoreError as error:
            log.warning("%d follows could not be stored: %s", sum(map(_size, jobs)), error)
            self._results.extend((job.number, error) for job in jobs)
        except Exception as error:
            # A bug; without this thread no follow would ever be answered.
            log.exception("%d follows could not be stored", sum(map(_size, jobs)))
            self._results.extend((job.number, StoreError(repr(error))) for job in jobs)
        self._wake()


def _size(job: Job | None) -> int:
    return 0 if job is None else len(job.changes)


def _all_of(jobs: list[Job]) -> list[Change]:
    return [change for job in jobs for change in job.changes]
