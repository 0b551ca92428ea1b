"""POST /api/send/<id>, POST /api/send and POST /api/publish/<id>: what has messages.

Owns: what becomes of a batch that breaks off. Must not know: how a body comes (bodies.py). The short way for
single sends is zfront/http/send_fast_path.py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable
from functools import partial
from typing import Any, ClassVar, Final

from tornado.web import stream_request_body

from zfront.api import answers, parameters
from zfront.api.batch import ARRAY_TYPE, LINE_TYPES, BadElementError, Cutter, Lines, read_array
from zfront.api.pending_requests import too_long
from zfront.api.problem import Problem, ProblemError, of_router
from zfront.handlers.bodies import BodyHandler
from zrouter.api_keys.keys import PUBLISH, SEND
from zrouter.errors import RouterError
from zrouter.wire import Message, Pair, Publish, Send

# Frames of one batch that the router has not answered yet: beyond it the body is not read.
_FRAMES_UNDER_WAY: Final = 8


class _MessageHandler(BodyHandler):
    """The body is one message, whatever it is, for the id behind `PREFIX`."""

    PREFIX: ClassVar[str]

    def begin(self) -> None:
        """The id and the key are in the head."""
        self._id = self.read_id(self.rest_of(self.PREFIX))
        self._key = self.key.own(parameters.read_key(self.request.headers.get("Idempotency-Key")))

    def limit(self) -> int:
        """That of a message."""
        return min(self.context.max_body, self.context.pending.max_message())

    def is_too_long(self) -> Problem:
        """In the router's words."""
        return of_router(too_long(max(self.said_size(), self._size), self.limit()))


@stream_request_body
class SendHandler(_MessageHandler):
    """The message is for everybody who is connected as the id."""

    PREFIX = "/api/send/"
    SCOPE = SEND

    async def whole(self) -> bytes:
        """Send it."""
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.context.pending.send(self._id, self.body(), self._key, partial(_settle, answer))
        handed = await answer
        self.context.sent += 1
        return answers.receipt(handed) + b"\n"


@stream_request_body
class PublishHandler(_MessageHandler):
    """The message is for everybody who follows the id."""

    PREFIX = "/api/publish/"
    SCOPE = PUBLISH

    async def whole(self) -> bytes:
        """Publish it."""
        pairs = [(self._id, self.body())]
        answer = await self.context.pending.ask(lambda request: Publish(request, pairs, self._key))
        self.context.sent += 1
        return answers.json(answers.published(self._id, answer.receipts[0]))


@stream_request_body
class BatchHandler(BodyHandler):
    """A JSON array is checked as a whole before any of it is sent; lines are sent as they come."""

    SCOPE = SEND

    def begin(self) -> None:
        """Which of both it is."""
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != ARRAY_TYPE and kind not in LINE_TYPES:
            accepted = ", ".join((ARRAY_TYPE, *LINE_TYPES))
            detail = f"Content-Type is one of {accepted}"
            raise ProblemError(Problem(415, detail, headers=(("Accept-Post", accepted),)))
        key = self.key.own(parameters.read_key(self.request.headers.get("Idempotency-Key")))
        pending = self.context.pending
        self._lines = None if kind == ARRAY_TYPE else Lines(pending.max_message(), self._refuse_id)
        self._cutter = Cutter(pending.max_frame(), key)
        self._handed: list[int] = []
        self._is_cut = False
        self._under_way: deque[tuple[asyncio.Task[list[int]], int]] = deque()

    async def piece(self, data: bytes) -> None:
        """Some lines, or a piece of the array."""
        if self._lines is None:
            await super().piece(data)
            return
        try:
            self._lines.feed(data)
        finally:
            lines = self._lines.take()
            self.context.authorization.spend(self.key, len(lines))
            await self._send(self._cutter.cut(lines))

    async def whole(self) -> bytes:
        """All receipts."""
        if self._lines is None:
            pairs = read_array(self.body(), self.context.pending.max_message())
            self.check_list(an_id for an_id, _ in pairs)
            self.context.authorization.spend(self.key, len(pairs))
            await self._send(self._cutter.cut(pairs))
        else:
            try:
                self._lines.end()
            finally:
                await self._send(self._cutter.cut(self._lines.take()))
        await self._send(self._cutter.end())
        await self._settle(0)
        return answers.receipts(self._handed)

    def _refuse_id(self, an_id: bytes) -> None:
        """Refuse the id of a line that the key is not for."""
        try:
            self.context.authorization.check_id(self.key, an_id)
        except ProblemError as error:
            raise BadElementError(error.problem.detail, error.problem.status) from None

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
            ask: Awaitable[list[int]] = self.context.pending.ask(partial(_frame, pairs, key))
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
            self.context.sent += len(handed)
            self._handed += handed
            if self._held:  # else the client has gone, and all was given back
                self.context.pending.give(size)
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
