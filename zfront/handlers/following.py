"""Who follows whom, by HTTP: changes under /api/follows, lists under /api/followers and /api/following.

Owns: which part of a path is which id, what a change is answered with. Must not know: what a body or a query
says (zfront/api/follows.py), how a body comes (bodies.py).

Two ids share a path here, so a slash in an id is %2F; where one stands alone at the end, it may be a slash.
Lists have paths of their own: behind an id their names would be ids, too.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from tornado.web import stream_request_body

from zfront.api import answers, follows
from zfront.api.problem import Problem, ProblemError
from zfront.handlers.api import ApiHandler, NothingHandler
from zfront.handlers.bodies import BodyHandler
from zrouter.api_keys.keys import FOLLOW
from zrouter.link.session import batches
from zrouter.wire import Follow, Follows, Related, Unfollows

PREFIX = "/api/follows/"


class PairHandler(ApiHandler):
    """PUT and DELETE /api/follows/<subscriber>/<subscribee>: one follows another, or no more."""

    METHODS = ("PUT", "DELETE")
    SCOPE = FOLLOW

    async def put(self) -> None:
        """201 if it is new."""
        pairs = [self._pair()]
        done = await self.context.pending.ask(lambda request: Follows(request, pairs))
        if done.count:
            self.set_status(201)
        self.answer(answers.json({"changed": done.count}))

    async def delete(self) -> None:
        """No error if there is no such pair: it is as was asked."""
        pairs = [self._pair()]
        done = await self.context.pending.ask(lambda request: Unfollows(request, pairs))
        self.answer(answers.json({"changed": done.count}))

    def _pair(self) -> Follow:
        subscriber, _, subscribee = self.rest_of(PREFIX).partition("/")
        return self.read_id(subscriber), self.read_id(subscribee)


@stream_request_body
class CountsHandler(BodyHandler):
    """/api/follows/<id>: GET counts both sides of it, PUT adds subscribees, DELETE takes some away."""

    METHODS = ("GET", "HEAD", "PUT", "DELETE")
    SCOPE = FOLLOW
    BODIED = ("PUT", "DELETE")

    async def get(self) -> None:
        """Both counts."""
        an_id = self.read_id(self.rest_of(PREFIX))
        ask = self.context.pending.ask
        found = await asyncio.gather(
            ask(lambda request: Related(request, an_id, True, b"", 0)),
            ask(lambda request: Related(request, an_id, False, b"", 0)),
        )
        self.answer(answers.json(answers.counts(an_id, found[0].total, found[1].total)))

    head = get
    put = delete = BodyHandler.post

    def begin(self) -> None:
        """The subscriber is in the head."""
        self._id = self.read_id(self.rest_of(PREFIX))
        follows.check_type(self.request.headers.get("Content-Type", ""))

    async def whole(self) -> bytes:
        """Change all of them, in frames that fit the store's commits; how many were changed."""
        subscribees = follows.read_subscribees(self.body())
        self.check_list(subscribees)
        pairs = [(self._id, subscribee) for subscribee in subscribees]
        self.hold(follows.memory_of(pairs))
        frames = batches(pairs, self.context.pending.max_frame())
        counts = await asyncio.gather(*map(self._change, frames), return_exceptions=True)
        changed = 0
        for count in counts:
            if isinstance(count, BaseException):
                raise count
            changed += count
        return answers.json({"changed": changed})

    async def _change(self, pairs: list[Follow]) -> int:
        kind = Follows if self.request.method == "PUT" else Unfollows
        return int((await self.context.pending.ask(lambda request: kind(request, pairs))).count)


class _ListHandler(ApiHandler):
    """A page of what stands on one side of an id."""

    SCOPE = FOLLOW

    PREFIX: ClassVar[str]
    IS_FOLLOWERS: ClassVar[bool]

    async def get(self) -> None:
        """The page, and the way to the next."""
        an_id = self.read_id(self.rest_of(self.PREFIX))
        page = follows.read_page(self.request.query)
        found = await self.context.pending.ask(
            lambda request: Related(request, an_id, self.IS_FOLLOWERS, page.after, page.limit)
        )
        # A page with ids of others is refused: shown in part, it would be taken for all of it.
        self.check_list(found.ids)
        next_page = follows.next_page(page, found.total, found.ids)
        if next_page is not None:
            self.set_header("Link", f'<{next_page}>; rel="next"')
        self.answer(answers.json(answers.page(found.total, found.ids, next_page)))

    head = get


class FollowersHandler(_ListHandler):
    """GET /api/followers/<id>: who follows it."""

    PREFIX = "/api/followers/"
    IS_FOLLOWERS = True


class FollowingHandler(_ListHandler):
    """GET /api/following/<id>: whom it follows."""

    PREFIX = "/api/following/"
    IS_FOLLOWERS = False


class TooManyIdsHandler(NothingHandler):
    """More than two ids."""

    def check_path(self) -> None:
        """There is none."""
        raise ProblemError(Problem(404, "no such path: here a slash in an id is %2F"))
