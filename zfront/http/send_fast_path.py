"""Single sends of backends, without Tornado. A short way only: handlers/sending.py is the whole.

Owns: connections whose requests are whole, plain `POST /api/send/<id>` so far, one object for each. Must not
know: rules: those are in requests/plain_request.py, api/parameters.py, api/authorization.py and
api/pending_requests.py, as for Tornado's handlers.

What is not plainly such a request goes to Tornado with the bytes that were read, and the connection with it.
Requests that follow at once are answered in order; all sends of one turn of the loop share a frame to the
router. Measured by `tests.bench api_single`.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final

from tornado.ioloop import IOLoop

from zfront.api import answers, parameters
from zfront.api.context import ApiContext
from zfront.api.problem import CONTENT_TYPE, Problem, ProblemError, of_router
from zfront.date_header import NOW
from zfront.faults import Faults
from zfront.periodic import Periodic
from zfront.requests import plain_request
from zfront.transports import security_headers
from zrouter.api_keys.keys import SEND
from zrouter.errors import RouterError

_READ_BYTES: Final = 65536
# Requests of one connection that are not answered yet; more are not read.
_PIPELINED: Final = 128
_IDLE_S: Final = 60.0
_SWEEP_S: Final = 5.0
_SAFE: Final = b"Cache-Control: no-store\r\nVary: Origin\r\n" + security_headers.LINES


class _Connection:
    """One connection. `answers` are those of its requests in order, None where one is still to come."""

    __slots__ = (
        "address",
        "answers",
        "begun",
        "connection",
        "is_ending",
        "is_leaving",
        "is_let_in",
        "is_silent",
        "out",
        "since",
        "unread",
        "watched",
    )

    def __init__(self, connection: socket.socket, address: Any, data: bytes) -> None:
        self.connection = connection
        self.address = address
        self.unread = data
        self.answers: deque[list[bytes | None]] = deque()
        self.out = b""  # what the kernel did not take
        self.since = self.begun = (
            time.monotonic()
        )  # when something came, or was answered; when the request began that is not whole
        self.is_let_in = False  # its request is not whole yet, but may be made
        self.is_leaving = False  # to Tornado, once all is answered
        self.is_ending = False  # is closed, once all is answered
        self.is_silent = False  # has closed its sending half, and may wait for answers
        self.watched = 0  # for what, in the loop


class SendFastPath:
    """See the module's docstring.

    `on_leave` takes the connections that go on to Tornado: socket, address, bytes read; `on_part` those that
    end with an answer which has to be seen.
    """

    def __init__(self, context: ApiContext, max_seats: int, faults: Faults) -> None:
        self.on_leave: Callable[[socket.socket, Any, bytes], None] = lambda connection, *_: connection.close()
        self.on_part: Callable[[socket.socket], None] = lambda connection: connection.close()
        self._context = context
        self._authorization = context.authorization
        self._pending = context.pending
        self._max_seats = max_seats
        self._faults = faults
        self._seats: dict[socket.socket, _Connection] = {}
        self._unwritten: dict[_Connection, None] = {}  # whose answers go out at the end of this turn
        self._loop = IOLoop.current()
        self._sweeper: Periodic | None = None

    def seat(self, connection: socket.socket, address: Any, data: bytes) -> None:
        """Take a connection whose first bytes begin with plain.PLAINLY_SENDS."""
        if len(self._seats) >= self._max_seats and not self._make_hub():
            self.on_leave(connection, address, data)  # it is served, if not so fast
            return
        if plain_request.head(data) is None:
            self.on_leave(connection, address, data)  # a seat is for who has said what it wants
            return
        if self._sweeper is None:
            self._sweeper = Periodic(min(_SWEEP_S, self._context.body_timeout_s), self._sweep)
        seat = self._seats[connection] = _Connection(connection, address, data)
        self._guarded(seat, self._work)

    def close(self) -> None:
        """Take no more: answers that are here go out, what waits for others gets none."""
        if self._sweeper is not None:
            self._sweeper.stop()
        self._write_all()
        for seat in list(self._seats.values()):
            self._end(seat)

    # ---- a connection ----------------------------------------------------------------------------------

    def _ready(self, connection: socket.socket, events: int) -> None:
        seat = self._seats.get(connection)
        if seat is not None:
            self._guarded(seat, self._serve)

    def _guarded(self, seat: _Connection, do: Callable[[_Connection], object]) -> None:
        """Work for this connection alone; where it fails, this connection alone ends."""
        try:
            do(seat)
        except Exception as error:
            self._faults.ended(error, lambda: self._end(seat))

    def _serve(self, seat: _Connection) -> None:
        if seat.out:
            self._write(seat, b"")
            if seat.connection.fileno() < 0 or seat.out:
                return
        try:
            data = seat.connection.recv(_READ_BYTES)
        except BlockingIOError:
            data = None
        except OSError:
            self._end(seat)
            return
        if data == b"":
            seat.is_silent = True
        elif data:
            seat.since = time.monotonic()
            if not seat.unread:
                seat.begun = seat.since
            seat.unread += data
        self._work(seat)

    def _work(self, seat: _Connection) -> None:
        """Begin the requests that are whole; then wait, leave or end."""
        while seat.unread and len(seat.answers) < _PIPELINED and not seat.is_leaving and not seat.is_ending:
            whole = plain_request.whole(seat.unread, self._pending.max_message())
            if whole == 0:
                seat.is_leaving = not self._let_in(seat)
                break
            seat.is_let_in = False
            if whole < 0 or not self._begin(seat, seat.unread[:whole]):
                seat.is_leaving = True
                break
            seat.unread, seat.begun = seat.unread[whole:], seat.since
        if seat.is_silent and not seat.is_leaving and len(seat.answers) < _PIPELINED:
            seat.is_ending = True
        self._go_on(seat)

    def _let_in(self, seat: _Connection) -> bool:
        """Whether it may go on with a request whose head is here, if it is: Tornado tells it why not."""
        if not seat.is_let_in and b"\r\n\r\n" in seat.unread:
            request = plain_request.head(seat.unread)
            seat.is_let_in = request is not None and self._authorization.would_admit(
                request.credentials(), SEND
            )
            return seat.is_let_in
        return True

    def _go_on(self, seat: _Connection) -> None:
        """Whatever its state wants: be led on, be closed, or be watched."""
        is_done = not seat.answers and not seat.out
        if seat.is_leaving and is_done:
            self._forget(seat)
            self.on_leave(seat.connection, seat.address, seat.unread)
        elif seat.is_ending and is_done:
            self._end(seat)
        elif seat.out:
            self._watch(seat, IOLoop.WRITE)
        elif seat.is_leaving or seat.is_ending or len(seat.answers) >= _PIPELINED:
            self._watch(seat, 0)
        else:
            self._watch(seat, IOLoop.READ)

    def _begin(self, seat: _Connection, data: bytes) -> bool:
        """Send what these bytes ask for; False if they are not plainly one request."""
        request = plain_request.read(data)
        if request is None:
            return False
        self._context.requests += 1
        seat.is_ending = request.is_last
        answer: list[bytes | None] = [None]
        seat.answers.append(answer)
        settle = partial(self._settle, seat, answer, request.origin, request.is_last)
        try:
            caller = self._authorization.admit(request.credentials(), SEND)
            an_id = parameters.read_id(
                request.url[len(plain_request.PATH) :].partition(b"?")[0].decode("latin-1")
            )
            self._authorization.check_id(caller, an_id)
            key = b"" if request.key is None else parameters.read_key(request.key.decode("latin-1"))
            self._pending.send(an_id, request.body, caller.own(key), settle)
        except ProblemError as error:
            settle(error.problem)
        except RouterError as error:
            settle(error)
        return True

    # ---- its answers -----------------------------------------------------------------------------------

    def _settle(
        self, seat: _Connection, answer: list[bytes | None], origin: bytes, is_last: bool, result: Any
    ) -> None:
        """One request has its receipt, or its problem."""
        more = self._authorization.lines_for(origin.decode("latin-1"))
        if isinstance(result, int):
            self._context.sent += 1
            answer[0] = b"HTTP/1.1 200 OK\r\n" + NOW.line + _receipt(result, more, is_last)
        else:
            self._context.refused += 1
            problem = result if isinstance(result, Problem) else of_router(result)
            answer[0] = _problem(problem, more, is_last)
        if seat.connection not in self._seats:
            return  # it has gone
        # Others of this connection may be answered in the same turn: they share a write.
        if not self._unwritten:
            self._loop.add_callback(self._write_all)
        self._unwritten[seat] = None

    def _write_all(self) -> None:
        unwritten, self._unwritten = self._unwritten, {}
        for seat in unwritten:
            if seat.connection in self._seats:
                self._guarded(seat, self._write_answers)

    def _write_answers(self, seat: _Connection) -> None:
        parts = []
        while seat.answers and seat.answers[0][0] is not None:
            parts.append(seat.answers.popleft()[0])
        self._write(seat, b"".join(part for part in parts if part))
        if seat.connection in self._seats:
            self._work(seat)

    def _write(self, seat: _Connection, data: bytes) -> None:
        out = seat.out + data
        if not out:
            return
        seat.since = time.monotonic()
        try:
            sent = seat.connection.send(out)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._end(seat)
            return
        seat.out = out[sent:]

    # ---- which there are -------------------------------------------------------------------------------

    def _watch(self, seat: _Connection, events: int) -> None:
        if events == seat.watched:
            return
        if not seat.watched:
            self._loop.add_handler(seat.connection, self._ready, events)
        elif not events:
            self._loop.remove_handler(seat.connection)
        else:
            self._loop.update_handler(seat.connection, events)
        seat.watched = events

    def _forget(self, seat: _Connection) -> None:
        self._watch(seat, 0)
        self._seats.pop(seat.connection, None)

    def _end(self, seat: _Connection) -> None:
        self._forget(seat)
        seat.connection.close()

    def _make_hub(self) -> bool:
        """Close the connection that has been idle for longest, if there is one."""
        idle = [
            seat for seat in self._seats.values() if not seat.answers and not seat.unread and not seat.out
        ]
        if not idle:
            return False
        self._end(min(idle, key=lambda seat: seat.since))
        return True

    def _sweep(self) -> None:
        """Close what is idle, or does not read; lead on whose request does not become whole."""
        now = time.monotonic()
        for seat in list(self._seats.values()):
            idle_s = now - seat.since
            if seat.unread and not seat.answers and now - seat.begun > self._context.body_timeout_s:
                self._guarded(seat, self._is_late)
            elif idle_s > _IDLE_S and not seat.answers:
                self._end(seat)

    def _is_late(self, seat: _Connection) -> None:
        late = Problem(408, f"the request did not come within {self._context.body_timeout_s:g} s")
        self._context.refused += 1
        self._write(seat, _problem(late, b"", is_end=True))
        if seat.connection in self._seats:
            self._forget(seat)
            self.on_part(seat.connection)


@lru_cache(1024)
def _receipt(handed: int, more: bytes, is_end: bool) -> bytes:
    body = answers.receipt(handed) + b"\n"
    return _rest(answers.JSON.encode(), more, is_end, body)


def _problem(problem: Problem, more: bytes, is_end: bool) -> bytes:
    status = f"HTTP/1.1 {problem.status} {problem.title()}\r\n".encode()
    for name, value in problem.headers:
        more += f"{name}: {value}\r\n".encode("latin-1")
    return status + NOW.line + _rest(CONTENT_TYPE.encode(), more, is_end, problem.body())


def _rest(kind: bytes, more: bytes, is_end: bool, body: bytes) -> bytes:
    """An answer behind its Date."""
    end = b"Connection: close\r\n" if is_end else b""
    return b"Content-Type: %s\r\n%s%s%sContent-Length: %d\r\n\r\n%s" % (
        kind, _SAFE, more, end, len(body), body,
    )  # fmt: skip
