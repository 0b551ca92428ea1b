"""A generation is written in one go: from a file, from the pairs of another generation, or from both.

Owns: the way of a load, and how its memory is shared out. Must not know: what is in the store meanwhile,
which generation counts.

    file -> chunks -> numbers of a run (interning.py) -> codes, on disk
    when the ids of a run take too much memory: they are written sorted, and another run begins
    ids of all runs -> merged, segments written; a number of a run -> the number in the store
    codes -> pairs in the store's numbers -> sorted in parts that fit -> blocks; the same the other way round
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import numpy as np

from zrouter.follows.bulk.file_marks import explained
from zrouter.follows.bulk.id_files import merge_names, write_names
from zrouter.follows.bulk.interning import interner
from zrouter.follows.bulk.records import MAX_LINE_BYTES, Chunk, read_chunks
from zrouter.follows.bulk.sorted_pairs import Codes, Pairs
from zrouter.follows.lmdb_store import packed_lists
from zrouter.follows.lmdb_store.generation import KEY, Generation, LmdbView, State
from zrouter.follows.lmdb_store.packed_lists import BLOCK, SEGMENT
from zrouter.follows.store import Format, Loaded, Numbers, Progress, StoreError

LEAST_MEMORY: Final = 128 * 1024**2
# The interpreter with numpy, polars and LMDB.
_BASE_BYTES: Final = 90 * 1024**2
_CHUNK_BYTES: Final = 8 * 1024**2
_COMMIT_BYTES: Final = 16 * 1024**2


class Source(NamedTuple):
    """Where records come from."""

    file: BinaryIO
    form: Format


class _Silent:
    def stage(self, what: str, total: int | None) -> None:
        pass

    def advance(self, steps: int) -> None:
        pass


class _Run(NamedTuple):
    """Pairs in numbers of their own."""

    codes: Codes
    # Sorted ids, see id_files.py, and for each number its place among them: None = the same. The numbers of
    # each file follow those of the file before.
    names: list[tuple[Path, Path | None]]


def build(
    path: Path,
    view: LmdbView | None,
    source: Source | None,
    *,
    memory: int,
    progress: Progress | None,
) -> Loaded:
    """Fill an empty directory with a generation: all pairs of `view`, and of `source`.

    Args:
        path: the directory.
        view: of another; None = its pairs are not wanted.
        source: None = there is no file.
        memory: bytes to use, those of the interpreter included.

    Raises:
        BadRecordError: a record is none.
        OSError: there is no room, and the like.
        StoreError: too many ids.
    """
    free = max(memory, LEAST_MEMORY) - _BASE_BYTES
    progress = progress or _Silent()
    work = path / "work"
    work.mkdir()
    runs = [] if view is None else [_old(view, work)]
    records = 0
    if source is not None:
        for run in _read(source, work, free, progress):
            runs.append(run)
            records += run.codes.rows
    generation = Generation(path, is_new=True)
    try:
        writer = _Writer(generation)
        progress.stage("ids", None)
        size, maps = _write_names(runs, writer)
        pairs = Pairs(work, size, free)
        for run, places in zip(runs, maps, strict=True):
            for subscribers, subscribees in run.codes:
                pairs.add(places[subscribers], places[subscribees])
        written = 0
        for direction in ("following", "followers"):
            progress.stage(f"sorting {direction}", pairs.rows)
            written = 0
            for part in pairs.sorted(by_subscribee=direction == "followers"):
                written += part.pairs.size
                _write_blocks(part.first_block, part.end_block, part.pairs, direction, writer)
                progress.advance(part.rows)
        progress.stage("writing to disk", None)
        writer.commit(State(pairs=written, base=size, size=size))
        shutil.rmtree(work)
        generation.env.sync(True)
    finally:
        generation.close()
    return Loaded(records, written, size)


def _read(source: Source, work: Path, free: int, progress: Progress) -> Iterator[_Run]:
    """The runs of a file."""
    chunk_bytes = min(_CHUNK_BYTES, max(MAX_LINE_BYTES, free // 40))
    progress.stage("reading", _size(source.file))
    with explained(source.file) as file:
        yield from _runs(read_chunks(file, source.form, chunk_bytes), source.form, work, free, progress)


def _runs(chunks: Iterator[Chunk], form: Format, work: Path, free: int, progress: Progress) -> Iterator[_Run]:
    for number in count():
        ids = interner(form, work / f"run-{number}", free * 2 // 3)
        codes = Codes(work / f"codes-{number}")
        for chunk in chunks:
            codes.write(*ids.encode(chunk))
            progress.advance(len(chunk.data))
            if ids.is_full():
                break
        yield _Run(codes, [(names.sorted, names.places) for names in ids.finish()])
        if not ids.is_full():
            return


def _old(view: LmdbView, work: Path) -> _Run:
    """What is in a store already, as a run: its ids are sorted but for those that were added."""
    state = view.state
    base, added = work / "names-base", work / "names-added"
    write_names(base, view.sorted_ids())
    late = view.names(range(state.base, state.size))
    order = sorted(range(len(late)), key=late.__getitem__)
    write_names(added, iter([[late[place] for place in order]] if late else []))
    places = np.empty(len(late), np.uint32)
    places[order] = np.arange(len(late), dtype=np.uint32)
    np.save(work / "places-added.npy", places)
    codes = Codes(work / "codes-old")
    for first, block in view.blocks():
        lengths = np.diff(packed_lists.offsets_of(block))
        subscribers = np.repeat(np.arange(first, first + BLOCK, dtype=np.uint32), lengths)
        codes.write(subscribers, packed_lists.members_of(block))
    return _Run(codes, [(base, None), (added, work / "places-added.npy")])


def _write_names(runs: list[_Run], writer: _Writer) -> tuple[int, list[Numbers]]:
    """Write the ids of all runs; how many there are, and what each number of each run is now."""
    files = [name for run in runs for name, _ in run.names]
    size = 0
    segment: list[bytes] = []
    segments = 0
    maps: list[list[Numbers]] = [[] for _ in files]
    for names, found in merge_names(files):
        segment += names
        size += len(names)
        while len(segment) >= SEGMENT:
            writer.put("segments", KEY.pack(segments), packed_lists.pack_segment(segment[:SEGMENT]))
            del segment[:SEGMENT]
            segments += 1
        for each, more in zip(maps, found, strict=True):
            each.append(more)
    if segment:
        writer.put("segments", KEY.pack(segments), packed_lists.pack_segment(segment))
    if size > 2**32:
        raise StoreError(f"more than {2**32:,} ids")
    joined = iter([np.concatenate([np.empty(0, np.uint32), *each]) for each in maps])
    wholes = []
    for run in runs:
        parts = [
            found if places is None else found[np.load(places)]
            for (_, places), found in zip(run.names, islice(joined, len(run.names)), strict=True)
        ]
        wholes.append(np.concatenate([np.empty(0, np.uint32), *parts]))
    return size, wholes


def _write_blocks(
    first_block: int, end_block: int, pairs: np.ndarray, direction: str, writer: _Writer
) -> None:
    """Blocks of sorted, distinct pairs, `list << 32 | member`."""
    edges = np.arange(first_block, end_block + 1, dtype=np.uint64) * np.uint64(BLOCK) << np.uint64(32)
    places = np.searchsorted(pairs, edges).tolist()
    for block, begin, end in zip(range(first_block, end_block), places, places[1:], strict=False):
        if begin == end:
            continue
        some = pairs[begin:end]
        lists = ((some >> np.uint64(32)) - np.uint64(block * BLOCK)).astype(np.int64)
        lengths = np.bincount(lists, minlength=BLOCK)
        writer.put(direction, KEY.pack(block), packed_lists.pack_block(lengths, some.astype(np.uint32)))


class _Writer:
    """Puts keys in their order, and commits now and then: nobody reads it before it is whole."""

    def __init__(self, generation: Generation) -> None:
        self._of = generation
        self._txn = generation.env.begin(write=True)
        self._bytes = 0

    def put(self, db: str, key: bytes, value: bytes) -> None:
        self._txn.put(key, value, db=self._of.db[db], append=True)
        self._bytes += len(value)
        if self._bytes > _COMMIT_BYTES:
            self._txn.commit()
            self._txn = self._of.env.begin(write=True)
            self._bytes = 0

    def commit(self, state: State) -> None:
        """It is whole."""
        self._of.put_state(self._txn, state)
        self._txn.commit()


def _size(file: BinaryIO) -> int | None:
    try:
        here = file.tell()
        size = file.seek(0, 2)
        file.seek(here)
    except (OSError, ValueError):
        return None
    return size - here
