"""The router's store of follows: opened when it is there or first needed, written to in a thread of its own.

Owns: the store's path, its commits. Must not know: who asked for a change, what a publish is.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from zrouter.follows.lmdb_store.directory import Directory
from zrouter.follows.lmdb_store.store import LmdbFollows
from zrouter.follows.store import StoreError
from zrouter.routing.follow_requests import Job
from zrouter.server.job_thread import JobThread

log = logging.getLogger("zrouter.store")

# Changes in one commit: beyond it, a commit gains little.
COMMIT_CHANGES: Final = 500


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


class WriterThread(JobThread[Job, "list[bool] | StoreError"]):
    """Puts changes into the store; an outcome says of each change what it did: see FollowRequests.stored."""

    MOST = COMMIT_CHANGES

    def __init__(self, store_writer: StoreWriter, wake: Callable[[], None]) -> None:
        self._store_writer = store_writer
        super().__init__("store", wake)

    def size(self, job: Job) -> int:
        """Its changes."""
        return len(job.changes)

    def do(self, jobs: list[Job]) -> list[tuple[int, list[bool] | StoreError]]:
        """One commit: as a whole or not at all."""
        changes = [change for job in jobs for change in job.changes]
        try:
            done = iter(self._store_writer.make().change(changes))
            return [(job.number, [next(done) for _ in job.changes]) for job in jobs]
        except StoreError as error:
            log.warning("%d follows could not be stored: %s", len(changes), error)
            failure = error
        except Exception as error:
            # A bug; without this thread no follow would ever be answered.
            log.exception("%d follows could not be stored", len(changes))
            failure = StoreError(repr(error))
        return [(job.number, failure) for job in jobs]
