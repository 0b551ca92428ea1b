"""The room: every parked client of this worker, from the moment it comes in until it has left.

Owns: what ties audience, lot and transport together: who comes, waits, ticks, talks and goes. Must not know:
HTTP requests, ZeroMQ. What a message does is in delivery.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Final

from zfront.audience import Audience
from zfront.budget import Budget
from zfront.date import NOW, Date
from zfront.delivery import Delivery
from zfront.faults import Faults
from zfront.held import HeldLot
from zfront.lot import UNWANTED, Heard, Lot
from zfront.rows import IDLE, WAITS, Rows
from zfront.settings import FrontSettings
from zfront.ticks import Ticks
from zfront.transports import (
    CHUNKED,
    NDJSON,
    POLL,
    SSE,
    STREAMS,
    WS,
    chunked,
    ndjson,
    objects,
    poll,
    sse,
    ws,
)
from zfront.transports.chunks import CLOSE, with_headers
from zfront.visit import MAX_IDS, MAX_WATCHED, PATH_IDS_ONLY, BadVisitError, Visit
from zfront.watchers import Watchers
from zfront.wishes import as_ids, read_wish
from zrouter.cursor import NEW
from zrouter.resumption import Resumption
from zrouter.wire import EVICTED, Resumed, State

if TYPE_CHECKING:
    from zfront.sockets import Said, Sockets

_IDLE_S: Final = 60
# Units of work (see lot.Heard): of a poll's next request, of a message that can't be obeyed; in one that can,
# so many ids are one.
_REQUEST_UNITS: Final = 4
_FAULT_UNITS: Final = 8
_IDS_OF_A_UNIT: Final = 4
# New ids that a WebSocket may log in as: so many a second, and so many at once. The router keeps what is sent
# to an id for a while after it has left, so those that come and go take the places of others.
_LOGINS: Final = 8
_LOGINS_AT_ONCE: Final = 8 * MAX_IDS
# How often each connection is looked at, where nothing else says so.
_SWEEP_S: Final = 25
# What EventSource is to wait before it comes back: not all at once.
_RETRY_MS: Final = (1000, 3000)


class Room:
    """See the module's docstring.

    `changed(id)` is told when the connections of an id are more or fewer, `watch_changed(id)` when an id is
    watched from now on, or not any more. `clock` is a monotonic one [s]; `random` spreads what is due.
    """

    def __init__(
        self,
        settings: FrontSettings,
        changed: Callable[[bytes], None],
        watch_changed: Callable[[bytes], None],
        kind: type[Lot] | type[HeldLot] = Lot,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
        date: Date = NOW,
    ) -> None:
        self._clock = clock
        self._date = date
        self.random = random or Random()
        self.audience = Audience()
        self.watchers = Watchers(watch_changed)
        self.lot = kind(settings.outbox, self._left, self._said, settings.client_rate, clock)
        self.logins = Budget(_LOGINS, _LOGINS_AT_ONCE)
        self.resumption = Resumption(self._resumable, self.audience.ids_of, self._hold, self._resume)
        self.origins = settings.origins()
        self.max_connections = settings.connection_limit()
        self.on_request: Callable[[int, bytes], None] | None = (
            None  # given the next request of a poll's client
        )
        self.on_parting: Callable[[int], None] | None = (
            None  # given a descriptor whose last bytes must be seen
        )
        self.opened = 0  # connections parked since the start
        self.resumed = 0  # messages written to clients that had missed them
        self.gaps = 0  # clients told that some of what they missed is gone
        self.presence_told = 0  # times that a client was told of an id that it watches
        self.faults = Faults()
        self.acked = 0  # times that a client said how far it has come
        self.turned_away = 0  # connections answered with 503
        self.closed: dict[str, int] = {}  # connections ended, by why
        self._changed = changed
        self._settings = settings
        self._rows = Rows()
        self._ticks = Ticks()
        self._headers: dict[int, bytes] = {}  # for the answers of polls
        self.delivery = Delivery(
            self.audience, self._rows, self.lot, self.resumption, self._poll_lines, self._answered
        )
        self._sockets: Sockets | None = None  # once there is a WebSocket

    def is_full(self) -> bool:
        """Whether one more client would be too many."""
        return len(self.lot) >= self.max_connections

    def enter(self, descriptor: int, visit: Visit) -> None:
        """Write the head and park the descriptor; nothing but rows is kept."""
        self.opened += 1
        self._rows.reach(descriptor)
        self.lot.park(descriptor)
        self._admit(descriptor, visit)

    def enter_again(self, descriptor: int, visit: Visit) -> None:
        """The same for the next request on a connection that is parked."""
        self._admit(descriptor, visit)

    def release(self, descriptor: int) -> bytes:
        """Give up a connection that is parked between two requests; returns what is still to be written."""
        assert isinstance(self.lot, Lot)
        self._rows.kinds[descriptor] = CHUNKED
        return self.lot.release(descriptor)

    def _admit(self, descriptor: int, visit: Visit) -> None:
        kind = self._rows.kinds[descriptor] = visit.kind
        self._rows.since[descriptor] = int(self._clock())
        if visit.tick_s:
            self._ticks.add(descriptor, visit.tick_s, self._clock())
        for an_id in self.audience.add(descriptor, visit.ids):
            self._changed(an_id)
        if kind == CHUNKED:
            self._rows.numbers[descriptor] = 0
            welcome = chunked.welcome_chunk(visit.ids[0]) if visit.welcome else b""
            self.lot.write(descriptor, with_headers(chunked.HEAD, self._date.line + visit.headers) + welcome)
            return
        if visit.cursor == NEW:
            self.resumption.greet(descriptor)
        else:
            self._hold(descriptor)
            self.resumption.begin(descriptor, visit.cursor)
        # They are told where they are, or what they missed, as soon as the router has answered.
        if kind == WS:
            self.lot.write_ahead(descriptor, ws.switch(visit.key))
        elif kind == SSE:
            head = with_headers(sse.HEAD, self._date.line + visit.headers)
            self.lot.write_ahead(descriptor, head + sse.retry(self.random.randint(*_RETRY_MS)))
        elif kind == NDJSON:
            self.lot.write_ahead(descriptor, with_headers(ndjson.HEAD, self._date.line + visit.headers))
        elif visit.headers:
            self._headers[descriptor] = visit.headers
        states = self._watch(descriptor, visit.watched)
        if states:
            self.lot.write(descriptor, states)

    def tell(self, states: list[State]) -> None:
        """Tell those who watch these ids on how many connections they are now."""
        for (an_id, connections), watchers in self.watchers.told(states):
            made: dict[int, bytes] = {}
            writes: dict[int, bytes | bytearray] = {}
            for watcher in watchers:
                kind = self._rows.kinds[watcher] & ~WAITS
                if kind not in made:
                    made[kind] = STREAMS[kind].presence(an_id, connections)
                writes[watcher] = made[kind]
            self.presence_told += len(writes)
            self.lot.write_all(writes)

    def _watch(self, connection: int, ids: Iterable[bytes]) -> bytes:
        """Tell it of these from now on; what is to be written to it now."""
        known = self.watchers.watch(connection, ids)
        if not known:
            return b""
        stream = STREAMS[self._rows.kinds[connection] & ~WAITS]
        self.presence_told += len(known)
        return b"".join(stream.presence(*state) for state in known)

    def is_ticking(self) -> bool:
        """Whether somebody waits for ticks."""
        return bool(self._ticks)

    def tick(self) -> None:
        """Write a tick to every connection that is due."""
        for connection, number in self._ticks.due(self._clock()):
            an_id = self.audience.ids_of(connection)[0]
            self.lot.write(connection, chunked.tick_chunk(number, an_id))

    def evict(self, ids: Iterable[bytes]) -> None:
        """End every connection of these ids."""
        for an_id in ids:
            for connection in self.audience.listeners(an_id):
                self._end(connection, "evicted")

    def sweep(self, second: int) -> None:
        """What is due now and then, once a second: keep connections alive, answer polls, end the old."""
        self.lot.go_on()
        now = int(self._clock())
        settings, kinds = self._settings, self._rows.kinds
        period_s = settings.alive or _SWEEP_S
        for connection in range(second % period_s, len(kinds), period_s):
            if connection not in self.lot:
                continue
            if settings.max_age and now - self._rows.since[connection] > self._max_age():
                self._end(connection, "aged")
            elif settings.alive and (stream := STREAMS.get(kinds[connection])) is not None:
                self.lot.write(connection, stream.ALIVE)
        for kind in (POLL, POLL | WAITS, IDLE):
            limit_s = _IDLE_S if kind == IDLE else settings.poll_timeout
            connection = kinds.find(kind)
            while connection >= 0:
                if connection in self.lot and now - self._rows.since[connection] >= limit_s:
                    self._time_out(connection, kind)
                connection = kinds.find(kind, connection + 1)

    def _max_age(self) -> float:
        """Those that came together do not have to go together."""
        return self._settings.max_age * self.random.uniform(0.9, 1.1)

    def _time_out(self, connection: int, kind: int) -> None:
        if kind == IDLE:
            self.lot.close(connection, "idle")
            return
        # One that still waits is no further than it was; it asks again with what it has.
        offset = b""
        if connection not in self.resumption:
            offset = self.delivery.offset(self.resumption.here.position)
        self.lot.write(connection, with_headers(poll.nothing(offset), self._poll_lines(connection)))
        self._answered(connection)

    def end_some(self, count: int) -> int:
        """End so many connections because the frontend stops; how many there were."""
        parked = self.lot.parked()[:count]
        for connection in parked:
            self._end(connection, "shutdown")
        return len(parked)

    def report(self) -> dict[str, int | float | str]:
        """Figures for `zrouter stats`."""
        return {
            "opened": self.opened,
            "delivered": self.delivery.delivered,
            "unheard": self.delivery.unheard,
            "resumed": self.resumed,
            "gaps": self.gaps,
            "acked": self.acked,
            "watched": len(self.watchers.ids()),
            "presence_told": self.presence_told,
            "waiting": len(self.resumption),
            "turned_away": self.turned_away,
            "faults": self.faults.count,
            "held_back": self.lot.budget.delays,
            "logins_refused": self.logins.delays,
            **{f"closed_{why}": count for why, count in self.closed.items()},
        }

    def _resumable(self) -> list[int]:
        """The connections that want to know what they missed."""
        kinds = self._rows.kinds
        return [one for one in self.lot.parked() if kinds[one] not in (CHUNKED, IDLE)]

    def _hold(self, connection: int) -> None:
        """Give it no messages until it has been told what it missed."""
        self._rows.kinds[connection] |= WAITS

    def _resume(self, connection: int, missed: Resumed) -> None:
        """Tell it what it missed, and from now on what comes."""
        kind = self._rows.kinds[connection] = self._rows.kinds[connection] & ~WAITS
        transport = poll if kind == POLL else STREAMS[kind]
        offset = self.delivery.offset
        ids = self.audience.ids_of(connection)
        # It may have left one of its ids after this was asked for.
        messages = [one for one in missed.messages if one[0] in ids]
        made = [transport.message(an_id, message, offset(at)) for an_id, message, at in messages]
        gap = missed.gap
        if not self.lot.owe(connection, sum(map(len, made))):
            # Too many clients have too much to read: the newest of it is what one may have waiting.
            newest = _newest(made, self._settings.outbox // 2)
            messages, made = messages[len(messages) - newest :], made[len(made) - newest :]
            gap = gap or EVICTED
        parts: list[bytes] = []
        if gap:
            self.gaps += 1
            before = messages[0][2] - 1 if messages else missed.position
            parts.append(transport.gap(gap, offset(before)))
        parts += made
        self.resumed += len(messages)
        if kind != POLL:
            self.lot.write(connection, b"".join(parts) or STREAMS[kind].opened(offset(missed.position)))
        elif parts:
            self.delivery.write({connection: b"".join(parts)}, missed.position)
        self.lot.settle(connection)

    def _poll_lines(self, connection: int) -> bytes:
        """More lines for the answer to its poll."""
        return self._date.line + self._headers.get(connection, b"")

    def _answered(self, connection: int) -> None:
        """A poll has had its answer: the connection is nobody's until it asks again."""
        said = self._headers.pop(connection, b"")
        if CLOSE in said:
            self.lot.end(connection, b"", "gone")
        elif connection in self.lot:
            self.resumption.end(connection)
            self._rows.kinds[connection] = IDLE
            self._rows.since[connection] = int(self._clock())
            for an_id in self.audience.remove(connection):
                self._changed(an_id)

    def _said(self, connection: int, data: bytes) -> Heard:
        """A client said something, or it is its turn again: what came of it."""
        try:
            return self._answer(connection, data)
        except Exception as error:
            self.faults.ended(error, lambda: self.lot.close(connection, "fault"))
            return Heard(_FAULT_UNITS)

    def _answer(self, connection: int, data: bytes) -> Heard:
        kind = self._rows.kinds[connection] & ~WAITS
        if kind == WS:
            return self._socket_said(connection, data)
        if kind == IDLE and self.on_request is not None and data:
            self.on_request(connection, data)
            return Heard(_REQUEST_UNITS)
        return UNWANTED

    def _socket_said(self, connection: int, data: bytes) -> Heard:
        said = self._heard(connection, data)
        units = said.frames
        answers = [said.answer]
        for message in said.messages:
            try:
                ids, answer = self._obey(connection, message)
                units += ids // _IDS_OF_A_UNIT
            except BadVisitError as error:
                answer = ws.text(objects.error(str(error)))
                units += _FAULT_UNITS
            answers.append(answer)
        answers.append(said.last)
        if answer := b"".join(answers):
            self.lot.write(connection, answer)
        if said.last:
            self._part(connection, said.is_fault)
        return Heard(units, wants_more=said.has_more)

    def _obey(self, connection: int, message: str | bytes) -> tuple[int, bytes]:
        """Do what a WebSocket client asks for: of how many ids that was, and what to answer.

        Raises:
            BadVisitError: it can't be done, and nothing of it was.
        """
        wish = read_wish(message)
        login, logout, watch, unwatch = map(as_ids, (wish.login, wish.logout, wish.watch, wish.unwatch))
        if self._settings.path_ids_only and (login or watch):
            raise BadVisitError(PATH_IDS_ONLY)
        before = self.audience.ids_of(connection)
        if len(before) + len(login) > MAX_IDS:
            raise BadVisitError(f"more than {MAX_IDS} ids")
        if len(self.watchers.of(connection)) + len(watch) > MAX_WATCHED:
            raise BadVisitError(f"more than {MAX_WATCHED} ids to watch")
        coming = sum(an_id not in before or an_id in logout for an_id in login)
        if coming and not self.logins.may_spend(connection, coming, self._clock()):
            raise BadVisitError(f"more than {_LOGINS} new ids a second")
        self.acked += wish.ack != ""
        gone = self.audience.part(connection, logout)
        new = self.audience.join(connection, login)
        for an_id in gone + new:
            self._changed(an_id)
        self.watchers.unwatch(connection, unwatch)
        states = self._watch(connection, watch)
        if self._rows.kinds[connection] & WAITS:
            if gone or new:
                self.resumption.ask_again(connection, new)
        elif new:
            self.resumption.greet(connection, has_history=True, joined=new)
        return len(login) + len(logout) + len(watch) + len(unwatch), states

    def _part(self, connection: int, is_writing: bool) -> None:
        """End a connection that was told so; one that still writes is not reset before it has read that."""
        if connection not in self.lot or not is_writing or self.on_parting is None:
            self.lot.close(connection, "gone")
            return
        assert isinstance(self.lot, Lot)  # others have no clients that talk
        self.lot.release(connection)
        self._left(connection, "gone")
        self.on_parting(connection)

    def _end(self, connection: int, why: str) -> None:
        """End the answer as its transport wants it, then the connection."""
        kind = self._rows.kinds[connection] & ~WAITS
        last = b""
        if kind == CHUNKED:
            last = chunked.LAST
        elif kind == POLL:
            last = poll.nothing(b"")
        elif kind != IDLE:
            last = STREAMS[kind].last(why)
        self.lot.end(connection, last, why)

    def _heard(self, connection: int, data: bytes) -> Said:
        """What a WebSocket client says. Its parser is loaded for the first one: it takes 1 MB of a worker."""
        if self._sockets is None:
            from zfront.sockets import Sockets

            self._sockets = Sockets()
        return self._sockets.receive(connection, data)

    def _left(self, descriptor: int, why: str) -> None:
        self.closed[why] = self.closed.get(why, 0) + 1
        self.resumption.end(descriptor)
        if self._sockets is not None:
            self._sockets.left(descriptor)
        self._ticks.remove(descriptor)
        self.watchers.remove(descriptor)
        self.logins.forget(descriptor)
        self._headers.pop(descriptor, None)
        self._rows.kinds[descriptor] = CHUNKED  # as those that never were
        for an_id in self.audience.remove(descriptor):
            self._changed(an_id)


def _newest(parts: list[bytes], size: int) -> int:
    """How many of the last ones are no longer than that together."""
    for count, part in enumerate(reversed(parts)):
        size -= len(part)
        if size < 0:
            return count
    return len(parts)
