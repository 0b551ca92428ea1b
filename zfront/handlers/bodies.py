"""Bodies of the API's requests, taken as they come, within bounds.

Owns: when a body is too long or too slow, and how a request is answered whose body is still to come. Must not
know: what is in a body.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

from zfront.api.problem import Problem, ProblemError, of_router
from zfront.handlers.api import ApiHandler
from zrouter.errors import RouterError

_NO_BOUND: Final = 1 << 62
# Of a refused request the rest is read as far as this, so that its connection can be used again.
_READ_AWAY_BYTES: Final = 65536


class BodyHandler(ApiHandler):
    """Takes a body in pieces: `piece` gets each, `whole` is called after the last.

    `BODIED` are the methods of a path that have one; the body of any other is of no interest.
    """

    METHODS: ClassVar[tuple[str, ...]] = ("POST",)
    BODIED: ClassVar[tuple[str, ...]] = ("POST",)

    def prepare(self) -> None:
        """Refuse at once what need not be read."""
        self.is_read = not self._is_bodied() and not self._has_body()
        self._pieces: list[bytes] = []
        self._failed: Problem | None = None
        self._size = self._held = 0
        self._is_reading = False  # between two pieces nobody sees what goes wrong
        self._end: asyncio.TimerHandle | None = None
        try:
            super().prepare()
            if not self._is_bodied():
                return
            self._refuse_encoded()
            self.begin()
            if self.said_size() > self.limit():
                raise ProblemError(self.is_too_long())
        except ProblemError as error:
            if not self._is_bodied() or self._has_much_more() or error.problem.status in (401, 403):
                raise  # nobody waits for the body of one who may not
            self._failed = error.problem  # answered when the body has been read: the connection goes on
        # Tornado would answer 400, and not in words; each piece is checked here.
        self.request.connection.set_max_body_size(_NO_BOUND)  # type: ignore[union-attr]
        self._end = asyncio.get_event_loop().call_later(self.context.body_timeout_s, self._is_late)

    def _refuse_encoded(self) -> None:
        """A body is taken as it is: nobody on its way unpacks a compressed one (RFC 9110, 15.5.16)."""
        codings = ",".join(self.request.headers.get_list("Content-Encoding")).split(",")
        for coding in codings:
            if coding.strip().lower() not in ("", "identity"):
                headers = (("Accept-Encoding", "identity"),)
                raise ProblemError(Problem(415, f"a body can't be {coding.strip()!r:.40}", headers=headers))

    def begin(self) -> None:
        """Look at the head."""

    def limit(self) -> int:
        """Bytes of the longest body."""
        return self.context.max_body

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
        self.context.pending.take(size)
        self._held += size

    async def piece(self, data: bytes) -> None:
        """A piece of the body: held until `body` takes all of them."""
        self.hold(len(data))
        self._pieces.append(data)

    def body(self) -> bytes:
        """The whole of it, given away."""
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body

    async def whole(self) -> bytes:
        """There is no more; returns the answer."""
        raise NotImplementedError

    async def fail(self, problem: Problem) -> Problem:
        """Something is wrong; returns what is to be answered."""
        return problem

    async def data_received(self, chunk: bytes) -> None:
        """Tornado's: it reads no more until this returns."""
        if self._failed is not None or not self._is_bodied():
            return
        self._size += len(chunk)
        self._is_reading = True
        try:
            if self._size > self.limit():
                raise ProblemError(self.is_too_long())
            self._check_key()
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
        """Answer: the whole body is here."""
        self.is_read = True
        self._stop_clock()
        if self._failed is None:
            try:
                self._check_key()
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
        self.context.pending.give(self._held)
        self._held = 0

    def on_connection_close(self) -> None:
        """The client has gone."""
        super().on_connection_close()
        self.on_finish()

    def _check_key(self) -> None:
        """Refuse what is still to come of a request whose key has been revoked meanwhile."""
        if not self.context.authorization.still_admits(self.key):
            raise self.context.authorization.revoked()

    def _is_bodied(self) -> bool:
        return self.request.method in self.BODIED

    def _has_body(self) -> bool:
        return "Transfer-Encoding" in self.request.headers or self.said_size() > 0

    def _has_much_more(self) -> bool:
        """Whether so much may still come that the connection is better given up than read to its end."""
        return "Transfer-Encoding" in self.request.headers or self.said_size() > _READ_AWAY_BYTES

    def _is_late(self) -> None:
        late = Problem(408, f"the body did not come within {self.context.body_timeout_s:g} s")
        self._breaking = asyncio.ensure_future(self.break_off(late))

    def _stop_clock(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
