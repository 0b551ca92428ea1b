"""One generation: an LMDB environment with the ids, the lists of both directions, and what changed lately.

Owns: what is under which key, views, how changes are done and merged. Must not know: other generations.

    meta              state: how much there is, as JSON
    segments          number of a segment -> 65,536 sorted ids (packed_lists.py): numbers 0 to `base` - 1
    added_numbers     id -> number, for ids that came later; added_names the other way
    followers         number // 256 -> block of lists: the followers of 256 ids
    following         the same: whom each of them follows
    recent_followers  number -> what changed in its list since its block was written
    recent_following  the same for the other direction
    journal           what has changed since a load began; empty at other times

Numbers in keys are big-endian, so that they are in order.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import lmdb
import msgspec
import numpy as np

from zrouter import wire
from zrouter.follows.lmdb_store import packed_lists
from zrouter.follows.lmdb_store.id_index import IdIndex
from zrouter.follows.lmdb_store.packed_lists import BLOCK, SEGMENT, Segment
from zrouter.follows.store import Change, DamagedError, Numbers, Packed, StoreError

# Address space, not memory, and not disk: the file is as large as what is in it.
MAP_BYTES: Final = 256 * 1024**3
KEY: Final = struct.Struct(">I")
NUMBER: Final = struct.Struct("<I")
MAX_NUMBERS: Final = 2**32
# Changes of both lists of a pair that wait to be merged into blocks, and of one list; beyond it, each change
# pays for the blocks that it makes room for.
MAX_RECENT: Final = 200_000
MAX_RECENT_OF_ONE: Final = 4096
_LOCK_BYTES: Final = 8192
_FULL_BYTES: Final = 64 * 1024  # less is free: what was written came to nothing for want of room
# Besides DamagedError, what comes of bytes that are not what was written.
DAMAGES: Final = (lmdb.Error, LookupError, ValueError, struct.error, msgspec.MsgspecError)
_SEGMENT_BITS: Final = 16
_SEGMENT_MASK: Final = SEGMENT - 1
_STATE: Final = b"state"
_DATABASES: Final = (
    "meta",
    "segments",
    "added_numbers",
    "added_names",
    "followers",
    "following",
    "recent_followers",
    "recent_following",
    "journal",
)


encode_change: Final = msgspec.msgpack.Encoder().encode
_decode_change: Final = msgspec.msgpack.Decoder(Change).decode


def decode_change(row: packed_lists.Buffer) -> Change:
    """A change of the journal.

    Raises:
        DamagedError: it is none.
    """
    try:
        return _decode_change(row)
    except msgspec.MsgspecError:
        raise DamagedError("a change of the journal is none") from None


class State(msgspec.Struct):
    """How much there is."""

    pairs: int = 0
    base: int = 0  # numbers that are in segments
    size: int = 0  # numbers
    recent: int = 0  # entries of all recent lists
    merged: int = 0  # blocks merged since the generation was made
    is_loading: bool = False  # changes go to the journal, too


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """What LMDB has against it, and what is not as it was written, as a StoreError."""
    try:
        yield
    except DamagedError as error:
        raise DamagedError(error.why, error.path or str(path)) from None
    except (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.BadValsizeError) as error:
        raise DamagedError(str(error), str(path)) from None
    except lmdb.MapFullError:
        raise StoreError(f"{path}: more than {MAP_BYTES:,} bytes") from None
    except lmdb.ReadersFullError:
        raise StoreError(f"{path}: too many programs read it") from None
    except lmdb.Error as error:
        raise StoreError(f"{path}: {error}{_if_full(path)}") from None
    except OSError as error:
        if error.errno is None:
            raise
        raise StoreError(f"{path}: {errno.errorcode.get(error.errno, '')} {error.strerror}") from None
    except DAMAGES as error:
        raise DamagedError(repr(error), str(path)) from error


def _if_full(path: Path) -> str:
    """LMDB takes a write that came to nothing for an error of the disk."""
    for place in (path, *path.parents):
        try:
            found = os.statvfs(place)
        except OSError:
            continue  # it was not made yet, or is gone
        return "; the disk is full" if found.f_bavail * found.f_frsize < _FULL_BYTES else ""
    return ""


def _reserve(lock: Path) -> None:
    """LMDB writes to it through a map: what has no place on disk yet would end the process (SIGBUS)."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _LOCK_BYTES)
    finally:
        os.close(descriptor)


def is_id(name: bytes) -> bool:
    """Whether it is 1 to 255 bytes of UTF-8."""
    try:
        wire.check_ids([name])
    except wire.WireError:
        return False
    return True


class Generation:
    """An environment that is open. `identity` differs from that of any other one, also of the same label."""

    def __init__(self, path: Path, *, is_new: bool = False, read_only: bool = False) -> None:
        self.path = path
        self.label = path.name
        self.undamaged = _Undamaged(path)
        with store_errors(path):
            if not read_only:
                _reserve(path / "lock.mdb")
            self.env = lmdb.open(
                str(path), map_size=MAP_BYTES, max_dbs=len(_DATABASES), subdir=True, create=is_new,
                readonly=read_only, lock=True, sync=not is_new, metasync=not is_new, max_spare_txns=4,
                readahead=False, mode=0o600,
            )  # fmt: skip
            self.env.reader_check()
            found = (path / "data.mdb").stat()
            if (self.env.info()["last_pgno"] + 1) * self.env.stat()["psize"] > found.st_size:
                self.env.close()
                raise StoreError(f"{path}: it is cut off")
            self.db = {name: self.env.open_db(name.encode(), create=is_new) for name in _DATABASES}
        self.identity = f"{self.label}/{found.st_dev}.{found.st_ino}"
        self._segments: list[Segment] = []
        self._samples = IdIndex()
        self._base = 0  # numbers of the segments
        if not is_new:
            self.read_segments()

    def read_segments(self) -> None:
        """They never change, so their place in the map is remembered.

        Raises:
            DamagedError: they are not what was written.
        """
        with self.undamaged, self.env.begin(buffers=True) as txn:
            found = [(key, Segment(value)) for key, value in txn.cursor(self.db["segments"])]
            self._segments = [segment for _, segment in found]
            for number, (key, segment) in enumerate(found, 1):
                if KEY.unpack(key)[0] != number - 1 or (segment.count != SEGMENT and number < len(found)):
                    raise DamagedError("a segment of ids is missing")
            self._samples = IdIndex(self._segments)
            self._base = sum(segment.count for segment in self._segments)

    def view(self, txn: lmdb.Transaction) -> LmdbView:
        """What a transaction sees."""
        return LmdbView(self, txn)

    def state(self, txn: lmdb.Transaction) -> State:
        """How much there is."""
        found = txn.get(_STATE, db=self.db["meta"])
        return msgspec.json.decode(found, type=State) if found is not None else State()

    def put_state(self, txn: lmdb.Transaction, state: State) -> None:
        """Say how much there is."""
        txn.put(_STATE, msgspec.json.encode(state), db=self.db["meta"])

    def find(self, txn: lmdb.Transaction, an_id: bytes) -> int | None:
        """The number of an id."""
        number = self._samples.find(an_id)
        if number is not None:
            return number
        found = txn.get(an_id, db=self.db["added_numbers"])
        if found is None:
            return None
        [number] = NUMBER.unpack(found)
        if self.name(txn, number) != an_id:
            raise DamagedError(f"{bytes(an_id)!r} has number {number:,}, which is another's")
        return int(number)

    def name(self, txn: lmdb.Transaction, number: int) -> bytes:
        """The id of a number."""
        at, place = divmod(number, SEGMENT)
        # All segments but the last are full, and numbers behind it are of ids that were added.
        if at < len(self._segments) and place < self._segments[at].count:
            return self._segments[at].name(place)
        found = txn.get(KEY.pack(number), db=self.db["added_names"])
        if found is None:
            raise DamagedError(f"number {number:,} has no id")
        name = bytes(found)
        if not is_id(name):
            raise DamagedError(f"number {number:,} has {name[:300]!r} in place of an id")
        return name

    def names(self, txn: lmdb.Transaction, numbers: Sequence[int]) -> list[bytes]:
        """The ids of these numbers."""
        if not numbers or max(numbers) >= self._base:
            return [self.name(txn, number) for number in numbers]
        # The hot path of a lookup: what name() does, without its calls.
        segments = self._segments
        found = []
        for number in numbers:
            segment = segments[number >> _SEGMENT_BITS]
            place = number & _SEGMENT_MASK
            offsets = segment.offsets
            found.append(bytes(segment.bytes[offsets[place] : offsets[place + 1]]))
        return found

    def rows(self, txn: lmdb.Transaction, database: str) -> Iterator[tuple[bytes, packed_lists.Buffer]]:
        """All that is in one of them, as it is."""
        with self.undamaged:
            for key, value in txn.cursor(self.db[database]):
                yield bytes(key), value

    def segments(self) -> Iterator[list[bytes]]:
        """The ids of the segments, in order."""
        for segment in self._segments:
            yield segment.all()

    def close(self) -> None:
        """Let go; arrays of views are no longer valid."""
        self._segments, self._samples = [], IdIndex()
        self.env.close()


class _Undamaged:
    """Where the store is read: what can't be is told as a StoreError. One serves all look-ups."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DamagedError):
            raise DamagedError(error.why, str(self._path)) from None
        if isinstance(error, DAMAGES):
            raise DamagedError(repr(error), str(self._path)) from None


class LmdbView:
    """One transaction's view."""

    def __init__(self, generation: Generation, txn: lmdb.Transaction) -> None:
        self._of = generation
        self._txn = txn
        db = generation.db
        self._followers = db["followers"], db["recent_followers"]
        self._following = db["following"], db["recent_following"]

    @property
    def generation(self) -> str:
        return self._of.identity

    @property
    def label(self) -> str:
        """The name of its directory."""
        return self._of.label

    def sorted_ids(self) -> Iterator[list[bytes]]:
        """The ids of the numbers below `state.base`, in order."""
        return self._of.segments()

    @property
    def state(self) -> State:
        """How much there is."""
        with self._of.undamaged:
            return self._of.state(self._txn)

    @property
    def size(self) -> int:
        return self.state.size

    def number(self, an_id: bytes) -> int | None:
        with self._of.undamaged:
            return self._of.find(self._txn, an_id)

    def names(self, numbers: Numbers | Sequence[int]) -> list[bytes]:
        plain = numbers.tolist() if isinstance(numbers, np.ndarray) else numbers
        with self._of.undamaged:
            return self._of.names(self._txn, plain)

    def followers_of(self, number: int) -> Packed:
        return self._list(self._followers, number)

    def following_of(self, number: int) -> Packed:
        return self._list(self._following, number)

    def rows(self, database: str) -> Iterator[tuple[bytes, packed_lists.Buffer]]:
        """All that is in a database, as it is: for who looks whether it is whole."""
        return self._of.rows(self._txn, database)

    def blocks(self, direction: str = "following") -> Iterator[tuple[int, packed_lists.Buffer]]:
        """Every block with what changed in it lately, and the number of its first list, in order.

        Raises:
            DamagedError: one can't be read.
        """
        for first, block, changed in self.raw_blocks(direction):
            yield first, packed_lists.merge(block, changed) if block is None or changed else block

    def raw_blocks(
        self, direction: str = "following"
    ) -> Iterator[tuple[int, packed_lists.Buffer | None, dict[int, packed_lists.Buffer]]]:
        """For each block the number of its first list, the block, and by slot what changed in it lately."""
        lists, recents = self._following if direction == "following" else self._followers
        with self._of.undamaged:
            yield from self._raw_blocks(self._txn.cursor(lists), self._txn.cursor(recents))

    def _raw_blocks(
        self, blocks: lmdb.Cursor, changes: lmdb.Cursor
    ) -> Iterator[tuple[int, packed_lists.Buffer | None, dict[int, packed_lists.Buffer]]]:
        has_block, has_change = blocks.first(), changes.first()
        while has_block or has_change:
            keys = [KEY.unpack(blocks.key())[0]] if has_block else []
            if has_change:
                keys.append(KEY.unpack(changes.key())[0] // BLOCK)
            at = min(keys)
            block: packed_lists.Buffer | None = None
            if has_block and keys[0] == at:
                block = blocks.value()
                has_block = blocks.next()
            changed = {}
            while has_change and (number := KEY.unpack(changes.key())[0]) // BLOCK == at:
                changed[number % BLOCK] = changes.value()
                has_change = changes.next()
            yield at * BLOCK, block, changed

    def _list(self, of: tuple[Any, Any], number: int) -> Packed:
        blocks, changes = of
        with self._of.undamaged:
            block = self._txn.get(KEY.pack(number // BLOCK), db=blocks)
            return packed_lists.list_of(block, number % BLOCK, self._txn.get(KEY.pack(number), db=changes))


class Batch:
    """Changes that are done in one write transaction, which is not committed here."""

    def __init__(self, generation: Generation, txn: lmdb.Transaction) -> None:
        self._of = generation
        self._txn = txn
        self.state = generation.state(txn)
        self._view = generation.view(txn)
        # (is it the followers' direction, number) -> what is added to its list, and removed.
        self._recent: dict[tuple[bool, int], tuple[set[int], set[int]]] = {}
        self._base: dict[tuple[bool, int], Numbers] = {}

    def apply(self, change: Change) -> bool:
        """Do it; whether it changed anything."""
        subscriber = self._number(change.subscriber, change.is_follow)
        subscribee = self._number(change.subscribee, change.is_follow)
        if subscriber is None or subscribee is None:
            return False
        added, removed = self._changes(False, subscriber)
        is_in_base = self._is_in_base(False, subscriber, subscribee)
        if change.is_follow == (subscribee not in removed if is_in_base else subscribee in added):
            return False
        self._turn(False, subscriber, subscribee)
        self._turn(True, subscribee, subscriber)
        self.state.pairs += 1 if change.is_follow else -1
        return True

    def _turn(self, is_followers: bool, number: int, member: int) -> None:
        """Put a member in a list, or take it out.

        Blocks of the two directions are merged at different times, so each is asked what is in its own.
        """
        kind = 1 if self._is_in_base(is_followers, number, member) else 0
        changed = self._changes(is_followers, number)[kind]
        changed ^= {member}

    def _is_in_base(self, is_followers: bool, number: int, member: int) -> bool:
        base = self._base.get((is_followers, number))
        if base is None:
            view = self._view
            base = (view.followers_of(number) if is_followers else view.following_of(number)).base
            self._base[is_followers, number] = base
        return Packed(base, packed_lists.NONE, packed_lists.NONE).holds(member)

    def _number(self, an_id: bytes, is_wanted: bool) -> int | None:
        number = self._of.find(self._txn, an_id)
        if number is None and is_wanted:
            number = self.state.size
            if number >= MAX_NUMBERS:
                raise StoreError(f"more than {MAX_NUMBERS:,} ids")
            self.state.size += 1
            self._txn.put(an_id, NUMBER.pack(number), db=self._of.db["added_numbers"])
            self._txn.put(KEY.pack(number), an_id, db=self._of.db["added_names"])
        return number

    def _changes(self, is_followers: bool, number: int) -> tuple[set[int], set[int]]:
        found = self._recent.get((is_followers, number))
        if found is None:
            view = self._view
            kept = view.followers_of(number) if is_followers else view.following_of(number)
            found = set(kept.added.tolist()), set(kept.removed.tolist())
            self._recent[is_followers, number] = found
            self.state.recent -= len(found[0]) + len(found[1])
        return found

    def write(self) -> None:
        """Put it where views see it, and merge what is too much."""
        full = set()
        for (is_followers, number), (added, removed) in self._recent.items():
            db = self._of.db["recent_followers" if is_followers else "recent_following"]
            self.state.recent += len(added) + len(removed)
            if added or removed:
                self._txn.put(KEY.pack(number), packed_lists.pack_recent(added, removed), db=db)
            else:
                self._txn.delete(KEY.pack(number), db=db)
            if len(added) + len(removed) > MAX_RECENT_OF_ONE:
                full.add((is_followers, number // BLOCK))
        for is_followers, block in full:
            self._merge(is_followers, block)
        # Each block has one change at least, so what comes in is outrun.
        allowed = 4 * len(self._recent)
        while self.state.recent > MAX_RECENT and allowed and self.merge_next():
            allowed -= 1
        self._recent, self._base = {}, {}
        self._of.put_state(self._txn, self.state)

    def merge_next(self) -> bool:
        """Merge one more block, if there is any to be merged; both directions take turns."""
        is_followers = self.state.merged % 2 == 0
        for direction in (is_followers, not is_followers):
            cursor = self._txn.cursor(self._of.db["recent_followers" if direction else "recent_following"])
            if cursor.first():
                self._merge(direction, KEY.unpack(cursor.key())[0] // BLOCK)
                return True
        return False

    def _merge(self, is_followers: bool, block: int) -> None:
        lists = self._of.db["followers" if is_followers else "following"]
        recent = self._of.db["recent_followers" if is_followers else "recent_following"]
        changes = {}
        cursor = self._txn.cursor(recent)
        first = KEY.pack(block * BLOCK)
        while cursor.set_range(first) and (number := KEY.unpack(cursor.key())[0]) < (block + 1) * BLOCK:
            changes[number % BLOCK] = bytes(cursor.value())
            cursor.delete()
        key = KEY.pack(block)
        merged = packed_lists.merge(self._txn.get(key, db=lists), changes)
        self._txn.put(key, merged, db=lists)
        self.state.recent -= sum(len(change) // 4 - 1 for change in changes.values())
        self.state.merged += 1
