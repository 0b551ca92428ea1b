"""Clients that wait to be told what they missed, and where all others are: a part of a peer's session.

Owns: who waits and from where, asking the router for them, a few at a time. Must not know: sockets, what a
client is (a number here), how it is told.

A client that comes back waits until the router has said what it missed; until then it is given nothing, for
the answer has it. What was delivered before the answer is in it, what comes after it is new: so a client gets
each message once. One that is new has missed nothing: it is given all that comes, and only asks where it is.
When the link breaks or a message was lost on it, all wait from where they were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from zrouter import wire
from zrouter.cursor import NEW, Cursor

# Requests that may be unanswered; an answer has up to a frame of messages.
UNDER_WAY: Final = 64

Request: TypeAlias = "tuple[Callable[[int], wire.Message], Callable[[Any], None]]"


class _Wait:
    """One client's; another object each time that it waits."""

    __slots__ = ("cursor", "may_miss")

    def __init__(self, cursor: Cursor, may_miss: bool) -> None:
        self.cursor = cursor
        self.may_miss = may_miss  # it is given what comes, so what is lost now it misses


class Resumption:
    """See the module's docstring.

    `everybody` lists all clients that want to know what they missed, `ids_of` says which ids one has. `held`
    is told of a client that was up to date and has to wait, `resumed` of the answer that ends the wait.
    """

    def __init__(
        self,
        everybody: Callable[[], Iterable[int]],
        ids_of: Callable[[int], Sequence[bytes]],
        held: Callable[[int], None],
        resumed: Callable[[int, wire.Resumed], None],
    ) -> None:
        self.here = NEW  # all who are not held have what came up to here
        self._everybody = everybody
        self._ids_of = ids_of
        self._held = held
        self._resumed = resumed
        self._waiting: dict[int, _Wait] = {}
        self._unasked: deque[tuple[int, _Wait]] = deque()
        self._under_way = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, client: int) -> bool:
        return client in self._waiting

    def begin(self, client: int, cursor: Cursor) -> None:
        """This client comes back: it is held, and has what came up to the cursor."""
        self._begin(client, _Wait(cursor, False))

    def greet(self, client: int, *, has_history: bool = False) -> None:
        """This client, or some of its ids, are new: it is given what comes, and is to be told where it is.

        With history it had ids before, and had all for them.
        """
        self._begin(client, _Wait(NEW, has_history))

    def ask_again(self, client: int) -> None:
        """One that is held has other ids now: it is to be told what came for them, too."""
        wait = self._waiting.get(client)
        if wait is not None:
            self._begin(client, _Wait(wait.cursor, wait.may_miss))

    def end(self, client: int) -> None:
        """It has left; no error if it did not wait."""
        self._waiting.pop(client, None)

    def delivered(self, position: int) -> None:
        """Those who are not held have been given all up to there."""
        self.here = Cursor(self.here.epoch, position)

    def lost(self) -> None:
        """A message of this router's life did not come: all who are not held may have missed something."""
        for client in self._everybody():
            wait = self._waiting.get(client)
            if wait is None or wait.may_miss:
                self.begin(client, self.here)
                self._held(client)

    def welcomed(self, epoch: int) -> None:
        """The router knows us from now on: what was asked for before will not be answered."""
        self.lost()
        self.here = Cursor(epoch, 0)
        self._under_way = 0
        self._unasked = deque(self._waiting.items())

    def has_requests(self) -> bool:
        """Whether `requests` would have something."""
        return bool(self._unasked) and self._under_way < UNDER_WAY

    def requests(self) -> Iterator[Request]:
        """What to ask the router now, once it has been told of the ids."""
        while self.has_requests():
            client, wait = self._unasked.popleft()
            if self._waiting.get(client) is wait:
                self._under_way += 1
                # Its ids are told to the router before this.
                wait.may_miss = wait.may_miss or wait.cursor == NEW
                make = partial(_resume, list(self._ids_of(client)), wait.cursor)
                yield make, partial(self._answered, client, wait)

    def _begin(self, client: int, wait: _Wait) -> None:
        self._waiting[client] = wait
        self._unasked.append((client, wait))

    def _answered(self, client: int, wait: _Wait, answer: Any) -> None:
        self._under_way = max(0, self._under_way - 1)
        if self._waiting.get(client) is not wait:
            return  # it has left
        if isinstance(answer, wire.Resumed):
            del self._waiting[client]
            self.delivered(max(answer.position, self.here.position))
            self._resumed(client, answer)
        elif getattr(answer, "code", "") == wire.FULL:
            self._unasked.append((client, wait))
        # After any other error comes a Welcome, and all are asked for again.


def _resume(ids: list[bytes], cursor: Cursor, request: int) -> wire.Resume:
    return wire.Resume(request, ids, cursor.epoch, cursor.position)
