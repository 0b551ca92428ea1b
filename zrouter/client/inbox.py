"""What has come for a program that is logged in, and was not taken yet: messages, and gaps between them.

Owns: its ids, the bounded queue, what it missed while the link was broken. Must not know: sockets, the time,
how the program waits.

A login that resumes is a client of the resumption: while it is held, because it is yet to be told what it
missed, what is delivered for its ids is left out, for the answer has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

from zrouter import wire
from zrouter.link.resumption import Resumption
from zrouter.wire import Delivery
from zrouter.wire.offset import NEW, Offset, read_offset

# A reason of a Gap, beside wire.GAPS: the program did not take its messages, and the oldest were dropped.
DROPPED: Final = "dropped"


class _Message(NamedTuple):
    id: str
    message: bytes


class Received(_Message):
    """A message for one of the ids that a client is logged in as: a pair of id and message.

    `offset` says where the ids of its login are with this message: `login(since=offset)` goes on behind it.
    """

    offset: str

    def __new__(cls, id: str, message: bytes, offset: str = "") -> Received:
        """`(id, message)`, and an offset that is not part of the pair."""
        self = super().__new__(cls, id, message)
        self.offset = offset
        return self


class Gap(NamedTuple):
    """Messages before the next one are gone. `reason` is one of wire.GAPS, or DROPPED.

    `offset` is behind what is gone.
    """

    reason: str
    offset: str


_Queued: TypeAlias = "tuple[Delivery, int] | Gap"  # with the epoch of the delivery


class Inbox:
    """One program's. At most `max_received` messages wait to be taken; beyond it the oldest are dropped.

    The gap that says so stands before them and does not count.
    """

    def __init__(self, max_received: int) -> None:
        self.held: dict[bytes, int] = {}  # id -> connections, as the router is told
        self.dropped_messages = 0
        self.resumption = Resumption(self._logins_now, self._ids_of, self._wait, self._resumed)
        self._max_received = max_received
        self._queue: deque[_Queued] = deque()
        self._logins: dict[int, dict[bytes, None]] = {}  # those that resume, each with its ids
        self._login_of: dict[bytes, int] = {}
        self._last_login = 0
        self._waiting: set[int] = set()

    def hold(self, ids: Iterable[bytes], since: str | None) -> int:
        """Log in as these ids; with `since` they resume, from there on (empty: from now on).

        Returns the number of a login that resumes, else 0.
        """
        ids = list(ids)
        if since is not None and ids:
            self._leave_logins(ids)
            self._last_login += 1
            self._logins[self._last_login] = dict.fromkeys(ids)
            self._login_of.update(dict.fromkeys(ids, self._last_login))
            offset = read_offset(since)
            if offset == NEW:
                self.resumption.greet(self._last_login)
            else:
                self.resumption.begin(self._last_login, offset)
                self._wait(self._last_login)
        self.held.update(dict.fromkeys(ids, 1))
        return self._last_login if since is not None and ids else 0

    def release(self, ids: Iterable[bytes]) -> list[bytes]:
        """Log out of these ids; those that were held."""
        gone = [an_id for an_id in ids if self.held.pop(an_id, None)]
        self._leave_logins(gone)
        return gone

    def is_waiting(self) -> bool:
        """Whether a login waits to be told what it missed."""
        return bool(self._waiting)

    def deliver(self, messages: list[Delivery]) -> None:
        """Queue what has come."""
        here, waiting, login_of = self.resumption.here, self._waiting, self._login_of
        self.resumption.delivered(messages[-1][2])
        if waiting:
            messages = [one for one in messages if login_of.get(one[0]) not in waiting]
        self._queue.extend((one, here.epoch) for one in messages)
        self._make_room()

    def __len__(self) -> int:
        return len(self._queue)

    def take(self) -> Received | Gap:
        """The oldest; there has to be one."""
        queued = self._queue.popleft()
        if isinstance(queued, Gap):
            return queued
        (an_id, message, position), epoch = queued
        return Received(an_id.decode(), message, Offset(epoch, position).text())

    # ---- inside ------------------------------------------------------------------------------------

    def _make_room(self) -> None:
        gap: Gap | None = None
        while len(self._queue) > self._max_received:
            oldest = self._queue.popleft()
            if isinstance(oldest, Gap):
                gap = oldest
                continue
            self.dropped_messages += 1
            (an_id, _, position), epoch = oldest
            if an_id in self._login_of:
                gap = Gap(DROPPED, Offset(epoch, position).text())
        if gap is not None:
            self._queue.appendleft(gap)

    def _leave_logins(self, ids: Iterable[bytes]) -> None:
        for an_id in ids:
            login = self._login_of.pop(an_id, None)
            if login is None:
                continue
            del self._logins[login][an_id]
            if not self._logins[login]:
                del self._logins[login]
                self._waiting.discard(login)
                self.resumption.end(login)

    def _logins_now(self) -> list[int]:
        return list(self._logins)

    def _ids_of(self, login: int) -> Sequence[bytes]:
        return list(self._logins[login])

    def _wait(self, login: int) -> None:
        self._waiting.add(login)

    def _resumed(self, login: int, missed: wire.Resumed) -> None:
        self._waiting.discard(login)
        epoch = self.resumption.here.epoch
        if missed.gap:
            before = missed.messages[0][2] - 1 if missed.messages else missed.position
            self._queue.append(Gap(missed.gap, Offset(epoch, before).text()))
        ids = self._logins[login]
        self._queue.extend((one, epoch) for one in missed.messages if one[0] in ids)
        self._make_room()
