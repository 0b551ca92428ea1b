"""Ids whose state the router has to be told, again and again: a part of a peer's session.

Owns: which ids it has yet to be told, in what portions, how many of these may be unanswered. Must not know:
sockets, the time, what is said of an id.

What changes many times before it is told is told once, as it is then. After each Welcome all is told anew: a
returning router is told of 100,000 ids in pieces that leave room for other peers, without waiting longer than
its answers take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeAlias

from zrouter.wire import Message

PORTION: Final = 2000  # ids in one frame
UNDER_WAY: Final = 4  # frames that may be unanswered

Make: TypeAlias = Callable[[int], Message]


class Telling:
    """`everything` lists all ids there are to tell of, `say` makes the requests that tell of some ids now.

    `answered` gets the answer to each of them, or the error that came instead.
    """

    def __init__(
        self,
        everything: Callable[[], Iterable[bytes]],
        say: Callable[[list[bytes]], Iterable[Make]],
        answered: Callable[[Any], None],
    ) -> None:
        self._everything = everything
        self._say = say
        self._on_answer = answered
        self._untold: dict[bytes, None] = {}  # in the order in which they changed
        self._under_way = 0

    def changed(self, an_id: bytes) -> None:
        """The state of this id is another now."""
        self._untold[an_id] = None

    def welcomed(self) -> None:
        """The router knows us from now on, and nothing of what it was told before."""
        self._untold = dict.fromkeys(self._everything())
        self._under_way = 0

    def has_untold(self) -> bool:
        """Whether there is something that the router has yet to be told."""
        return bool(self._untold)

    def is_settled(self) -> bool:
        """Whether the router has answered all that there was to tell."""
        return not self._untold and not self._under_way

    def requests(self) -> Iterator[tuple[Make, Callable[[Any], None]]]:
        """What to tell the router now."""
        while self._untold and self._under_way < UNDER_WAY:
            ids = list(islice(self._untold, PORTION))
            for an_id in ids:
                del self._untold[an_id]
            for make in self._say(ids):
                self._under_way += 1
                yield make, self._answered

    def _answered(self, answer: Any) -> None:
        self._under_way = max(0, self._under_way - 1)
        self._on_answer(answer)
