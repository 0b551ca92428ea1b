"""Follows in memory, for tests and for programs that need no more; gone with the process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from zrouter.follows.bulk.file_marks import explained
from zrouter.follows.bulk.records import read_records
from zrouter.follows.store import (
    Change,
    EmptyLoadError,
    Follows,
    Format,
    Loaded,
    Numbers,
    Packed,
    Progress,
    check,
)

_NONE: Numbers = np.empty(0, np.uint32)


class MemoryFollows(Follows):
    """Two dictionaries of sets; it is its own view."""

    generation = "memory"

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._names: list[bytes] = []
        self._following: dict[int, set[int]] = {}
        self._followers: dict[int, set[int]] = {}

    @property
    def size(self) -> int:
        return len(self._names)

    @contextmanager
    def read(self) -> Iterator[MemoryFollows]:
        yield self

    def change(self, changes: Iterable[Change]) -> list[bool]:
        return [self._apply(change) for change in check(changes)]

    def _apply(self, change: Change) -> bool:
        if not change.is_follow and not {change.subscriber, change.subscribee} <= self._numbers.keys():
            return False
        subscriber, subscribee = self._intern(change.subscriber), self._intern(change.subscribee)
        following = self._following.setdefault(subscriber, set())
        followers = self._followers.setdefault(subscribee, set())
        if change.is_follow == (subscribee in following):
            return False
        if change.is_follow:
            following.add(subscribee)
            followers.add(subscriber)
        else:
            following.remove(subscribee)
            followers.remove(subscriber)
        return True

    def _intern(self, an_id: bytes) -> int:
        number = self._numbers.setdefault(an_id, len(self._names))
        if number == len(self._names):
            self._names.append(an_id)
        return number

    def number(self, an_id: bytes) -> int | None:
        return self._numbers.get(an_id)

    def names(self, numbers: Numbers | Sequence[int]) -> list[bytes]:
        return [self._names[number] for number in numbers]

    def followers_of(self, number: int) -> Packed:
        return _packed(self._followers.get(number, ()))

    def following_of(self, number: int) -> Packed:
        return _packed(self._following.get(number, ()))

    def load(
        self,
        file: BinaryIO,
        form: Format = "tsv",
        *,
        replace: bool = False,
        allow_empty: bool = False,
        memory: int | None = None,
        progress: Progress | None = None,
    ) -> Loaded:
        with explained(file) as source:
            records = [record for batch in read_records(source, form) for record in batch]
        if replace and not records and not allow_empty:
            raise EmptyLoadError
        if replace:
            self.__init__()  # type: ignore[misc]
        self.change(Change(True, subscriber, subscribee) for subscriber, subscribee in records)
        return Loaded(len(records), sum(map(len, self._following.values())), self.size)

    def verify(self) -> Iterator[str]:
        backwards = {(a, b) for b, subscribers in self._followers.items() for a in subscribers}
        forwards = {(a, b) for a, subscribees in self._following.items() for b in subscribees}
        for a, b in sorted(backwards ^ forwards):
            yield f"{self._names[a]!r} -> {self._names[b]!r} is in one direction only"

    def figures(self) -> dict[str, Any]:
        following = [len(found) for found in self._following.values() if found]
        followers = [len(found) for found in self._followers.values() if found]
        return {
            "pairs": sum(following),
            "ids": self.size,
            "subscribers": len(following),
            "subscribees": len(followers),
            "most_followers": max(followers, default=0),
            "most_following": max(following, default=0),
        }

    def close(self) -> None:
        pass


def _packed(numbers: Iterable[int]) -> Packed:
    return Packed(np.array(sorted(numbers), np.uint32), _NONE, _NONE)
