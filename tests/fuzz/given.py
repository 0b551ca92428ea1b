"""Bytes of a fuzzer, taken for choices: the same bytes make the same choices, and any bytes make some.

Owns: how numbers, pieces and members are taken from them. Must not know: any target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


class Given:
    """What is left of the bytes; where nothing is left, a number is 0 and a piece is empty."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_left(self) -> bool:
        """Whether there are more."""
        return self._at < len(self._data)

    def number(self, size: int = 1) -> int:
        """Of so many bytes."""
        return int.from_bytes(self.piece(size), "big")

    def piece(self, size: int) -> bytes:
        """The next bytes."""
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        return found

    def sized(self) -> bytes:
        """A piece whose size is its first byte."""
        return self.piece(self.number())

    def rest(self) -> bytes:
        """All that is left."""
        return self.piece(len(self._data))

    def one_of(self, members: Sequence[T]) -> T:
        """One of them."""
        return members[self.number() % len(members)]


def cuts(data: bytes, by: bytes) -> Iterator[bytes]:
    """All of `data` in pieces whose sizes are the bytes of `by`, over and over; an empty `by`: one piece."""
    at, turn = 0, 0
    while at < len(data):
        size = max(1, by[turn % len(by)]) if by else len(data)
        yield data[at : at + size]
        at, turn = at + size, turn + 1
