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

from zrouter.follows.store import Numbers, Packed

BLOCK: Final = 256  # lists in a block, see docs/decisions/follows.md
SEGMENT: Final = 65_536  # ids in a segment
NUMBER: Final = np.dtype("<u4")
_HEAD: Final = BLOCK + 1
NONE: Numbers = np.empty(0, NUMBER)
Buffer: TypeAlias = bytes | memoryview


def list_in(block: Buffer | None, slot: int) -> Numbers:
    """A list of a block, in the block's own memory."""
    if block is None:
        return NONE
    numbers: Numbers = np.frombuffer(block, NUMBER)
    return numbers[_HEAD + int(numbers[slot]) : _HEAD + int(numbers[slot + 1])]


def offsets_of(block: Buffer) -> Numbers:
    """Where the lists of a block begin and end."""
    return np.frombuffer(block, NUMBER, _HEAD)


def members_of(block: Buffer) -> Numbers:
    """All lists of a block in a row."""
    return np.frombuffer(block, NUMBER)[_HEAD:]


def pack_block(lengths: np.ndarray, members: np.ndarray) -> bytes:
    """A block of 256 lists of these lengths."""
    offsets = np.zeros(_HEAD, NUMBER)
    np.cumsum(lengths, out=offsets[1:])
    return offsets.tobytes() + members.astype(NUMBER, copy=False).tobytes()


def pack_recent(added: set[int], removed: set[int]) -> bytes:
    """The changes of one list."""
    return np.array([len(added), *sorted(added), *sorted(removed)], NUMBER).tobytes()


def recent(packed: Buffer | None) -> tuple[Numbers, Numbers]:
    """What was added to a list, and what was removed."""
    if packed is None:
        return NONE, NONE
    numbers: Numbers = np.frombuffer(packed, NUMBER)
    end = 1 + int(numbers[0])
    return numbers[1:end], numbers[end:]


def merge(block: Buffer | None, changes: Mapping[int, Buffer]) -> bytes:
    """The block with the changes of some of its lists, by slot."""
    offsets = np.zeros(_HEAD, NUMBER) if block is None else offsets_of(block)
    members = NONE if block is None else members_of(block)
    lengths = np.diff(offsets)
    parts: list[Numbers] = []
    done = 0
    for slot in sorted(changes):
        begin, end = int(offsets[slot]), int(offsets[slot + 1])
        changed = Packed(members[begin:end], *recent(changes[slot])).whole()
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
        view = memoryview(packed)
        [self.count] = view[:4].cast("I")
        head = 4 * (self.count + 2)
        self.offsets = view[4:head].cast("I")
        self.bytes = view[head:]

    def name(self, place: int) -> bytes:
        """The id at that place."""
        return bytes(self.bytes[self.offsets[place] : self.offsets[place + 1]])

    def all(self) -> list[bytes]:
        """Every id, in order."""
        ends = self.offsets.tolist()
        everything = bytes(self.bytes)
        return [everything[a:b] for a, b in pairwise(ends)]
