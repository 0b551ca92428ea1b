"""The records of a run: what one process was told or saw, in a file that only grows.

Owns: the files of a folder and their bytes. Must not know: what an event means (sender_log.py, client_log.py,
verdict.py).

A file is `seen-0001.rec` or `sent-0001.rec`; the number is the process's own in this folder. It is a row of
blocks: the length of the rest in four bytes, big-endian, then a msgpack array of events, each of them an
array. The first block has one event, [FORMAT, what kind of record]. A process that is killed loses its last
block at the most.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec

SEEN: Final = "seen"
SENT: Final = "sent"
FORMAT: Final = "zflood check 1"
MOST_FILES: Final = 9_999
_BLOCK_EVENTS: Final = 1000  # that are held in memory until they are written
_BLOCK_MAX_BYTES: Final = 64 << 20
_FLUSH_NS: Final = 500_000_000
_LENGTH: Final = struct.Struct("!I")

Event = tuple[Any, ...]


class LogError(Exception):
    """A record can't be written or read; the text says why."""


class Log:
    """One process's; of each kind so many may be in a folder, which is made."""

    def __init__(self, folder: Path, kind: str) -> None:
        """Raises RecordError: it can't be written, or there are MOST_FILES already."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.number, self._descriptor = _new(folder, kind)
        except OSError as error:
            raise LogError(f"{folder}: {error.strerror}") from None
        self._folder = folder
        self._events: list[Event] = []
        self._encode = msgspec.msgpack.Encoder().encode
        self._flushed_ns = 0
        self.add((FORMAT, kind))
        self.flush()

    def add(self, event: Event) -> None:
        """One event. The hot path.

        Raises:
            RecordError: it can't be written.
        """
        self._events.append(event)
        if len(self._events) >= _BLOCK_EVENTS:
            self.flush()

    def flush_now_and_then(self) -> None:
        """Write what has come if the last time is a while ago."""
        if time.monotonic_ns() - self._flushed_ns > _FLUSH_NS:
            self.flush()

    def flush(self) -> None:
        """Write what has come."""
        self._flushed_ns = time.monotonic_ns()
        if self._events:
            block = self._encode(self._events)
            self._events.clear()
            data = memoryview(_LENGTH.pack(len(block)) + block)
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError as error:
                raise LogError(f"{self._folder}: {error.strerror}") from None

    def close(self) -> None:
        """Write the rest."""
        self.flush()
        os.close(self._descriptor)


def files(folder: Path, kind: str) -> list[Path]:
    """The records of a kind, in the order of their numbers."""
    return sorted(folder.glob(f"{kind}-????.rec"))


def number_of(path: Path) -> int:
    """The number of a record."""
    return int(path.stem.rpartition("-")[2])


def read(path: Path) -> Iterator[Event]:
    """The events of a record, without the first; one block is in memory at a time.

    A last block that was not written to its end is left out.

    Raises:
        RecordError: it is no record of this form.
    """
    decode = msgspec.msgpack.Decoder(list[tuple[Any, ...]]).decode
    kind = path.name.partition("-")[0]
    is_first = True
    try:
        with path.open("rb") as file:
            while len(head := file.read(_LENGTH.size)) == _LENGTH.size:
                (size,) = _LENGTH.unpack(head)
                if size > _BLOCK_MAX_BYTES:
                    raise LogError(f"{path}: a block of {size:,} bytes")
                block = file.read(size)
                if len(block) < size:
                    break
                events = decode(block)
                if is_first and events[:1] != [(FORMAT, kind)]:
                    raise LogError(f"{path}: not a record of the form {FORMAT!r}")
                yield from events[1:] if is_first else events
                is_first = False
    except (OSError, msgspec.MsgspecError) as error:
        raise LogError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if is_first:
        raise LogError(f"{path}: it is empty")


def _new(folder: Path, kind: str) -> tuple[int, int]:
    """A number that no other process has, and the file that is open for it."""
    for number in count(len(files(folder, kind)) + 1):
        if number > MOST_FILES:
            raise LogError(f"{folder}: {MOST_FILES:,} records are the most")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            return number, os.open(folder / f"{kind}-{number:04}.rec", flags, 0o644)
        except FileExistsError:
            continue
    raise AssertionError
