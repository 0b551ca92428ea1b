"""What a backend says of a request: whom its client may be, and until when.

Owns: the form of that answer. Must not know: HTTP, how it was asked.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from zrouter.tokens.errors import TokenError
from zrouter.tokens.grants import only, read_grant
from zrouter.tokens.json_objects import read_object
from zrouter.tokens.verify import Claims
from zrouter.wire import WireError, check_ids

MOST_BYTES: Final = 64 * 1024
_MEMBERS: Final = frozenset(("sub", "ids", "watch", "expires_in"))


class BadAnswerError(ValueError):
    """The backend said something else; the text is for the log, and quotes nothing of it."""


class Answer(NamedTuple):
    """Claims, as of a token made when this was asked; how long they are good [s], None: it did not say."""

    claims: Claims
    expires_in_s: float | None


def read_answer(body: bytes, now: float) -> Answer:
    """The answer in these bytes; `now` is Unix time [s].

    Raises:
        BadAnswerError: it is none.
    """
    try:
        said = read_object(body)
    except ValueError as error:
        raise BadAnswerError(f"not one JSON object: {error}") from None
    if unknown := said.keys() - _MEMBERS:
        raise BadAnswerError(f"it has a member that there is not, of {len(unknown)}")
    sub = said.get("sub")
    own = _subject(sub) if "sub" in said else None
    if own is None and "ids" not in said:
        raise BadAnswerError("it has neither sub nor ids")
    try:
        ids = read_grant("ids", said["ids"], sub) if "ids" in said else only(own)
        watch = read_grant("watch", said["watch"], sub) if "watch" in said else only(own)
    except TokenError as error:
        raise BadAnswerError(str(error)) from None
    return Answer(Claims(own, math.inf, ids, watch, made_at=now), _seconds(said))


def _subject(sub: Any) -> bytes:
    try:
        if not isinstance(sub, str):
            raise BadAnswerError("sub is not text")
        own = sub.encode()
        check_ids([own])
    except (UnicodeEncodeError, WireError):
        raise BadAnswerError("sub is no id: 1 to 255 bytes of UTF-8") from None
    return own


def _seconds(said: dict[str, Any]) -> float | None:
    if "expires_in" not in said:
        return None
    value = said["expires_in"]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= 366 * 86400:
        raise BadAnswerError("expires_in is a number of seconds, up to a year")
    return float(value)
