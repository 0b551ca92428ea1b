"""What a store of follows does: the smallest interface that its implementations share.

Owns: the words (subscriber, subscribee, pair, number, view), what is promised of each verb. Must not know:
how pairs are kept. A store that many hosts share comes in as one more file that implements `Follows`.

A subscriber follows a subscribee. Both are ids, 1 to 255 bytes of UTF-8. A store gives each id that it knows
a number, 0 to 2^32 - 1, so that who is concerned by a publish can be computed with arrays, not with strings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Final, Literal, NamedTuple, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from zrouter import wire
from zrouter.errors import PortableError

Numbers: TypeAlias = npt.NDArray[np.uint32]
Format: TypeAlias = Literal["tsv", "csv", "jsonl"]


# Below it, to sort a list is cheaper than to find the places of a few.
_SORTED_WHOLE: Final = 10_000


class StoreError(PortableError):
    """A store could not do what was asked; what it held is untouched."""


class DamagedError(StoreError):
    """What is stored is not what was written."""

    def __init__(self, why: str, path: str = "") -> None:
        super().__init__(why, path)
        self.why = why
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: it is damaged: {self.why}" if self.path else f"it is damaged: {self.why}"


class BadRecordError(StoreError):
    """A record of a load is none; says on which line."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(line, why)
        self.line = line
        self.why = why

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}"


class EmptyLoadError(StoreError):
    """Nothing would take the place of all pairs; nothing was changed."""

    def __str__(self) -> str:
        return "there is no record in it, and nothing would be left of the store"


class Change(NamedTuple):
    """A follow, or an unfollow."""

    is_follow: bool
    subscriber: bytes
    subscribee: bytes


class Counts(NamedTuple):
    """Of one id."""

    followers: int
    following: int


class Packed(NamedTuple):
    """A list of numbers as it is kept: who is in it is `base` without `removed`, and `added`.

    All three are sorted, `removed` is part of `base`, `added` is not. They may lie in the store's own memory:
    they are valid while their view is open, and must not be written to.
    """

    base: Numbers
    added: Numbers
    removed: Numbers

    def __len__(self) -> int:
        return self.base.size + self.added.size - self.removed.size

    def whole(self) -> Numbers:
        """The list in one sorted array: `base` itself, not a copy, if nothing has changed lately.

        Raises:
            DamagedError: what was removed was never in it.
        """
        found = self.base
        if self.removed.size:
            is_kept = np.ones(found.size, np.bool_)
            try:
                is_kept[found.searchsorted(self.removed)] = False
            except IndexError:
                raise DamagedError("what was removed from a list was never in it") from None
            found = found[is_kept]
        if self.added.size and found.size > _SORTED_WHOLE:
            found = np.insert(found, found.searchsorted(self.added), self.added)
        elif self.added.size:
            found = np.concatenate((found, self.added))
            found.sort()
        return found

    def holds(self, number: int) -> bool:
        """Whether the number is in the list."""
        if _holds(self.base, number):
            return not _holds(self.removed, number)
        return _holds(self.added, number)


def _holds(numbers: Numbers, number: int) -> bool:
    at = int(numbers.searchsorted(np.uint32(number)))
    return at < numbers.size and int(numbers[at]) == number


class View(Protocol):
    """The store as it was at one moment; never half of a change or of a load."""

    @property
    def generation(self) -> str:
        """Numbers mean the same ids in all views of one generation; a load makes another."""

    @property
    def size(self) -> int:
        """All numbers are below it."""

    def number(self, an_id: bytes) -> int | None:
        """The number of an id; None if the store has never heard of it."""

    def names(self, numbers: Numbers | Sequence[int]) -> list[bytes]:
        """The ids of these numbers."""

    def followers_of(self, number: int) -> Packed:
        """The numbers of its subscribers."""

    def following_of(self, number: int) -> Packed:
        """The numbers of its subscribees."""


class Loaded(NamedTuple):
    """What came of a load."""

    records: int  # in the file, without empty lines
    pairs: int  # in the store now
    ids: int


class Progress(Protocol):
    """Is told how far a load is."""

    def stage(self, what: str, total: int | None) -> None:
        """Something begins that has so many steps; None = nobody knows."""

    def advance(self, steps: int) -> None:
        """So many were done."""


class Follows(ABC):
    """The pairs, found both ways."""

    @abstractmethod
    def change(self, changes: Iterable[Change]) -> list[bool]:
        """Do all of it or nothing, in order; it is durable when this returns. One commit for all.

        Returns:
            for each change, whether it changed anything.

        Raises:
            WireError: something is no id.
            StoreError: it could not be stored.
        """

    @abstractmethod
    def read(self) -> AbstractContextManager[View]:
        """The store as it is now."""

    @abstractmethod
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
        """Add all pairs of a file, or put them in place of what there is; readers see all of it or nothing.

        Args:
            file: bytes, from where they are read on.
            form: `tsv` and `csv`: subscriber and subscribee; `jsonl`: an object with these two keys.
            replace: forget all other pairs; changes while the load is under way are kept.
            allow_empty: also if the file has no record: what a pipe that failed leaves is an empty file.
            memory: bytes that may be used.
            progress: is told how far it is.

        Raises:
            BadRecordError: a record is none; nothing was changed.
            EmptyLoadError: there is none, in place of all that is there; nothing was changed.
            StoreError: it could not be stored; nothing was changed.
        """

    @abstractmethod
    def verify(self) -> Iterator[str]:
        """What is wrong with the store, a sentence each; nothing if both directions agree."""

    @abstractmethod
    def figures(self) -> dict[str, Any]:
        """`pairs`, `ids`, `subscribers`, `subscribees`, `most_followers`, `most_following`, and its own."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything."""

    def follow(self, subscriber: bytes, *subscribees: bytes) -> int:
        """How many of these it did not follow before; as `change()`."""
        return sum(self.change(Change(True, subscriber, one) for one in subscribees))

    def unfollow(self, subscriber: bytes, *subscribees: bytes) -> int:
        """How many of these it followed; as `change()`."""
        return sum(self.change(Change(False, subscriber, one) for one in subscribees))

    def followers(self, an_id: bytes) -> list[bytes]:
        """Who follows it."""
        with self.read() as view:
            number = view.number(an_id)
            return [] if number is None else view.names(view.followers_of(number).whole())

    def following(self, an_id: bytes) -> list[bytes]:
        """Whom it follows."""
        with self.read() as view:
            number = view.number(an_id)
            return [] if number is None else view.names(view.following_of(number).whole())

    def counts(self, an_id: bytes) -> Counts:
        """How many follow it, and how many it follows; for the price of one look."""
        with self.read() as view:
            number = view.number(an_id)
            if number is None:
                return Counts(0, 0)
            return Counts(len(view.followers_of(number)), len(view.following_of(number)))

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """Every (subscriber, subscribee), as they are at one moment."""
        with self.read() as view:
            for number in range(view.size):
                found = view.following_of(number).whole()
                if found.size:
                    [subscriber] = view.names([number])
                    for subscribee in view.names(found):
                        yield subscriber, subscribee

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check(changes: Iterable[Change]) -> list[Change]:
    """The changes, each of whose ids is one.

    Raises:
        WireError: it is none.
    """
    found = list(changes)
    wire.check_ids([an_id for change in found for an_id in change[1:]])
    return found
