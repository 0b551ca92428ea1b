"""Clients that wait to be told what they missed, and where all others are: a part of a peer's session.

Owns: who waits and from where, asking the router for them, a few at a time. Must not know: sockets, what a
client is (a number here), how it is told.

A client that comes back waits until the router has said what it missed; until then it is given nothing, for
the answer has it. What was delivered before the answer is in it, what comes after it is new: so a client gets
each message once. One that is new has missed nothing: it is given all that comes, and is only told where it
is; one question does for all who are new. When the link breaks or a message was lost on it, all wait from
where they were.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from zrouter import wire
from zrouter.cursor import NEW, Cursor

# Requests that may be unanswered; an answer has up to a frame of messages.
UNDER_WAY: Final = 64

Request: TypeAlias = "tuple[Callable[[int], wire.Message], Callable[[Any], None]]"


class _Wait:
    """One client's that is held; another object each time."""

    __slots__ = ("cursor",)

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor


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
        self._waiting: dict[int, _Wait] = {}  # those that are held
        self._unasked: OrderedDict[int, _Wait] = OrderedDict()  # of these, in the order in which they came
        self._under_way = 0
        # Those that are new, each with whether it may have missed something: to be asked for, and asked for.
        self._new: dict[int, bool] = {}
        self._greeted: dict[int, bool] = {}
        self._is_greeting = False
        self._is_up = False  # the router knows us

    def __len__(self) -> int:
        return len(self._waiting) + len(self._new) + len(self._greeted)

    def __contains__(self, client: int) -> bool:
        return client in self._waiting or client in self._new or client in self._greeted

    def begin(self, client: int, cursor: Cursor) -> None:
        """This client comes back: it is held, and has what came up to the cursor."""
        self.end(client)
        self._waiting[client] = self._unasked[client] = _Wait(cursor)

    def greet(self, client: int, *, has_history: bool = False) -> None:
        """This client, or some of its ids, are new: it is given what comes, and is to be told where it is.

        With history it had ids before, and had all for them. While the router is away one without has nothing
        to miss; else others may be the same id, and it is given what comes for them.
        """
        may_miss = has_history or self._is_up or self._new.get(client, False)
        self._new[client] = self._greeted.pop(client, may_miss) or may_miss

    def ask_again(self, client: int) -> None:
        """One that is held has other ids now: it is to be told what came for them, too."""
        if client in self._waiting:
            self.begin(client, self._waiting[client].cursor)

    def end(self, client: int) -> None:
        """It has left; no error if it did not wait."""
        for each in (self._waiting, self._unasked, self._new, self._greeted):
            each.pop(client, None)

    def delivered(self, position: int) -> None:
        """Those who are not held have been given all up to there."""
        self.here = Cursor(self.here.epoch, position)

    def lost(self) -> None:
        """A message of this router's life did not come: all who are not held may have missed something."""
        for client in self._everybody():
            # One that came while the router was away has missed nothing.
            if client not in self._waiting and self._new.get(client, True):
                self.begin(client, self.here)
                self._held(client)

    def closed(self) -> None:
        """The link broke."""
        self._is_up = False

    def welcomed(self, epoch: int) -> None:
        """The router knows us from now on: what was asked for before will not be answered."""
        self.lost()
        self.here = Cursor(epoch, 0)
        self._is_up = True
        self._under_way = 0
        self._unasked = OrderedDict(self._waiting)
        self._is_greeting = False

    def has_requests(self) -> bool:
        """Whether `requests` would have something."""
        return bool(self._unasked and self._under_way < UNDER_WAY) or self._has_to_greet()

    def requests(self) -> Iterator[Request]:
        """What to ask the router now, once it has been told of the ids."""
        if self._has_to_greet():
            self._greeted, self._new = self._new, {}
            self._is_greeting = True
            yield partial(_resume, [], NEW), self._answered_new
        while self._unasked and self._under_way < UNDER_WAY:
            client, wait = self._unasked.popitem(last=False)
            self._under_way += 1
            yield (
                partial(_resume, list(self._ids_of(client)), wait.cursor),
                partial(self._answered, client, wait),
            )

    def _has_to_greet(self) -> bool:
        return bool(self._new) and not self._is_greeting

    def _answered_new(self, answer: Any) -> None:
        self._is_greeting = False
        greeted, self._greeted = self._greeted, {}
        if not isinstance(answer, wire.Resumed):
            # There is room later, or a Welcome comes. The router may have known their ids.
            self._new = dict.fromkeys(greeted, True) | self._new
            return
        self.delivered(max(answer.position, self.here.position))
        for client in greeted:
            self._resumed(client, answer)

    def _answered(self, client: int, wait: _Wait, answer: Any) -> None:
        self._under_way = max(0, self._under_way - 1)
        if self._waiting.get(client) is not wait:
            return  # it has left
        if isinstance(answer, wire.Resumed):
            del self._waiting[client]
            self.delivered(max(answer.position, self.here.position))
            self._resumed(client, answer)
        elif getattr(answer, "code", "") == wire.FULL:
            self._unasked[client] = wait
        # After any other error comes a Welcome, and all are asked for again.


def _resume(ids: list[bytes], cursor: Cursor, request: int) -> wire.Resume:
    return wire.Resume(request, ids, cursor.epoch, cursor.position)
