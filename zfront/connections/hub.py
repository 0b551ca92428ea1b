"""The hub: every parked client of this worker, from the moment it comes in until it has left.

Owns: what ties subscriptions, parked sockets and transport together: who comes, waits, ticks, talks and goes.
Must not know: HTTP requests, ZeroMQ. What a message does is in fan_out.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import TYPE_CHECKING, Final

from zfront.connections.crowding import ADDRESS, ID, Crowding
from zfront.connections.fan_out import FanOut
from zfront.connections.no_park import NoParkSockets
from zfront.connections.parked_sockets import UNWANTED, Heard, ParkedSockets
from zfront.connections.presence_subscriptions import PresenceSubscriptions
from zfront.connections.rows import AWAITS_RESUME, BETWEEN_POLLS, Rows
from zfront.connections.subscriptions import Subscriptions
from zfront.connections.tick_wheel import TickWheel
from zfront.connections.token_holders import TokenHolders
from zfront.connections.work_budget import WorkBudget
from zfront.date_header import NOW, Date
from zfront.faults import Faults
from zfront.requests.client_command import as_ids, read_command
from zfront.requests.stream_request import (
    MAX_IDS,
    MAX_WATCHED,
    PATH_IDS_ONLY,
    BadStreamRequestError,
    StreamRequest,
)
from zfront.settings import FrontSettings
from zfront.transports import CHUNKED, NDJSON, POLL, SSE, STREAMS, WS, chunked, ndjson, objects, poll, sse, ws
from zfront.transports.chunks import CLOSE, with_headers
from zfront.transports.interface import NO_TOKEN
from zrouter.link.resumption import Resumption
from zrouter.wire import EVICTED, Resumed, Revocation, State
from zrouter.wire.offset import NEW

if TYPE_CHECKING:
    from zfront.connections.token_holders import Renewing
    from zfront.connections.websocket_input import Said, WebSocketInput
    from zfront.requests.admission import Admitted

_IDLE_S: Final = 60
# Units of work (see parked_sockets.Heard): of a poll's next request, of a message that can't be obeyed; in
# one that can, so many ids are one.
_REQUEST_UNITS: Final = 4
_FAULT_UNITS: Final = 8
_IDS_OF_A_UNIT: Final = 4
# New ids that a WebSocket may log in as: so many a second, and so many at once. The router keeps what is sent
# to an id for a while after it has left, so those that come and go take the places of others.
_LOGINS: Final = 8
_LOGINS_AT_ONCE: Final = 8 * MAX_IDS
# How often each connection is looked at, where nothing else says so.
_SWEEP_S: Final = 25
# Connections ended in one go because their token is over; the others a little later.
ENDED_AT_ONCE: Final = 500
# What EventSource is to wait before it comes back: not all at once.
_RETRY_MS: Final = (1000, 3000)


class Hub:
    """See the module's docstring.

    `changed(id)` is told when the connections of an id are more or fewer, `watch_changed(id)` when an id is
    watched from now on, or not any more. `clock` is a monotonic one [s]; `random` spreads what is due.
    `admission` is asked about fresh tokens; None: there are no tokens. `end_clock` is the one by which they
    end: monotonic too, and it goes on while the host is suspended [s].
    """

    def __init__(
        self,
        settings: FrontSettings,
        changed: Callable[[bytes], None],
        watch_changed: Callable[[bytes], None],
        kind: type[ParkedSockets] | type[NoParkSockets] = ParkedSockets,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
        date: Date = NOW,
        admission: Renewing | None = None,
        end_clock: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._date = date
        self.random = random or Random()
        self.subscriptions = Subscriptions()
        self.watchers = PresenceSubscriptions(watch_changed)
        self.parked = kind(settings.outbox, self._left, self._said, settings.client_rate, clock)
        self.logins = WorkBudget(_LOGINS, _LOGINS_AT_ONCE)
        self.resumption = Resumption(self._resumable, self.subscriptions.ids_of, self._hold, self._resume)
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
        self._ticks = TickWheel()
        self._headers: dict[int, bytes] = {}  # for the answers of polls
        self.fan_out = FanOut(
            self.subscriptions, self._rows, self.parked, self.resumption, self._poll_lines, self._answered
        )
        self._sockets: WebSocketInput | None = None  # once there is a WebSocket
        self.crowding = Crowding(settings.max_per_address, settings.max_per_id, self.subscriptions.count)
        self._holders = TokenHolders(admission, settings.token_warning, end_clock or clock)

    def is_full(self) -> bool:
        """Whether one more client would be too many."""
        return len(self.parked) >= self.max_connections

    def enter(self, descriptor: int, stream_request: StreamRequest) -> None:
        """Write the head and park the descriptor; nothing but rows is kept."""
        self.opened += 1
        if self.crowding.counts_addresses:
            self.crowding.came(descriptor, stream_request.address)
        self._rows.reach(descriptor)
        self.parked.park(descriptor)
        self._admit(descriptor, stream_request)

    def enter_again(self, descriptor: int, stream_request: StreamRequest) -> None:
        """The same for the next request on a connection that is parked."""
        self._admit(descriptor, stream_request)

    def refuse(self, descriptor: int, answer: bytes) -> None:
        """The same for one that is refused: it gets that answer, and the connection ends."""
        self.parked.end(descriptor, answer, "refused")

    def release(self, descriptor: int) -> bytes:
        """Give up a connection that is parked between two requests; returns what is still to be written."""
        assert isinstance(self.parked, ParkedSockets)
        self._rows.kinds[descriptor] = CHUNKED
        return self.parked.release(descriptor)

    def _admit(self, descriptor: int, stream_request: StreamRequest) -> None:
        kind = self._rows.kinds[descriptor] = stream_request.kind
        if stream_request.admitted is not None:
            self._holders.came(descriptor, stream_request.admitted, may_renew=kind == WS)
        self._rows.since[descriptor] = int(self._clock())
        if stream_request.tick_s:
            self._ticks.add(descriptor, stream_request.tick_s, self._clock())
        for an_id in self.subscriptions.add(descriptor, stream_request.ids):
            self._changed(an_id)
        if kind == CHUNKED:
            self._rows.numbers[descriptor] = 0
            welcome = chunked.welcome_chunk(stream_request.ids[0]) if stream_request.welcome else b""
            self.parked.write(
                descriptor, with_headers(chunked.HEAD, self._date.line + stream_request.headers) + welcome
            )
            return
        if stream_request.offset == NEW:
            self.resumption.greet(descriptor)
        else:
            self._hold(descriptor)
            self.resumption.begin(descriptor, stream_request.offset)
        # They are told where they are, or what they missed, as soon as the router has answered.
        if kind == WS:
            self.parked.write_ahead(descriptor, ws.switch(stream_request.key, stream_request.has_subprotocol))
        elif kind == SSE:
            head = with_headers(sse.HEAD, self._date.line + stream_request.headers)
            self.parked.write_ahead(descriptor, head + sse.retry(self.random.randint(*_RETRY_MS)))
        elif kind == NDJSON:
            self.parked.write_ahead(
                descriptor, with_headers(ndjson.HEAD, self._date.line + stream_request.headers)
            )
        elif stream_request.headers:
            self._headers[descriptor] = stream_request.headers
        states = self._watch(descriptor, stream_request.watched)
        if states:
            self.parked.write(descriptor, states)

    def tell(self, states: list[State]) -> None:
        """Tell those who watch these ids on how many connections they are now."""
        for (an_id, connections), watchers in self.watchers.told(states):
            made: dict[int, bytes] = {}
            writes: dict[int, bytes | bytearray] = {}
            for watcher in watchers:
                kind = self._rows.kinds[watcher] & ~AWAITS_RESUME
                if kind not in made:
                    made[kind] = STREAMS[kind].presence(an_id, connections)
                writes[watcher] = made[kind]
            self.presence_told += len(writes)
            self.parked.write_all(writes)

    def _watch(self, connection: int, ids: Iterable[bytes]) -> bytes:
        """Tell it of these from now on; what is to be written to it now."""
        known = self.watchers.watch(connection, ids)
        if not known:
            return b""
        stream = STREAMS[self._rows.kinds[connection] & ~AWAITS_RESUME]
        self.presence_told += len(known)
        return b"".join(stream.presence(*state) for state in known)

    def is_ticking(self) -> bool:
        """Whether somebody waits for ticks."""
        return bool(self._ticks)

    def tick(self) -> None:
        """Write a tick to every connection that is due."""
        for connection, number in self._ticks.due(self._clock()):
            an_id = self.subscriptions.ids_of(connection)[0]
            self.parked.write(connection, chunked.tick_chunk(number, an_id))

    def evict(self, ids: Iterable[bytes]) -> None:
        """End every connection of these ids."""
        for an_id in ids:
            for connection in self.subscriptions.listeners(an_id):
                self._end(connection, "evicted")

    def sweep(self, second: int) -> None:
        """What is due now and then, once a second: keep connections alive, answer polls, end the old."""
        self.parked.go_on()
        now = int(self._clock())
        settings, kinds = self._settings, self._rows.kinds
        period_s = settings.alive or _SWEEP_S
        for connection in range(second % period_s, len(kinds), period_s):
            if connection not in self.parked:
                continue
            if settings.max_age and now - self._rows.since[connection] > self._max_age():
                self._end(connection, "aged")
            elif settings.alive and (stream := STREAMS.get(kinds[connection])) is not None:
                self.parked.write(connection, stream.ALIVE)
        for kind in (POLL, POLL | AWAITS_RESUME, BETWEEN_POLLS):
            limit_s = _IDLE_S if kind == BETWEEN_POLLS else settings.poll_timeout
            connection = kinds.find(kind)
            while connection >= 0:
                if connection in self.parked and now - self._rows.since[connection] >= limit_s:
                    self._time_out(connection, kind)
                connection = kinds.find(kind, connection + 1)

    def _max_age(self) -> float:
        """Those that came together do not have to go together."""
        return self._settings.max_age * self.random.uniform(0.9, 1.1)

    def _time_out(self, connection: int, kind: int) -> None:
        if kind == BETWEEN_POLLS:
            self.parked.close(connection, "idle")
            return
        # One that still waits is no further than it was; it asks again with what it has.
        offset = b""
        if connection not in self.resumption:
            offset = self.fan_out.offset(self.resumption.here.position)
        self.parked.write(connection, with_headers(poll.nothing(offset), self._poll_lines(connection)))
        self._answered(connection)

    def end_expired(self) -> bool:
        """Warn those whose token is over soon, end those for whom it is; whether there are more of them."""
        due = self._holders.due(ENDED_AT_ONCE)
        for connection, is_warning in due:
            if connection not in self.parked:
                continue
            if not is_warning:
                self._end(connection, "revoked" if self._holders.is_revoked(connection) else "expired")
            elif (stream := STREAMS.get(self._rows.kinds[connection] & ~AWAITS_RESUME)) is not None:
                self.parked.write(connection, stream.expiring(self._settings.token_warning))
        return len(due) == ENDED_AT_ONCE

    def refusals(self) -> Mapping[str, int]:
        """Requests that were not let in, by why; empty where all may."""
        return self._holders.refusals()

    def revoke(self, revocations: Iterable[Revocation]) -> bool:
        """These tokens are good no longer; whether somebody is due for that: call `end_expired`."""
        return self._holders.revoke(revocations)

    def end_some(self, count: int) -> int:
        """End so many connections because the frontend stops; how many there were."""
        parked = self.parked.descriptors()[:count]
        for connection in parked:
            self._end(connection, "shutdown")
        return len(parked)

    def report(self) -> dict[str, int | float | str]:
        """Figures for `zrouter stats`."""
        return {
            "opened": self.opened,
            "delivered": self.fan_out.delivered,
            "unheard": self.fan_out.unheard,
            "resumed": self.resumed,
            "gaps": self.gaps,
            "acked": self.acked,
            "watched": len(self.watchers.ids()),
            "presence_told": self.presence_told,
            "waiting": len(self.resumption),
            "turned_away": self.turned_away,
            "crowded_address": self.crowding.reached[ADDRESS],
            "crowded_id": self.crowding.reached[ID],
            "faults": self.faults.count,
            "held_back": self.parked.budget.delays,
            "logins_refused": self.logins.delays,
            **self._holders.figures(),
            **{f"closed_{why}": count for why, count in self.closed.items()},
        }

    def _resumable(self) -> list[int]:
        """The connections that want to know what they missed."""
        kinds = self._rows.kinds
        return [one for one in self.parked.descriptors() if kinds[one] not in (CHUNKED, BETWEEN_POLLS)]

    def _hold(self, connection: int) -> None:
        """Give it no messages until it has been told what it missed."""
        self._rows.kinds[connection] |= AWAITS_RESUME

    def _resume(self, connection: int, missed: Resumed) -> None:
        """Tell it what it missed, and from now on what comes."""
        kind = self._rows.kinds[connection] = self._rows.kinds[connection] & ~AWAITS_RESUME
        transport = poll if kind == POLL else STREAMS[kind]
        offset = self.fan_out.offset
        ids = self.subscriptions.ids_of(connection)
        # It may have left one of its ids after this was asked for.
        messages = [one for one in missed.messages if one[0] in ids]
        made = [transport.message(an_id, message, offset(at)) for an_id, message, at in messages]
        gap = missed.gap
        if not self.parked.owe(connection, sum(map(len, made))):
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
            self.parked.write(connection, b"".join(parts) or STREAMS[kind].opened(offset(missed.position)))
        elif parts:
            self.fan_out.write({connection: b"".join(parts)}, missed.position)
        self.parked.settle(connection)

    def _poll_lines(self, connection: int) -> bytes:
        """More lines for the answer to its poll."""
        return self._date.line + self._headers.get(connection, b"")

    def _answered(self, connection: int) -> None:
        """A poll has had its answer: the connection is nobody's until it asks again."""
        said = self._headers.pop(connection, b"")
        if CLOSE in said:
            self.parked.end(connection, b"", "gone")
        elif connection in self.parked:
            self.resumption.end(connection)
            self._holders.forget(connection)
            self._rows.kinds[connection] = BETWEEN_POLLS
            self._rows.since[connection] = int(self._clock())
            for an_id in self.subscriptions.remove(connection):
                self._changed(an_id)

    def _said(self, connection: int, data: bytes) -> Heard:
        """A client said something, or it is its turn again: what came of it."""
        try:
            return self._answer(connection, data)
        except Exception as error:
            self.faults.ended(error, lambda: self.parked.close(connection, "fault"))
            return Heard(_FAULT_UNITS)

    def _answer(self, connection: int, data: bytes) -> Heard:
        kind = self._rows.kinds[connection] & ~AWAITS_RESUME
        if kind == WS:
            return self._socket_said(connection, data)
        if kind == BETWEEN_POLLS and self.on_request is not None and data:
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
            except BadStreamRequestError as error:
                answer = ws.text(objects.error(str(error)))
                units += _FAULT_UNITS
            answers.append(answer)
            if connection not in self.parked:  # too many bad tokens
                return Heard(units)
        answers.append(said.last)
        if answer := b"".join(answers):
            self.parked.write(connection, answer)
        if said.last:
            self._part(connection, said.is_fault)
        return Heard(units, wants_more=said.has_more)

    def _obey(self, connection: int, message: str | bytes) -> tuple[int, bytes]:
        """Do what a WebSocket client asks for: of how many ids that was, and what to answer.

        Raises:
            BadVisitError: it can't be done, and nothing of it was.
        """
        command = read_command(message)
        login, logout, watch, unwatch = map(
            as_ids, (command.login, command.logout, command.watch, command.unwatch)
        )
        if self._settings.path_ids_only and (login or watch):
            raise BadStreamRequestError(PATH_IDS_ONLY)
        renewed = self._renewed(connection, command.token) if command.token else None
        self._holders.check(connection, login, watch, renewed)
        before = self.subscriptions.ids_of(connection)
        if len(before) + len(login) > MAX_IDS:
            raise BadStreamRequestError(f"more than {MAX_IDS} ids")
        if len(self.watchers.of(connection)) + len(watch) > MAX_WATCHED:
            raise BadStreamRequestError(f"more than {MAX_WATCHED} ids to watch")
        if not self.crowding.may_have(an_id for an_id in login if an_id not in before):
            self.crowding.reached[ID] += 1
            raise BadStreamRequestError("one of these ids has as many connections as it may")
        coming = sum(an_id not in before or an_id in logout for an_id in login)
        if coming and not self.logins.may_spend(connection, coming, self._clock()):
            raise BadStreamRequestError(f"more than {_LOGINS} new ids a second")
        answer = self._renew(connection, renewed) if renewed is not None else b""
        self.acked += command.ack != ""
        gone = self.subscriptions.part(connection, logout)
        new = self.subscriptions.join(connection, login)
        for an_id in gone + new:
            self._changed(an_id)
        self.watchers.unwatch(connection, unwatch)
        states = self._watch(connection, watch)
        if self._rows.kinds[connection] & AWAITS_RESUME:
            if gone or new:
                self.resumption.ask_again(connection, new)
        elif new:
            self.resumption.greet(connection, has_history=True, joined=new)
        return len(login) + len(logout) + len(watch) + len(unwatch), answer + states

    def _renewed(self, connection: int, token: str) -> Admitted:
        """What a client's fresh token says.

        Raises:
            BadStreamRequestError: it is not good; the old one stays.
        """
        try:
            return self._holders.fresh(connection, token)
        except BadStreamRequestError:
            if self._holders.has_sent_too_many(connection):
                self._end(connection, "expired")
            raise

    def _renew(self, connection: int, renewed: Admitted) -> bytes:
        """The client is as long and as who its fresh token says; what to tell it."""
        claims = renewed.claims
        self._holders.came(connection, renewed, may_renew=True)
        gone = [an_id for an_id in self.subscriptions.ids_of(connection) if not claims.ids.allows(an_id)]
        for an_id in self.subscriptions.part(connection, gone):
            self._changed(an_id)
        unseen = [an_id for an_id in self.watchers.of(connection) if not claims.watch.allows(an_id)]
        self.watchers.unwatch(connection, unseen)
        if gone and self._rows.kinds[connection] & AWAITS_RESUME:
            self.resumption.ask_again(connection, ())
        return ws.text(objects.renewed(int(renewed.ends_in_s), gone, unseen))

    def _part(self, connection: int, is_writing: bool) -> None:
        """End a connection that was told so; one that still writes is not reset before it has read that."""
        if connection not in self.parked or not is_writing or self.on_parting is None:
            self.parked.close(connection, "gone")
            return
        assert isinstance(self.parked, ParkedSockets)  # others have no clients that talk
        self.parked.release(connection)
        self._left(connection, "gone")
        self.on_parting(connection)

    def _end(self, connection: int, why: str) -> None:
        """End the answer as its transport wants it, then the connection."""
        kind = self._rows.kinds[connection] & ~AWAITS_RESUME
        last = b""
        if kind == CHUNKED:
            last = chunked.LAST
        elif kind == POLL and why in NO_TOKEN:
            last = with_headers(poll.expired(), self._poll_lines(connection))
        elif kind == POLL:
            last = poll.nothing(b"")
        elif kind != BETWEEN_POLLS:
            last = STREAMS[kind].last(why)
        self.parked.end(connection, last, why)

    def _heard(self, connection: int, data: bytes) -> Said:
        """What a WebSocket client says. Its parser is loaded for the first one: it takes 1 MB of a worker."""
        if self._sockets is None:
            from zfront.connections.websocket_input import WebSocketInput

            self._sockets = WebSocketInput()
        return self._sockets.receive(connection, data)

    def _left(self, descriptor: int, why: str) -> None:
        self.closed[why] = self.closed.get(why, 0) + 1
        self.resumption.end(descriptor)
        if self._sockets is not None:
            self._sockets.left(descriptor)
        self._ticks.remove(descriptor)
        if self.crowding.counts_addresses:
            self.crowding.left(descriptor)
        self._holders.forget(descriptor)
        self.watchers.remove(descriptor)
        self.logins.forget(descriptor)
        self._headers.pop(descriptor, None)
        self._rows.kinds[descriptor] = CHUNKED  # as those that never were
        for an_id in self.subscriptions.remove(descriptor):
            self._changed(an_id)


def _newest(parts: list[bytes], size: int) -> int:
    """How many of the last ones are no longer than that together."""
    for count, part in enumerate(reversed(parts)):
        size -= len(part)
        if size < 0:
            return count
    return len(parts)
