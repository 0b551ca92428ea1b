"""Ids whose state the router has to be told, again and again: a part of a peer's session.

Owns: which ids it has yet to be told, in what portions, how many of these may be unanswered, what it did not
take. Must not know: sockets, what is said of an id; `now` is an argument, in seconds.

What changes many times before it is told is told once, as it is then. After each Welcome all is told anew: a
returning router is told of 100,000 ids in pieces that leave room for other peers, without waiting longer than
its answers take. What is refused because the router is full is told again after a while, in smaller portions,
for some of it may fit; what is not answered, at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Final, TypeAlias

from zrouter import wire
from zrouter.wire import Message

PORTION: Final = 2000  # ids in one frame
UNDER_WAY: Final = 4  # frames that may be unanswered
RETRY_S: Final = 2.0  # before the router is asked again for what it had no room for
_FRAME_BYTES: Final = 64  # of a frame beside its ids
_ID_BYTES: Final = 8  # of an id beside its own, with its connections

Make: TypeAlias = Callable[[int], Message]


class Announcements:
    """`everything` lists all ids there are to tell of, `say` makes the requests that tell of some ids now.

    Each of these comes with the ids that it is about. `answered` gets the answer to each of them, or the
    error that came instead. `admitted` is told of ids that were refused and are not any more.
    """

    def __init__(
        self,
        everything: Callable[[], Iterable[bytes]],
        say: Callable[[list[bytes]], Iterable[tuple[Make, list[bytes]]]],
        answered: Callable[[Any], None],
        admitted: Callable[[list[bytes]], None] = lambda ids: None,
    ) -> None:
        self._everything = everything
        self._say = say
        self._on_answer = answered
        self._on_admitted = admitted
        self._untold: dict[bytes, None] = {}  # in the order in which they changed
        self._refused: dict[bytes, Exception] = {}  # for which there was no room, and what was said of it
        self._retry_at: float | None = None
        self._portion = PORTION
        self._under_way = 0

    def changed(self, an_id: bytes) -> None:
        """The state of this id is another now."""
        self._untold[an_id] = None

    def welcomed(self) -> None:
        """The router knows us from now on, and nothing of what it was told before."""
        self._untold = dict.fromkeys(self._everything())
        self._refused.clear()
        self._retry_at = None
        self._portion = PORTION
        self._under_way = 0

    def has_untold(self) -> bool:
        """Whether there is something that the router has yet to be told."""
        return bool(self._untold)

    @property
    def refused(self) -> Collection[bytes]:
        """Ids that the router had no room for."""
        return self._refused.keys()

    def refusal(self, ids: Iterable[bytes]) -> Exception | None:
        """What the router said when it had no room for one of these; None if it has them all."""
        return next((self._refused[an_id] for an_id in ids if an_id in self._refused), None)

    def is_settled(self) -> bool:
        """Whether the router has answered all that there was to tell."""
        return not self._untold and not self._under_way

    def tick(self, now: float) -> None:
        """Tell again what the router had no room for a while ago."""
        if not self._refused:
            return
        if self._retry_at is None:
            self._retry_at = now + RETRY_S
        elif now >= self._retry_at:
            self._retry_at = None
            self._retry()

    def requests(self, max_frame: int) -> Iterator[tuple[Make, Callable[[Any], None]]]:
        """What to tell the router now."""
        while self._untold and self._under_way < UNDER_WAY:
            ids = self._take(max_frame - _FRAME_BYTES)
            for make, some in self._say(ids):
                self._under_way += 1
                yield make, partial(self._answered, some)

    def _take(self, room: int) -> list[bytes]:
        """The next portion: as many as fit a frame, one at the least."""
        ids: list[bytes] = []
        for an_id in islice(self._untold, self._portion):
            room -= len(an_id) + _ID_BYTES
            if room < 0 and ids:
                break
            ids.append(an_id)
        for an_id in ids:
            del self._untold[an_id]
        return ids

    def _answered(self, ids: list[bytes], answer: Any) -> None:
        self._under_way = max(0, self._under_way - 1)
        if not isinstance(answer, Exception):
            self._portion = min(PORTION, 2 * self._portion)
            if self._refused:
                self._admit(ids)
        elif getattr(answer, "code", "") in (wire.FULL, wire.FORBIDDEN):
            for an_id in ids:
                self._refused.pop(an_id, None)  # behind the others
                self._refused[an_id] = answer
            self._portion = max(1, len(ids) // 2)
        elif not hasattr(answer, "code"):  # there was none
            self._untold.update(dict.fromkeys(ids))
        self._on_answer(answer)

    def _admit(self, ids: list[bytes]) -> None:
        admitted = [an_id for an_id in ids if an_id in self._refused]
        for an_id in admitted:
            del self._refused[an_id]
        if admitted:
            self._on_admitted(admitted)
            self._retry()

    def _retry(self) -> None:
        """Tell again one portion; the next one when there was room for it, or after a while."""
        self._untold.update(dict.fromkeys(islice(self._refused, self._portion)))
