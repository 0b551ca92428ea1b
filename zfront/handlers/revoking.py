"""POST /api/revocations: tokens are taken back before their end.

Owns: what the body says. Must not know: how a body comes (bodies.py), what becomes of a revocation.
"""

from __future__ import annotations

import time
from typing import Final

import msgspec
from tornado.web import stream_request_body

from zfront.api import answers
from zfront.api.follows import check_type
from zfront.api.problem import Problem, ProblemError
from zfront.handlers.bodies import BodyHandler
from zrouter.api_keys.keys import ADMIN
from zrouter.wire import Revocation, Revoke, WireError
from zrouter.wire.revoking import DEFAULT_KEEP_S, revocation

_MOST_BYTES: Final = 8192


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """What is not said is not there: null is nothing that a revocation has."""

    sub: str | msgspec.UnsetType = msgspec.UNSET
    jti: str | msgspec.UnsetType = msgspec.UNSET
    everybody: bool | msgspec.UnsetType = msgspec.UNSET
    before: float | msgspec.UnsetType = msgspec.UNSET
    keep_s: float = DEFAULT_KEEP_S

    def revocation(self, now: float) -> Revocation:
        """What it means.

        Raises:
            ValueError, TypeError: nothing.
        """
        if self.everybody is False:
            raise ValueError("everybody is true, or not there")
        said = {name: getattr(self, name) for name in ("sub", "jti", "everybody", "before")}
        return revocation(
            now, keep_s=self.keep_s, **{k: v for k, v in said.items() if v is not msgspec.UNSET}
        )


_decode: Final = msgspec.json.Decoder(_Asked).decode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@stream_request_body
class RevocationsHandler(BodyHandler):
    """One revocation."""

    SCOPE = ADMIN

    def begin(self) -> None:
        """The type is in the head."""
        check_type(self.request.headers.get("Content-Type", ""))

    def limit(self) -> int:
        """A few fields."""
        return _MOST_BYTES

    async def whole(self) -> bytes:
        """Revoke: answered when that is on the router's disk."""
        try:
            asked = _decode(self.body())
            revoked = asked.revocation(time.time())
        except _UNREADABLE as error:
            raise ProblemError(Problem(400, f"not a revocation: {str(error)[:200]}")) from None
        except (ValueError, TypeError, WireError) as error:
            raise ProblemError(Problem(400, str(error))) from None
        if asked.sub is not msgspec.UNSET:
            self.context.authorization.check_id(self.key, asked.sub.encode())
        elif self.key.ids is not None:
            raise ProblemError(Problem(403, "the API key is for some ids: it revokes tokens by sub alone"))
        done = await self.context.pending.ask(lambda request: Revoke(request, [revoked]))
        return answers.json({"told": done.count})
