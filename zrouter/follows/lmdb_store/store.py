"""Follows in LMDB, embedded: what a router has on its own host. Any number of programs may have it open.

Owns: which generation is open, transactions, the journal of changes while a load is under way. Must not know:
how pairs lie in a generation.
"""

from __future__ import annotations

import os
import shutil
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import lmdb

from zrouter.follows.bulk.load import Source, build
from zrouter.follows.lmdb_store.directory import Directory, make_private
from zrouter.follows.lmdb_store.generation import (
    Batch,
    Generation,
    LmdbView,
    decode_change,
    encode_change,
    store_errors,
)
from zrouter.follows.lmdb_store.verify import problems, shape
from zrouter.follows.store import (
    Change,
    DamagedError,
    EmptyLoadError,
    Follows,
    Format,
    Loaded,
    Progress,
    StoreError,
    check,
)

DEFAULT_MEMORY: Final = 1024**3
_CLEAR_S: Final = 5.0
_SEQUENCE: Final = struct.Struct(">Q")


class LmdbFollows(Follows):
    """The store at a path.

    One process may open a path once. Threads may share it; a view belongs to the thread that opened it.
    """

    def __init__(self, path: Path | str, *, create: bool = True) -> None:
        """Open the store, or make an empty one.

        Raises:
            NoStoreError: nothing is there, and it is not to be made.
            FormatError: it has another format.
            StoreError: it can't be opened.
        """
        self._home = Directory(Path(path))
        self._lock = threading.Lock()
        if create and not self._home.exists():
            with self._home.only_one(), store_errors(self._home.path):
                if not self._home.exists():
                    self._home.promote(_empty(self._home))
        self._cleared = time.monotonic()  # opening does it
        self._users: dict[str, int] = {}  # how many use a generation now
        self._stamp, self._open = self._open_current()

    def _open_current(self) -> tuple[tuple[int, int], Generation]:
        while True:
            stamp, name = self._home.stamp(), self._home.current()
            if stamp != self._home.stamp():
                continue
            try:
                return stamp, Generation(self._home.path / name, read_only=self._home.is_read_only())
            except StoreError:
                # Another one counts since, and this one was removed.
                if name == self._home.current():
                    raise

    @contextmanager
    def _using(self) -> Iterator[Generation]:
        """The generation that counts; it stays open while somebody uses it."""
        stamp = self._home.stamp()
        with self._lock:
            if stamp != self._stamp:
                before = self._open
                self._stamp, self._open = self._open_current()
                if not self._users.get(before.identity):
                    before.close()
            generation = self._open
            self._users[generation.identity] = self._users.get(generation.identity, 0) + 1
        try:
            yield generation
        finally:
            with self._lock:
                self._users[generation.identity] -= 1
                if not self._users[generation.identity]:
                    del self._users[generation.identity]
                    if generation is not self._open:
                        generation.close()

    def exposed(self) -> str | None:
        """What to say if others than the owner can read it."""
        with store_errors(self.path):
            return self._home.exposed()

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._home.path

    @contextmanager
    def read(self) -> Iterator[LmdbView]:
        with self._using() as generation:
            with store_errors(self.path):
                txn = generation.env.begin(buffers=True)
            try:
                yield generation.view(txn)
            except (lmdb.Error, DamagedError) as error:
                with store_errors(self.path):
                    raise error
            finally:
                txn.abort()

    @contextmanager
    def _writing(self) -> Iterator[tuple[Generation, lmdb.Transaction]]:
        """A transaction of the generation that counts, committed at the end; one at a time."""
        with store_errors(self.path):
            while True:
                self._clear_readers()
                with self._using() as generation, generation.env.begin(write=True, buffers=True) as txn:
                    # A load lets the next generation count while it holds this lock.
                    if self._home.current() == generation.label:
                        yield generation, txn
                        return

    def _clear_readers(self) -> None:
        """A reader that was killed would keep all pages from being used again that were free since."""
        now = time.monotonic()
        if now - self._cleared > _CLEAR_S:
            self._cleared = now
            with self._using() as generation:
                generation.env.reader_check()

    def change(self, changes: Iterable[Change]) -> list[bool]:
        wanted = check(changes)
        if not wanted:
            return []
        with self._writing() as (generation, txn):
            batch = Batch(generation, txn)
            done = [batch.apply(change) for change in wanted]
            if batch.state.is_loading:
                if self._home.is_loading():
                    _journal(generation, txn, [one for one, did in zip(wanted, done, strict=True) if did])
                else:
                    # That load ended before its time.
                    txn.drop(generation.db["journal"], delete=False)
                    batch.state.is_loading = False
            batch.write()
        return done

    def load(
        self,
        file: BinaryIO,
        form: Format = "tsv",
        *,
        replace: bool = False,
        allow_empty: bool = False,
        memory: int | None = None,
        progress: Progress | None = None,
    ) -> Loaded:
        return self._rebuild(Source(file, form), replace, memory, progress, allow_empty)

    def compact(self, memory: int | None = None, progress: Progress | None = None) -> Loaded:
        """Write everything anew, in order and without holes; as a load of nothing."""
        return self._rebuild(None, False, memory, progress)

    def _rebuild(
        self,
        source: Source | None,
        replace: bool,
        memory: int | None,
        progress: Progress | None,
        allow_empty: bool = True,
    ) -> Loaded:
        with self._home.only_one(), store_errors(self.path):
            self._home.sweep()
            self._set_loading(True)
            following = self._home.new_generation()
            try:
                with self.read() as view:
                    loaded = build(
                        following, None if replace else view, source,
                        memory=DEFAULT_MEMORY if memory is None else memory, progress=progress,
                    )  # fmt: skip
                if replace and not loaded.records and not allow_empty:
                    raise EmptyLoadError
                return self._replace(following, loaded)
            except BaseException:
                self._give_up(following)
                raise

    def _replace(self, following: Path, loaded: Loaded) -> Loaded:
        """Let the next generation count, with what has changed meanwhile."""
        with self._writing() as (generation, txn):
            after = Generation(following)
            try:
                with after.env.begin(write=True, buffers=True) as into:
                    batch = Batch(after, into)
                    for _, change in txn.cursor(generation.db["journal"]):
                        batch.apply(decode_change(change))
                    batch.write()
                    loaded = loaded._replace(pairs=batch.state.pairs, ids=batch.state.size)
                after.env.sync(True)
            finally:
                after.close()
            self._home.promote(following)
        self._home.sweep()
        return loaded

    def _set_loading(self, is_loading: bool) -> None:
        """From now on changes go to a journal, too, or no longer."""
        with self._writing() as (generation, txn):
            txn.drop(generation.db["journal"], delete=False)
            state = generation.state(txn)
            state.is_loading = is_loading
            generation.put_state(txn, state)

    def _give_up(self, following: Path) -> None:
        """Leave all as it was."""
        with suppress(StoreError):  # a full disk, or no store any more: the next change does it
            if self._home.current() != following.name:
                shutil.rmtree(following, ignore_errors=True)
                self._set_loading(False)

    def backup(self, destination: Path) -> None:
        """A copy as of now, itself a store; changes and loads may go on meanwhile.

        Raises:
            StoreError: something is there already, or it can't be written.
        """
        if destination.exists():
            raise StoreError(f"{destination}: something is there already")
        beside = Directory(destination.with_name(f"{destination.name}.unfinished"))
        with self._using() as generation, store_errors(destination):
            shutil.rmtree(beside.path, ignore_errors=True)
            make_private(beside.path)
            try:
                copy = beside.new_generation()
                generation.env.copy(str(copy), compact=True)
                (copy / "data.mdb").chmod(0o600)
                _sync_file(copy / "data.mdb")
                beside.promote(copy)
                os.rename(beside.path, destination)
            except BaseException:
                # Half a copy would keep a full disk full.
                shutil.rmtree(beside.path, ignore_errors=True)
                raise

    def verify(self, memory: int = DEFAULT_MEMORY) -> Iterator[str]:
        with self.read() as view, store_errors(self.path):
            yield from problems(view, memory)

    def figures(self) -> dict[str, Any]:
        with self.read() as view, store_errors(self.path):
            state = view.state
            return {
                "pairs": state.pairs,
                "ids": state.size,
                **shape(view),
                "recent": state.recent,
                "merged_blocks": state.merged,
                "disk_bytes": self._home.disk_bytes(view.label),
                "generation": view.label,
                "path": str(self.path),
            }

    def close(self) -> None:
        self._open.close()


def _empty(home: Directory) -> Path:
    path = home.new_generation()
    try:
        generation = Generation(path, is_new=True)
        generation.env.sync(True)
        generation.close()
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return path


def _journal(generation: Generation, txn: lmdb.Transaction, changes: list[Change]) -> None:
    db = generation.db["journal"]
    cursor = txn.cursor(db)
    following = _SEQUENCE.unpack(cursor.key())[0] + 1 if cursor.last() else 0
    for number, change in enumerate(changes, following):
        txn.put(_SEQUENCE.pack(number), encode_change(change), db=db, append=True)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
