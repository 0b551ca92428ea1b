"""What every request of the API goes through: who may, methods, errors as problems; and who, stats, kick.

Owns: the order of the checks, the heads of answers. Sends and publishes are in sending.py, follows in
following.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from tornado.web import HTTPError

from zfront.api import answers, document, parameters
from zfront.api.context import ApiContext
from zfront.api.problem import CONTENT_TYPE, Problem, ProblemError, of_router
from zfront.handlers.base import CarefulHandler
from zfront.http.tornado_stream import TornadoStream
from zfront.requests.credentials import FORWARDED, KEY_MARK, Credentials
from zrouter.api_keys.keys import ANYBODY, KICK, STATS, WHO
from zrouter.errors import RouterError
from zrouter.wire import Kick, Stats, Who


class ApiHandler(CarefulHandler):
    """`METHODS` are those of a path, beside OPTIONS. `SCOPE` is what a key needs; empty: any key will do."""

    METHODS: ClassVar[tuple[str, ...]] = ("GET", "HEAD")
    SCOPE: ClassVar[str]

    def initialize(self, context: ApiContext) -> None:
        """Tornado's way of giving a handler what it needs."""
        self.context = context
        self.is_read = True  # the whole request
        self.key = ANYBODY  # of who asks

    def prepare(self) -> None:
        """Whether this may be asked, and by whom."""
        self.context.requests += 1
        headers, method = self.request.headers, self.request.method
        origin = headers.get("Origin", "")
        if method == "OPTIONS":
            return
        forwarded = any(name.lower() in FORWARDED for name in headers)
        credentials = Credentials(
            headers.get("Authorization", ""),
            origin,
            self.request.host,
            forwarded,
            KEY_MARK in self.request.query,
        )
        self.key = self.context.authorization.admit(credentials, self.SCOPE)
        stream = self.request.connection.stream  # type: ignore[union-attr]
        if isinstance(stream, TornadoStream):
            stream.may_use_api()
        self.check_path()
        if method not in self.METHODS:
            allow = ("Allow", ", ".join((*self.METHODS, "OPTIONS")))
            raise ProblemError(
                Problem(405, f"{method} is none of the methods of this path", headers=(allow,))
            )

    def check_path(self) -> None:
        """Refuse a path that there is not."""

    def read_id(self, quoted: str) -> bytes:
        """An id of the path, if the key of who asks is for it.

        Raises:
            ProblemError: it is not, or no id at all.
        """
        an_id = parameters.read_id(quoted)
        self.context.authorization.check_id(self.key, an_id)
        return an_id

    def check_list(self, ids: Iterable[bytes]) -> None:
        """Refuse a list with an id that the key of who asks is not for."""
        self.context.authorization.check_list(self.key, ids)

    def options(self) -> None:
        """What may be asked, for browsers that ask first (Fetch standard, section 3.2.2)."""
        methods = ", ".join((*self.METHODS, "OPTIONS"))
        self.set_status(204)
        self.set_header("Allow", methods)
        if "Access-Control-Allow-Origin" in self._headers:
            self.set_header("Access-Control-Allow-Methods", methods)
            self.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key")
            self.set_header("Access-Control-Max-Age", "3600")

    def set_default_headers(self) -> None:
        """Nobody keeps an answer; which one it is depends on the origin."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")
        self.set_header("Vary", "Origin")

    def rest_of(self, prefix: str) -> str:
        """The path behind that, as it came: Tornado would decode it in its own way."""
        return self.request.path[len(prefix) :]

    def answer(self, body: bytes) -> None:
        """All went well."""
        self.set_header("Content-Type", answers.JSON)
        self.finish(body)

    def compute_etag(self) -> None:
        """None: each answer is news."""

    def log_exception(self, kind: Any, value: Any, trace: Any) -> None:
        """Only what is a fault of ours."""
        if not isinstance(value, ProblemError | RouterError):
            super().log_exception(kind, value, trace)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """The problem."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, ProblemError):
            self.refuse(error.problem)
        elif isinstance(error, RouterError):
            self.refuse(of_router(error))
        elif isinstance(error, HTTPError) and status_code < 500:
            self.refuse(Problem(status_code, error.log_message or "it is not a request"))
        else:
            self.refuse(Problem(status_code, "the log of the frontend says more"))

    def refuse(self, problem: Problem) -> None:
        """Answer with a problem."""
        self.context.refused += 1
        self.set_status(problem.status, problem.title())
        for name, value in problem.headers:
            self.set_header(name, value)
        self.set_header("Content-Type", CONTENT_TYPE)
        is_end = not self.is_read
        if is_end:
            self.set_header("Connection", "close")
        self.finish(problem.body())
        if is_end:  # what is still to come is read away by the linger, within its bounds
            self.request.connection.stream.close()  # type: ignore[union-attr]


class WhoHandler(ApiHandler):
    """GET /api/who/<id>: where it is connected."""

    SCOPE = WHO

    async def get(self) -> None:
        """One id."""
        an_id = self.read_id(self.rest_of("/api/who/"))
        answer = await self.context.pending.ask(lambda request: Who(request, [an_id]))
        self.answer(answers.json(answers.presence(an_id, answer.holders[0])))

    head = get


class WhoManyHandler(ApiHandler):
    """GET /api/who?id=A&id=B: where they are."""

    SCOPE = WHO

    async def get(self) -> None:
        """Many ids, in the order of the question."""
        ids = parameters.read_ids(self.request.query)
        self.check_list(ids)
        answer = await self.context.pending.ask(lambda request: Who(request, ids))
        found = [answers.presence(*one) for one in zip(ids, answer.holders, strict=True)]
        self.answer(answers.json({"ids": found}))

    head = get


class StatsHandler(ApiHandler):
    """GET /api/stats: the figures of `zrouter stats --json`."""

    SCOPE = STATS

    async def get(self) -> None:
        """The router's figures."""
        answer = await self.context.pending.ask(Stats)
        self.answer(answers.json(answer.figures))

    head = get


class ConnectionsHandler(ApiHandler):
    """DELETE /api/connections/<id>: end them all."""

    METHODS = ("DELETE",)
    SCOPE = KICK

    async def delete(self) -> None:
        """As `zrouter logout`."""
        an_id = self.read_id(self.rest_of("/api/connections/"))
        answer = await self.context.pending.ask(lambda request: Kick(request, [an_id]))
        self.answer(answers.json({"ended": answer.count}))


class DocumentHandler(ApiHandler):
    """GET /api/openapi.json: what all of this is, for programs."""

    SCOPE = ""

    def get(self) -> None:
        """The document."""
        self.answer(document.openapi())

    head = get


class NothingHandler(ApiHandler):
    """Any other path under /api."""

    SCOPE = ""

    def check_path(self) -> None:
        """There is none."""
        raise ProblemError(Problem(404, "no such path: GET /api/openapi.json lists all"))
