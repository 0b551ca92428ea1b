"""Proof that a store is whole: both directions have the same pairs, lists are sorted, ids are found.

Owns: what is checked, and a sentence for each kind of damage. Must not know: how to mend it. It reads every
list of both directions once for each part that fits in memory, and compares pair by pair. What can't be read
is told, and the next check goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import numpy as np

from zrouter.follows.lmdb_store import packed_lists
from zrouter.follows.lmdb_store.generation import DAMAGES, KEY, NUMBER, LmdbView, State, decode_change, is_id
from zrouter.follows.lmdb_store.packed_lists import BLOCK
from zrouter.follows.store import DamagedError, Numbers

_SHOWN: Final = 10  # problems of a kind that are told one by one
_PAIR_BYTES: Final = 40  # of memory for each pair of a part
_HALF: Final = np.uint64(32)
_DIRECTIONS: Final = ("following", "followers")


def problems(view: LmdbView, memory: int) -> Iterator[str]:
    """A sentence for each; none if all is well."""
    try:
        state = view.state
    except DamagedError as error:
        yield f"how much there is can't be read: {error.why}"
        return
    yield from _readable("ids", _sorted_ids(view, state))
    yield from _readable("ids that were added", _added_ids(view, state))
    for direction in _DIRECTIONS:
        yield from _readable(direction, _lists(view, direction, state.size))
    yield from _readable("recent changes", _recent(view, state))
    yield from _readable("journal", _journal(view))
    yield from _readable("pairs", _pairs(view, state, memory))


def _readable(what: str, found: Iterator[str]) -> Iterator[str]:
    """The first problems of a check; that it can't go on is one more."""
    try:
        yield from islice(found, _SHOWN)
    except DamagedError as error:
        yield f"{what} can't be read to the end: {error.why}"
    except DAMAGES as error:
        yield f"{what} can't be read to the end: {error!r}"


def _sorted_ids(view: LmdbView, state: State) -> Iterator[str]:
    number = 0
    before = b""
    for names in view.sorted_ids():
        for name in names:
            if name <= before:
                yield f"ids are not in order: {name!r} stands behind {before!r}"
                return
            before = name
        number += len(names)
    if number != state.base:
        yield f"there are {number:,} sorted ids, and {state.base:,} are said to be there"


def _added_ids(view: LmdbView, state: State) -> Iterator[str]:
    if state.base > state.size:
        yield f"there are {state.base:,} sorted ids, and {state.size:,} of all"
        return
    names = 0
    for key, value in view.rows("added_names"):
        [number] = KEY.unpack(key)
        names += 1
        name = bytes(value)
        if not state.base <= number < state.size:
            yield f"number {number:,} is of none of the {state.size:,} ids, and has {name!r}"
        elif not is_id(name):
            yield f"number {number:,} has {name!r} in place of an id"
    for late in islice(range(state.base, state.size), state.size - state.base if names else _SHOWN):
        try:
            [name] = view.names([late])
        except DamagedError as error:
            yield error.why
    for key, value in view.rows("added_numbers"):
        [number] = NUMBER.unpack(value)
        if not state.base <= number < state.size or _id_of(view, number) not in (key, None):
            yield f"{key!r} has number {number:,}, which is another's"
    for key, value in view.rows("added_names"):
        if not _is_found(view, bytes(value), KEY.unpack(key)[0]):
            yield f"{bytes(value)!r} is number {KEY.unpack(key)[0]:,}, and is not found as that"


def _id_of(view: LmdbView, number: int) -> bytes | None:
    """The id that has this number; None if that can't be read, which is told elsewhere."""
    try:
        return view.names([number])[0]
    except DamagedError:
        return None


def _is_found(view: LmdbView, name: bytes, number: int) -> bool:
    try:
        return view.number(name) == number
    except DamagedError:
        return False


def _lists(view: LmdbView, direction: str, size: int) -> Iterator[str]:
    for first, block, changed in view.raw_blocks(direction):
        ids = f"{first:,} to {first + BLOCK - 1:,}"
        if first >= size:
            yield f"{direction}: there are lists of ids {ids}, and {size:,} ids"
        if block is not None:
            yield from _block(block, f"{direction}: ", ids, size)
        for slot, value in changed.items():
            yield from _changes(block, slot, value, f"{direction}: ", first + slot, size)


def _block(block: packed_lists.Buffer, head: str, ids: str, size: int) -> Iterator[str]:
    try:
        offsets, members = packed_lists.offsets_of(block).astype(np.int64), packed_lists.members_of(block)
    except DamagedError:
        yield f"{head}the lists of ids {ids} are cut wrongly"
        return
    if members.size and int(members.max()) >= size:
        yield f"{head}an id of {ids} has one that is not known"
    rising = members[1:] > members[:-1]
    rising[offsets[1:-1][(offsets[1:-1] > 0) & (offsets[1:-1] < members.size)] - 1] = True
    if not rising.all():
        yield f"{head}a list of ids {ids} is not in order"


def _changes(
    block: packed_lists.Buffer | None,
    slot: int,
    value: packed_lists.Buffer,
    head: str,
    number: int,
    size: int,
) -> Iterator[str]:
    """Of one list."""
    try:
        base, added, removed = packed_lists.list_of(block, slot, value)
    except DamagedError as error:
        yield f"{head}the recent changes of id {number:,} can't be read: {error.why}"
        return
    for some in (added, removed):
        if some.size and int(some.max()) >= size:
            yield f"{head}id {number:,} has a recent change with one that is not known"
        if (some[1:] <= some[:-1]).any():
            yield f"{head}the recent changes of id {number:,} are not in order"
    if np.isin(added, base).any():
        yield f"{head}id {number:,} has one twice: in its list, and in what was added to it"
    if not np.isin(removed, base).all():
        yield f"{head}what was removed from the list of id {number:,} was never in it"


def _recent(view: LmdbView, state: State) -> Iterator[str]:
    entries = 0
    for direction in _DIRECTIONS:
        for key, value in view.rows(f"recent_{direction}"):
            if KEY.unpack(key)[0] >= state.size:
                yield f"recent changes are of id {KEY.unpack(key)[0]:,}, which is not known"
            entries += len(value) // packed_lists.NUMBER.itemsize - 1
    if entries != state.recent:
        yield f"there are {entries:,} recent changes, and {state.recent:,} are said to be there"


def _journal(view: LmdbView) -> Iterator[str]:
    for number, (_, value) in enumerate(view.rows("journal"), 1):
        change = decode_change(value)
        if not (is_id(change.subscriber) and is_id(change.subscribee)):
            yield f"change {number:,} of the journal is of what is no id"


def _pairs(view: LmdbView, state: State, memory: int) -> Iterator[str]:
    pairs = sum(packed_lists.members_of(block).size for _, block in _readable_blocks(view, "following"))
    if pairs != state.pairs:
        yield f"there are {pairs:,} pairs, and {state.pairs:,} are said to be there"
    parts = max(1, -(-pairs * _PAIR_BYTES // memory))
    step = max(BLOCK, -(-state.size // parts // BLOCK) * BLOCK)
    for first in range(0, max(state.size, 1), step):
        yield from _compare(view, first, first + step)


def _readable_blocks(view: LmdbView, direction: str) -> Iterator[tuple[int, bytes]]:
    """Blocks with what changed in them; those that can't be read were told already."""
    for first, block, changed in view.raw_blocks(direction):
        try:
            whole = packed_lists.merge(block, changed)
            packed_lists.offsets_of(whole)
        except DamagedError:
            continue
        yield first, whole


def _compare(view: LmdbView, first: int, end: int) -> Iterator[str]:
    """Whether both directions have the same pairs of the subscribers first to end - 1."""
    forwards = _collect(view, "following", first, end)
    backwards = _collect(view, "followers", first, end)
    forwards.sort()
    backwards.sort()
    if forwards.size == backwards.size and bool((forwards == backwards).all()):
        return
    lost = np.setdiff1d(forwards, backwards), np.setdiff1d(backwards, forwards)
    for missing, where in zip(lost, ("followers", "following"), strict=True):
        for pair in missing[: _SHOWN // 2].tolist():
            yield f"{_name(view, pair >> 32)} -> {_name(view, pair & 0xFFFFFFFF)} is not in {where}"
        if missing.size > _SHOWN // 2:
            yield f"{missing.size - _SHOWN // 2:,} more pairs are not in {where}"
    if not lost[0].size and not lost[1].size:
        yield "pairs are there twice"


def _collect(view: LmdbView, direction: str, first: int, end: int) -> np.ndarray:
    found = [np.empty(0, np.uint64)]
    for start, block in _readable_blocks(view, direction):
        if direction == "following" and not first <= start < end:
            continue
        lengths = np.diff(packed_lists.offsets_of(block))
        lists = np.repeat(np.arange(start, start + BLOCK, dtype=np.uint64), lengths)
        members = packed_lists.members_of(block).astype(np.uint64)
        if direction == "following":
            found.append(lists << _HALF | members)
        else:
            wanted = (members >= first) & (members < end)
            found.append(members[wanted] << _HALF | lists[wanted])
    return np.concatenate(found)


def _name(view: LmdbView, number: int) -> str:
    found = _id_of(view, number)
    return f"number {number:,}" if found is None else found.decode(errors="backslashreplace")


def shape(view: LmdbView) -> dict[str, Any]:
    """How many have a list, and the longest, in either direction.

    Raises:
        DamagedError: a list can't be read.
    """
    found = {}
    for direction, who, most in (
        ("following", "subscribers", "most_following"),
        ("followers", "subscribees", "most_followers"),
    ):
        lengths: list[Numbers] = [
            np.diff(packed_lists.offsets_of(block)) for _, block in view.blocks(direction)
        ]
        found[who] = sum(int(np.count_nonzero(each)) for each in lengths)
        found[most] = max((int(each.max()) for each in lengths), default=0)
    return found
