"""Clients that wait to be told what they missed, and where all others are: a part of a peer's session.

Owns: who waits and from where, asking the router for them, a few at a time. Must not know: sockets, what a
client is (a number here), how it is told; `now` is an argument, in seconds.

A client that comes back waits until the router has said what it missed; until then it is given nothing, for
the answer has it. What was delivered before the answer is in it, what comes after it is new: so a client gets
each message once. One that is new has missed nothing: it is given all that comes, and is only told where it
is; one question does for all who are new. When the link breaks or a message was lost on it, all wait from
where they were.

One that was new then was nowhere yet: whatever is found behind where the others are may be from before it
came, so it is not given to it, and a gap is told. Nobody is told anything while the router has no room for
its ids.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from zrouter import wire
from zrouter.wire.offset import NEW, Offset

# Requests that may be unanswered; an answer has up to a frame of messages.
UNDER_WAY: Final = 64
# Where all are is asked for when nothing has told it for so long: the router keeps messages for a while only,
# and says of whoever was seen last before that, that he may have missed some.
_FRESH_S: Final = 20.0
# What is asked again after a while: there is no room, or our key is not for it.
_LATER: Final = (wire.FULL, wire.FORBIDDEN)
# Before more is asked of a router that has no room for questions.
RETRY_S: Final = 2.0

Request: TypeAlias = "tuple[Callable[[int], wire.Message], Callable[[Any], None]]"
# The ids of a client that are new to it; None = all of them.
Joined: TypeAlias = "frozenset[bytes] | None"
_NOTHING: Final[frozenset[bytes]] = frozenset()
_FRAME_BYTES: Final = 64  # of a question beside its ids
_ID_BYTES: Final = 8  # of an id beside its own


class _Wait:
    """One client's that is held; another object each time."""

    __slots__ = ("joined", "offset")

    def __init__(self, offset: Offset, joined: Joined = _NOTHING) -> None:
        self.offset = offset
        self.joined = joined  # since when it has these is not known


class _Newcomer(NamedTuple):
    """A client that is new, or some ids of which are."""

    may_miss: bool  # the router may have known them before a message was lost
    joined: Joined = None


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
        self.refused: Collection[bytes] = ()  # ids that the router has no room for
        self._everybody = everybody
        self._ids_of = ids_of
        self._held = held
        self._resumed = resumed
        self._waiting: dict[int, _Wait] = {}  # those that are held
        self._unasked: OrderedDict[int, _Wait] = OrderedDict()  # of these, in the order in which they came
        self._under_way = 0
        # Those that are new: to be asked for, and asked for.
        self._new: dict[int, _Newcomer] = {}
        self._greeted: dict[int, _Newcomer] = {}
        self._is_greeting = False
        # Those that are held or new, and have an id that is refused; and by that id.
        self._shut_out: dict[int, _Wait | _Newcomer] = {}
        self._shut_out_by: dict[bytes, list[int]] = {}
        self._is_full = False  # the router had no room for a question
        self._is_stale = False  # where all are was told so long ago
        self._seen_at: tuple[Offset, float] = (NEW, 0.0)
        self._retry_at: float | None = None
        self._is_up = False  # the router knows us

    def __len__(self) -> int:
        newcomers = sum(isinstance(one, _Newcomer) for one in self._shut_out.values())
        return len(self._waiting) + len(self._new) + len(self._greeted) + newcomers

    def __contains__(self, client: int) -> bool:
        return any(client in each for each in (self._waiting, self._new, self._greeted, self._shut_out))

    def begin(self, client: int, offset: Offset, joined: Joined = _NOTHING) -> None:
        """This client comes back: it is held, and has what came up to the cursor."""
        self.end(client)
        self._waiting[client] = self._unasked[client] = _Wait(offset, joined)

    def greet(self, client: int, *, has_history: bool = False, joined: Iterable[bytes] = ()) -> None:
        """This client, or some of its ids, are new: it is given what comes, and is to be told where it is.

        With history it had ids before, and had all for them; those that `joined` are new to it. While the
        router is away one without has nothing to miss; else others may be the same id, and it is given what
        comes for them.
        """
        may_miss, new = has_history or self._is_up, frozenset(joined) if has_history else None
        for before in (self._new.pop(client, None), self._greeted.pop(client, None), self._shut(client)):
            if isinstance(before, _Newcomer):
                may_miss = may_miss or before.may_miss
                new = None if new is None or before.joined is None else new | before.joined
        self._new[client] = _Newcomer(may_miss, new)

    def ask_again(self, client: int, joined: Iterable[bytes] = ()) -> None:
        """One that is held has other ids now: it is to be told what came for them, too."""
        wait = self._waiting.get(client)
        if wait is not None:
            new = wait.joined
            self.begin(client, wait.offset, new | frozenset(joined) if new else new)

    def end(self, client: int) -> None:
        """It has left; no error if it did not wait."""
        for each in (self._waiting, self._unasked, self._new, self._greeted):
            each.pop(client, None)
        self._shut(client)

    def delivered(self, position: int) -> None:
        """Those who are not held have been given all up to there."""
        self.here = Offset(self.here.epoch, position)

    def lost(self) -> None:
        """A message of this router's life did not come: all who are not held may have missed something."""
        for client in self._everybody():
            if client in self._waiting:
                continue
            newcomer = self._new.get(client) or self._greeted.get(client) or self._shut_out.get(client)
            if not isinstance(newcomer, _Newcomer):
                self.begin(client, self.here)
            elif newcomer.may_miss:
                self.begin(client, self.here, newcomer.joined)
            else:  # it came while the router was away
                continue
            self._held(client)

    def closed(self) -> None:
        """The link broke."""
        self._is_up = False

    def welcomed(self, epoch: int) -> None:
        """The router knows us from now on: what was asked for before will not be answered."""
        self.lost()
        self.here = Offset(epoch, 0)
        self._is_up = True
        self._under_way = 0
        for client, one in self._shut_out.items():
            if isinstance(one, _Newcomer):
                self._new[client] = one
        self._shut_out.clear()
        self._shut_out_by.clear()
        # From now on the router may know them before a message is lost.
        self._new = {client: one._replace(may_miss=True) for client, one in self._new.items()}
        self._unasked = OrderedDict(self._waiting)
        self._is_greeting = self._is_full = self._is_stale = False

    def admitted(self, ids: Iterable[bytes]) -> None:
        """The router has room for these again, or they are no more."""
        for an_id in ids:
            for client in self._shut_out_by.pop(an_id, ()):
                one = self._shut_out.pop(client, None)
                if isinstance(one, _Newcomer):
                    self._new[client] = one
                elif one is not None and self._waiting.get(client) is one:
                    self._unasked[client] = one

    def tick(self, now: float) -> None:
        """Ask a router again that had no room for a question a while ago, and now and then where all are."""
        if self.here != self._seen_at[0]:
            self._seen_at = (self.here, now)
        elif now - self._seen_at[1] >= _FRESH_S:
            self._seen_at = (self.here, now)
            self._is_stale = self._is_up
        if not self._is_full:
            self._retry_at = None
        elif self._retry_at is None:
            self._retry_at = now + RETRY_S
        elif now >= self._retry_at:
            self._is_full, self._retry_at = False, None

    def has_requests(self) -> bool:
        """Whether `requests` would have something."""
        has_some = bool(self._unasked and self._under_way < UNDER_WAY) or self._has_to_greet()
        return has_some and not self._is_full

    def requests(self, max_frame: int = wire.DEFAULT_MAX_FRAME_BYTES) -> Iterator[Request]:
        """What to ask the router now, once it has been told of the ids.

        Whose ids do not fit a frame of so many bytes is only told where all are, and of a gap.
        """
        if self._is_full:
            return
        if self._has_to_greet():
            self._greeted, self._new = self._new, {}
            self._is_greeting, self._is_stale = True, False
            yield partial(_resume, [], NEW), self._answered_new
        while self._unasked and self._under_way < UNDER_WAY:
            client, wait = self._unasked.popitem(last=False)
            if self.refused and self._is_shut_out(client, wait):
                continue
            self._under_way += 1
            ids = list(self._ids_of(client))
            if sum(map(len, ids)) + _ID_BYTES * len(ids) + _FRAME_BYTES > max_frame:
                yield partial(_resume, [], NEW), partial(self._answered_in_part, client, wait)
            else:
                yield partial(_resume, ids, wait.offset), partial(self._answered, client, wait)

    # ---- inside --------------------------------------------------------------------------------------

    def _has_to_greet(self) -> bool:
        return bool(self._new or self._is_stale) and not self._is_greeting

    def _is_shut_out(self, client: int, one: _Wait | _Newcomer) -> bool:
        """Whether the router has no room for one of its ids; then it comes again when it has."""
        for an_id in self._ids_of(client):
            if an_id in self.refused:
                self._shut_out[client] = one
                self._shut_out_by.setdefault(an_id, []).append(client)
                return True
        return False

    def _shut(self, client: int) -> _Wait | _Newcomer | None:
        return self._shut_out.pop(client, None)

    def _answered_new(self, answer: Any) -> None:
        self._is_greeting = False
        greeted, self._greeted = self._greeted, {}
        if not isinstance(answer, wire.Resumed):
            # The router may have known their ids.
            self._is_full = getattr(answer, "code", "") in _LATER
            may_miss = {client: one._replace(may_miss=True) for client, one in greeted.items()}
            self._new = may_miss | self._new
            return
        self.delivered(max(answer.position, self.here.position))
        for client, newcomer in greeted.items():
            if not (self.refused and self._is_shut_out(client, newcomer)):
                self._resumed(client, answer)

    def _answered_in_part(self, client: int, wait: _Wait, answer: Any) -> None:
        """Where all are; nobody was asked what it missed."""
        if isinstance(answer, wire.Resumed) and wait.offset != Offset(self.here.epoch, answer.position):
            answer = wire.Resumed(answer.request, answer.position, wire.EVICTED, [], answer.seq)
        self._answered(client, wait, answer)

    def _answered(self, client: int, wait: _Wait, answer: Any) -> None:
        self._under_way = max(0, self._under_way - 1)
        if self._waiting.get(client) is not wait:
            return  # it has left
        if not isinstance(answer, wire.Resumed):
            self._is_full = self._is_full or getattr(answer, "code", "") in _LATER
            self._unasked[client] = wait  # there was no room, or no answer; or a Welcome comes
        elif not (self.refused and self._is_shut_out(client, wait)):
            del self._waiting[client]
            self.delivered(max(answer.position, self.here.position))
            self._resumed(client, _since_it_came(answer, wait.joined))


def _resume(ids: list[bytes], offset: Offset, request: int) -> wire.Resume:
    return wire.Resume(request, ids, offset.epoch, offset.position)


def _since_it_came(answer: wire.Resumed, joined: Joined) -> wire.Resumed:
    """Without messages for these ids, which may be from before: in their place there is a gap."""
    if joined == _NOTHING:
        return answer
    messages = [] if joined is None else [one for one in answer.messages if one[0] not in joined]
    if len(messages) == len(answer.messages):
        return answer
    return wire.Resumed(answer.request, answer.position, answer.gap or wire.EVICTED, messages, answer.seq)
