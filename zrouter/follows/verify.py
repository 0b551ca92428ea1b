"""Proof that a store is whole: both directions have the same pairs, lists are sorted, ids are found.

Owns: what is checked. Must not know: how to mend it. It reads every list of both directions once for each
part that fits in memory, and compares pair by pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import numpy as np

from zrouter.follows import packed
from zrouter.follows.generation import LmdbView
from zrouter.follows.packed import BLOCK

_SHOWN: Final = 10  # problems of a kind that are told one by one
_PAIR_BYTES: Final = 40  # of memory for each pair of a part
_HALF: Final = np.uint64(32)


def problems(view: LmdbView, memory: int) -> Iterator[str]:
    """A sentence for each; none if all is well."""
    state = view.state
    yield from _ids(view)
    for direction in ("following", "followers"):
        yield from islice(_lists(view, direction), _SHOWN)
    pairs = sum(packed.members_of(block).size for _, block in view.blocks("following"))
    if pairs != state.pairs:
        yield f"there are {pairs:,} pairs, and {state.pairs:,} are said to be there"
    parts = max(1, -(-pairs * _PAIR_BYTES // memory))
    step = max(BLOCK, -(-state.size // parts // BLOCK) * BLOCK)
    for first in range(0, max(state.size, 1), step):
        yield from _compare(view, first, first + step)


def _ids(view: LmdbView) -> Iterator[str]:
    state = view.state
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
    for late in range(state.base, state.size):
        try:
            [name] = view.names([late])
        except KeyError:
            yield f"number {late:,} has no id"
            continue
        if view.number(name) != late:
            yield f"{name!r} is number {late:,}, and is not found as that"


def _lists(view: LmdbView, direction: str) -> Iterator[str]:
    size = view.size
    for first, block in view.blocks(direction):
        offsets, members = packed.offsets_of(block).astype(np.int64), packed.members_of(block)
        if offsets[0] or (np.diff(offsets) < 0).any() or offsets[-1] != members.size:
            yield f"{direction}: the lists of ids {first:,} to {first + BLOCK - 1:,} are cut wrongly"
            continue
        if members.size and int(members.max()) >= size:
            yield f"{direction}: an id of {first:,} to {first + BLOCK - 1:,} has one that is not known"
        rising = members[1:] > members[:-1]
        rising[offsets[1:-1][(offsets[1:-1] > 0) & (offsets[1:-1] < members.size)] - 1] = True
        if not rising.all():
            yield f"{direction}: a list of ids {first:,} to {first + BLOCK - 1:,} is not in order"


def _compare(view: LmdbView, first: int, end: int) -> Iterator[str]:
    """Whether both directions have the same pairs of the subscribers first to end - 1."""
    forwards = _collect(view, "following", first, end)
    backwards = _collect(view, "followers", first, end)
    backwards.sort()
    if forwards.size == backwards.size and bool((forwards == backwards).all()):
        return
    lost = np.setdiff1d(forwards, backwards), np.setdiff1d(backwards, forwards)
    for missing, where in zip(lost, ("followers", "following"), strict=True):
        for pair in missing[:_SHOWN].tolist():
            yield f"{_name(view, pair >> 32)} -> {_name(view, pair & 0xFFFFFFFF)} is not in {where}"
        if missing.size > _SHOWN:
            yield f"{missing.size - _SHOWN:,} more pairs are not in {where}"
    if not lost[0].size and not lost[1].size:
        yield "pairs are there twice"


def _collect(view: LmdbView, direction: str, first: int, end: int) -> np.ndarray:
    found = [np.empty(0, np.uint64)]
    for start, block in view.blocks(direction):
        if direction == "following" and not first <= start < end:
            continue
        lengths = np.diff(packed.offsets_of(block).astype(np.int64)).clip(0)
        lists = np.repeat(np.arange(start, start + BLOCK, dtype=np.uint64), lengths)
        members = packed.members_of(block).astype(np.uint64)
        if lists.size != members.size:
            continue  # it is cut wrongly, which was said
        if direction == "following":
            found.append(lists << _HALF | members)
        else:
            wanted = (members >= first) & (members < end)
            found.append(members[wanted] << _HALF | lists[wanted])
    return np.concatenate(found)


def _name(view: LmdbView, number: int) -> str:
    try:
        return view.names([number])[0].decode(errors="backslashreplace")
    except KeyError:
        return f"number {number:,}"


def shape(view: LmdbView) -> dict[str, Any]:
    """How many have a list, and the longest, in either direction."""
    found = {}
    for direction, who, most in (
        ("following", "subscribers", "most_following"),
        ("followers", "subscribees", "most_followers"),
    ):
        lengths = [np.diff(packed.offsets_of(block)) for _, block in view.blocks(direction)]
        found[who] = sum(int(np.count_nonzero(each)) for each in lengths)
        found[most] = max((int(each.max()) for each in lengths), default=0)
    return found
