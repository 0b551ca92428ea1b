"""Where the first round of a comparison puts its rows: partitions, by the number of a message.

Owns: the rows, and files for them. Must not know: what they say.

A partition holds about PARTITION_ROWS rows of each kind, if there are enough partitions; a row takes 33 bytes
of disk at the most, and some 200 of memory while its partition is judged.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Final, NamedTuple, Protocol

PARTITION_ROWS: Final = 500_000
MOST_PARTITIONS: Final = 200  # each has two open files
_WRITE_ROWS: Final = 2_000
_SENDING: Final = struct.Struct("<QIiQQ")
_SIGHT: Final = struct.Struct("<QIQBB")


class Sending(NamedTuple):
    """A message, as its sender has it."""

    number: int
    id: int
    receipt: int
    began_ns: int
    ended_ns: int


class Sight(NamedTuple):
    """A message, as a client saw it; position and epoch are 0 where nothing is told of them."""

    number: int
    client: int
    position: int
    epoch: int
    is_in_order: bool


class Partitions(Protocol):
    """Takes all, then gives all, those of a number together."""

    def sending(self, row: Sending) -> None:
        """Take one."""

    def sight(self, row: Sight) -> None:
        """Take one; those of a client and number come out in the order in which they came in."""

    def each(self) -> Iterator[tuple[Iterable[Sending], Iterable[Sight]]]:
        """One partition after the other."""


class DiskPartitions:
    """Shelves for about so many rows, in files that are gone with it."""

    def __init__(self, rows: int, folder: Path | None = None) -> None:
        self._count = min(MOST_PARTITIONS, rows // PARTITION_ROWS + 1)
        self._at_end = ExitStack()
        self._sendings = self._files(folder)
        self._sights = self._files(folder)
        self._rows: list[list[bytes]] = [[] for _ in range(2 * self._count)]

    def __enter__(self) -> DiskPartitions:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_end.close()

    def sending(self, row: Sending) -> None:
        partition = row[0] % self._count
        rows = self._rows[partition]
        rows.append(_SENDING.pack(*row))
        if len(rows) == _WRITE_ROWS:
            _write(self._sendings[partition], rows)

    def sight(self, row: Sight) -> None:
        partition = row[0] % self._count
        rows = self._rows[self._count + partition]
        rows.append(_SIGHT.pack(*row))
        if len(rows) == _WRITE_ROWS:
            _write(self._sights[partition], rows)

    def each(self) -> Iterator[tuple[Iterable[Sending], Iterable[Sight]]]:
        for partition in range(self._count):
            sendings, sights = self._sendings[partition], self._sights[partition]
            _write(sendings, self._rows[partition])
            _write(sights, self._rows[self._count + partition])
            yield (
                map(Sending._make, _SENDING.iter_unpack(_all(sendings))),
                map(Sight._make, _SIGHT.iter_unpack(_all(sights))),
            )

    def _files(self, folder: Path | None) -> list[IO[bytes]]:
        return [
            self._at_end.enter_context(tempfile.TemporaryFile(dir=folder, buffering=0))
            for _ in range(self._count)
        ]


def _write(file: IO[bytes], rows: list[bytes]) -> None:
    data = memoryview(b"".join(rows))
    rows.clear()
    while data:
        data = data[file.write(data) :]


def _all(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
