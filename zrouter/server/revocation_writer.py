"""Revoked tokens on disk: an SQLite database, written to in a thread of its own.

Owns: the file, what is read at the start. Must not know: who asked, who is told.

SQLite because a revocation that was answered must be there after a power cut, and one that was half written
must not; both are what it is for. It is part of Python.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

from zrouter.routing.revocations import RevocationJob
from zrouter.server.job_thread import JobThread
from zrouter.wire import Revocation

log = logging.getLogger("zrouter.revocations")

_BUSY_S: Final = 5.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS revocations (
    kind INTEGER NOT NULL, value BLOB NOT NULL, before INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (kind, value)
) WITHOUT ROWID
"""
_KEEP: Final = """
INSERT INTO revocations VALUES (?, ?, ?, ?) ON CONFLICT (kind, value) DO UPDATE
SET before = max(before, excluded.before), until = max(until, excluded.until)
"""


class RevocationFileError(Exception):
    """The file can't be read or written; its text says which and why."""


class RevocationFile:
    """One file, made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Revocation]:
        """What is in it; nothing if there is no such file.

        Raises:
            RevocationFileError: it is no such file, or can't be read.
        """
        if not self.path.exists():
            return []
        try:
            with closing(self._open()) as database:
                rows = database.execute("SELECT kind, value, before, until FROM revocations")
                return [
                    (int(kind), bytes(value), int(before), int(until)) for kind, value, before, until in rows
                ]
        except (sqlite3.Error, OSError, TypeError, ValueError) as error:
            raise RevocationFileError(f"{self.path}: {error}") from None

    def keep(self, revocations: Iterable[Revocation]) -> None:
        """Put these on disk, and forget those that are over.

        Raises:
            RevocationFileError: it could not be done; nothing of it was.
        """
        try:
            with closing(self._open()) as database, database:
                database.execute("DELETE FROM revocations WHERE until <= ?", (int(time.time()),))
                database.executemany(_KEEP, revocations)
        except (sqlite3.Error, OSError) as error:
            raise RevocationFileError(f"{self.path}: {error}") from None

    def _open(self) -> sqlite3.Connection:
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(self.path, timeout=_BUSY_S)
        try:
            database.execute("PRAGMA synchronous = EXTRA")  # the folder too: the journal's end is the commit
            database.execute(_SCHEMA)
        except sqlite3.Error:
            database.close()
            raise
        return database


class RevocationWriter(JobThread[RevocationJob, str]):
    """Keeps revocations; an outcome is why they could not be kept, empty: they are on disk."""

    MOST = 1000

    def __init__(self, file: RevocationFile, wake: Callable[[], None]) -> None:
        self._file = file
        super().__init__("revocations", wake)

    def size(self, job: RevocationJob) -> int:
        """Its revocations."""
        return len(job.revocations)

    def do(self, jobs: list[RevocationJob]) -> list[tuple[int, str]]:
        """One commit: as a whole or not at all."""
        why = ""
        try:
            self._file.keep(revocation for job in jobs for revocation in job.revocations)
        except Exception as error:  # a bug, too: without this thread no revocation would ever be answered
            why = str(error) or repr(error)
            log.error("%d revocations could not be kept: %s", sum(map(self.size, jobs)), why)
        return [(job.number, why) for job in jobs]
