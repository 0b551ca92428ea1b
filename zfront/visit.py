"""What a client asks for with its URL: which ids, a welcome, a tick.

Owns: the reading of path and query. Must not know: sockets, Tornado, the parser of the request's head.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote_to_bytes

from zrouter.wire import WireError, check_ids

CHUNKED_PATH: Final = "/test/"
MAX_IDS: Final = 64  # ids of one connection
MIN_TICK_S: Final = 0.1
MAX_TICK_S: Final = 3600.0


class BadVisitError(ValueError):
    """The URL asks for something that can't be had; answered with 400 and these words."""


class Visit(NamedTuple):
    """What a client asked for."""

    ids: tuple[bytes, ...]
    welcome: bool
    tick_s: float  # whole tenths of a second; 0 = none


def read_visit(path: str, query: str) -> Visit:
    """Read `/test/<id>?id=...&welcome=1&tick=S`; `path` is percent-encoded and starts with CHUNKED_PATH.

    Both are the bytes of the request read as Latin-1, as parsers of HTTP do; bytes of UTF-8 that were not
    percent-encoded count as they are.

    Raises:
        BadVisitError: a bad id, too many of them, or a bad tick.
    """
    first = unquote_to_bytes(path[len(CHUNKED_PATH) :].encode("latin-1"))
    if not query:
        return Visit(_checked((first,)), False, 0.0)
    try:
        query = query.encode("latin-1").decode(errors="surrogateescape")
        values = parse_qs(query, max_num_fields=MAX_IDS + 2, errors="surrogateescape")
    except ValueError:
        raise BadVisitError(f"more than {MAX_IDS} ids") from None
    more = [an_id.encode(errors="surrogateescape") for an_id in values.get("id", [])]
    ids = tuple(dict.fromkeys([first, *more]))
    if len(ids) > MAX_IDS:
        raise BadVisitError(f"more than {MAX_IDS} ids")
    return Visit(_checked(ids), values.get("welcome", ["0"])[-1] == "1", _tick(values.get("tick", ["0"])[-1]))


def _checked(ids: tuple[bytes, ...]) -> tuple[bytes, ...]:
    try:
        check_ids(ids)
    except WireError as error:
        raise BadVisitError(str(error)) from None
    return ids


def _tick(text: str) -> float:
    try:
        tick_s = float(text)
    except ValueError:
        raise BadVisitError("tick is a number of seconds") from None
    if tick_s != 0 and not MIN_TICK_S <= tick_s <= MAX_TICK_S:
        raise BadVisitError(f"tick is {MIN_TICK_S} to {MAX_TICK_S:.0f} seconds")
    return round(tick_s, 1)
