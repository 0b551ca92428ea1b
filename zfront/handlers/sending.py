"""POST /api/send/<id> and POST /api/send: bodies are taken as they come, within bounds.

Owns: when a body is too long or too slow, and what becomes of a batch that breaks off. The short way for
single sends is zfront/api/desk.py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable
from functools import partial
from typing import Any, Final

from tornado.web import stream_request_body

from zfront.api import answers, asked
from zfront.api.batch import ARRAY_TYPE, LINE_TYPES, Cutter, Lines, read_array
from zfront.api.errands import too_long
from zfront.api.problem import Problem, ProblemError, of_router
from zfront.handlers.api import ApiHandler
from zrouter.session import RouterError
from zrouter.wire import Message, Pair, Send

# Frames of one batch that the router has not answered yet: beyond it the body is not read.
_FRAMES_UNDER_WAY: Final = 8
_NO_BOUND: Final = 1 << 62
# Of a refused request the rest is read as far as this, so that its connection can be used again.
_READ_AWAY_BYTES: Final = 65536


class _BodyHandler(ApiHandler):
    """Takes a body in pieces: `piece` gets each, `whole` is called after the last."""

    METHODS = ("POST",)

    def prepare(self) -> None:
        """Refuse at once what need not be read."""
        self.is_read = False
        self._failed: Problem | None = None
        self._size = self._held = 0
        self._is_reading = False  # between two pieces nobody sees what goes wrong
        self._end: asyncio.TimerHandle | None = None
        try:
            super().prepare()
            if self.request.method != "POST":
                return
            self.begin()
            if self.said_size() > self.limit():
                raise ProblemError(self.is_too_long())
        except ProblemError as error:
            if self.request.method != "POST" or self._has_much_more():
                raise
            self._failed = error.problem  # answered when the body has been read: the connection goes on
        # Tornado would answer 400, and not in words; each piece is checked here.
        self.request.connection.set_max_body_size(_NO_BOUND)  # type: ignore[union-attr]
        self._end = asyncio.get_event_loop().call_later(self.office.body_timeout_s, self._is_late)

    def begin(self) -> None:
        """Look at the head."""

    def limit(self) -> int:
        """Bytes of the longest body."""
        return self.office.max_body

    def said_size(self) -> int:
        """What Content-Length says; 0 if it says nothing, or nonsense, which Tornado refuses."""
        first = self.request.headers.get("Content-Length", "").partition(",")[0].strip()
        return int(first) if first.isascii() and first.isdigit() else 0

    def is_too_long(self) -> Problem:
        """What a longer one gets."""
        return Problem(413, f"the body is too long: {self.limit()} bytes are the limit")

    def hold(self, size: int) -> None:
        """These bytes are in memory until the end of the request.

        Raises:
            BusyError: there are too many.
        """
        self.office.errands.take(size)
        self._held += size

    async def piece(self, data: bytes) -> None:
        """A piece of the body."""
        raise NotImplementedError

    async def whole(self) -> bytes:
        """There is no more; returns the answer."""
        raise NotImplementedError

    async def fail(self, problem: Problem) -> Problem:
        """Something is wrong; returns what is to be answered."""
        return problem

    async def data_received(self, chunk: bytes) -> None:
        """Tornado's: it reads no more until this returns."""
        if self._failed is not None or self.request.method != "POST":
            return
        self._size += len(chunk)
        self._is_reading = True
        try:
            if self._size > self.limit():
                raise ProblemError(self.is_too_long())
            await self.piece(chunk)
        except (ProblemError, RouterError) as error:
            problem = error.problem if isinstance(error, ProblemError) else of_router(error)
            self._failed = await self.fail(problem)
            if self._has_much_more() and not self._finished:
                self.refuse(self._failed)
        finally:
            self._is_reading = False

    async def break_off(self, problem: Problem) -> None:
        """Answer before the body has come to its end."""
        if self._failed is None and not self._is_reading and not self.is_read and not self._finished:
            self._failed = problem
            self._failed = await self.fail(problem)
            if not self._finished:
                self.refuse(self._failed)

    async def post(self) -> None:
        """The whole body is here."""
        self.is_read = True
        self._stop_clock()
        if self._failed is None:
            try:
                body = await self.whole()
            except (ProblemError, RouterError) as error:
                problem = error.problem if isinstance(error, ProblemError) else of_router(error)
                self._failed = await self.fail(problem)
        if self._finished:
            return
        if self._failed is not None:
            self.refuse(self._failed)
        else:
            self.answer(body)

    def on_finish(self) -> None:
        """Nothing is held any longer."""
        self._stop_clock()
        self.office.errands.give(self._held)
        self._held = 0

    def on_connection_close(self) -> None:
        """The client has gone."""
        super().on_connection_close()
        self.on_finish()

    def _has_much_more(self) -> bool:
        """Whether so much may still come that the connection is better given up than read to its end."""
        return "Transfer-Encoding" in self.request.headers or self.said_size() > _READ_AWAY_BYTES

    def _is_late(self) -> None:
        late = Problem(408, f"the body did not come within {self.office.body_timeout_s:g} s")
        self._breaking = asyncio.ensure_future(self.break_off(late))

    def _stop_clock(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None


@stream_request_body
class SendHandler(_BodyHandler):
    """The body is the message, whatever it is."""

    def begin(self) -> None:
        """The id and the key are in the head."""
        self._id = asked.read_id(self.rest_of("/api/send/"))
        self._key = asked.read_key(self.request.headers.get("Idempotency-Key"))
        self._pieces: list[bytes] = []

    def limit(self) -> int:
        """That of a message."""
        return min(self.office.max_body, self.office.errands.max_message())

    def is_too_long(self) -> Problem:
        """In the router's words."""
        return of_router(too_long(max(self.said_size(), self._size), self.limit()))

    async def piece(self, data: bytes) -> None:
        """A piece of the message."""
        self.hold(len(data))
        self._pieces.append(data)

    async def whole(self) -> bytes:
        """Send it."""
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        message = b"".join(self._pieces)
        self.office.errands.send(self._id, message, self._key, partial(_settle, answer))
        handed = await answer
        self.office.sent += 1
        return answers.receipt(handed) + b"\n"


@stream_request_body
class BatchHandler(_BodyHandler):
    """A JSON array is checked as a whole before any of it is sent; lines are sent as they come."""

    def begin(self) -> None:
        """Which of both it is."""
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != ARRAY_TYPE and kind not in LINE_TYPES:
            accepted = ", ".join((ARRAY_TYPE, *LINE_TYPES))
            detail = f"Content-Type is one of {accepted}"
            raise ProblemError(Problem(415, detail, headers=(("Accept-Post", accepted),)))
        key = asked.read_key(self.request.headers.get("Idempotency-Key"))
        errands = self.office.errands
        self._lines = None if kind == ARRAY_TYPE else Lines(errands.max_message())
        self._cutter = Cutter(errands.max_frame(), key)
        self._pieces: list[bytes] = []
        self._handed: list[int] = []
        self._is_cut = False
        self._under_way: deque[tuple[asyncio.Task[list[int]], int]] = deque()

    async def piece(self, data: bytes) -> None:
        """Some lines, or a piece of the array."""
        if self._lines is None:
            self.hold(len(data))
            self._pieces.append(data)
            return
        try:
            self._lines.feed(data)
        finally:
            await self._send(self._cutter.cut(self._lines.take()))

    async def whole(self) -> bytes:
        """All receipts."""
        if self._lines is None:
            body = b"".join(self._pieces)
            self._pieces.clear()
            await self._send(self._cutter.cut(read_array(body, self.office.errands.max_message())))
        else:
            try:
                self._lines.end()
            finally:
                await self._send(self._cutter.cut(self._lines.take()))
        await self._send(self._cutter.end())
        await self._settle(0)
        return answers.receipts(self._handed)

    async def fail(self, problem: Problem) -> Problem:
        """Say what came through: of lines with a bad one all before it, else what has a receipt."""
        try:
            if "line" in problem.more:
                await self._send(self._cutter.end())
            if not self._is_cut:
                await self._settle(0)
        except RouterError as error:
            problem = of_router(error)
        if self._lines is None and not self._handed:
            return problem
        told = {"sent": len(self._handed), "receipts": answers.receipt_objects(self._handed)}
        return problem._replace(more={**problem.more, **told})

    async def _send(self, frames: Iterable[tuple[list[Pair], bytes]]) -> None:
        for pairs, key in frames:
            await self._settle(_FRAMES_UNDER_WAY - 1)
            size = sum(len(message) for _, message in pairs)
            self.hold(size)
            ask: Awaitable[list[int]] = self.office.errands.ask(partial(_frame, pairs, key))
            task = asyncio.ensure_future(ask)
            task.add_done_callback(self._came)
            self._under_way.append((task, size))

    def _came(self, task: asyncio.Task[list[int]]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, RouterError):
            self._breaking = asyncio.ensure_future(self.break_off(of_router(error)))

    async def _settle(self, most: int) -> None:
        """Wait until so many frames at the most have no receipts."""
        while len(self._under_way) > most:
            task, size = self._under_way.popleft()
            self._is_cut = True  # unless the receipts come: those behind do not count without them
            handed = await task
            self._is_cut = False
            self.office.sent += len(handed)
            self._handed += handed
            if self._held:  # else the client has gone, and all was given back
                self.office.errands.give(size)
                self._held -= size


def _frame(pairs: list[Pair], key: bytes, request: int) -> Message:
    return Send(request, pairs, key)


def _settle(waiting: asyncio.Future[int], answer: Any) -> None:
    if waiting.done():
        return  # the client has gone
    if isinstance(answer, Exception):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)
