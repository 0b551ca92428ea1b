"""Ids become numbers, column by column: the fast way with polars, and the standard library's.

Owns: which number an id of a run has, in the order in which ids come. Must not know: files, what numbers are
for.

The fast way never compares two ids. It looks at 64-bit hashes of them, seeded at random for each load, in a
sorted array; only an id that is new is touched. Two ids with one hash would be taken for one, so a second
hash of every id that came is added up, and must come to what the known ids and their frequencies come to.
If it does not, the load has to begin again with other seeds: about once in 30 million loads of a million
ids.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from zrouter import wire
from zrouter.follows.bulk.id_files import write_names
from zrouter.follows.bulk.records import Chunk, Record, parse
from zrouter.follows.store import Format, Numbers, StoreError

if TYPE_CHECKING:
    import polars as pl

Hashes: TypeAlias = npt.NDArray[np.uint64]

_SLICE: Final = 1 << 16  # rows looked up at a time: their temporaries stay in the processor's cache
_MAX_BITS: Final = 21
_YOUNG: Final = 4  # a young table may have so much of the large one
# Hash, number, frequency, second hash; and the table again while it grows.
_ID_BYTES: Final = 8 + 4 + 4 + 8 + 16
_NAME_BYTES: Final = 16 + 32  # polars' view of a name, and what sorting takes
_SAME_HASH: Final = "two ids have the same hash: please start the load again"
_MAX_ROWS: Final = 2**31  # of a run, whose frequencies are 32 bits
_PLAIN_ID_BYTES: Final = 160  # of an id in a dictionary: the object, its number, their slots
_SLICE_OF_NAMES: Final = 1 << 16


class Names(NamedTuple):
    """Ids whose numbers follow one another, in two files (id_files.py), and the place of each among them."""

    sorted: Path
    places: Path


class Interner(Protocol):
    """Gives numbers."""

    def encode(self, chunk: Chunk) -> tuple[Numbers, Numbers]:
        """The numbers of both columns of a chunk.

        Raises:
            BadRecordError: something is no record.
        """

    def is_full(self) -> bool:
        """Whether it takes all the memory that it may."""

    def finish(self) -> list[Names]:
        """All ids so far, in the order of their numbers; it is of no use after that.

        Raises:
            StoreError: two ids could not be told apart.
        """


def interner(form: Format, work: Path, free: int) -> Interner:
    """The fastest that is installed.

    Args:
        form: of the chunks.
        work: an empty directory for files.
        free: bytes of memory that it may take.
    """
    work.mkdir()
    return Columns(form, work, free) if has_columns() else Plain(form, work, free)


def has_columns() -> bool:
    """Whether the fast way is there."""
    try:
        import polars  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


class Plain:
    """A dictionary."""

    def __init__(self, form: Format, work: Path, free: int) -> None:
        self._form = form
        self._work = work
        self._most = free // _PLAIN_ID_BYTES
        self._numbers: dict[bytes, int] = {}

    def encode(self, chunk: Chunk) -> tuple[Numbers, Numbers]:
        records = parse(chunk, self._form)
        number = self._numbers.setdefault
        known = self._numbers
        columns = [
            np.fromiter((number(record[column], len(known)) for record in records), np.uint32, len(records))
            for column in (0, 1)
        ]
        return columns[0], columns[1]

    def is_full(self) -> bool:
        return len(self._numbers) > self._most

    def finish(self) -> list[Names]:
        names = sorted(self._numbers)
        places = np.empty(len(names), np.uint32)
        order = np.fromiter(map(self._numbers.__getitem__, names), np.uint32, len(names))
        places[order] = np.arange(len(names), dtype=np.uint32)
        slices = (names[at : at + _SLICE_OF_NAMES] for at in range(0, len(names), _SLICE_OF_NAMES))
        return [_save(self._work, 0, slices, places)]


class Columns:
    """Hashes of polars columns."""

    def __init__(self, form: Format, work: Path, free: int) -> None:
        self._form = form
        self._work = work
        self._most = free // _ID_BYTES
        self._most_name_bytes = free // 4
        self._seeds = [secrets.randbits(64) for _ in range(2)]
        self._known = Table()
        # What is new goes here first: the large table is made anew only when this has grown to a part of it.
        self._young = Table()
        self._names: list[pl.Series] = []  # of the last numbers, which are in no file yet
        self._name_bytes = 0
        self._written: list[Names] = []
        self._second: list[Hashes] = []
        self._seen = np.zeros(0, np.uint32)  # how often each number came
        self._rows = 0
        self._sum = np.uint64(0)

    def encode(self, chunk: Chunk) -> tuple[Numbers, Numbers]:
        frame = _columns(chunk, self._form)
        numbers = None if frame is None else self._encode(frame)
        if numbers is None:
            # Something is no record, or not plain: who can tell lines says which.
            numbers = self._encode(_frame(parse(chunk, self._form)))
            assert numbers is not None, "what the exact way takes for ids are ids"
        half = numbers.size // 2
        return numbers[:half], numbers[half:]

    def _encode(self, frame: pl.DataFrame) -> Numbers | None:
        """The numbers of both columns in a row; None if something is no id."""
        import polars as pl

        ids = pl.concat([frame["a"], frame["b"]])
        hashes = ids.hash(self._seeds[0]).to_numpy()
        numbers, unknown = self._find(hashes)
        if unknown.size:
            wanted = hashes[unknown]
            fresh = pl.DataFrame({"hash": wanted, "name": ids.gather(unknown)}).unique("hash", keep="any")
            lengths = fresh["name"].str.len_bytes()
            if not lengths.is_between(1, wire.MAX_ID_BYTES).all():
                return None
            self._add(fresh["hash"].to_numpy(), fresh["name"], int(lengths.sum()))
            numbers[unknown] = self._young.find(wanted)[0]
            if self._young.count * _YOUNG > self._known.count:
                self._known.merge(self._young)
                self._young = Table()
        with np.errstate(over="ignore"):
            self._sum += ids.hash(self._seeds[1]).to_numpy().sum(dtype=np.uint64)
        self._seen += np.bincount(numbers, minlength=self._seen.size).astype(np.uint32)
        self._rows += numbers.size
        return numbers

    def _find(self, hashes: Hashes) -> tuple[Numbers, npt.NDArray[np.intp]]:
        """The number of each, and the places of those that have none yet."""
        numbers, unknown = self._known.find(hashes)
        if unknown.size:
            numbers[unknown], still = self._young.find(hashes[unknown])
            unknown = unknown[still]
        return numbers, unknown

    def _add(self, hashes: Hashes, names: pl.Series, name_bytes: int) -> None:
        count = self._seen.size
        order = np.argsort(hashes)
        more = Table(hashes[order], (order + count).astype(np.uint32))
        self._young.merge(more)
        self._names.append(names)
        self._name_bytes += name_bytes + len(names) * _NAME_BYTES
        # For each id its second hash, as often as it comes: this many times, unless another comes as it.
        self._second.append(names.hash(self._seeds[1]).to_numpy())
        self._seen = np.concatenate([self._seen, np.zeros(len(hashes), np.uint32)])
        if self._name_bytes > self._most_name_bytes:
            self._write_names()

    def _write_names(self) -> None:
        """All whose numbers follow those in the last file."""
        import polars as pl

        names = pl.concat(self._names, rechunk=True).sort()
        self._names.clear()
        self._name_bytes = 0
        # Where each went is found by its hash again: polars' arg_sort takes eight times as long as its sort.
        numbers, unknown = self._find(names.hash(self._seeds[0]).to_numpy())
        if unknown.size:
            raise StoreError(_SAME_HASH)
        first = self._seen.size - len(names)
        places = np.zeros(len(names), np.uint32)
        places[numbers - first] = np.arange(len(names), dtype=np.uint32)
        slices = (
            names[at : at + _SLICE_OF_NAMES].cast(pl.Binary).to_list()
            for at in range(0, len(names), _SLICE_OF_NAMES)
        )
        self._written.append(_save(self._work, len(self._written), slices, places))

    def is_full(self) -> bool:
        return self._seen.size > self._most or self._rows > _MAX_ROWS

    def finish(self) -> list[Names]:
        if self._names:
            self._write_names()
        self._known = self._young = Table()
        if self._second:
            with np.errstate(over="ignore"):
                second = np.concatenate(self._second)
                second *= self._seen
                if second.sum(dtype=np.uint64) != self._sum:
                    raise StoreError(_SAME_HASH)
        return self._written


def _save(work: Path, number: int, names: Iterable[list[bytes]], places: Numbers) -> Names:
    found = Names(work / f"names-{number}", work / f"places-{number}.npy")
    write_names(found.sorted, names)
    np.save(found.places, places)
    return found


class Table:
    """Hashes to numbers: a sorted array, with the place where each beginning of a hash begins."""

    def __init__(self, hashes: Hashes | None = None, numbers: Numbers | None = None) -> None:
        self._hashes = np.empty(0, np.uint64) if hashes is None else hashes
        self._numbers = np.empty(0, np.uint32) if numbers is None else numbers
        self._begins = np.empty(0, np.uint32)
        self._shift = np.uint64(0)

    @property
    def count(self) -> int:
        """How many there are."""
        return self._hashes.size

    def merge(self, other: Table) -> None:
        """Take those of the other; none is here yet."""
        places = np.searchsorted(self._hashes, other._hashes)
        self._hashes = np.insert(self._hashes, places, other._hashes)
        self._numbers = np.insert(self._numbers, places, other._numbers)
        self._begins = np.empty(0, np.uint32)

    def _index(self) -> None:
        bits = min(_MAX_BITS, max(1, self.count.bit_length()))
        self._shift = np.uint64(64 - bits)
        edges = np.arange(1, 1 << bits, dtype=np.uint64) << self._shift
        self._begins = np.zeros(1 << bits, np.uint32)
        self._begins[1:] = np.searchsorted(self._hashes, edges)

    def find(self, hashes: Hashes) -> tuple[Numbers, npt.NDArray[np.intp]]:
        """The number of each, and the places of those that are not here, whose numbers mean nothing."""
        if not self.count:
            return np.zeros(hashes.size, np.uint32), np.arange(hashes.size)
        if not self._begins.size:
            self._index()
        numbers = np.empty(hashes.size, np.uint32)
        missing = []
        last = self.count - 1
        for at in range(0, hashes.size, _SLICE):
            wanted = hashes[at : at + _SLICE]
            beginnings = (wanted >> self._shift).view(np.int64)
            places = np.minimum(self._begins.take(beginnings, mode="clip").astype(np.int64), last)
            found = self._hashes.take(places, mode="clip")
            less = np.flatnonzero((found < wanted) & (places < last))
            while less.size:
                further_places = places.take(less) + 1
                further = self._hashes.take(further_places, mode="clip")
                places[less] = further_places
                found[less] = further
                less = less[(further < wanted.take(less)) & (further_places < last)]
            missing.append(np.flatnonzero(found != wanted) + at)
            numbers[at : at + _SLICE] = self._numbers.take(places, mode="clip")
        return numbers, np.concatenate(missing) if missing else np.empty(0, np.intp)


def _columns(chunk: Chunk, form: Format) -> pl.DataFrame | None:
    """The columns of a chunk; None if it is not plain, so that somebody else has to look.

    Not by a library's reader of CSV: those look at what the bytes begin with, for compression and byte order
    marks, and take carriage returns away. Here lines are split, and nothing else is done with any byte.
    """
    import polars as pl

    if form == "jsonl" or not chunk.data:
        return None
    data, separator = chunk.data, b"\t"
    if form == "csv":
        data, separator = data.replace(b"\r\n", b"\n"), b","
        if b'"' in data or b"\r" in data:
            return None
    if not _has_two_columns(data, separator):
        return None
    try:
        text = data[:-1].replace(separator, b"\n").decode()
    except UnicodeDecodeError:
        return None
    ids = pl.Series([text]).str.split("\n").explode()
    return pl.DataFrame({"a": ids.gather_every(2), "b": ids.gather_every(2, 1)})


def _has_two_columns(data: bytes, separator: bytes) -> bool:
    """Whether each line has one separator in it, so that these and line ends take turns."""
    every = np.frombuffer(data, np.uint8)
    marks = every[(every == separator[0]) | (every == ord("\n"))]
    firsts, seconds = marks[::2], marks[1::2]
    return marks.size % 2 == 0 and bool((firsts == separator[0]).all() and (seconds == ord("\n")).all())


def _frame(records: list[Record]) -> pl.DataFrame:
    import polars as pl

    columns = [[record[column].decode() for record in records] for column in (0, 1)]
    return pl.DataFrame({"a": columns[0], "b": columns[1]}, schema={"a": pl.String, "b": pl.String})
