"""The bytes in which lists of numbers and ids are kept.

Owns: blocks of lists, recent changes of a list, segments of ids; how changes go into a block. Must not know:
where the bytes are. All integers are little-endian uint32.

    block     257 offsets | the members of 256 lists, one after another, each sorted
    recent    how many were added | the added, sorted | the removed, sorted
    segment   how many ids | their offsets, one more than ids | the ids, one after another, sorted
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np

from zrouter.follows.store import DamagedError, Numbers, Packed
from zrouter.wire import MAX_ID_BYTES

BLOCK: Final = 256  # lists in a block, see docs/decisions/follows.md
SEGMENT: Final = 65_536  # ids in a segment
NUMBER: Final = np.dtype("<u4")
CUT: Final = "a block of lists is cut wrongly"
_HEAD: Final = BLOCK + 1
NONE: Numbers = np.empty(0, NUMBER)
Buffer: TypeAlias = bytes | memoryview


def list_in(block: Buffer | None, slot: int) -> Numbers:
    """A list of a block, in the block's own memory.

    Raises:
        DamagedError: it can't be there. What is looked at is what a look-up needs; verify.py looks at all.
    """
    if block is None:
        return NONE
    numbers = _numbers(block)
    if numbers.size <= slot + 1:
        raise DamagedError(CUT)
    begin, end = _HEAD + int(numbers[slot]), _HEAD + int(numbers[slot + 1])
    if not _HEAD <= begin <= end <= numbers.size:
        raise DamagedError(CUT)
    return numbers[begin:end]


def _numbers(packed: Buffer) -> Numbers:
    if len(packed) % NUMBER.itemsize:
        raise DamagedError(CUT)
    return np.frombuffer(packed, NUMBER)


def offsets_of(block: Buffer) -> Numbers:
    """Where the lists of a block begin and end.

    Raises:
        DamagedError: they can't be where they are said to be.
    """
    numbers = _numbers(block)
    offsets = numbers[:_HEAD]
    if offsets.size < _HEAD or offsets[0] or (offsets[1:] < offsets[:-1]).any():
        raise DamagedError(CUT)
    if int(offsets[-1]) != numbers.size - _HEAD:
        raise DamagedError(CUT)
    return offsets


def members_of(block: Buffer) -> Numbers:
    """All lists of a block in a row."""
    return _numbers(block)[_HEAD:]


def pack_block(lengths: np.ndarray, members: np.ndarray) -> bytes:
    """A block of 256 lists of these lengths."""
    offsets = np.zeros(_HEAD, NUMBER)
    np.cumsum(lengths, out=offsets[1:])
    return offsets.tobytes() + members.astype(NUMBER, copy=False).tobytes()


def pack_recent(added: set[int], removed: set[int]) -> bytes:
    """The changes of one list."""
    return np.array([len(added), *sorted(added), *sorted(removed)], NUMBER).tobytes()


def recent(packed: Buffer | None) -> tuple[Numbers, Numbers]:
    """What was added to a list, and what was removed.

    Raises:
        DamagedError: less is there than was added.
    """
    if packed is None:
        return NONE, NONE
    numbers = _numbers(packed)
    if not numbers.size or int(numbers[0]) >= numbers.size:
        raise DamagedError("recent changes of a list are cut wrongly")
    end = 1 + int(numbers[0])
    return numbers[1:end], numbers[end:]


def list_of(block: Buffer | None, slot: int, changes: Buffer | None) -> Packed:
    """A list of a block with what changed in it since.

    Raises:
        DamagedError: it can't be.
    """
    found = Packed(list_in(block, slot), *recent(changes))
    if found.removed.size > found.base.size:
        raise DamagedError("more was removed from a list than was in it")
    return found


def merge(block: Buffer | None, changes: Mapping[int, Buffer]) -> bytes:
    """The block with the changes of some of its lists, by slot."""
    offsets = np.zeros(_HEAD, NUMBER) if block is None else offsets_of(block)
    members = NONE if block is None else members_of(block)
    lengths = np.diff(offsets)
    parts: list[Numbers] = []
    done = 0
    for slot in sorted(changes):
        begin, end = int(offsets[slot]), int(offsets[slot + 1])
        changed = list_of(block, slot, changes[slot]).whole()
        parts += [members[done:begin], changed]
        lengths[slot] = changed.size
        done = end
    return pack_block(lengths, np.concatenate([*parts, members[done:]]))


def pack_segment(names: Sequence[bytes]) -> bytes:
    """A segment of these ids."""
    head = np.zeros(len(names) + 2, NUMBER)
    head[0] = len(names)
    np.cumsum(np.fromiter(map(len, names), NUMBER, len(names)), out=head[2:])
    return head.tobytes() + b"".join(names)


class Segment:
    """Sorted ids, found by place."""

    __slots__ = ("bytes", "count", "offsets")

    def __init__(self, packed: Buffer) -> None:
        """Take it in, and look at each id once: whoever reads it later reads what was written.

        Raises:
            DamagedError: that is not what is there.
        """
        view = memoryview(packed)
        numbers: Numbers = np.frombuffer(packed[: len(packed) // 4 * 4], NUMBER)
        self.count = int(numbers[0]) if numbers.size else 0
        head = 4 * (self.count + 2)
        if not 0 < self.count <= SEGMENT or head > len(view):
            raise DamagedError("a segment of ids is cut off")
        self.offsets = view[4:head].cast("I")
        self.bytes = view[head:]
        self._check(numbers[1 : self.count + 2])

    def _check(self, offsets: Numbers) -> None:
        lengths = np.diff(offsets.astype(np.int64))
        if offsets[0] or int(offsets[-1]) != len(self.bytes):
            raise DamagedError("a segment of ids is cut wrongly")
        if lengths.min() < 1 or lengths.max() > MAX_ID_BYTES:
            raise DamagedError("a segment has what is too short or too long for an id")
        try:
            str(self.bytes, "utf-8")
        except UnicodeDecodeError:
            raise DamagedError("a segment has ids that are not UTF-8") from None
        # RFC 3629, section 3: no character begins with 10xxxxxx.
        if (np.frombuffer(self.bytes, np.uint8)[offsets[:-1]] & 0xC0 == 0x80).any():
            raise DamagedError("a segment has ids that are not UTF-8")

    def name(self, place: int) -> bytes:
        """The id at that place."""
        return bytes(self.bytes[self.offsets[place] : self.offsets[place + 1]])

    def all(self) -> list[bytes]:
        """Every id, in order."""
        ends = self.offsets.tolist()
        everything = bytes(self.bytes)
        return [everything[a:b] for a, b in pairwise(ends)]
