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
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from zrouter import wire
from zrouter.follows.records import Chunk, Record, parse
from zrouter.follows.store import Format, Numbers, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

Hashes: TypeAlias = npt.NDArray[np.uint64]

_SLICE: Final = 1 << 17  # rows looked up at a time: their temporaries stay in the processor's cache
_MAX_BITS: Final = 22
_PLAIN_ID_BYTES: Final = 160  # of an id in a dictionary: the object, its number, their slots
_SLICE_OF_NAMES: Final = 1 << 16


class Sorted(NamedTuple):
    """The ids of a run: sorted, some at a time; and the place of each number among them."""

    names: Iterator[list[bytes]]
    places: Numbers


class Interner(Protocol):
    """Gives numbers."""

    def encode(self, chunk: Chunk) -> tuple[Numbers, Numbers]:
        """The numbers of both columns of a chunk.

        Raises:
            BadRecordError: something is no record.
        """

    def size(self) -> int:
        """Bytes of memory that it takes."""

    def finish(self) -> Sorted:
        """All ids so far; it is of no use after that.

        Raises:
            StoreError: two ids could not be told apart.
        """


def interner(form: Format) -> Interner:
    """The fastest that is installed."""
    return Columns(form) if has_columns() else Plain(form)


def has_columns() -> bool:
    """Whether the fast way is there."""
    try:
        import polars  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


class Plain:
    """A dictionary."""

    def __init__(self, form: Format) -> None:
        self._form = form
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

    def size(self) -> int:
        return len(self._numbers) * _PLAIN_ID_BYTES

    def finish(self) -> Sorted:
        names = sorted(self._numbers)
        places = np.empty(len(names), np.uint32)
        order = np.fromiter(map(self._numbers.__getitem__, names), np.uint32, len(names))
        places[order] = np.arange(len(names), dtype=np.uint32)
        slices = (names[at : at + _SLICE_OF_NAMES] for at in range(0, len(names), _SLICE_OF_NAMES))
        return Sorted(slices, places)


class Columns:
    """Hashes of polars columns."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._seeds = [secrets.randbits(64) for _ in range(2)]
        self._known = _Table(np.empty(0, np.uint64), np.empty(0, np.uint32))
        self._names: list[pl.Series] = []
        self._name_bytes = 0
        self._second: list[Hashes] = []
        self._seen = np.zeros(0, np.int64)  # how often each number came
        self._sum = np.uint64(0)

    def encode(self, chunk: Chunk) -> tuple[Numbers, Numbers]:
        frame = _columns(chunk, self._form)
        if frame is None:
            frame = _frame(parse(chunk, self._form))
        columns = [self._encode(frame[name]) for name in ("a", "b")]
        if columns[0] is None or columns[1] is None:
            # An id that is too long or empty: where it stands is found by the one who can tell lines.
            frame = _frame(parse(chunk, self._form))
            columns = [self._encode(frame[name]) for name in ("a", "b")]
        first, second = columns
        assert first is not None, "what the exact way takes for ids are ids"
        assert second is not None
        return first, second

    def _encode(self, ids: pl.Series) -> Numbers | None:
        """The numbers of a column; None if something is no id."""
        import polars as pl

        first = ids.hash(self._seeds[0]).to_numpy()
        numbers, is_known = self._known.find(first)
        if not is_known.all():
            unknown = np.flatnonzero(~is_known)
            fresh = pl.DataFrame({"hash": first[unknown], "name": ids.gather(unknown)})
            fresh = fresh.unique("hash", keep="any")
            names = fresh["name"]
            lengths = names.str.len_bytes()
            if not lengths.is_between(1, wire.MAX_ID_BYTES).all():
                return None
            self._add(fresh["hash"].to_numpy(), names, int(lengths.sum()))
            numbers[unknown] = self._known.find(first[unknown])[0]
        with np.errstate(over="ignore"):
            self._sum += ids.hash(self._seeds[1]).to_numpy().sum(dtype=np.uint64)
        self._seen += np.bincount(numbers, minlength=self._seen.size)
        return numbers

    def _add(self, hashes: Hashes, names: pl.Series, name_bytes: int) -> None:
        count = self._seen.size
        self._known.add(hashes, np.arange(count, count + len(hashes), dtype=np.uint32))
        self._names.append(names)
        self._name_bytes += name_bytes
        self._second.append(names.hash(self._seeds[1]).to_numpy())
        self._seen = np.concatenate([self._seen, np.zeros(len(hashes), np.int64)])

    def size(self) -> int:
        # Hashes twice, number, frequency, a view of the name; and the same while they are sorted.
        return self._seen.size * (8 + 8 + 4 + 8 + 16 + 24) + 2 * self._name_bytes

    def finish(self) -> Sorted:
        import polars as pl

        if not self._names:
            return Sorted(iter(()), np.empty(0, np.uint32))
        with np.errstate(over="ignore"):
            expected = (np.concatenate(self._second) * self._seen.astype(np.uint64)).sum(dtype=np.uint64)
        if expected != self._sum:
            raise StoreError("two ids have the same hash: please start the load again")
        self._second.clear()
        self._known = _Table(np.empty(0, np.uint64), np.empty(0, np.uint32))
        names = pl.concat(self._names)
        self._names.clear()
        order = names.arg_sort().to_numpy()
        places = np.empty(len(order), np.uint32)
        places[order] = np.arange(len(order), dtype=np.uint32)
        return Sorted(
            (
                names.gather(order[at : at + _SLICE_OF_NAMES]).cast(pl.Binary).to_list()
                for at in range(0, len(order), _SLICE_OF_NAMES)
            ),
            places,
        )


class _Table:
    """Hashes to numbers: a sorted array, with the place where each beginning of a hash begins."""

    def __init__(self, hashes: Hashes, numbers: Numbers) -> None:
        self._hashes = hashes
        self._numbers = numbers
        self._build()

    def _build(self) -> None:
        bits = min(_MAX_BITS, max(1, self._hashes.size.bit_length()))
        self._shift = np.uint64(64 - bits)
        begins = np.zeros((1 << bits) + 1, np.uint32)
        counts = np.bincount((self._hashes >> self._shift).astype(np.int64), minlength=1 << bits)
        np.cumsum(counts, out=begins[1:])
        self._begins = begins
        self._padded = np.append(self._hashes, np.uint64(2**64 - 1))
        self._hashes = self._padded[:-1]

    def add(self, hashes: Hashes, numbers: Numbers) -> None:
        """More of them; none is there yet."""
        order = np.argsort(hashes)
        everything = np.concatenate([self._hashes, hashes[order]])
        # Two sorted arrays in a row, which the stable sort merges.
        merged = np.argsort(everything, kind="stable")
        self._hashes = everything[merged]
        self._numbers = np.concatenate([self._numbers, numbers[order]])[merged]
        self._build()

    def find(self, hashes: Hashes) -> tuple[Numbers, npt.NDArray[np.bool_]]:
        """The number of each, and whether it is there."""
        numbers = np.zeros(hashes.size, np.uint32)
        is_there = np.zeros(hashes.size, np.bool_)
        if not self._hashes.size:
            return numbers, is_there
        for at in range(0, hashes.size, _SLICE):
            wanted = hashes[at : at + _SLICE]
            places = self._begins[(wanted >> self._shift).astype(np.int64)].astype(np.int64)
            found = self._padded[places]
            less = np.flatnonzero(found < wanted)
            while less.size:
                places[less] += 1
                found[less] = self._padded[places[less]]
                less = less[found[less] < wanted[less]]
            is_there[at : at + _SLICE] = (found == wanted) & (places < self._hashes.size)
            numbers[at : at + _SLICE] = self._numbers[np.minimum(places, self._hashes.size - 1)]
        return numbers, is_there


def _columns(chunk: Chunk, form: Format) -> pl.DataFrame | None:
    """The columns of a chunk; None if it is not plain, so that somebody else has to look."""
    import polars as pl

    if form == "jsonl" or not chunk.data:
        return None
    options: dict[str, Any] = {"separator": "\t", "quote_char": None} if form == "tsv" else {}
    try:
        frame = pl.read_csv(
            chunk.data, has_header=False, schema={"a": pl.String, "b": pl.String}, **options
        ).rechunk()
    except pl.exceptions.PolarsError:
        return None
    is_plain = frame.height == chunk.lines() and not any(column.has_nulls() for column in frame)
    return frame if is_plain else None


def _frame(records: list[Record]) -> pl.DataFrame:
    import polars as pl

    columns = [[record[column].decode() for record in records] for column in (0, 1)]
    return pl.DataFrame({"a": columns[0], "b": columns[1]}, schema={"a": pl.String, "b": pl.String})
