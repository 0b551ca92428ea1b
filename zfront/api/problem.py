"""Problem details for HTTP APIs (RFC 9457): every error of the API, as status, words and bytes.

Owns: which failure of the router's is which status. Must not know: sockets, Tornado.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from zrouter.errors import LinkLostError, RefusedError, RouterUnavailableError
from zrouter.wire import FORBIDDEN, FULL, KEY_REUSED, NO_STORE, STORE_FAILED, TOO_LARGE

CONTENT_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1  # about as long as a router takes to start again
STORE_RETRY_AFTER_S: Final = 10  # somebody has to see to a store that failed
_encode: Final = msgspec.json.Encoder().encode
# Titles of RFC 9110, which older versions of http.HTTPStatus do not have.
_TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}


class Problem(NamedTuple):
    """An answer that says what is wrong. `more` = further members, `headers` = further header fields."""

    status: int
    detail: str
    more: dict[str, Any] = {}  # noqa: RUF012 - never changed
    headers: tuple[tuple[str, str], ...] = ()

    def title(self) -> str:
        """What RFC 9457, section 4.2.1, wants as title where the type says no more than the status."""
        return _TITLES.get(self.status) or HTTPStatus(self.status).phrase

    def body(self) -> bytes:
        """The JSON object."""
        head = {"type": "about:blank", "title": self.title(), "status": self.status, "detail": self.detail}
        return _encode({**head, **self.more}) + b"\n"


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class TooLateError(RouterUnavailableError):
    """The router was asked, and did not answer in time: whether it acted on it is not known."""


class BusyError(RouterUnavailableError):
    """Too much is under way already; nothing was done."""


def busy(detail: str, retry_after_s: int = RETRY_AFTER_S) -> Problem:
    """Try again later."""
    return Problem(503, detail, headers=(("Retry-After", str(retry_after_s)),))


def of_router(error: Exception) -> Problem:
    """What a failure on the way to the router means for whoever asked."""
    if isinstance(error, RefusedError):
        if error.code == KEY_REUSED:
            return Problem(422, "this Idempotency-Key came with another request a short while ago")
        if error.code == TOO_LARGE:
            return Problem(413, str(error))
        if error.code == FULL:
            return busy(f"the router is full: {error}")
        if error.code == FORBIDDEN:
            return Problem(403, f"the router refuses: {error}")
        if error.code == NO_STORE:
            return Problem(501, str(error))  # that stays so: 503 would have it tried again
        if error.code == STORE_FAILED:
            return busy(f"the router's store failed: {error}", STORE_RETRY_AFTER_S)
        return Problem(400, f"the router refuses: {error}")
    if isinstance(error, TooLateError | LinkLostError):
        return Problem(504, f"{error}: whether it was done is not known")
    return busy(str(error))
